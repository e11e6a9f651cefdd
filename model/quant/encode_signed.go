package quant

import "math"

// signed is how a block of 256 values is written whose groups have whole numbers with a
// sign as scales.
type signed struct {
	group int       // values that share a scale
	least float64   // of scales; the greatest is -least-1
	tops  []float64 // what the scale of greatest magnitude may become
	exact bool      // scales have so many bits that the nearest is the best
	zero  bool      // a code says 0, so that a scale need not
	half  int       // where d stands

	fit      func(x []float32) float64                // the scale that suits a group best
	off      func(x []float32, scale float64) float64 // the sum of a group's squared errors
	code     func(v, scale float64) int               // for a value
	putCode  func(b []byte, at int, c byte)           // into bits that are zero
	putScale func(b []byte, g int, scale int)         // likewise
}

// The codes of Q3_K and Q6_K are whole numbers, those of IQ4_XS have a table.
var (
	signedQ3 = &signed{
		group: 16, least: -32, tops: []float64{-32, -31, -30, -29, -28}, zero: true, half: 108,
		fit:     func(x []float32) float64 { return symmetric(x, 4) },
		off:     func(x []float32, scale float64) float64 { return offWhole(x, scale, 4) },
		code:    func(v, scale float64) int { return nearest(v, scale, -4, 3) + 4 },
		putCode: putCodeQ3, putScale: putScaleQ3,
	}
	signedQ6 = &signed{
		group: 16, least: -128, tops: []float64{-128, -126, -124, -122}, exact: true, zero: true, half: 208,
		fit:     func(x []float32) float64 { return symmetric(x, 32) },
		off:     func(x []float32, scale float64) float64 { return offWhole(x, scale, 32) },
		code:    func(v, scale float64) int { return nearest(v, scale, -32, 31) + 32 },
		putCode: putCodeQ6, putScale: func(b []byte, g, s int) { b[192+g] = byte(int8(s)) },
	}
	signedIQ4 = &signed{
		group: 32, least: -32, tops: []float64{-32, -31, -30, -29, -28}, half: 0,
		fit: fitIQ4, off: offIQ4, code: codeIQ4,
		putCode: putCodeIQ4, putScale: putScaleIQ4,
	}
)

func encodeQ3_K(b []byte, src []float32)   { signedQ3.encode(b, src) }
func encodeQ6_K(b []byte, src []float32)   { signedQ6.encode(b, src) }
func encodeIQ4_XS(b []byte, src []float32) { signedIQ4.encode(b, src) }

// encode chooses a scale for each group by fit, and d so that the one of greatest magnitude
// becomes whatever of tops gives the least error, since d has few digits, and scales of few
// bits are far apart.
func (e *signed) encode(b []byte, src []float32) {
	var scales, multiples [16]float64
	greatest := 0.0
	for g := range len(src) / e.group {
		scales[g] = e.fit(src[e.group*g:][:e.group])
		if math.Abs(scales[g]) > math.Abs(greatest) {
			greatest = scales[g]
		}
	}
	best, least := 0.0, math.Inf(1)
	for _, top := range e.tops {
		if sum := e.snap(src, &scales, &multiples, putScale(b[e.half:], greatest/top)); sum < least {
			best, least = greatest/top, sum
		}
	}
	clear(b)
	d := putScale(b[e.half:], best)
	e.snap(src, &scales, &multiples, d)
	for g, m := range multiples[:len(src)/e.group] {
		e.putScale(b, g, int(m))
		for i, v := range src[e.group*g:][:e.group] {
			e.putCode(b, e.group*g+i, byte(e.code(float64(v), d*m)))
		}
	}
}

// snap finds the multiple of d that stands for each scale, and returns the sum of the squared
// errors.
func (e *signed) snap(src []float32, scales, multiples *[16]float64, d float64) float64 {
	sum := 0.0
	for g := range len(src) / e.group {
		x := src[e.group*g:][:e.group]
		m := e.multiple(scales[g], d)
		least := e.off(x, d*m)
		if !e.exact && d != 0 {
			other := e.multiple(m+math.Copysign(1, scales[g]/d-m), 1)
			if off := e.off(x, d*other); off < least {
				m, least = other, off
			}
		}
		multiples[g] = m
		sum += least
	}
	return sum
}

// multiple returns the multiple of d nearest to a scale. It is 1 in place of 0 where 1 can say
// all that 0 can.
func (e *signed) multiple(scale, d float64) float64 {
	m := nearest(scale, d, e.least, -e.least-1)
	if m == 0 && e.zero {
		return 1
	}
	return float64(m)
}

// offWhole is signed.off of whole numbers from -n to n-1.
func offWhole(x []float32, scale float64, n float64) float64 {
	sum := 0.0
	for _, v := range x {
		off := float64(v) - float64(scale*float64(nearest(float64(v), scale, -n, n-1)))
		sum += float64(off * off)
	}
	return sum
}

func putCodeQ6(b []byte, at int, c byte) {
	half, at := at/128, at%128
	b[64*half+at%64] |= c & 15 << (at / 64 * 4)
	b[128+32*half+at%32] |= c >> 4 << (at / 32 * 2)
}

func putCodeQ3(b []byte, at int, c byte) {
	b[at%32] |= c >> 2 << (at / 32)
	b[32+at/128*32+at%32] |= c & 3 << (at % 128 / 32 * 2)
}

// putScaleQ3 is the opposite of scaleQ3.
func putScaleQ3(b []byte, g, scale int) {
	s := byte(scale + 32)
	b[96+g%8] |= s & 15 << (g / 8 * 4)
	b[104+g%4] |= s >> 4 << (g / 4 * 2)
}

func putCodeIQ4(b []byte, at int, c byte) { b[8+at/32*16+at%16] |= c << (at % 32 / 16 * 4) }

func putScaleIQ4(b []byte, g, scale int) {
	s := byte(scale + 32)
	b[4+g/2] |= s & 15 << (g % 2 * 4)
	b[2+g/4] |= s >> 4 << (g % 4 * 2)
}

// encodeIQ4_NL chooses d by fitIQ4.
func encodeIQ4_NL(b []byte, src []float32) {
	d := putScale(b, fitIQ4(src))
	for i := range 16 {
		b[2+i] = byte(codeIQ4(float64(src[i]), d) | codeIQ4(float64(src[16+i]), d)<<4)
	}
}

// codesIQ4 has the code whose value is nearest to each half of a whole number, rounded up,
// since what lies between two values of iq4 are halves.
var codesIQ4 = func() (codes [2*240 + 1]uint8) {
	code := uint8(0)
	for i := range codes {
		for code < 15 && float32(i-254) > iq4[code]+iq4[code+1] {
			code++
		}
		codes[i] = code
	}
	return codes
}()

// nearestIQ4 returns the code of iq4 whose value is nearest to v.
func nearestIQ4(v float64) uint8 {
	return codesIQ4[int(math.Ceil(clamp(2*v, -254, 226)))+254]
}

// codeIQ4 returns the code for v in units of scale.
func codeIQ4(v, scale float64) int {
	if scale == 0 {
		return 0
	}
	return int(nearestIQ4(v / scale))
}

// offIQ4 is signed.off of the values of iq4.
func offIQ4(x []float32, scale float64) float64 {
	sum := 0.0
	for _, v := range x {
		off := float64(v) - float64(scale*float64(iq4[codeIQ4(float64(v), scale)]))
		sum += float64(off * off)
	}
	return sum
}

// fitIQ4 returns the scale s for which Σ (x - s q)² is least, where q is the value of iq4
// nearest to x/s. It tries scales around those that take the value of greatest magnitude to
// either end of iq4, and for the codes of each the scale of least squares, Σ q x / Σ q².
func fitIQ4(x []float32) float64 {
	top := 0.0
	for _, v := range x {
		if math.Abs(float64(v)) > math.Abs(top) {
			top = float64(v)
		}
	}
	if math.Abs(top) < tiny {
		return 0
	}
	scale, best := 0.0, -1.0 // best: by how much the sum of squares falls
	for _, end := range [2]float64{float64(iq4[0]), float64(iq4[15])} {
		for step := -6; step <= 6; step++ {
			inverse := (end + float64(2*step)) / top
			qx, qq := 0.0, 0.0
			for _, v := range x {
				q := float64(iq4[nearestIQ4(inverse*float64(v))])
				qx += float64(q * float64(v))
				qq += float64(q * q)
			}
			if gain := qx * qx / qq; gain > best {
				scale, best = qx/qq, gain
			}
		}
	}
	return scale
}

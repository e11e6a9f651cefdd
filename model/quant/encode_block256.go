package quant

import (
	"math"
	"slices"
)

// encodeQ2_K, encodeQ4_K and encodeQ5_K choose scale and min for each 16 or 32 values by
// affine, and the whole block's by head.
func encodeQ2_K(b []byte, src []float32) {
	clear(b)
	linesQ2.head(b[:16], b[80:], src)
	d, dmin := float64(f16At(b[80:])), float64(f16At(b[82:]))
	for at, v := range src {
		s := b[at/16]
		scale, low := d*float64(s&15), float64(dmin*float64(s>>4))
		code := nearest(float64(v)+low, scale, 0, 3)
		b[16+at/128*32+at%32] |= byte(code) << (at % 128 / 32 * 2)
	}
}

func encodeQ4_K(b []byte, src []float32) {
	clear(b)
	linesQ4.head(b[4:16], b, src)
	codesK(b, src, 15, func(g, i int, code byte) { b[16+g/2*32+i] |= code << (g % 2 * 4) })
}

func encodeQ5_K(b []byte, src []float32) {
	clear(b)
	linesQ5.head(b[4:16], b, src)
	codesK(b, src, 31, func(g, i int, code byte) {
		b[16+i] |= code >> 4 << g
		b[48+g/2*32+i] |= code & 15 << (g % 2 * 4)
	})
}

// lines is how the groups of a block have scales and mins.
type lines struct {
	group int       // values that share them
	n     int       // the greatest code
	most  float64   // the greatest scale and min
	tops  []float64 // what the greatest scale may become
	put   func(q []byte, g int, scale, low byte)
}

var (
	linesQ2 = &lines{16, 3, 15, []float64{15, 14.5, 14, 13.5, 13}, func(q []byte, g int, scale, low byte) { q[g] = scale | low<<4 }}
	linesQ4 = &lines{32, 15, 63, []float64{63, 61, 59, 57}, putScaleMin}
	linesQ5 = &lines{32, 31, 63, []float64{63, 61, 59, 57}, putScaleMin}
)

// head writes the scales and mins of a block to q, d and dmin to halves. The greatest min
// becomes the greatest number; the greatest scale whatever of tops gives the least error,
// since d has few digits and scales of few bits are far apart.
func (l *lines) head(q, halves []byte, src []float32) {
	var scales, lows [16]float64
	groups := len(src) / l.group
	for g := range groups {
		s, offset := affine(src[l.group*g:][:l.group], l.n, 0)
		scales[g], lows[g] = s, -offset
	}
	best, found, head := math.Inf(1), [16]byte{}, [4]byte{}
	for _, top := range l.tops {
		var tried [16]byte
		var h [4]byte
		d, dmin := putScale(h[:], slices.Max(scales[:])/top), putScale(h[2:], slices.Max(lows[:])/l.most)
		sum := 0.0
		for g := range groups {
			scale, low, e := l.snap(src[l.group*g:][:l.group], scales[g], lows[g], d, dmin)
			l.put(tried[:], g, byte(scale), byte(low))
			sum += e
		}
		if sum < best {
			best, found, head = sum, tried, h
		}
	}
	copy(q, found[:])
	copy(halves, head[:])
}

// snap returns multiples of d and dmin for the scale and the min of a group,
// and the sum of its squared errors: the scale just below or above, each with
// the min that suits its codes best.
func (l *lines) snap(x []float32, scale, low, d, dmin float64) (s, m int, least float64) {
	below := 0.0
	if d > 0 {
		below = min(l.most, math.Floor(scale/d))
	}
	least = math.Inf(1)
	for _, k := range [2]float64{below, min(l.most, below+1)} {
		sum := 0.0
		for _, v := range x {
			sum += float64(d*k*float64(nearest(float64(v)+low, d*k, 0, float64(l.n)))) - float64(v)
		}
		offset := nearest(sum/float64(len(x)), dmin, 0, l.most)
		if e := errorK(x, l.n, d*k, float64(dmin*float64(offset))); e < least {
			s, m, least = int(k), offset, e
		}
	}
	return s, m, least
}

// errorK is the sum of the squared errors of a group.
func errorK(x []float32, n int, scale, low float64) float64 {
	sum := 0.0
	for _, v := range x {
		off := float64(v) + low - float64(scale*float64(nearest(float64(v)+low, scale, 0, float64(n))))
		sum += float64(off * off)
	}
	return sum
}

// codesK gives the code, 0 to n, of each value i of each group g to put.
func codesK(b []byte, src []float32, n int, put func(g, i int, code byte)) {
	d, dmin := float64(f16At(b)), float64(f16At(b[2:]))
	for g := range 8 {
		s, m := scaleMin(b[4:], g)
		scale, low := d*float64(s), float64(dmin*float64(m))
		for i, v := range src[32*g:][:32] {
			put(g, i, byte(nearest(float64(v)+low, scale, 0, float64(n))))
		}
	}
}

// putScaleMin is the opposite of scaleMin, for bytes that were zero.
func putScaleMin(q []byte, g int, scale, low byte) {
	if g < 4 {
		q[g] |= scale
		q[4+g] |= low
		return
	}
	q[4+g] = scale&15 | low&15<<4
	q[g-4] |= scale >> 4 << 6
	q[g] |= low >> 4 << 6
}

package quant

import (
	"math"
	"slices"
)

// encodeQ6_K chooses a scale for each 16 values by symmetric, and d so that the
// one of greatest magnitude becomes whatever of -128, -126, -124 and -122 gives
// the least error, since d has few digits.
func encodeQ6_K(b []byte, src []float32) {
	var scales [16]float64
	greatest := 0.0
	for g := range scales {
		scales[g] = symmetric(src[16*g:][:16], 32)
		if math.Abs(scales[g]) > math.Abs(greatest) {
			greatest = scales[g]
		}
	}
	best, least := 0.0, math.Inf(1)
	for top := -128.0; top < -120; top += 2 {
		if e := errorQ6(src, &scales, greatest/top); e < least {
			best, least = greatest/top, e
		}
	}
	codesQ6(b, src, &scales, best)
}

// codesQ6 writes scale, scales and codes of a block.
func codesQ6(b []byte, src []float32, scales *[16]float64, scale float64) {
	clear(b)
	d := putScale(b[208:], scale)
	for g := range scales {
		s := scaleQ6(scales[g], d)
		b[192+g] = byte(int8(s))
		for i, x := range src[16*g:][:16] {
			code := nearest(float64(x), d*s, -32, 31) + 32
			half, at := g/8, g%8*16+i
			b[64*half+at%64] |= byte(code) & 15 << (at / 64 * 4)
			b[128+32*half+at%32] |= byte(code) >> 4 << (at / 32 * 2)
		}
	}
}

// errorQ6 returns the sum of the squared errors that codesQ6 makes.
func errorQ6(src []float32, scales *[16]float64, scale float64) float64 {
	d, sum := putScale(make([]byte, 2), scale), 0.0
	for g := range scales {
		s := d * scaleQ6(scales[g], d)
		for _, x := range src[16*g:][:16] {
			off := float64(x) - float64(s*float64(nearest(float64(x), s, -32, 31)))
			sum += float64(off * off)
		}
	}
	return sum
}

// scaleQ6 returns the multiple of d that stands for a scale: 1 for 0, which can
// say all that 0 can.
func scaleQ6(scale, d float64) float64 {
	if s := nearest(scale, d, -128, 127); s != 0 {
		return float64(s)
	}
	return 1
}

// encodeQ4_K and encodeQ5_K choose scale and min for each 32 values by affine,
// and the whole block's by headK.
func encodeQ4_K(b []byte, src []float32) {
	clear(b)
	headK(b, src, 15)
	codesK(b, src, 15, func(g, i int, code byte) { b[16+g/2*32+i] |= code << (g % 2 * 4) })
}

func encodeQ5_K(b []byte, src []float32) {
	clear(b)
	headK(b, src, 31)
	codesK(b, src, 31, func(g, i int, code byte) {
		b[16+i] |= code >> 4 << g
		b[48+g/2*32+i] |= code & 15 << (g % 2 * 4)
	})
}

// headK writes d, dmin, scales and mins of a block with codes 0 to n. The
// greatest min becomes 63; the greatest scale whatever of 63, 61, 59 and 57
// gives the least error, since d has few digits.
func headK(b []byte, src []float32, n int) {
	var scales, lows [8]float64
	for g := range scales {
		s, offset := affine(src[32*g:][:32], n, 0)
		scales[g], lows[g] = s, -offset
	}
	best, head := math.Inf(1), [16]byte{}
	for top := 63.0; top > 56; top -= 2 {
		var h [16]byte
		d, dmin := putScale(h[:], slices.Max(scales[:])/top), putScale(h[2:], slices.Max(lows[:])/63)
		sum := 0.0
		for g := range scales {
			scale, low, e := snapK(src[32*g:][:32], n, scales[g], lows[g], d, dmin)
			putScaleMin(h[4:], g, byte(scale), byte(low))
			sum += e
		}
		if sum < best {
			best, head = sum, h
		}
	}
	copy(b, head[:])
}

// snapK returns multiples of d and dmin for the scale and the min of a group,
// and the sum of its squared errors: the scale just below or above, each with
// the min that suits its codes best.
func snapK(x []float32, n int, scale, low, d, dmin float64) (s, m int, least float64) {
	below := 0.0
	if d > 0 {
		below = min(63, math.Floor(scale/d))
	}
	least = math.Inf(1)
	for _, k := range [2]float64{below, min(63, below+1)} {
		sum := 0.0
		for _, v := range x {
			sum += float64(d*k*float64(nearest(float64(v)+low, d*k, 0, float64(n)))) - float64(v)
		}
		l := nearest(sum/float64(len(x)), dmin, 0, 63)
		if e := errorK(x, n, d*k, float64(dmin*float64(l))); e < least {
			s, m, least = int(k), l, e
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

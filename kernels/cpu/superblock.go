package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

// # Products of super-blocks
//
// A block of 256 columns of Q4_K, Q5_K or Q6_K, a super-block, has a float, and its groups
// have integers times that float for scales. Loops that use those (integer.super) multiply
// sums of two groups at a time as words of 16 bits (VPDPWSSD). A sum of a group's products of
// codes then lacks its last bits, as many as it is too long; where all scales are positive, with
// mins, the first of two groups is rounded down and the second up, so that no error grows.
//
// With mins, 256 columns of x share a unit, amax/127². The scale of each 32 is a number of
// units, from 1 to 127, codes are to nearest even, and sums of x are in units of 16:
//
//	a   = float(Σ scale·scale·sum) · d
//	a   = fma(-float(Σ min·sum of x), dmin, a)
//	out = fma(a, unit, out)
//
// up to powers of two. Without, x is as for others, and for each 32 columns, from 0,
//
//	a   = fma(float(Σ scale·sum), scale of x, a)
//
// and at last out = fma(a, d, out).

// superCoding is what the plain loops have to know of a type beside its coding.
type superCoding struct {
	bits int // that sums of a group lack
	// parts returns the integers of group g in a packed block.
	parts func(block []byte, g, r int) (scale, min int32)
}

// superCodings has the types with loops of super-blocks.
var superCodings = [numTypes]superCoding{
	kernels.Q4_K: {1, headParts},
	kernels.Q5_K: {2, headParts},
	kernels.Q6_K: {1, func(b []byte, g, r int) (scale, min int32) { return int32(int8(b[2*lanes+g*lanes+r])), 0 }},
}

// In a panel of a super-block scale and min have words of two groups side by side, and in
// row superFloats the floats.
const superFloats = 8

// words returns what stands in row i of scale or min as words.
func words(rows *[chunk / 16][lanes]float32, i int) *[lanes][2]int16 {
	return (*[lanes][2]int16)(unsafe.Pointer(&rows[i]))
}

// superGeneric returns the plain loops.
func superGeneric(t kernels.DType) *integer {
	return &integer{
		super:  true,
		unpack: func(p *panel8, src unsafe.Pointer, n int) { unpackSuperGeneric(p, t, src, n) },
		gemm: func(out *float32, p *panel8, x *block8, stride, tokens, n int) {
			gemmSuperGeneric(out, p, t, x, stride, tokens)
		},
	}
}

// unpackSuperGeneric is integer.unpack of one super-block.
func unpackSuperGeneric(p *panel8, t kernels.DType, src unsafe.Pointer, n int) {
	c, s := &codings[t], &superCodings[t]
	eachGroup(t, src, n, func(block []byte, from, at, r int) {
		g := at / c.group
		scale, min := s.parts(block, g, r)
		words(&p.scale, g/2)[r][g%2], words(&p.min, g/2)[r][g%2] = int16(scale), int16(min)
		p.scale[superFloats][r] = f16At(block, r)
		if c.min == nil {
			p.scale[superFloats][r] *= float32(int(1) << s.bits)
		} else {
			p.min[superFloats][r] = f16At(block[2*lanes:], r) * float32(int(16)>>s.bits)
		}
		for k := range c.group {
			p.code[(from+k)/4][r][k%4] = uint8(c.code(block, at+k, r))
		}
	})
}

// gemmSuperGeneric is integer.gemm of one super-block.
func gemmSuperGeneric(out *float32, p *panel8, t kernels.DType, x *block8, stride, tokens int) {
	width := min(4, tokens)
	for token := range tokens {
		sums := (*[lanes]float32)(unsafe.Add(unsafe.Pointer(out), 4*lanes*token))
		first := blockAt(x, token/4*stride+token%4)
		for r := range sums {
			if codings[t].min != nil {
				sums[r] = p.withMins(r, superCodings[t].bits, first, width, sums[r])
			} else {
				sums[r] = p.withoutMins(r, superCodings[t].bits, first, width, sums[r])
			}
		}
	}
}

// withMins adds the product of row r with 256 columns to out; blocks of x are width apart.
func (p *panel8) withMins(r, bits int, x *block8, width int, out float32) float32 {
	var all, mins int32
	unit := float32(0)
	for i := range 4 {
		b, last := blockAt(x, 2*i*width), blockAt(x, (2*i+1)*width)
		scales, less := words(&p.scale, i)[r], words(&p.min, i)[r]
		all += int32(scales[0]*b.bias[0][0]) * (p.sum(r, 64*i, 32, b) >> bits)
		all += int32(scales[1]*b.bias[0][1]) * ((p.sum(r, 64*i+32, 32, last) + 1<<bits - 1) >> bits)
		mins += int32(less[0])*int32(b.bias[1][0]) + int32(less[1])*int32(b.bias[1][1])
		unit = b.scale
	}
	a := float32(float32(all) * p.scale[superFloats][r])
	a = fma(-float32(mins), p.min[superFloats][r], a)
	return fma(a, unit, out)
}

// withoutMins does the same for groups of 16 columns.
func (p *panel8) withoutMins(r, bits int, x *block8, width int, out float32) float32 {
	a := float32(0)
	for i := range 8 {
		b, scales := blockAt(x, i*width), words(&p.scale, i)[r]
		all := int32(scales[0])*(p.sum(r, 32*i, 16, b)>>bits) + int32(scales[1])*(p.sum(r, 32*i+16, 16, b)>>bits)
		a = fma(float32(all), b.scale, a)
	}
	return fma(a, p.scale[superFloats][r], out)
}

// sum is that of products of codes of row r, columns [from, from+n).
func (p *panel8) sum(r, from, n int, x *block8) (sum int32) {
	for k := from; k < from+n; k++ {
		sum += int32(int8(p.code[k/4][r][k%4])) * int32(x.code[k%32])
	}
	return sum
}

// quantizeSuperGeneric is variant.quantizeSuper. 256 columns with a NaN or an infinity get a NaN
// for their unit.
func quantizeSuperGeneric(dst *block8, step int, x *float32, n, bits int) {
	all := unsafe.Slice(x, n)
	for i := range n / 256 {
		var blocks [8]*block8
		for g := range blocks {
			blocks[g] = blockAt(dst, (8*i+g)*step)
		}
		roundSuper(&blocks, all[256*i:][:256], bits)
	}
}

// roundSuper rounds a super-block of x. Of a block scale is the unit, times 2^bits, and bias has
// scales and sums of it and the other of two.
func roundSuper(blocks *[8]*block8, x []float32, bits int) {
	var maxima [8]float32
	amax := float32(smallest)
	for k, v := range x {
		if v != v || math.IsInf(float64(v), 0) {
			for _, b := range blocks {
				*b = block8{scale: float32(math.NaN())}
			}
			return
		}
		maxima[k/32] = max(maxima[k/32], v, -v)
		amax = max(amax, v, -v)
	}
	inverse, unit := 127/amax, amax/(127*127)
	for g, b := range blocks {
		scale := min(max(float32(math.Ceil(float64(float32(maxima[g]*inverse)))), 1), 127)
		b.scale, b.sum = unit*float32(int(1)<<bits), 0
		for k, v := range x[32*g:][:32] {
			b.code[k] = int8(math.RoundToEven(float64(v * (127 * inverse / scale))))
		}
		for _, pair := range blocks[g&^1:][:2] {
			pair.bias[0][g%2] = int16(scale)
			pair.bias[1][g%2] = int16((int32(scale)*b.sumOfCodes(0, 32) + 8) >> 4)
		}
	}
}

package cpu

import (
	"encoding/binary"
	"unsafe"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// coding is how a packed block of a quantised type turns into numbers: each is
// an integer code times the scale of its group of columns, less the group's
// min. Functions get the packed block, a column k or a group g in it, and row r.
type coding struct {
	group int // columns that share scale and min
	code  func(block []byte, k, r int) int32
	scale func(block []byte, g, r int) float32
	min   func(block []byte, g, r int) float32 // nil: 0
}

// codings has every type whose blocks hold integers.
var codings = [numTypes]coding{
	kernels.Q4_0: {32, func(b []byte, k, r int) int32 { return nibble(b[2*lanes:], k, r) - 8 }, firstHalf, nil},
	kernels.Q4_1: {32, func(b []byte, k, r int) int32 { return nibble(b[4*lanes:], k, r) }, firstHalf, secondHalf},
	kernels.Q5_0: {32, func(b []byte, k, r int) int32 {
		return (nibble(b[6*lanes:], k, r) | code(b[2*lanes:], k, r, 1)<<4) - 16
	}, firstHalf, nil},
	kernels.Q5_1: {32, func(b []byte, k, r int) int32 {
		return nibble(b[8*lanes:], k, r) | code(b[4*lanes:], k, r, 1)<<4
	}, firstHalf, secondHalf},
	kernels.Q8_0: {32, func(b []byte, k, r int) int32 { return int32(int8(code(b[2*lanes:], k, r, 8))) }, firstHalf, nil},
	kernels.Q2_K: {
		16, func(b []byte, k, r int) int32 { return code(b[320:], k, r, 2) },
		func(b []byte, g, r int) float32 { return f16At(b, r) * float32(b[64+g*lanes+r]&15) },
		func(b []byte, g, r int) float32 { return f16At(b[2*lanes:], r) * float32(b[64+g*lanes+r]>>4) },
	},
	kernels.Q3_K: {16, func(b []byte, k, r int) int32 {
		return int32(int8(b[288+threeBits(b[320+k/32*192:], k%32, r)]))
	}, signedScale, nil},
	kernels.Q4_K: {32, func(b []byte, k, r int) int32 { return nibble(b[256:], k, r) }, headScale, headMin},
	kernels.Q5_K: {32, func(b []byte, k, r int) int32 {
		group := b[256+k/32*320:]
		return nibble(group[64:], k%32, r) | code(group, k%32, r, 1)<<4
	}, headScale, headMin},
	kernels.Q6_K: {16, func(b []byte, k, r int) int32 {
		group := b[288+k/32*384:]
		return (nibble(group, k%32, r) | code(group[256:], k%32, r, 2)<<4) - 32
	}, signedScale, nil},
	kernels.IQ4_NL: {32, func(b []byte, k, r int) int32 { return int32(iq4[nibble(b[2*lanes:], k, r)]) }, firstHalf, nil},
	kernels.IQ4_XS: {32, func(b []byte, k, r int) int32 { return int32(int8(b[160+nibble(b[192:], k, r)])) }, signedScale, nil},
	kernels.MXFP4: {32, func(b []byte, k, r int) int32 { return e2m1[nibble(b[2*lanes:], k, r)] },
		func(b []byte, _, r int) float32 { return minifloat.BF16(binary.LittleEndian.Uint16(b[2*r:])) }, nil},
	kernels.NVFP4:    {16, func(b []byte, k, r int) int32 { return e2m1[nibble(b[2*lanes:], k, r)] }, firstHalf, nil},
	kernels.NVFP4x16: {16, func(b []byte, k, r int) int32 { return e2m1[nibble(b[2*lanes:], k, r)] }, firstHalf, nil},
}

// iq4 are the values of codes of IQ4_NL.
var iq4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// e2m1 are the values of 4-bit floats, doubled.
var e2m1 = [16]int32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// code returns column k's code of a number of bits from dwords [.., 16].
func code(b []byte, k, r, bits int) int32 {
	perDword := 32 / bits
	c := b[(k/perDword*lanes+r)*4+k%4]
	return int32(c>>(k%perDword/4*bits)) & (1<<bits - 1)
}

func nibble(b []byte, k, r int) int32 { return code(b, k, r, 4) }

// threeBits returns column k's code of what threes makes.
func threeBits(b []byte, k, r int) int32 {
	if k < 24 {
		return nibble(b, k, r) & 7
	}
	part := func(i int) int32 { return nibble(b, 8*i+k%8, r) >> 3 << i }
	return part(0) | part(1) | part(2)
}

// firstHalf is the scale of blocks that begin with d F16 [16], secondHalf the
// min where m F16 [16] follows, which is added.
func firstHalf(b []byte, _, r int) float32  { return f16At(b, r) }
func secondHalf(b []byte, _, r int) float32 { return -f16At(b[2*lanes:], r) }

// signedScale is d F16 [16] times the group's i8 [16].
func signedScale(b []byte, g, r int) float32 {
	return f16At(b, r) * float32(int8(b[2*lanes+g*lanes+r]))
}

// headScale and headMin are floats of what packer.head writes.
func headScale(b []byte, g, r int) float32 {
	scale, _ := headParts(b, g, r)
	return f16At(b, r) * float32(scale)
}

func headMin(b []byte, g, r int) float32 {
	_, min := headParts(b, g, r)
	return f16At(b[2*lanes:], r) * float32(min)
}

// headParts returns the integers of group g.
func headParts(b []byte, g, r int) (scale, min int32) {
	of := func(word int) int32 { return int32(b[4*lanes+(word*lanes+r)*4+g%4]) }
	if g < 4 {
		return of(0) & 63, of(1) & 63
	}
	return of(2)&15 | of(0)>>6<<4, of(2)>>4 | of(1)>>6<<4
}

// unpackGeneric returns variant.unpack of a type with a coding. The products
// are exact; the conversion forbids a fused multiply-add all the same, which
// must not differ between processors.
func unpackGeneric(t kernels.DType) func(panel *float32, src unsafe.Pointer, n int) {
	return func(panel *float32, src unsafe.Pointer, n int) {
		p := panelOf(panel, n)
		eachGroup(t, src, n, func(block []byte, from, at, r int) {
			c := &codings[t]
			scale, min := c.scale(block, at/c.group, r), float32(0)
			if c.min != nil {
				min = c.min(block, at/c.group, r)
			}
			for k := range c.group {
				p[(from+k)*lanes+r] = float32(scale*float32(c.code(block, at+k, r))) - min
			}
		})
	}
}

// eachGroup calls do for every group and row of n columns: with the packed
// block, the group's first column and that within the block.
func eachGroup(t kernels.DType, src unsafe.Pointer, n int, do func(block []byte, from, at, r int)) {
	p, group := &packings[t], codings[t].group
	for from := 0; from < n; from += group {
		block := unsafe.Slice((*byte)(unsafe.Add(src, from/p.cols*p.bytes)), p.bytes)
		for r := range lanes {
			do(block, from, from%p.cols, r)
		}
	}
}

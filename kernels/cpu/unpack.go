package cpu

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// f16 converts an IEEE 754 half.
func f16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	e, m := uint32(h>>10&31), uint32(h&1023)
	switch e {
	case 0: // zero or subnormal: m * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(m)*0x1p-24))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}

func bf16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

func f16At(b []byte, i int) float32 { return f16(binary.LittleEndian.Uint16(b[2*i:])) }

// packed views the blocks that hold n columns.
func packed(src unsafe.Pointer, n, cols, bytes int) []byte {
	return unsafe.Slice((*byte)(src), (n+cols-1)/cols*bytes)
}

func panelOf(p *float32, n int) []float32 { return unsafe.Slice(p, n*lanes) }

func unpackF32Generic(panel *float32, src unsafe.Pointer, n int) {
	copy(panelOf(panel, n), unsafe.Slice((*float32)(src), n*lanes))
}

func unpackF16Generic(panel *float32, src unsafe.Pointer, n int) {
	widenF16Generic(panel, src, n*lanes)
}

func unpackBF16Generic(panel *float32, src unsafe.Pointer, n int) {
	widenBF16Generic(panel, src, n*lanes)
}

// code returns column k's code of a number of bits from dwords [.., 16].
func code(b []byte, k, r, bits int) uint32 {
	perDword := 32 / bits
	c := b[(k/perDword*lanes+r)*4+k%4]
	return uint32(c) >> (k % perDword / 4 * bits) & (1<<bits - 1)
}

func nibble(b []byte, k, r int) uint32 { return code(b, k, r, 4) }

// each calls value for all n columns and 16 rows: with the packed block, of
// cols columns and bytes bytes, and the column within it.
func each(panel *float32, src unsafe.Pointer, n, cols, bytes int, value func(block []byte, k, r int) float32) {
	p, q := panelOf(panel, n), packed(src, n, cols, bytes)
	for k := range n {
		block := q[k/cols*bytes:][:bytes]
		for r := range lanes {
			p[k*lanes+r] = value(block, k%cols, r)
		}
	}
}

func unpackQ4_0Generic(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 32, 18*lanes, func(b []byte, k, r int) float32 {
		return f16At(b, r) * float32(int32(nibble(b[2*lanes:], k, r))-8)
	})
}

func unpackQ4_1Generic(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 32, 20*lanes, func(b []byte, k, r int) float32 {
		return float32(f16At(b, r)*float32(nibble(b[4*lanes:], k, r))) + f16At(b[2*lanes:], r)
	})
}

func unpackQ5_0Generic(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 32, 22*lanes, func(b []byte, k, r int) float32 {
		c := nibble(b[6*lanes:], k, r) | code(b[2*lanes:], k, r, 1)<<4
		return f16At(b, r) * float32(int32(c)-16)
	})
}

func unpackQ5_1Generic(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 32, 24*lanes, func(b []byte, k, r int) float32 {
		c := nibble(b[8*lanes:], k, r) | code(b[4*lanes:], k, r, 1)<<4
		return float32(f16At(b, r)*float32(c)) + f16At(b[2*lanes:], r)
	})
}

func unpackQ8_0Generic(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 32, 34*lanes, func(b []byte, k, r int) float32 {
		return f16At(b, r) * float32(int8(code(b[2*lanes:], k, r, 8)))
	})
}

func unpackQ2_KGeneric(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 256, 84*lanes, func(b []byte, k, r int) float32 {
		s := b[64+k/16*lanes+r]
		scale, min := f16At(b, r)*float32(s&15), f16At(b[2*lanes:], r)*float32(s>>4)
		return float32(scale*float32(code(b[320:], k, r, 2))) - min
	})
}

func unpackQ3_KGeneric(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 256, 114*lanes, func(b []byte, k, r int) float32 {
		scale := f16At(b, r) * float32(int8(b[2*lanes+k/16*lanes+r]))
		group := b[288+k/32*192:]
		c := code(group[64:], k%32, r, 2) | code(group, k%32, r, 1)<<2
		return scale * float32(int32(c)-4)
	})
}

// iq4 are the values of IQ4_NL and IQ4_XS codes.
var iq4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func unpackIQ4_NLGeneric(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 32, 18*lanes, func(b []byte, k, r int) float32 {
		return f16At(b, r) * iq4[nibble(b[2*lanes:], k, r)]
	})
}

func unpackIQ4_XSGeneric(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 256, 138*lanes, func(b []byte, k, r int) float32 {
		scale := f16At(b, r) * float32(int8(b[2*lanes+k/32*lanes+r]))
		return scale * iq4[nibble(b[160:], k, r)]
	})
}

// e2m1 are the values of 4-bit floats, doubled.
var e2m1 = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

func unpackMXFP4Generic(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 32, 18*lanes, func(b []byte, k, r int) float32 {
		return bf16(binary.LittleEndian.Uint16(b[2*r:])) * e2m1[nibble(b[2*lanes:], k, r)]
	})
}

func unpackNVFP4Generic(panel *float32, src unsafe.Pointer, n int) {
	each(panel, src, n, 16, 10*lanes, func(b []byte, k, r int) float32 {
		return f16At(b, r) * e2m1[nibble(b[2*lanes:], k, r)]
	})
}

// e4m3 is the value of an OCP 8-bit float.
func e4m3(b byte) float32 {
	v := math.Float32frombits(uint32(b&0x7f)<<20) * 0x1p120
	if b&0x7f == 0x7f {
		v = float32(math.NaN())
	}
	if b&0x80 != 0 {
		v = -v
	}
	return v
}

func unpackF8E4M3Generic(panel *float32, src unsafe.Pointer, n int) {
	p := panelOf(panel, n)
	for i, c := range unsafe.Slice((*byte)(src), n*lanes) {
		p[i] = e4m3(c)
	}
}

// headScales returns scale and min of group g, row r, of a Q4_K or Q5_K block.
func headScales(block []byte, g, r int) (scale, min float32) {
	s, m := block[64+32*g+r], block[64+32*g+lanes+r]
	return f16At(block, r) * float32(s), f16At(block[2*lanes:], r) * float32(m)
}

func unpackQ4_KGeneric(panel *float32, src unsafe.Pointer, n int) {
	p, q := panelOf(panel, n), packed(src, n, 256, 148*lanes)
	for g := range n / 32 {
		block := q[g/8*148*lanes:][:148*lanes]
		for r := range lanes {
			s, m := headScales(block, g%8, r)
			for k := range 32 {
				// The conversion forbids a fused multiply-add, which changes
				// nothing here (the product is exact) but must not differ.
				p[(32*g+k)*lanes+r] = float32(s*float32(nibble(block[320:], g%8*32+k, r))) - m
			}
		}
	}
}

func unpackQ5_KGeneric(panel *float32, src unsafe.Pointer, n int) {
	p, q := panelOf(panel, n), packed(src, n, 256, 180*lanes)
	for g := range n / 32 {
		block := q[g/8*180*lanes:][:180*lanes]
		group := block[320+g%8*320:][:320]
		for r := range lanes {
			s, m := headScales(block, g%8, r)
			for k := range 32 {
				c := nibble(group[64:], k, r) | code(group, k, r, 1)<<4
				p[(32*g+k)*lanes+r] = float32(s*float32(c)) - m
			}
		}
	}
}

func unpackQ6_KGeneric(panel *float32, src unsafe.Pointer, n int) {
	p, q := panelOf(panel, n), packed(src, n, 256, 210*lanes)
	for k := range n {
		block := q[k/256*210*lanes:][:210*lanes]
		g, i := k%256/32, k%32
		group := block[288+384*g:][:384]
		for r := range lanes {
			s := f16At(block, r) * float32(int8(block[2*lanes+k%256/16*lanes+r]))
			c := nibble(group, i, r) | code(group[256:], i, r, 2)<<4
			p[k*lanes+r] = s * float32(int32(c)-32)
		}
	}
}

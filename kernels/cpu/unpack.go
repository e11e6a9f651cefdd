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

func unpackQ8_0Generic(panel *float32, src unsafe.Pointer, n int) {
	p, q := panelOf(panel, n), packed(src, n, 32, 34*lanes)
	for k := range n {
		block := q[k/32*34*lanes:][:34*lanes]
		codes := block[2*lanes+k%32*lanes:][:lanes]
		for r := range lanes {
			p[k*lanes+r] = f16At(block, r) * float32(int8(codes[r]))
		}
	}
}

// nibble returns column k's code from dwords of 8 columns, [n/8, 16].
func nibble(b []byte, k, r int) uint32 {
	return binary.LittleEndian.Uint32(b[(k/8*lanes+r)*4:]) >> (k % 8 * 4) & 15
}

func unpackQ4_0Generic(panel *float32, src unsafe.Pointer, n int) {
	p, q := panelOf(panel, n), packed(src, n, 32, 18*lanes)
	for k := range n {
		block := q[k/32*18*lanes:][:18*lanes]
		for r := range lanes {
			p[k*lanes+r] = f16At(block, r) * float32(int32(nibble(block[2*lanes:], k%32, r))-8)
		}
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
			high := binary.LittleEndian.Uint32(group[4*r:])
			for k := range 32 {
				code := nibble(group[64:], k, r) | high>>k&1<<4
				p[(32*g+k)*lanes+r] = float32(s*float32(code)) - m
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
			high := binary.LittleEndian.Uint32(group[256+(i/16*lanes+r)*4:]) >> (i % 16 * 2) & 3
			p[k*lanes+r] = s * float32(int32(nibble(group, i, r)|high<<4)-32)
		}
	}
}

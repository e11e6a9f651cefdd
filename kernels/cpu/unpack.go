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

// f8Unit is what products of F8_E4M3 count in. A code is 1/f8Unit of its value once its
// bits are in the places of an F16, subnormal numbers too.
const f8Unit = 1 << 8

func unpackF8E4M3Generic(panel *float32, src unsafe.Pointer, n int) {
	p := panelOf(panel, n)
	for i, c := range unsafe.Slice((*byte)(src), n*lanes) {
		p[i] = e4m3(c) / f8Unit
	}
}

package cpu

import (
	"encoding/binary"
	"unsafe"

	"trona/kernels/minifloat"
)

func f16At(b []byte, i int) float32 { return minifloat.F16(binary.LittleEndian.Uint16(b[2*i:])) }

func panelOf(p *float32, n int) []float32 { return unsafe.Slice(p, n*lanes) }

func unpackF32Generic(panel *float32, src unsafe.Pointer, n int) {
	copy(panelOf(panel, n), unsafe.Slice((*float32)(src), n*lanes))
}

func unpackF16Generic(panel *float32, src unsafe.Pointer, n int) {
	widenF16Generic(panel, src, n*lanes)
}

func unpackBF16Generic(panel *float32, src unsafe.Pointer, n int) {
	p := panelOf(panel, n)
	for i := range p {
		p[i] = minifloat.BF16(*halfAt((*uint16)(src), pairOf(i)))
	}
}

// f8Unit is what products of F8_E4M3 count in. A code is 1/f8Unit of its value once its
// bits are in the places of an F16, subnormal numbers too.
const f8Unit = 1 << 8

func unpackF8E4M3Generic(panel *float32, src unsafe.Pointer, n int) {
	p := panelOf(panel, n)
	for i, c := range unsafe.Slice((*byte)(src), n*lanes) {
		p[i] = minifloat.E4M3(c) / f8Unit
	}
}

package quant

import (
	"encoding/binary"
	"math"

	"trona/kernels/minifloat"
)

// f16At reads the binary16 number at the beginning of b.
func f16At(b []byte) float32 { return minifloat.F16(binary.LittleEndian.Uint16(b)) }

func putF16(b []byte, v float32) { binary.LittleEndian.PutUint16(b, minifloat.ToF16(v)) }

func decodeF32(dst []float32, b []byte) { dst[0] = math.Float32frombits(binary.LittleEndian.Uint32(b)) }

func decodeF16(dst []float32, b []byte) { dst[0] = f16At(b) }

func decodeBF16(dst []float32, b []byte) { dst[0] = minifloat.BF16(binary.LittleEndian.Uint16(b)) }

func decodeF8E4M3(dst []float32, b []byte) { dst[0] = minifloat.E4M3(b[0]) }

func encodeF32(b []byte, src []float32) {
	binary.LittleEndian.PutUint32(b, math.Float32bits(src[0]))
}

func encodeF16(b []byte, src []float32) { putF16(b, src[0]) }

func encodeBF16(b []byte, src []float32) {
	binary.LittleEndian.PutUint16(b, minifloat.ToBF16(src[0]))
}

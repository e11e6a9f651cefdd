package quant

import (
	"encoding/binary"
	"math"
)

// encodeQ8_0 takes the value of greatest magnitude to ±127.
func encodeQ8_0(b []byte, src []float32) {
	top := 0.0
	for _, v := range src {
		top = max(top, math.Abs(float64(v)))
	}
	d := putScale(b, top/127)
	for i, v := range src {
		b[2+i] = byte(nearest(float64(v), d, -127, 127))
	}
}

// encodeQ4_0 and encodeQ5_0 choose d by symmetric.
func encodeQ4_0(b []byte, src []float32) {
	d := putScale(b, symmetric(src, 8))
	for i := range 16 {
		low, high := nearest(float64(src[i]), d, -8, 7), nearest(float64(src[16+i]), d, -8, 7)
		b[2+i] = byte(low+8) | byte(high+8)<<4
	}
}

func encodeQ5_0(b []byte, src []float32) {
	d := putScale(b, symmetric(src, 16))
	fifth := uint32(0)
	for i := range 16 {
		low, high := nearest(float64(src[i]), d, -16, 15)+16, nearest(float64(src[16+i]), d, -16, 15)+16
		b[6+i] = byte(low&15 | high&15<<4)
		fifth |= uint32(low>>4)<<i | uint32(high>>4)<<(16+i)
	}
	binary.LittleEndian.PutUint32(b[2:], fifth)
}

// encodeQ4_1 and encodeQ5_1 choose d and m by affine.
func encodeQ4_1(b []byte, src []float32) {
	d, m := putLine(b, src, 15)
	for i := range 16 {
		low, high := nearest(float64(src[i])-m, d, 0, 15), nearest(float64(src[16+i])-m, d, 0, 15)
		b[4+i] = byte(low | high<<4)
	}
}

func encodeQ5_1(b []byte, src []float32) {
	d, m := putLine(b, src, 31)
	fifth := uint32(0)
	for i := range 16 {
		low, high := nearest(float64(src[i])-m, d, 0, 31), nearest(float64(src[16+i])-m, d, 0, 31)
		b[8+i] = byte(low&15 | high&15<<4)
		fifth |= uint32(low>>4)<<i | uint32(high>>4)<<(16+i)
	}
	binary.LittleEndian.PutUint32(b[4:], fifth)
}

// putLine writes d and m of a block with codes 0 to n.
func putLine(b []byte, src []float32, n int) (d, m float64) {
	d, m = affine(src, n, math.Inf(1))
	putF16(b[2:], float32(m))
	return putScale(b, d), float64(f16At(b[2:]))
}

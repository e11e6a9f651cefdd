package quant

import "encoding/binary"

// decodeQ4_0 reads a block of 32 values, 18 bytes: d F16; 16 bytes of codes, of
// which byte i holds value i in its low and value 16+i in its high nibble.
// value = (code - 8) d (ggml block_q4_0).
func decodeQ4_0(dst []float32, b []byte) {
	d := f16At(b)
	for i, c := range b[2:18] {
		dst[i] = float32(int(c&15)-8) * d
		dst[16+i] = float32(int(c>>4)-8) * d
	}
}

// decodeQ4_1 reads a block of 32 values, 20 bytes: d, m F16; codes as in Q4_0.
// value = code d + m (ggml block_q4_1).
func decodeQ4_1(dst []float32, b []byte) {
	d, m := f16At(b), f16At(b[2:])
	for i, c := range b[4:20] {
		// The conversions forbid a fused multiply-add, here and below.
		dst[i] = float32(float32(c&15)*d) + m
		dst[16+i] = float32(float32(c>>4)*d) + m
	}
}

// decodeQ5_0 reads a block of 32 values, 22 bytes: d F16; the fifth bits, bit i
// of value i; the low bits as in Q4_0. value = (code - 16) d (ggml block_q5_0).
func decodeQ5_0(dst []float32, b []byte) {
	d, high := f16At(b), binary.LittleEndian.Uint32(b[2:])
	for i, c := range b[6:22] {
		dst[i] = float32(int(uint32(c&15)|high>>i&1<<4)-16) * d
		dst[16+i] = float32(int(uint32(c>>4)|high>>(16+i)&1<<4)-16) * d
	}
}

// decodeQ5_1 reads a block of 32 values, 24 bytes: d, m F16; codes as in Q5_0.
// value = code d + m (ggml block_q5_1).
func decodeQ5_1(dst []float32, b []byte) {
	d, m, high := f16At(b), f16At(b[2:]), binary.LittleEndian.Uint32(b[4:])
	for i, c := range b[8:24] {
		dst[i] = float32(float32(uint32(c&15)|high>>i&1<<4)*d) + m
		dst[16+i] = float32(float32(uint32(c>>4)|high>>(16+i)&1<<4)*d) + m
	}
}

// decodeQ8_0 reads a block of 32 values, 34 bytes: d F16; codes i8.
// value = code d (ggml block_q8_0).
func decodeQ8_0(dst []float32, b []byte) {
	d := f16At(b)
	for i, c := range b[2:34] {
		dst[i] = float32(int8(c)) * d
	}
}

// iq4 are the values of the codes of IQ4_NL and IQ4_XS.
var iq4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// decodeIQ4_NL reads a block of 32 values, 18 bytes: d F16; codes as in Q4_0,
// which choose from the table iq4. value = d iq4[code] (ggml block_iq4_nl).
func decodeIQ4_NL(dst []float32, b []byte) {
	d := f16At(b)
	for i, c := range b[2:18] {
		dst[i] = d * iq4[c&15]
		dst[16+i] = d * iq4[c>>4]
	}
}

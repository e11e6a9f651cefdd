package quant

import (
	"math"

	"trona/kernels/minifloat"
)

// e2m1Twice are the values of the codes of E2M1, doubled to make them whole.
var e2m1Twice = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// decodeMXFP4 reads a block of 32 values, 17 bytes: an E8M0 scale; codes E2M1,
// of which byte i holds value i in its low and value 16+i in its high nibble
// (ggml block_mxfp4; OCP Microscaling Formats, MXFP4). The scale ff is 2^128
// here, as ggml reads it.
func decodeMXFP4(dst []float32, b []byte) {
	half := float32(math.Ldexp(1, int(b[0])-128)) // ff: 2^128 itself is no float32
	for i, c := range b[1:17] {
		dst[i] = half * e2m1Twice[c&15]
		dst[16+i] = half * e2m1Twice[c>>4]
	}
}

// decodeNVFP4 reads a block of 64 values, 36 bytes: 4 scales E4M3 without a
// sign, of 16 values each; for each of them 8 bytes of codes E2M1, of which
// byte i holds value i in its low and value 8+i in its high nibble (ggml
// block_nvfp4). The scale 7f is 0 here, as ggml reads it.
func decodeNVFP4(dst []float32, b []byte) {
	for g, s := range b[:4] {
		half := float32(0)
		if s&0x7f != 0x7f {
			half = minifloat.E4M3(s&0x7f) / 2
		}
		for i, c := range b[4+8*g:][:8] {
			dst[16*g+i] = half * e2m1Twice[c&15]
			dst[16*g+8+i] = half * e2m1Twice[c>>4]
		}
	}
}

// decodeNVFP4x16 reads 16 codes E2M1 of 8 bytes, the even column in the low
// nibble, as ModelOpt and compressed-tensors write them. Their scales stand
// elsewhere.
func decodeNVFP4x16(dst []float32, b []byte) {
	for i, c := range b[:8] {
		dst[2*i], dst[2*i+1] = minifloat.E2M1(c), minifloat.E2M1(c>>4)
	}
}

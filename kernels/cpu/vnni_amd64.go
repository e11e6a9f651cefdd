//go:build !purego

package cpu

import (
	"unsafe"

	"trona/kernels"
)

// int8VNNI adds products in 8 bits with VPDPBUSD, which multiplies bytes without a
// sign by bytes with one and adds four products to 32 bits. Codes of 8 bits with a
// sign lose it to an offset of 128.
func int8VNNI(v variant) variant {
	v.name += "vnni-int8"
	v.quantize = quantizeAVX2
	v.attention16 = &attention16{scores16VNNI, weigh16AVX2, add16VNNI}
	v.integers = [numTypes]*integer{
		kernels.Q4_0:     {offset: 8, unpack: unpack8Q4_0AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directQ4_0x1VNNI, directQ4_0x2VNNI, directQ4_0x4VNNI}, directTokens: 32},
		kernels.Q4_1:     {unpack: unpack8Q4_1AVX2, gemm: gemmMinVNNI, gemm2: gemmMin2VNNI, direct: [3]direct{directQ4_1x1VNNI, directQ4_1x2VNNI, directQ4_1x4VNNI}, directTokens: 32},
		kernels.Q5_0:     {offset: 16, unpack: unpack8Q5_0AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directQ5_0x1VNNI, directQ5_0x2VNNI, directQ5_0x4VNNI}, directTokens: 32},
		kernels.Q5_1:     {unpack: unpack8Q5_1AVX2, gemm: gemmMinVNNI, gemm2: gemmMin2VNNI, direct: [3]direct{directQ5_1x1VNNI, directQ5_1x2VNNI, directQ5_1x4VNNI}, directTokens: 32},
		kernels.Q8_0:     {offset: 128, unpack: unpackU8Q8_0AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directQ8_0x1VNNI, directQ8_0x2VNNI, directQ8_0x4VNNI}, directTokens: 32},
		kernels.Q2_K:     {offset: halfSums, unpack: unpack8Q2_KAVX2, gemm: gemmSixteenMinVNNI, direct: [3]direct{directQ2_Kx1AVX2, directQ2_Kx2AVX2, directQ2_Kx4AVX2}, directTokens: 2},
		kernels.Q3_K:     {offset: 4, unpack: unpack8Q3_KAVX2, gemm: gemmSixteenVNNI, gemm2: gemmSixteen2VNNI, direct: [3]direct{directQ3_Kx1AVX2, directQ3_Kx2AVX2, directQ3_Kx4AVX2}, directTokens: 2},
		kernels.Q4_K:     {unpack: unpack8Q4_KAVX2, gemm: gemmMinVNNI, gemm2: gemmMin2VNNI, direct: [3]direct{directQ4_Kx1VNNI, directQ4_Kx2VNNI, directQ4_Kx4VNNI}, directTokens: 32},
		kernels.Q5_K:     {unpack: unpack8Q5_KAVX2, gemm: gemmMinVNNI, gemm2: gemmMin2VNNI, direct: [3]direct{directQ5_Kx1VNNI, directQ5_Kx2VNNI, directQ5_Kx4VNNI}, directTokens: 32},
		kernels.Q6_K:     {offset: 32, unpack: unpack8Q6_KAVX2, gemm: gemmSixteenVNNI, gemm2: gemmSixteen2VNNI, direct: [3]direct{directQ6_Kx1VNNI, directQ6_Kx2VNNI, directQ6_Kx4VNNI}, directTokens: 32},
		kernels.IQ4_NL:   {offset: 128, unpack: unpackU8IQ4_NLAVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directIQ4_NLx1AVX2, directIQ4_NLx2AVX2, directIQ4_NLx4AVX2}, directTokens: 2},
		kernels.IQ4_XS:   {offset: 128, unpack: unpackU8IQ4_XSAVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directIQ4_XSx1AVX2, directIQ4_XSx2AVX2, directIQ4_XSx4AVX2}, directTokens: 2},
		kernels.MXFP4:    {offset: 12, unpack: unpack8MXFP4AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, directTokens: 4},
		kernels.NVFP4:    {offset: 12, unpack: unpack8NVFP4AVX2, gemm: gemmSixteenVNNI, gemm2: gemmSixteen2VNNI, directTokens: 4},
		kernels.NVFP4x16: {offset: 12, unpack: unpack8NVFP4AVX2, gemm: gemmSixteenVNNI, gemm2: gemmSixteen2VNNI, directTokens: 4},
	}
	fp4AVX2(&v)
	return v
}

// pairsBF16 adds products of BF16 weights with VDPBF16PS.
func pairsBF16(v variant) variant {
	v.name = "avx512bf16-int8"
	v.pairs = &pairs{round: roundPairsBF16}
	v.pairs.multiply = [4]func(*float32, unsafe.Pointer, *uint16, int){pairs1BF16, pairs2BF16, pairs4BF16, pairs8BF16}
	return v
}

//go:noescape
func scores16VNNI(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer)

//go:noescape
func add16VNNI(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer)

//go:noescape
func gemmOffsetVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmMinVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenMinVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmOffset2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmMin2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteen2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

//go:noescape
func directQ4_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func pairs1BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs2BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs4BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs8BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func roundPairsBF16(dst *uint16, width int, x *float32, n int)

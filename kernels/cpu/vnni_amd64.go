//go:build !purego

package cpu

import (
	"golang.org/x/sys/cpu"

	"trona/kernels"
)

// int8VNNI adds products in 8 bits with VPDPBUSD, which multiplies bytes without a
// sign by bytes with one and adds four products to 32 bits. Codes of 8 bits with a
// sign lose it to an offset of 128.
func int8VNNI(v variant) variant {
	v.name += "vnni-int8"
	v.roundedTokens = 512
	v.sideBySide = !madeByAMD()
	v.quantize, v.quantizeSuper = quantizeAVX2, quantizeSuperAVX512
	v.attention16 = &attention16{scores16VNNI, weigh16VNNI, add16VNNI}
	v.integers = [numTypes]*integer{
		kernels.Q4_0:     {offset: 8, unpack: unpack8Q4_0AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directQ4_0x1VNNI, directQ4_0x2VNNI, directQ4_0x4VNNI}, directTokens: 64, many: manyQ4_0VNNI},
		kernels.Q4_1:     {unpack: unpack8Q4_1AVX2, gemm: gemmMinVNNI, gemm2: gemmMin2VNNI, direct: [3]direct{directQ4_1x1VNNI, directQ4_1x2VNNI, directQ4_1x4VNNI}, directTokens: 64, many: manyQ4_1VNNI},
		kernels.Q5_0:     {offset: 16, unpack: unpack8Q5_0AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directQ5_0x1VNNI, directQ5_0x2VNNI, directQ5_0x4VNNI}, directTokens: 64, many: manyQ5_0VNNI},
		kernels.Q5_1:     {unpack: unpack8Q5_1AVX2, gemm: gemmMinVNNI, gemm2: gemmMin2VNNI, direct: [3]direct{directQ5_1x1VNNI, directQ5_1x2VNNI, directQ5_1x4VNNI}, directTokens: 64, many: manyQ5_1VNNI},
		kernels.Q8_0:     {offset: 128, unpack: unpackU8Q8_0AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directQ8_0x1VNNI, directQ8_0x2VNNI, directQ8_0x4VNNI}, directTokens: 64, many: manyQ8_0VNNI},
		kernels.Q2_K:     {offset: halfSums, unpack: unpack8Q2_KAVX2, gemm: gemmSixteenMinVNNI, direct: [3]direct{directQ2_Kx1VNNI, directQ2_Kx2VNNI, directQ2_Kx4VNNI}, directTokens: 64, many: manyQ2_KVNNI},
		kernels.Q3_K:     {offset: -64, unpack: unpackTableQ3_KAVX2, gemm: gemmSixteenVNNI, gemm2: gemmSixteen2VNNI, direct: [3]direct{directQ3_Kx1VNNI, directQ3_Kx2VNNI, directQ3_Kx4VNNI}, directTokens: 64, many: manyQ3_KVNNI},
		kernels.Q4_K:     {super: true, unpack: unpackSuperQ4_KAVX2, gemm: gemmQ4_KVNNI, gemm2: gemm2Q4_KVNNI, direct: [3]direct{directQ4_Kx1VNNI, directQ4_Kx2VNNI, directQ4_Kx4VNNI}, beside: besideQ4_KVNNI, directTokens: 64, many: manyQ4_KVNNI},
		kernels.Q5_K:     {super: true, unpack: unpackSuperQ5_KAVX2, gemm: gemmQ5_KVNNI, gemm2: gemm2Q5_KVNNI, direct: [3]direct{directQ5_Kx1VNNI, directQ5_Kx2VNNI, directQ5_Kx4VNNI}, directTokens: 64, many: manyQ5_KVNNI},
		kernels.Q6_K:     {super: true, offset: -32, unpack: unpackSuperQ6_KAVX2, gemm: gemmQ6_KVNNI, gemm2: gemm2Q6_KVNNI, direct: [3]direct{directQ6_Kx1VNNI, directQ6_Kx2VNNI, directQ6_Kx4VNNI}, beside: besideQ6_KVNNI, directTokens: 64, many: manyQ6_KVNNI},
		kernels.IQ4_NL:   {offset: 128, unpack: unpackU8IQ4_NLAVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directIQ4_NLx1VNNI, directIQ4_NLx2VNNI, directIQ4_NLx4VNNI}, directTokens: 64, many: manyIQ4_NLVNNI},
		kernels.IQ4_XS:   {offset: 128, unpack: unpackU8IQ4_XSAVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, direct: [3]direct{directIQ4_XSx1VNNI, directIQ4_XSx2VNNI, directIQ4_XSx4VNNI}, directTokens: 64, many: manyIQ4_XSVNNI},
		kernels.MXFP4:    {offset: 12, unpack: unpack8MXFP4AVX2, gemm: gemmOffsetVNNI, gemm2: gemmOffset2VNNI, scaled: [3]scaled{directMXFP4x1VNNI, directMXFP4x2VNNI, directMXFP4x4VNNI}, directTokens: 64, many: manyMXFP4VNNI},
		kernels.NVFP4:    {offset: -12, unpack: unpack8NVFP4AVX2, gemm: gemmSixteenVNNI, gemm2: gemmSixteen2VNNI, scaled: [3]scaled{directNVFP4x1VNNI, directNVFP4x2VNNI, directNVFP4x4VNNI}, directTokens: 64, many: manyNVFP4VNNI},
		kernels.NVFP4x16: {offset: -12, unpack: unpack8NVFP4AVX2, gemm: gemmSixteenVNNI, gemm2: gemmSixteen2VNNI, scaled: [3]scaled{directNVFP4x1VNNI, directNVFP4x2VNNI, directNVFP4x4VNNI}, directTokens: 64, many: manyNVFP4VNNI},
	}
	return v
}

// pairsBF16 adds products with VDPBF16PS, of BF16 weights and, where VBMI looks numbers up,
// of F8_E4M3.
func pairsBF16(v variant) variant {
	v.name = "avx512bf16-int8"
	v.pairs = &pairs{round: roundPairsBF16}
	v.pairs.multiply[kernels.BF16] = [4]pairsLoop{pairs1BF16, pairs2BF16, pairs4BF16, pairs8BF16}
	if cpu.X86.HasAVX512VBMI {
		v.pairs.multiply[kernels.F8E4M3] = [4]pairsLoop{pairs1F8, pairs2F8, pairs4F8, pairs8F8}
	}
	return v
}

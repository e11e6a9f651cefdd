//go:build !purego

package cpu

import (
	"unsafe"

	"trona/kernels"
)

// int8AVX2 adds products in 8 bits to an exact variant.
func int8AVX2(v variant) variant {
	v.name += "-int8"
	v.sideBySide = !madeByAMD()
	v.quantize = quantizeAVX2
	v.attention16 = &attention16{scores16AVX2, weigh16AVX2, add16AVX2}
	v.integers = [numTypes]*integer{
		kernels.Q4_0:     {offset: 8, unpack: unpack8Q4_0AVX2, gemm: gemmOffsetAVX2, direct: [3]direct{directQ4_0x1AVX2, directQ4_0x2AVX2, directQ4_0x4AVX2}, directTokens: 32, many: manyQ4_0AVX2},
		kernels.Q4_1:     {unpack: unpack8Q4_1AVX2, gemm: gemmMinAVX2, direct: [3]direct{directQ4_1x1AVX2, directQ4_1x2AVX2, directQ4_1x4AVX2}, directTokens: 32, many: manyQ4_1AVX2},
		kernels.Q5_0:     {offset: 16, unpack: unpack8Q5_0AVX2, gemm: gemmOffsetAVX2, direct: [3]direct{directQ5_0x1AVX2, directQ5_0x2AVX2, directQ5_0x4AVX2}, directTokens: 32, many: manyQ5_0AVX2},
		kernels.Q5_1:     {offset: 16, unpack: unpack8Q5_1AVX2, gemm: gemmFifthMinAVX2, direct: [3]direct{directQ5_1x1AVX2, directQ5_1x2AVX2, directQ5_1x4AVX2}, directTokens: 32, many: manyQ5_1AVX2},
		kernels.Q8_0:     {unpack: unpack8Q8_0AVX2, gemm: gemmSignedAVX2, direct: [3]direct{directQ8_0x1AVX2, directQ8_0x2AVX2, directQ8_0x4AVX2}, directTokens: 24},
		kernels.Q2_K:     {offset: halfSums, unpack: unpack8Q2_KAVX2, gemm: gemmSixteenMinAVX2, direct: [3]direct{directQ2_Kx1AVX2, directQ2_Kx2AVX2, directQ2_Kx4AVX2}, directTokens: 32, many: manyQ2_KAVX2},
		kernels.Q3_K:     {offset: 4, unpack: unpack8Q3_KAVX2, gemm: gemmSixteenAVX2, direct: [3]direct{directQ3_Kx1AVX2, directQ3_Kx2AVX2, directQ3_Kx4AVX2}, directTokens: 32, many: manyQ3_KAVX2},
		kernels.Q4_K:     {unpack: unpack8Q4_KAVX2, gemm: gemmMinAVX2, direct: [3]direct{directQ4_Kx1AVX2, directQ4_Kx2AVX2, directQ4_Kx4AVX2}, directTokens: 32, many: manyQ4_KAVX2},
		kernels.Q5_K:     {offset: 16, unpack: unpack8Q5_KAVX2, gemm: gemmFifthMinAVX2, direct: [3]direct{directQ5_Kx1AVX2, directQ5_Kx2AVX2, directQ5_Kx4AVX2}, directTokens: 32, many: manyQ5_KAVX2},
		kernels.Q6_K:     {offset: 32, unpack: unpack8Q6_KAVX2, gemm: gemmSixteenAVX2, direct: [3]direct{directQ6_Kx1AVX2, directQ6_Kx2AVX2, directQ6_Kx4AVX2}, directTokens: 32, many: manyQ6_KAVX2},
		kernels.IQ4_NL:   {unpack: unpack8IQ4_NLAVX2, gemm: gemmSignedAVX2, direct: [3]direct{directIQ4_NLx1AVX2, directIQ4_NLx2AVX2, directIQ4_NLx4AVX2}, directTokens: 32, many: manyIQ4_NLAVX2},
		kernels.IQ4_XS:   {unpack: unpack8IQ4_XSAVX2, gemm: gemmSignedAVX2, direct: [3]direct{directIQ4_XSx1AVX2, directIQ4_XSx2AVX2, directIQ4_XSx4AVX2}, directTokens: 32, many: manyIQ4_XSAVX2},
		kernels.MXFP4:    {offset: 12, unpack: unpack8MXFP4AVX2, gemm: gemmOffsetAVX2, directTokens: 16},
		kernels.NVFP4:    {offset: 12, unpack: unpack8NVFP4AVX2, gemm: gemmSixteenAVX2, directTokens: 32, many: manyNVFP4AVX2},
		kernels.NVFP4x16: {offset: 12, unpack: unpack8NVFP4AVX2, gemm: gemmSixteenAVX2, directTokens: 32, many: manyNVFP4AVX2},
	}
	fp4AVX2(&v)
	v.integers[kernels.Q3_K].table = &integer{
		offset: 4, unpack: unpackTableQ3_KAVX2, gemm: gemmWideAVX2, directTokens: 32, many: manyTableQ3_KAVX2,
		direct: [3]direct{directTableQ3_Kx1AVX2, directTableQ3_Kx2AVX2, directTableQ3_Kx4AVX2},
	}
	return v
}

// scores16AVX2 takes 16 keys at a time, add16AVX2 as many columns of values.
func scores16AVX2(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer) {
	for p := 0; p < kernels.BlockSize; p += lanes {
		scores16x16AVX2(floatAt(s, p), &codesAt(keys, 2*p, 1)[0], queries, dim, floatAt(keyScales, p), queryScales, n, unsafe.Add(ahead, 4*p))
	}
}

func add16AVX2(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer) {
	for k := 0; k < dim; k += lanes {
		add16x16AVX2(floatAt(acc, k), dim, &codesAt(values, 2*k, 1)[0], weights, scales, n, unsafe.Add(ahead, 4*k))
	}
}

// fp4AVX2 sets the loops for packed 4-bit floats.
func fp4AVX2(v *variant) {
	nvfp4 := [3]scaled{directNVFP4x1AVX2, directNVFP4x2AVX2, directNVFP4x4AVX2}
	v.integers[kernels.NVFP4].scaled, v.integers[kernels.NVFP4x16].scaled = nvfp4, nvfp4
	v.integers[kernels.MXFP4].scaled = [3]scaled{directMXFP4x1AVX2, directMXFP4x2AVX2, directMXFP4x4AVX2}
}

// int8AVXVNNI multiplies panels with VPDPBUSD in vectors of 256 bits; the loops for
// packed weights are those of AVX2.
func int8AVXVNNI(v variant) variant {
	v = int8AVX2(v)
	v.name = "avx2vnni-int8"
	for t, loops := range v.integers {
		if loops == nil {
			continue
		}
		loops.directTokens = min(loops.directTokens, 8) // panels are faster than those of AVX2
		switch c := &codings[t]; {
		case c.group != 32 && c.min != nil:
			loops.gemm = gemmSixteenMinAVXVNNI
		case c.group != 32:
			loops.gemm = gemmSixteenAVXVNNI
		case c.min != nil:
			loops.gemm = gemmMinAVXVNNI
		default:
			loops.gemm = gemmOffsetAVXVNNI
		}
	}
	table := v.integers[kernels.Q3_K].table
	table.directTokens, table.gemm = min(table.directTokens, 8), gemmWideAVXVNNI
	for t, unpack := range unsigned8() {
		v.integers[t].offset, v.integers[t].unpack = 128, unpack
	}
	return v
}

// unsigned8 returns loops that make codes of 8 bits lose their sign to an offset of 128.
func unsigned8() map[kernels.DType]func(*panel8, unsafe.Pointer, int) {
	return map[kernels.DType]func(*panel8, unsafe.Pointer, int){
		kernels.Q8_0: unpackU8Q8_0AVX2, kernels.IQ4_NL: unpackU8IQ4_NLAVX2, kernels.IQ4_XS: unpackU8IQ4_XSAVX2,
	}
}

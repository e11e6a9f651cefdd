//go:build !purego

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"trona/kernels"
)

// variants lists what this processor can run, the default last.
func variants() []variant {
	all := []variant{genericBF16(), genericInt8(), generic()}
	if x := &cpu.X86; x.HasAVX2 && x.HasFMA && x.HasF16C {
		all = append(all, avx2(), int8AVX2(avx2()))
		if x.HasAVXVNNI {
			all = append(all, int8AVXVNNI(avx2()))
		}
		if x.HasAVX512F {
			all = append(all, avx512(), int8AVX2(avx512()))
		}
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VNNI {
			// VDPBF16PS has twice the rate of multiply-adds on AMD's processors (Zen 4, Zen 5)
			// and half of it on Intel's.
			fast := madeByAMD()
			if x.HasAVX512BF16 && !fast {
				all = append(all, pairsBF16(int8VNNI(avx512())))
			}
			all = append(all, int8VNNI(avx512()))
			if x.HasAVX512BF16 && fast {
				all = append(all, pairsBF16(int8VNNI(avx512())))
			}
			switch {
			case !hasAMX():
			case requestTiles():
				all = append(all, tilesAMX(int8VNNI(avx512())))
			default:
				all[len(all)-1].note = ", AMX not permitted by the system"
			}
		}
	}
	return all
}

func avx2() variant {
	v := generic()
	v.name = "avx2"
	v.gemm = gemmAVX2
	v.scale = scaleAVX2
	v.unpack[kernels.F16] = func(panel *float32, src unsafe.Pointer, n int) { widenF16AVX2(panel, src, n*lanes) }
	v.unpack[kernels.BF16] = unpackBF16AVX2
	v.unpack[kernels.Q8_0] = unpackQ8_0AVX2
	v.unpack[kernels.Q4_0] = unpackQ4_0AVX2
	v.unpack[kernels.Q4_K] = unpackQ4_KAVX2
	v.unpack[kernels.Q5_K] = unpackQ5_KAVX2
	v.unpack[kernels.Q6_K] = unpackQ6_KAVX2
	v.unpack[kernels.Q4_1] = unpackQ4_1AVX2
	v.unpack[kernels.Q5_0] = unpackQ5_0AVX2
	v.unpack[kernels.Q5_1] = unpackQ5_1AVX2
	v.unpack[kernels.Q2_K] = unpackQ2_KAVX2
	v.unpack[kernels.Q3_K] = unpackQ3_KAVX2
	v.unpack[kernels.IQ4_NL] = unpackIQ4_NLAVX2
	v.unpack[kernels.IQ4_XS] = unpackIQ4_XSAVX2
	v.unpack[kernels.MXFP4] = unpackMXFP4AVX2
	v.unpack[kernels.NVFP4] = unpackNVFP4AVX2
	v.unpack[kernels.F8E4M3] = unpackF8E4M3AVX2
	v.unpack[kernels.NVFP4x16] = unpackNVFP4AVX2
	v.matvec[kernels.F32] = matvecF32AVX2
	v.matvec[kernels.F16] = matvecF16AVX2
	v.matvec[kernels.BF16] = matvecBF16AVX2
	v.matvec[kernels.Q8_0] = matvecQ8_0AVX2
	v.matvec[kernels.Q4_0] = matvecQ4_0AVX2
	v.matvec[kernels.Q2_K] = matvecQ2_KAVX2
	v.matvec[kernels.Q4_K] = matvecQ4_KAVX2
	v.matvec[kernels.Q5_K] = matvecQ5_KAVX2
	v.matvec[kernels.Q6_K] = matvecQ6_KAVX2
	v.matvec[kernels.F8E4M3], v.matvec2[kernels.F8E4M3] = matvecF8E4M3AVX2, matvec2F8E4M3AVX2
	cacheAVX2(&v)
	v.transpose = func(dst, src *float32, rows, cols int) {
		if cols%8 != 0 {
			transposeGeneric(dst, src, rows, cols)
			return
		}
		// Rows up to the next multiple of 8 are the scratch's own.
		transposeAVX2(dst, src, (rows+7)&^7, cols)
	}
	v.narrowTokens = fewTokens
	v.gemm16[kernels.F16] = gemmF16AVX2
	v.gemm16[kernels.BF16] = gemmBF16AVX2
	v.gemmPairs = gemmPairsAVX2
	v.keysI8, v.valuesI8 = keysI8AVX2, valuesI8AVX2
	v.halvesF8 = halvesF8E4M3AVX2
	v.transpose16, v.transpose8 = transpose16AVX2, transpose8AVX2
	v.maxima = maximaAVX2
	v.expSum = expSumAVX2
	v.swiglu = swigluAVX2
	v.spread, v.swigluSums = spreadAVX2, swigluSumsAVX2
	v.gather = gatherAVX2
	v.columns16 = columns16AVX2
	v.columns8 = columns8AVX2
	v.fields = fieldsAVX2
	v.setRows(rowLoops{addAVX2, sumSquaresAVX2, timesAVX2, divideAVX2, joinAVX2, rotateNextAVX2, rotateHalvesAVX2})
	v.survivors = survivorsAVX2
	v.above = aboveAVX2
	v.mass = massAVX2
	return v
}

// cacheAVX2 sets the loops between floats and what a cache holds.
func cacheAVX2(v *variant) {
	v.widen[kernels.F16] = widenRows(widenF16AVX2, widenF16Generic)
	v.widen[kernels.BF16] = widenRows(widenBF16AVX2, widenBF16Generic)
	v.narrow[kernels.F16] = narrowRows(narrowF16AVX2, narrowF16Generic)
	v.narrow[kernels.BF16] = narrowRows(narrowBF16AVX2, narrowBF16Generic)
	v.widenI8 = widenRowsI8(widenI8AVX2)
	v.round16 = func(codes *int16, scales, x *float32, rows, dim int, length, most float32) {
		if dim%16 != 0 {
			round16Generic(codes, scales, x, rows, dim, length, most)
			return
		}
		round16AVX2(codes, scales, x, rows, dim, length, most)
	}
}

// avx512 is avx2 with wider loops.
func avx512() variant {
	v := avx2()
	v.name = "avx512"
	v.panelTokens, v.roundedTokens = 256, 256 // second-level caches of 1 MiB, most of them
	v.gemm = gemmAVX512
	v.gemm16[kernels.F16] = gemmF16AVX512
	v.gemm16[kernels.BF16] = gemmBF16AVX512
	v.gemmPairs = gemmPairsAVX512
	v.wide16[kernels.F16], v.wide16[kernels.BF16] = wideF16AVX512, wideBF16AVX512
	v.keysI8, v.valuesI8 = keysI8AVX512, valuesI8AVX512
	v.maxima, v.expSum = maximaAVX512, expSumAVX512
	v.swiglu = swigluAVX512
	v.swigluSums = swigluSumsAVX512
	v.survivors = survivorsAVX512
	v.gather, v.fields = gatherAVX512, fieldsAVX512
	v.mass = massAVX512
	return v
}

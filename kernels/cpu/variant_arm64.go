//go:build !purego

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"trona/kernels"
)

// variants lists what this processor can run, the default last.
func variants() []variant {
	all := []variant{genericBF16(), genericInt8(), generic(), neon(), int8NEON()}
	if cpu.ARM64.HasASIMDDP {
		all = append(all, int8DotProd())
		if cpu.ARM64.HasI8MM {
			all = append(all, int8I8MM())
		}
	}
	return all
}

func neon() variant {
	v := generic()
	v.name = "neon"
	v.gemm = gemmNEON
	v.unpack[kernels.F16] = func(panel *float32, src unsafe.Pointer, n int) { widenF16NEON(panel, src, n*lanes) }
	v.unpack[kernels.BF16] = unpackBF16NEON
	v.unpack[kernels.F8E4M3] = unpackF8E4M3NEON
	for t := range codings {
		if codings[t].code != nil {
			v.unpack[t] = unpackNEON(kernels.DType(t))
		}
	}
	v.widen[kernels.F16] = widenRows(widenF16NEON, widenF16Generic)
	v.widen[kernels.BF16] = widenRows(widenBF16NEON, widenBF16Generic)
	v.narrow[kernels.F16] = narrowRows(narrowF16NEON, narrowF16Generic)
	v.narrow[kernels.BF16] = narrowRows(narrowBF16NEON, narrowBF16Generic)
	v.widenI8 = widenRowsI8(widenI8NEON)
	v.transpose = func(dst, src *float32, rows, cols int) {
		if cols%4 != 0 {
			transposeGeneric(dst, src, rows, cols)
			return
		}
		// Rows up to the next multiple of 8 are the scratch's own.
		transposeNEON(dst, src, (rows+3)&^3, cols)
	}
	v.narrowTokens = 8 // two tiles; more widen too often
	v.gemm16[kernels.F16], v.gemm16[kernels.BF16] = gemmF16NEON, gemmBF16NEON
	v.gemmPairs = gemmPairsNEON
	v.keysI8, v.valuesI8 = keysI8NEON, valuesI8NEON
	v.transpose16, v.transpose8 = transpose16NEON, transpose8NEON
	v.halvesF8 = halvesF8E4M3NEON
	v.maxima = maximaNEON
	v.expSum = expSumNEON
	v.swiglu = func(out, gate, up *float32, n int) {
		whole := n &^ 3
		swigluNEON(out, gate, up, whole)
		if rest := n - whole; rest > 0 {
			var o, g, u [4]float32
			copy(g[:], unsafe.Slice(floatAt(gate, whole), rest))
			copy(u[:], unsafe.Slice(floatAt(up, whole), rest))
			swigluNEON(&o[0], &g[0], &u[0], 4)
			copy(unsafe.Slice(floatAt(out, whole), rest), o[:])
		}
	}
	v.swigluSums = swigluSumsOf(swigluNEON)
	v.gather, v.columns16, v.columns8, v.fields = gatherNEON, columns16NEON, columns8NEON, fieldsNEON
	v.scale = scaleNEON
	v.setRows(rowLoops{addNEON, sumSquaresNEON, timesNEON, divideNEON, joinNEON, rotateNextNEON, rotateHalvesNEON})
	v.survivors, v.above, v.mass = survivorsNEON, aboveNEON, massNEON
	return v
}

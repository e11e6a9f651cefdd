package cpu

import "trona/kernels"

// generic is the plain Go of every loop: what runs where there is no
// assembly, and what the assembly is compared with.
func generic() variant {
	v := variant{
		name:          "generic",
		panelTokens:   128,
		roundedTokens: 128,
		gemm:          gemmGeneric,
		scale:         scaleGeneric,
		widenI8:       widenI8Generic,
		round16:       round16Generic,
		transpose:     transposeGeneric,
		maxima:        maximaGeneric,
		expSum:        expSumGeneric,
		swiglu:        swigluGeneric,
		spread:        spreadGeneric,
		swigluSums:    swigluSumsOf(swigluGeneric),
		add:           addGeneric,
		sumSquares:    sumSquaresGeneric,
		times:         timesGeneric,
		divide:        divideGeneric,
		join:          joinGeneric,
		rotate:        rotateGeneric,
		survivors:     survivorsGeneric,
		above:         aboveGeneric,
		mass:          massGeneric,
		quantize:      quantizeGeneric,
		quantizeSuper: quantizeSuperGeneric,
		gather:        gatherGeneric,
		columns16:     columns16Generic,
		columns8:      columns8Generic,
		fields:        fieldsGeneric,
	}
	v.unpack[kernels.F32] = unpackF32Generic
	v.unpack[kernels.F16] = unpackF16Generic
	v.unpack[kernels.BF16] = unpackBF16Generic
	v.unpack[kernels.F8E4M3] = unpackF8E4M3Generic
	for t := range codings {
		if codings[t].code != nil {
			v.unpack[t] = unpackGeneric(kernels.DType(t))
		}
	}
	v.widen[kernels.F16] = widenF16Generic
	v.widen[kernels.BF16] = widenBF16Generic
	v.narrow[kernels.F16] = narrowF16Generic
	v.narrow[kernels.BF16] = narrowBF16Generic
	return v
}

// genericInt8 is generic with products in 8 bits: the oracle of all other
// variants that have them, but for super-blocks with integer scales.
func genericInt8() variant {
	v := generic()
	v.name += "-int8"
	v.attention16 = &attention16{scores16Generic, weigh16Generic, add16Generic}
	for t := range codings {
		if codings[t].code != nil {
			v.integers[t] = integerGeneric(kernels.DType(t))
		}
	}
	return v
}

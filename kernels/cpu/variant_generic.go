package cpu

import "trona/kernels"

// generic is the plain Go of every loop: what runs where there is no
// assembly, and what the assembly is compared with.
func generic() variant {
	v := variant{
		name:      "generic",
		gemm:      gemmGeneric,
		scale:     scaleGeneric,
		widenI8:   widenI8Generic,
		transpose: transposeGeneric,
		expSum:    expSumGeneric,
		swiglu:    swigluGeneric,
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
	return v
}

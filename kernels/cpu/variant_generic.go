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
	v.unpack[kernels.Q4_0] = unpackQ4_0Generic
	v.unpack[kernels.Q4_1] = unpackQ4_1Generic
	v.unpack[kernels.Q5_0] = unpackQ5_0Generic
	v.unpack[kernels.Q5_1] = unpackQ5_1Generic
	v.unpack[kernels.Q8_0] = unpackQ8_0Generic
	v.unpack[kernels.Q2_K] = unpackQ2_KGeneric
	v.unpack[kernels.Q3_K] = unpackQ3_KGeneric
	v.unpack[kernels.Q4_K] = unpackQ4_KGeneric
	v.unpack[kernels.Q5_K] = unpackQ5_KGeneric
	v.unpack[kernels.Q6_K] = unpackQ6_KGeneric
	v.unpack[kernels.IQ4_NL] = unpackIQ4_NLGeneric
	v.unpack[kernels.IQ4_XS] = unpackIQ4_XSGeneric
	v.unpack[kernels.MXFP4] = unpackMXFP4Generic
	v.unpack[kernels.NVFP4] = unpackNVFP4Generic
	v.unpack[kernels.NVFP4x16] = unpackNVFP4Generic
	v.widen[kernels.F16] = widenF16Generic
	v.widen[kernels.BF16] = widenBF16Generic
	return v
}

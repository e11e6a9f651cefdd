//go:build !purego

package cpu

import (
	"unsafe"

	"trona/kernels"
)

// unpack8NEON is integer.unpack of a type.
func unpack8NEON(t kernels.DType, p *panel8, src unsafe.Pointer, n int) {
	switch t {
	case kernels.Q4_0:
		unpack8Q4_0NEON(p, src, n)
	case kernels.Q4_1:
		unpack8Q4_1NEON(p, src, n)
	case kernels.Q5_0:
		unpack8Q5_0NEON(p, src, n)
	case kernels.Q5_1:
		unpack8Q5_1NEON(p, src, n)
	case kernels.Q8_0:
		unpack8Q8_0NEON(p, src, n)
	case kernels.Q2_K:
		unpack8Q2_KNEON(p, src, n)
	case kernels.Q3_K:
		unpack8Q3_KNEON(p, src, n)
	case kernels.Q4_K:
		unpack8Q4_KNEON(p, src, n)
	case kernels.Q5_K:
		unpack8Q5_KNEON(p, src, n)
	case kernels.Q6_K:
		unpack8Q6_KNEON(p, src, n)
	case kernels.IQ4_NL:
		unpack8IQ4_NLNEON(p, src, n)
	case kernels.IQ4_XS:
		unpack8IQ4_XSNEON(p, src, n)
	case kernels.MXFP4:
		unpack8MXFP4NEON(p, src, n)
	case kernels.NVFP4, kernels.NVFP4x16:
		unpack8NVFP4NEON(p, src, n)
	}
}

// unpackNEON returns variant.unpack of a type with a coding: its panel in 8 bits, widened.
func unpackNEON(t kernels.DType) func(panel *float32, src unsafe.Pointer, n int) {
	return func(panel *float32, src unsafe.Pointer, n int) {
		for from := 0; from < n; from += chunk {
			var p panel8 // mins that a type lacks are 0
			some := min(chunk, n-from)
			unpack8NEON(t, &p, unsafe.Add(src, from/packings[t].cols*packings[t].bytes), some)
			widenPanelNEON(floatAt(panel, from*lanes), &p, some, codings[t].group)
		}
	}
}

//go:build !purego

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"trona/kernels"
)

// variants lists what this processor can run, the best last.
func variants() []variant {
	all := []variant{generic()}
	if x := &cpu.X86; x.HasAVX2 && x.HasFMA && x.HasF16C {
		all = append(all, avx2())
	}
	return all
}

func avx2() variant {
	v := generic()
	v.name = "avx2"
	v.gemm = gemmAVX2
	v.unpack[kernels.F16] = func(panel *float32, src unsafe.Pointer, n int) { widenF16AVX2(panel, src, n*lanes) }
	v.unpack[kernels.BF16] = func(panel *float32, src unsafe.Pointer, n int) { widenBF16AVX2(panel, src, n*lanes) }
	v.unpack[kernels.Q8_0] = unpackQ8_0AVX2
	v.unpack[kernels.Q4_0] = unpackQ4_0AVX2
	v.unpack[kernels.Q4_K] = unpackQ4_KAVX2
	v.unpack[kernels.Q5_K] = unpackQ5_KAVX2
	v.unpack[kernels.Q6_K] = unpackQ6_KAVX2
	return v
}

// pause is the PAUSE instruction.
//
//go:noescape
func pause()

//go:noescape
func gemmAVX2(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)

//go:noescape
func widenF16AVX2(dst *float32, src unsafe.Pointer, n int)

//go:noescape
func widenBF16AVX2(dst *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ8_0AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ4_0AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ4_KAVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ5_KAVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ6_KAVX2(panel *float32, src unsafe.Pointer, n int)

//go:build !purego

package cpu

import (
	"unsafe"

	"trona/kernels"
)

// int8AVX2 adds products in 8 bits to an exact variant.
func int8AVX2(v variant) variant {
	v.name += "-int8"
	v.quantize = quantizeAVX2
	v.integers = [numTypes]*integer{
		kernels.Q4_0:     {8, unpack8Q4_0AVX2, gemmOffsetAVX2, matvec8Q4_0AVX2},
		kernels.Q4_1:     {0, unpack8Q4_1AVX2, gemmMinAVX2, nil},
		kernels.Q5_0:     {16, unpack8Q5_0AVX2, gemmOffsetAVX2, nil},
		kernels.Q5_1:     {0, unpack8Q5_1AVX2, gemmFifthMinAVX2, nil},
		kernels.Q8_0:     {0, unpack8Q8_0AVX2, gemmSignedAVX2, matvec8Q8_0AVX2},
		kernels.Q3_K:     {4, unpack8Q3_KAVX2, gemmSixteenAVX2, nil},
		kernels.Q4_K:     {0, unpack8Q4_KAVX2, gemmMinAVX2, matvec8Q4_KAVX2},
		kernels.Q5_K:     {0, unpack8Q5_KAVX2, gemmFifthMinAVX2, matvec8Q5_KAVX2},
		kernels.Q6_K:     {32, unpack8Q6_KAVX2, gemmSixteenAVX2, matvec8Q6_KAVX2},
		kernels.IQ4_NL:   {0, unpack8IQ4_NLAVX2, gemmSignedAVX2, nil},
		kernels.IQ4_XS:   {0, unpack8IQ4_XSAVX2, gemmSignedAVX2, nil},
		kernels.MXFP4:    {12, unpack8MXFP4AVX2, gemmOffsetAVX2, nil},
		kernels.NVFP4:    {12, unpack8NVFP4AVX2, gemmSixteenAVX2, nil},
		kernels.NVFP4x16: {12, unpack8NVFP4AVX2, gemmSixteenAVX2, nil},
	}
	return v
}

//go:noescape
func quantizeAVX2(dst *block8, x *float32, n, group int, offset int16)

//go:noescape
func unpack8Q4_0AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q4_1AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_0AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_1AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q8_0AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q3_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q4_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q6_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8IQ4_NLAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8IQ4_XSAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8MXFP4AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8NVFP4AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func gemmOffsetAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmFifthMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSignedAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func matvec8Q4_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)

//go:noescape
func matvec8Q8_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)

//go:noescape
func matvec8Q4_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)

//go:noescape
func matvec8Q5_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)

//go:noescape
func matvec8Q6_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)

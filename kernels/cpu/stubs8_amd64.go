//go:build !purego

package cpu

import "unsafe"

// Routines in assembly for products in 8 bits, each below the name of its file.

// direct8_amd64.s

//go:noescape
func directQ4_0x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_0x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directNVFP4x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directNVFP4x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directMXFP4x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directMXFP4x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directIQ4_NLx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directIQ4_NLx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directIQ4_XSx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directIQ4_XSx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ3_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directTableQ3_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ3_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directTableQ3_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ2_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ2_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_0x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directNVFP4x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directMXFP4x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directIQ4_NLx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directIQ4_XSx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ3_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directTableQ3_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ2_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)

// direct_vnni_amd64.s

//go:noescape
func directQ4_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directIQ4_NLx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directMXFP4x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directNVFP4x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directIQ4_XSx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ2_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ3_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directIQ4_NLx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directMXFP4x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directNVFP4x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func directIQ4_XSx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ2_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ3_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ4_0VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ4_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ4_1VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ5_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ5_0VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ5_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ5_1VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ8_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ8_0VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directIQ4_NLx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyIQ4_NLVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directMXFP4x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func manyMXFP4VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directNVFP4x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

//go:noescape
func manyNVFP4VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directIQ4_XSx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyIQ4_XSVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ2_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ2_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ3_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ3_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

// gemm8_amd64.s

//go:noescape
func gemmOffsetAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmFifthMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSignedAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmWideAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmOffsetAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmMinAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmWideAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenMinAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

// gemm_vnni_amd64.s

//go:noescape
func gemmOffsetVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmMinVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteenMinVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmOffset2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmMin2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmSixteen2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

// many8_amd64.s

//go:noescape
func manyQ4_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ5_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ6_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ2_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ3_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyTableQ3_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ4_0AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ4_1AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ5_0AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyQ5_1AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyIQ4_NLAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyIQ4_XSAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func manyNVFP4AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

// quantize8_amd64.s

//go:noescape
func quantizeAVX2(dst *block8, step int, x *float32, n, group int, offset int16)

// quantize_super_amd64.s

//go:noescape
func quantizeSuperAVX512(dst *block8, step int, x *float32, n, bits int)

// super_direct_vnni_amd64.s

//go:noescape
func directQ4_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func besideQ4_KVNNI(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)

//go:noescape
func besideQ6_KVNNI(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ4_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ5_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ5_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

//go:noescape
func directQ6_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func manyQ6_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)

// super_vnni_amd64.s

//go:noescape
func gemmQ4_KVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmQ5_KVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemmQ6_KVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm2Q4_KVNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm2Q5_KVNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm2Q6_KVNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)

// unpack8_amd64.s

//go:noescape
func unpack8Q4_0AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q4_1AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q4_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpackSuperQ4_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_0AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_1AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpackSuperQ5_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q6_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpackSuperQ6_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q2_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q3_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpackTableQ3_KAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q8_0AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpackU8Q8_0AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8IQ4_NLAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpackU8IQ4_NLAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8IQ4_XSAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpackU8IQ4_XSAVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8MXFP4AVX2(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8NVFP4AVX2(p *panel8, src unsafe.Pointer, n int)

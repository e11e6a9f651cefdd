//go:build !purego

package cpu

import "unsafe"

// Routines in assembly, each below the name of its file.

// attention_arm64.s

//go:noescape
func transposeNEON(dst, src *float32, rows, cols int)

//go:noescape
func transpose16NEON(dst, src unsafe.Pointer, rows, cols int)

//go:noescape
func transpose8NEON(dst, src unsafe.Pointer, rows, cols int)

//go:noescape
func expSumNEON(l, s, m *float32, n int)

//go:noescape
func maximaNEON(most, m, s *float32, n int)

//go:noescape
func swigluNEON(out, gate, up *float32, n int)

// direct8_arm64.s

//go:noescape
func directQ4_0DotProd(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ8_0DotProd(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ4_KDotProd(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ5_KDotProd(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directQ6_KDotProd(out *float32, src unsafe.Pointer, x *block8, n int)

//go:noescape
func directNVFP4DotProd(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)

// gemm8_arm64.s

//go:noescape
func gemm8NEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8MinNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenMinNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

// gemm8_dot_arm64.s

//go:noescape
func gemm8DotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8MinDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenMinDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

// gemm8_i8mm_arm64.s

//go:noescape
func gemm8I8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8MinI8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenI8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenMinI8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func pairRowsNEON(p *panel8, n int)

// gemm_arm64.s

//go:noescape
func gemmNEON(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)

//go:noescape
func gemmF16NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func gemmBF16NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func gemmPairsNEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func unpackBF16NEON(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func keysI8NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

//go:noescape
func valuesI8NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

//go:noescape
func widenF16NEON(dst *float32, src unsafe.Pointer, n int)

//go:noescape
func widenBF16NEON(dst *float32, src unsafe.Pointer, n int)

// logits_arm64.s

//go:noescape
func aboveNEON(logits *float32, from, groups int, bound float32) (group int, which uint64)

//go:noescape
func massNEON(logits *float32, n int, highest, temperature float64) float64

// pack_arm64.s

//go:noescape
func gatherNEON(dst *word, src unsafe.Pointer, stride, n int)

//go:noescape
func columns16NEON(dst unsafe.Pointer, src *word, n int)

//go:noescape
func columns8NEON(dst unsafe.Pointer, src *word, n int)

//go:noescape
func fieldsNEON(dst, src *word, n, bits, shift int)

// prefilter_arm64.s

//go:noescape
func survivorsNEON(logits *float32, from, groups int, p *prefilter) (group int, left uint64)

// processor_arm64.s

// pause is the YIELD instruction.
//
//go:noescape
func pause()

// prefetch asks for n bytes from src on to be in the caches soon.
//
//go:noescape
func prefetch(src unsafe.Pointer, n int)

// quantize8_arm64.s

//go:noescape
func roundNEON(dst *block8, step int, x *float32, n int)

// rows_arm64.s

//go:noescape
func addNEON(x, delta *float32, n int)

//go:noescape
func sumSquaresNEON(x *float32, n int) float64

//go:noescape
func timesNEON(out, x, weight *float32, scale float32, n int)

//go:noescape
func divideNEON(out, x *float32, by float32, n int)

//go:noescape
func joinNEON(x, y *float32, a, b float32, n int)

//go:noescape
func rotateNextNEON(head, angles *float32, dim int)

//go:noescape
func rotateHalvesNEON(head, angles *float32, dim int)

//go:noescape
func scaleNEON(rows, factors *float32, n int)

//go:noescape
func narrowF16NEON(dst unsafe.Pointer, src *float32, n int)

//go:noescape
func narrowBF16NEON(dst unsafe.Pointer, src *float32, n int)

//go:noescape
func widenI8NEON(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int)

// unpack8_arm64.s

//go:noescape
func unpack8Q4_0NEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q8_0NEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q4_KNEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_KNEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q6_KNEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q2_KNEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q3_KNEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q4_1NEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_0NEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8Q5_1NEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8IQ4_NLNEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8IQ4_XSNEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8MXFP4NEON(p *panel8, src unsafe.Pointer, n int)

//go:noescape
func unpack8NVFP4NEON(p *panel8, src unsafe.Pointer, n int)

// unpack_arm64.s

//go:noescape
func widenPanelNEON(panel *float32, p *panel8, n, group int)

//go:noescape
func unpackF8E4M3NEON(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func halvesF8E4M3NEON(dst *uint16, src unsafe.Pointer, n int) bool

//go:build !purego

package cpu

import "unsafe"

// Routines in assembly, each below the name of its file; stubs8_amd64.go has those for
// products in 8 bits.

// amx_amd64.s

//go:noescape
func multiplyTilesAMX(p *tileProduct)

//go:noescape
func roundTilesAMX(dst *uint16, x *float32, blocks int)

//go:noescape
func pairF32AMX(dst *uint16, panel unsafe.Pointer, stride, n int)

//go:noescape
func pairF16AMX(dst *uint16, panel unsafe.Pointer, stride, n int)

//go:noescape
func pairRowsF32AMX(dst *uint16, rows unsafe.Pointer, stride, n int)

//go:noescape
func pairRowsF16AMX(dst *uint16, rows unsafe.Pointer, stride, n int)

// attention16_amd64.s

//go:noescape
func round16AVX2(codes *int16, scales, x *float32, rows, dim int, length, most float32)

//go:noescape
func weigh16AVX2(codes *int16, scales, s, valueScales *float32, n int)

//go:noescape
func scores16x16AVX2(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer)

//go:noescape
func add16x16AVX2(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer)

// attention16_vnni_amd64.s

//go:noescape
func scores16VNNI(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer)

//go:noescape
func add16VNNI(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer)

// attention_amd64.s

//go:noescape
func transposeAVX2(dst, src *float32, rows, cols int)

//go:noescape
func transpose16AVX2(dst, src unsafe.Pointer, rows, cols int)

//go:noescape
func transpose8AVX2(dst, src unsafe.Pointer, rows, cols int)

//go:noescape
func maximaAVX2(most, m, s *float32, n int)

//go:noescape
func widenI8AVX2(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int)

//go:noescape
func expSumAVX2(l, s, m *float32, n int)

// attention_amx_amd64.s

//go:noescape
func attendTilesAMX(p *tilesAttend)

// avx512_amd64.s

//go:noescape
func gemmAVX512(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)

//go:noescape
func gemmF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func gemmBF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func gemmPairsAVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func wideF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func wideBF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func keysI8AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

//go:noescape
func valuesI8AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

//go:noescape
func expSumAVX512(l, s, m *float32, n int)

//go:noescape
func swigluAVX512(out, gate, up *float32, n int)

//go:noescape
func swigluSumsAVX512(out *float32, outRow int, sums *float32, stride, groups, tokens int)

// gemm_amd64.s

//go:noescape
func gemmAVX2(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)

//go:noescape
func gemmF16AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func gemmBF16AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func gemmPairsAVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func keysI8AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

//go:noescape
func valuesI8AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

// logits_amd64.s

//go:noescape
func aboveAVX2(logits *float32, from, groups int, bound float32) (group int, which uint64)

//go:noescape
func massAVX2(logits *float32, n int, highest, temperature float64) float64

//go:noescape
func massAVX512(logits *float32, n int, highest, temperature float64) float64

// matvec_amd64.s

//go:noescape
func matvecF32AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecF16AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecBF16AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecQ8_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecQ4_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecQ4_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecQ5_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecQ6_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecF8E4M3AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvec2F8E4M3AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

//go:noescape
func matvecQ2_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)

// pack_amd64.s

//go:noescape
func gatherAVX2(dst *word, src unsafe.Pointer, stride, n int)

//go:noescape
func gatherAVX512(dst *word, src unsafe.Pointer, stride, n int)

//go:noescape
func columns16AVX2(dst unsafe.Pointer, src *word, n int)

//go:noescape
func columns8AVX2(dst unsafe.Pointer, src *word, n int)

//go:noescape
func fieldsAVX2(dst, src *word, n, bits, shift int)

//go:noescape
func fieldsAVX512(dst, src *word, n, bits, shift int)

// pairs_amd64.s

//go:noescape
func pairs1BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs2BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs4BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs8BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs1F8(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs2F8(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs4F8(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func pairs8F8(out *float32, panel unsafe.Pointer, x *uint16, n int)

//go:noescape
func roundPairsBF16(dst *uint16, width int, x *float32, n int)

// prefilter_amd64.s

//go:noescape
func survivorsAVX2(logits *float32, from, groups int, p *prefilter) (group int, left uint64)

//go:noescape
func survivorsAVX512(logits *float32, from, groups int, p *prefilter) (group int, left uint64)

// processor_amd64.s

// pause is the PAUSE instruction.
//
//go:noescape
func pause()

// prefetch asks for n bytes from src on to be in the caches soon.
//
//go:noescape
func prefetch(src unsafe.Pointer, n int)

// madeByAMD reports whether the processor says so (CPUID, function 0).
//
//go:noescape
func madeByAMD() bool

// rows_amd64.s

//go:noescape
func addAVX2(x, delta *float32, n int)

//go:noescape
func sumSquaresAVX2(x *float32, n int) float64

//go:noescape
func timesAVX2(out, x, weight *float32, scale float32, n int)

//go:noescape
func divideAVX2(out, x *float32, by float32, n int)

//go:noescape
func joinAVX2(x, y *float32, a, b float32, n int)

//go:noescape
func rotateNextAVX2(row, angles *float32, dim int)

//go:noescape
func rotateHalvesAVX2(row, angles *float32, dim int)

//go:noescape
func spreadAVX2(out *float32, outRow int, sums *float32, stride, groups, tokens int)

// softmax_amd64.s

//go:noescape
func maximaAVX512(most, m, s *float32, n int)

//go:noescape
func weigh16VNNI(codes *int16, scales, s, valueScales *float32, n int)

// swiglu_amd64.s

//go:noescape
func swigluAVX2(out, gate, up *float32, n int)

//go:noescape
func swigluSumsAVX2(out *float32, outRow int, sums *float32, stride, groups, tokens int)

// unpack_amd64.s

//go:noescape
func widenF16AVX2(dst *float32, src unsafe.Pointer, n int)

//go:noescape
func widenBF16AVX2(dst *float32, src unsafe.Pointer, n int)

//go:noescape
func narrowF16AVX2(dst unsafe.Pointer, src *float32, n int)

//go:noescape
func unpackBF16AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func narrowBF16AVX2(dst unsafe.Pointer, src *float32, n int)

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

//go:noescape
func unpackQ4_1AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ5_0AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ5_1AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ2_KAVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackQ3_KAVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackIQ4_NLAVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackIQ4_XSAVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackMXFP4AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackNVFP4AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func unpackF8E4M3AVX2(panel *float32, src unsafe.Pointer, n int)

//go:noescape
func halvesF8E4M3AVX2(dst *uint16, src unsafe.Pointer, n int) bool

//go:noescape
func scaleAVX2(panel, factors *float32, n int)

// unpack_tiles_amd64.s

//go:noescape
func tilesF16(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ4_0(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ4_1(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesIQ4_NL(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesMXFP4(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesNVFP4(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ4_K(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesIQ4_XS(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ5_0(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ5_1(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ5_K(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ8_0(dst *uint16, src, ahead unsafe.Pointer, n int)

//go:noescape
func tilesQ6_K(dst *uint16, src, ahead unsafe.Pointer, n int)

package cpu

import (
	"unsafe"

	"trona/kernels"
)

// gemm16 continues sums as variant.gemm does, with a panel of 16-bit floats.
type gemm16 func(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

// variant is one instruction set: the inner loops that differ between
// processors. Sizes are in elements; pointers are to memory that does not move.
type variant struct {
	name string
	note string // what a person should know of this machine; "": nothing

	// panelTokens is the number of tokens for which a panel of weights is unpacked
	// once. For each of them the second-level cache should hold a chunk of the input,
	// 1 KiB, and 512 bytes of sums. roundedTokens is the same where the input is rounded
	// and its chunk has 512 or 384 bytes.
	panelTokens, roundedTokens int64
	// narrowTokens is for how many tokens weights of floats of 16 and 8 bits are widened as they
	// are used, once for each tile; 0: never.
	narrowTokens int64
	// gemm adds products to out: out[t][r] += Σ_k panel[k][r] * x[t][k] for
	// t < tokens, r < lanes, k in ascending order, the sum begun anew at 0.
	// Strides are the distances of the rows t, k and t.
	gemm func(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)
	// unpack dequantises n columns of a group of 16 rows: panel[k][r]. n is a
	// multiple of the packed block's columns. Those of F8_E4M3 are 1/f8Unit of their value.
	unpack [numTypes]func(panel *float32, src unsafe.Pointer, n int)
	// scale multiplies n columns of a panel, or sums of n tokens: rows[k][r] *= factors[r].
	scale func(rows, factors *float32, n int)
	// matvec is gemm for one token straight from the packed columns, for
	// two groups at a time: out0[r] += ..., out1[r] += ... nil: unpack and gemm.
	matvec [numTypes]func(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
	// matvec2 is matvec for two tokens, x [2, n]: out0[t][r] += ...; nil: as for more.
	matvec2 [numTypes]func(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
	// sideBySide: one token in 8 bits meets two stretches of a weight in turns.
	sideBySide bool
	// integers has the loops of types whose products are in 8 bits; nil: exact.
	integers [numTypes]*integer
	// pairs has the loops of types whose input is rounded to BF16; nil: exact.
	pairs *pairs
	// tiles has the loops of rows that prefill; nil: they get the arithmetic of others.
	tiles *tiles
	// attention16 has the loops of attention over a cache of I16; nil: it is in floats.
	attention16 *attention16
	// gather writes 32 bits of each of 16 rows, which are stride bytes apart, n times:
	// dst[i][r].
	gather func(dst *word, src unsafe.Pointer, stride, n int)
	// columns16 and columns8 split n words into columns of 16 bits, [2*n, 16], and of 8
	// bits, [4*n, 16].
	columns16 func(dst unsafe.Pointer, src *word, n int)
	columns8  func(dst unsafe.Pointer, src *word, n int)
	// fields writes n words, each of 8/bits words: of every byte of them `bits` bits from
	// bit `shift` on, those of the first word lowest.
	fields func(dst, src *word, n, bits, shift int)
	// quantize rounds n columns of x to blocks `step` apart, for groups of 16 or 32
	// columns of a weight.
	quantize func(dst *block8, step int, x *float32, n, group int, offset int16)
	// quantizeSuper rounds n columns of x for super-blocks with mins whose sums lack bits.
	quantizeSuper func(dst *block8, step int, x *float32, n, bits int)
	// widen converts n cache elements to F32.
	widen [kernels.BF16 + 1]func(dst *float32, src unsafe.Pointer, n int)
	// narrow rounds n values to cache elements.
	narrow [kernels.BF16 + 1]func(dst unsafe.Pointer, src *float32, n int)
	// widenI8 converts rows of codes with a scale each.
	widenI8 func(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int)
	// round16 writes codes of rows: x is about codes * scale. Before they are rounded, the
	// codes of a row have that length at most as a vector, and none is beyond most. The scale of
	// a row whose squares have no finite sum is not finite either.
	round16 func(codes *int16, scales, x *float32, rows, dim int, length, most float32)
	// transpose writes src [rows, cols] as dst [cols, BlockSize]. It may read
	// and write whole blocks of 8 rows.
	transpose func(dst, src *float32, rows, cols int)
	// gemm16 is gemm with a panel of 16-bit floats, converted as it is read, which
	// pays for a few tokens; nil: widen, then gemm. The 32*k bytes at ahead will be read
	// soon: each column prefetches some, so that few loads wait at once.
	gemm16 [kernels.BF16 + 1]gemm16
	// wide16 is gemm16 of 64 columns at a time, of which 128*k bytes will be read soon. It pays for
	// fewer than eight tokens; nil: gemm16.
	wide16 [kernels.BF16 + 1]gemm16
	// gemmPairs is gemm16 with packed BF16, [k/2, 16, 2]: strides are of pairs, k is even.
	gemmPairs gemm16
	// keysI8 and valuesI8 are the same as gemm16 with a panel of codes of 8 bits, of which 16*k bytes
	// will be read soon, and with scales: of the 16 rows, and of each column.
	keysI8, valuesI8 func(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)
	// halvesF8 is unpack of F8_E4M3 to F16, for gemm16. It reports whether there is a NaN,
	// which has no half then.
	halvesF8 func(dst *uint16, src unsafe.Pointer, n int) bool
	// transpose16 is transpose of 16-bit elements, cols a multiple of 16; transpose8 of
	// bytes, cols a multiple of 32.
	transpose16, transpose8 func(dst, src unsafe.Pointer, rows, cols int)
	// maxima writes the largest of m and s[0:BlockSize] of each of n queries, NaNs left out.
	maxima func(most, m, s *float32, n int)
	// expSum replaces s[0:BlockSize] of each of n queries by exp(s - m) and adds
	// their sum to l.
	expSum func(l, s, m *float32, n int)
	// swiglu writes silu(gate) * up.
	swiglu func(out, gate, up *float32, n int)
	// spread writes sums of groups, stride floats apart, to rows, outRow apart:
	// out[t][16*g+r] = sums[g][t][r].
	spread func(out *float32, outRow int, sums *float32, stride, groups, tokens int)
	// swigluSums does the same with a gate: out[t][16*g+r] = silu(sums[2*g][t][r]) *
	// sums[2*g+1][t][r].
	swigluSums func(out *float32, outRow int, sums *float32, stride, groups, tokens int)
	// add adds delta to x.
	add func(x, delta *float32, n int)
	// sumSquares adds in float64, in four chains, of columns 0, 1, 2 and 3 of four.
	sumSquares func(x *float32, n int) float64
	// times writes x * scale * weight.
	times func(out, x, weight *float32, scale float32, n int)
	// divide writes x / by.
	divide func(out, x *float32, by float32, n int)
	// join writes x * a + y * b to x.
	join func(x, y *float32, a, b float32, n int)
	// survivors returns the first of groups [from, groups) of tokens of which some pass a
	// prefilter, and which do, a bit each, the first token's lowest; 0: there is no such group.
	survivors func(logits *float32, from, groups int, p *prefilter) (group int, left uint64)
	// above is the same of tokens whose logits are not at most bound.
	above func(logits *float32, from, groups int, bound float32) (group int, which uint64)
	// mass is the sum of e^((logit - highest) / temperature) in float64, in 16 chains; n is
	// a multiple of 64.
	mass func(logits *float32, n int, highest, temperature float64) float64
	// rotate turns pairs of a head by angles [dim/2, 2], cos and sin: columns side by
	// side, or half a head apart.
	rotate func(head, angles *float32, dim int, interleaved bool)
}

// int8 returns the weight types whose products are in 8 bits.
func (v *variant) int8() []kernels.DType {
	var types []kernels.DType
	for t, loops := range v.integers {
		if loops != nil {
			types = append(types, kernels.DType(t))
		}
	}
	return types
}

// bf16 returns those whose products are in pairs.
func (v *variant) bf16() []kernels.DType {
	var types []kernels.DType
	for t := range kernels.DType(numTypes) {
		if v.hasPairs(t) {
			types = append(types, t)
		}
	}
	return types
}

// tiled returns those whose products are in tiles.
func (v *variant) tiled() []kernels.DType {
	var types []kernels.DType
	for t := range v.unpack {
		if w := (kernels.Weight{Type: kernels.DType(t)}); v.unpack[t] != nil && v.inTiles(w) {
			types = append(types, w.Type)
		}
	}
	return types
}

// exact reports whether products round nothing but sums.
func (v *variant) exact() bool { return len(v.int8()) == 0 && v.pairs == nil && v.tiles == nil }

// hasPairs reports whether a type has loops of pairs.
func (v *variant) hasPairs(t kernels.DType) bool {
	return v.pairs != nil && v.pairs.multiply[t][0] != nil
}

// rounds reports whether a product with a weight rounds its input for panels.
func (v *variant) rounds(w kernels.Weight, l *layout) bool {
	return v.integer(w, l) != nil || v.inPairs(w, l)
}

// inPairs reports whether a product with a weight rounds its input to BF16. No scale
// beside the tensor may change within a pair.
func (v *variant) inPairs(w kernels.Weight, l *layout) bool {
	return v.hasPairs(w.Type) && l.evenRuns(w.Cols)
}

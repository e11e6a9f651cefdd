//go:build !purego

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"trona/kernels"
)

// variants lists what this processor can run, the default last.
func variants() []variant {
	all := []variant{genericBF16(), genericInt8(), generic(), neon(), int8NEON()}
	if cpu.ARM64.HasASIMDDP {
		all = append(all, int8DotProd())
		if cpu.ARM64.HasI8MM {
			all = append(all, int8I8MM())
		}
	}
	return all
}

func neon() variant {
	v := generic()
	v.name = "neon"
	v.gemm = gemmNEON
	v.unpack[kernels.F16] = func(panel *float32, src unsafe.Pointer, n int) { widenF16NEON(panel, src, n*lanes) }
	v.unpack[kernels.BF16] = func(panel *float32, src unsafe.Pointer, n int) { widenBF16NEON(panel, src, n*lanes) }
	v.unpack[kernels.F8E4M3] = unpackF8E4M3NEON
	for t := range codings {
		if codings[t].code != nil {
			v.unpack[t] = unpackNEON(kernels.DType(t))
		}
	}
	v.widen[kernels.F16] = widenRows(widenF16NEON, widenF16Generic)
	v.widen[kernels.BF16] = widenRows(widenBF16NEON, widenBF16Generic)
	v.narrow[kernels.F16] = narrowRows(narrowF16NEON, narrowF16Generic)
	v.narrow[kernels.BF16] = narrowRows(narrowBF16NEON, narrowBF16Generic)
	v.widenI8 = widenRowsI8(widenI8NEON)
	v.transpose = func(dst, src *float32, rows, cols int) {
		if cols%4 != 0 {
			transposeGeneric(dst, src, rows, cols)
			return
		}
		// Rows up to the next multiple of 8 are the scratch's own.
		transposeNEON(dst, src, (rows+3)&^3, cols)
	}
	v.narrowTokens = 8 // two tiles; more widen too often
	v.gemm16[kernels.F16], v.gemm16[kernels.BF16] = gemmF16NEON, gemmBF16NEON
	v.keysI8, v.valuesI8 = keysI8NEON, valuesI8NEON
	v.transpose16, v.transpose8 = transpose16NEON, transpose8NEON
	v.halvesF8 = halvesF8E4M3NEON
	v.maxima = maximaNEON
	v.expSum = expSumNEON
	v.swiglu = func(out, gate, up *float32, n int) {
		whole := n &^ 3
		swigluNEON(out, gate, up, whole)
		if rest := n - whole; rest > 0 {
			var o, g, u [4]float32
			copy(g[:], unsafe.Slice(floatAt(gate, whole), rest))
			copy(u[:], unsafe.Slice(floatAt(up, whole), rest))
			swigluNEON(&o[0], &g[0], &u[0], 4)
			copy(unsafe.Slice(floatAt(out, whole), rest), o[:])
		}
	}
	v.swigluSums = swigluSumsOf(swigluNEON)
	v.gather, v.columns16, v.columns8, v.fields = gatherNEON, columns16NEON, columns8NEON, fieldsNEON
	v.scale = scaleNEON
	v.setRows(rowLoops{addNEON, sumSquaresNEON, timesNEON, divideNEON, joinNEON, rotateNextNEON, rotateHalvesNEON})
	v.survivors, v.above, v.mass = survivorsNEON, aboveNEON, massNEON
	return v
}

// int8NEON adds products in 8 bits. They are of bytes with a sign: no panel needs an offset.
func int8NEON() variant {
	v := neon()
	v.name += "-int8"
	v.quantize = quantizeNEON
	for t := range codings {
		if codings[t].code != nil {
			v.integers[t] = &integer{unpack: func(p *panel8, src unsafe.Pointer, n int) { unpack8NEON(kernels.DType(t), p, src, n) }}
		}
	}
	multiplyNEON(&v, gemm8NEON, gemm8MinNEON, gemm8SixteenNEON, gemm8SixteenMinNEON)
	return v
}

// int8DotProd multiplies with SDOT, one token and the commonest types without a panel.
func int8DotProd() variant {
	v := int8NEON()
	v.name = "neondot-int8"
	multiplyNEON(&v, gemm8DotProd, gemm8MinDotProd, gemm8SixteenDotProd, gemm8SixteenMinDotProd)
	for t, one := range map[kernels.DType]direct{
		kernels.Q4_0: directQ4_0DotProd, kernels.Q8_0: directQ8_0DotProd,
		kernels.Q4_K: directQ4_KDotProd, kernels.Q5_K: directQ5_KDotProd, kernels.Q6_K: directQ6_KDotProd,
	} {
		loops := v.integers[t]
		loops.direct, loops.directTokens = [3]direct{one, unscaled(tileDotProd(t, 2)), unscaled(tileDotProd(t, 4))}, 1
	}
	for _, t := range []kernels.DType{kernels.MXFP4, kernels.NVFP4, kernels.NVFP4x16} {
		v.integers[t].scaled, v.integers[t].directTokens = tilesDotProd(t), 4 // scales beside a tensor
	}
	v.integers[kernels.NVFP4].scaled[0], v.integers[kernels.NVFP4x16].scaled[0] = directNVFP4DotProd, directNVFP4DotProd
	return v
}

// int8I8MM multiplies with SMMLA, which takes two tokens at a time: one or two are left to SDOT.
func int8I8MM() variant {
	v := int8DotProd()
	v.name = "neoni8mm-int8"
	multiplyNEON(&v, gemm8I8MM, gemm8MinI8MM, gemm8SixteenI8MM, gemm8SixteenMinI8MM)
	for i, loops := range v.integers {
		if loops == nil {
			continue
		}
		t := kernels.DType(i)
		loops.unpack = func(p *panel8, src unsafe.Pointer, n int) {
			unpack8NEON(t, p, src, n)
			pairRowsNEON(p, n)
		}
		loops.directTokens = 2
		if loops.direct[0] == nil && loops.scaled[0] == nil {
			loops.scaled = tilesDotProd(t)
		}
	}
	return v
}

// unscaled makes integer.direct of a loop of integer.scaled.
func unscaled(loop scaled) direct {
	return func(out *float32, src unsafe.Pointer, x *block8, n int) { loop(out, src, x, n, nil) }
}

// tilesDotProd returns integer.scaled of a type.
func tilesDotProd(t kernels.DType) [3]scaled {
	return [3]scaled{tileDotProd(t, 1), tileDotProd(t, 2), tileDotProd(t, 4)}
}

// tileDotProd returns its loop for a tile of some tokens, through panels; factors may be nil.
func tileDotProd(t kernels.DType, width int) scaled {
	c, blocks := &codings[t], &packings[t]
	return func(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32) {
		var p panel8
		for from := 0; from < n; from += chunk {
			some, bytes := min(chunk, n-from), chunk/blocks.cols*blocks.bytes
			packed := unsafe.Add(src, from/chunk*bytes)
			prefetch(pointer(uintptr(packed)+uintptr(bytes)), bytes) // those that follow, even another group's
			unpack8NEON(t, &p, packed, some)
			if factors != nil {
				scaleNEON(&p.scale[0][0], factors, some/c.group)
				scaleNEON(&p.min[0][0], factors, some/c.group)
			}
			multiplyDotProd(c, out, &p, blockAt(x, from/32*width), width, some)
		}
	}
}

// multiplyDotProd is integer.gemm of a coding, for one tile.
func multiplyDotProd(c *coding, out *float32, p *panel8, x *block8, width, n int) {
	switch {
	case c.group != 32 && c.min != nil:
		gemm8SixteenMinDotProd(out, p, x, 0, width, n)
	case c.group != 32:
		gemm8SixteenDotProd(out, p, x, 0, width, n)
	case c.min != nil:
		gemm8MinDotProd(out, p, x, 0, width, n)
	default:
		gemm8DotProd(out, p, x, 0, width, n)
	}
}

type gemm8 func(out *float32, p *panel8, x *block8, stride, tokens, n int)

// multiplyNEON sets the products of types with scales of 32 columns, with mins as well, and
// of those of 16.
func multiplyNEON(v *variant, plain, mins, sixteen, sixteenMins gemm8) {
	for t, loops := range v.integers {
		if loops == nil {
			continue
		}
		switch c := &codings[t]; {
		case c.group != 32 && c.min != nil:
			loops.offset, loops.gemm = halfSums, sixteenMins
		case c.group != 32:
			loops.gemm = sixteen
		case c.min != nil:
			loops.gemm = mins
		default:
			loops.gemm = plain
		}
	}
}

// quantizeNEON is variant.quantize; there are no offsets to make up for, but mins.
func quantizeNEON(dst *block8, step int, x *float32, n, group int, offset int16) {
	roundNEON(dst, step, x, n)
	if offset == 0 {
		return
	}
	for i := range n / 32 {
		blockAt(dst, i*step).count(group, offset)
	}
}

// pause is the YIELD instruction.
//
//go:noescape
func pause()

// prefetch asks for n bytes from src on to be in the caches soon.
//
//go:noescape
func prefetch(src unsafe.Pointer, n int)

//go:noescape
func gemmNEON(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)

//go:noescape
func gemmF16NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func gemmBF16NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)

//go:noescape
func keysI8NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

//go:noescape
func valuesI8NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)

//go:noescape
func transpose16NEON(dst, src unsafe.Pointer, rows, cols int)

//go:noescape
func transpose8NEON(dst, src unsafe.Pointer, rows, cols int)

//go:noescape
func widenF16NEON(dst *float32, src unsafe.Pointer, n int)

//go:noescape
func widenBF16NEON(dst *float32, src unsafe.Pointer, n int)

//go:noescape
func gemm8NEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8MinNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenMinNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8DotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8MinDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func gemm8SixteenMinDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)

//go:noescape
func roundNEON(dst *block8, step int, x *float32, n int)

//go:noescape
func transposeNEON(dst, src *float32, rows, cols int)

//go:noescape
func maximaNEON(most, m, s *float32, n int)

//go:noescape
func expSumNEON(l, s, m *float32, n int)

//go:noescape
func swigluNEON(out, gate, up *float32, n int)

//go:noescape
func survivorsNEON(logits *float32, from, groups int, p *prefilter) (group int, left uint64)

//go:noescape
func aboveNEON(logits *float32, from, groups int, bound float32) (group int, which uint64)

//go:noescape
func massNEON(logits *float32, n int, highest, temperature float64) float64

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

//go:noescape
func gatherNEON(dst *word, src unsafe.Pointer, stride, n int)

//go:noescape
func columns16NEON(dst unsafe.Pointer, src *word, n int)

//go:noescape
func columns8NEON(dst unsafe.Pointer, step int, src *word, n int)

//go:noescape
func fieldsNEON(dst, src *word, n, bits, shift int)

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

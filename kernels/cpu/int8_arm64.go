//go:build !purego

package cpu

import (
	"unsafe"

	"trona/kernels"
)

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

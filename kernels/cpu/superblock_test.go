package cpu

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// TestSuperBlocks compares the plain loops with products of what x was rounded to: sums may
// lose their last bits and mins half a unit of 16, no more; with mins, nothing on average.
func TestSuperBlocks(t *testing.T) {
	for typ, s := range superCodings {
		if s.parts == nil {
			continue
		}
		dt := kernels.DType(typ)
		rng := rand.New(rand.NewPCG(6, uint64(typ)))
		lost := 0.0
		for range 100 {
			raw, src := alignedFloats(256), randomBlocks(rng, packings[typ].bytes)
			for i := range raw {
				raw[i] = float32(rng.NormFloat64())
			}
			x, p, out, loops, plain := make([]block8, 8), new(panel8), make([]float32, lanes), superGeneric(dt), generic()
			plain.round8(&x[0], 1, &raw[0], 256, dt, loops)
			loops.unpack(p, unsafe.Pointer(&src[0]), 256)
			loops.gemm(&out[0], p, &x[0], 0, 1, 256)
			for r, got := range out {
				want, bound := exactSuper(dt, src, x, r)
				require.InDelta(t, want, got, bound, "%v row %d", dt, r)
				if e := (float64(got) - want) / bound; p.scale[superFloats][r] > 0 {
					lost += e
				} else {
					lost -= e
				}
			}
		}
		require.True(t, codings[typ].min == nil || math.Abs(lost)/(100*lanes) < 0.1, "%v: errors add up", dt)
	}
}

// TestSuperBlockExtremes: the integers of every instruction set hold sums of the greatest codes
// and scales.
func TestSuperBlockExtremes(t *testing.T) {
	for _, v := range variants() {
		for typ, loops := range v.integers {
			if loops == nil || !loops.super {
				continue
			}
			dt := kernels.DType(typ)
			for _, codes := range []byte{0, 0xff} {
				for _, value := range []float32{-1, 1} {
					src, raw := extremeBlock(dt, codes), alignedFloats(256)
					for i := range raw {
						raw[i] = value
					}
					x, p, out := make([]block8, 8), new(panel8), make([]float32, lanes)
					v.round8(&x[0], 1, &raw[0], 256, dt, loops)
					loops.unpack(p, unsafe.Pointer(&src[0]), 256)
					loops.gemm(&out[0], p, &x[0], 0, 1, 256)
					for r, got := range out {
						want, bound := exactSuper(dt, src, x, r)
						require.InDelta(t, want, got, bound, "%s: %v of %#x, row %d", v.name, dt, codes, r)
					}
				}
			}
		}
	}
}

// extremeBlock returns a packed super-block of the greatest scales, all bits of codes the same.
func extremeBlock(t kernels.DType, codes byte) []byte {
	src := bytes.Repeat([]byte{codes}, packings[t].bytes)
	floats, scales := src[:2*lanes], src[2*lanes:][:16*lanes]
	scale := byte(0x80) // -128
	if codings[t].min != nil {
		floats, scales = src[:4*lanes], src[4*lanes:][:12*lanes]
		scale = 0xff // 63 of each
	}
	for i := range floats {
		floats[i] = []byte{0, 0x3c}[i%2] // 1
	}
	for i := range scales {
		scales[i] = scale
	}
	return src
}

// exactSuper returns row r of the product of a packed super-block with rounded columns, and what
// it may lack.
func exactSuper(t kernels.DType, src []byte, x []block8, r int) (want, bound float64) {
	c, s := &codings[t], &superCodings[t]
	for g := range 256 / c.group {
		b := x[g*c.group/32]
		scale, min := s.parts(src, g, r)
		of, less := float64(f16At(src, r))*float64(scale), 0.0
		unit, times := float64(b.scale), 1.0
		if c.min != nil {
			less = float64(f16At(src[2*lanes:], r)) * float64(min)
			unit, times = unit/float64(int(1)<<s.bits), float64(b.bias[0][g%2])
		}
		for k := g * c.group; k < (g+1)*c.group; k++ {
			value := (of*float64(c.code(src, k, r)) - less) * float64(b.code[k%32]) * unit * times
			want += value
			bound += 1e-6 * math.Abs(value)
		}
		bound += math.Abs(of)*float64(int(1)<<s.bits-1)*unit*times + 8*math.Abs(less)*unit
	}
	return want, bound
}

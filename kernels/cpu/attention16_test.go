package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// TestRound16: codes are nearest, no row is too long, and every instruction set has the
// bits of the plain Go.
func TestRound16(t *testing.T) {
	const rows, dim = 10, 48
	rng := rand.New(rand.NewPCG(1, 16))
	x := normals(rng, rows*dim)
	for i := range dim {
		x[3*dim+i] = 0
		x[4*dim+i] = float32(rng.NormFloat64()) * 0x1p-110
		x[5*dim+i] = float32(rng.NormFloat64()) * 0x1p50
		x[8*dim+i] = -1
	}
	x[6*dim+7] = float32(math.Inf(-1))
	x[7*dim+47] = float32(math.NaN())
	for _, limit := range [][2]float32{{codesLength, codesMost}, {float32(math.Inf(1)), valuesMost}} {
		want, scales := alignedCodes(rows*dim), make([]float32, rows)
		round16Generic(&want[0], &scales[0], &x[0], rows, dim, limit[0], limit[1])
		for r, scale := range scales {
			if r == 6 || r == 7 {
				require.False(t, scale-scale == 0, "row %d", r)
				continue
			}
			length := 0.0
			for i, v := range x[r*dim:][:dim] {
				c := want[r*dim+i]
				require.InDelta(t, v, float32(c)*scale, float64(scale)*0.5001+0x1p-100)
				require.LessOrEqual(t, max(c, -c), int16(limit[1]))
				length += float64(c) * float64(c)
			}
			require.True(t, length < math.MaxInt32 || limit[1] == valuesMost, "row %d", r)
			require.True(t, length > 0x1p25 || r == 3 || r == 4, "row %d: codes as large as they may be", r)
		}
		for _, v := range with16(t) {
			got, s := alignedCodes(rows*dim), make([]float32, rows)
			v.round16(&got[0], &s[0], &x[0], rows, dim, limit[0], limit[1])
			for r := range rows {
				require.True(t, scales[r] == s[r] || r == 6 || r == 7, "%s: row %d", v.name, r)
				if r != 6 && r != 7 {
					require.Equal(t, want[r*dim:][:dim], got[r*dim:][:dim], "%s: row %d", v.name, r)
				}
			}
			require.False(t, s[7] == s[7], v.name)
		}
	}
}

// TestRound16Small: rows of small numbers have no longer codes than others, though their
// squares are too small to add up.
func TestRound16Small(t *testing.T) {
	const dim = 128
	rng := rand.New(rand.NewPCG(5, 16))
	for power := -110; power < -40; power++ {
		x, want, got, scales := alignedFloats(dim), alignedCodes(dim), alignedCodes(dim), [2]float32{}
		for i := range x {
			x[i] = float32(math.Ldexp(rng.NormFloat64(), power))
		}
		round16Generic(&want[0], &scales[0], &x[0], 1, dim, codesLength, codesMost)
		length := 0.0
		for i, c := range want[:dim] {
			length += float64(c) * float64(c)
			require.InDelta(t, x[i], float32(c)*scales[0], float64(scales[0])*0.5001+0x1p-59, "2^%d", power)
		}
		require.Less(t, length, float64(math.MaxInt32), "2^%d", power)
		require.True(t, length > 0x1p30 || power < -60, "2^%d: codes as large as they may be", power)
		for _, v := range with16(t) {
			v.round16(&got[0], &scales[1], &x[0], 1, dim, codesLength, codesMost)
			require.Equal(t, want, got, "%s: 2^%d", v.name, power)
			require.Equal(t, scales[0], scales[1], "%s: 2^%d", v.name, power)
		}
	}
}

// with16 returns the variants that have these loops.
func with16(t *testing.T) []variant {
	all := slices.DeleteFunc(variants(), func(v variant) bool { return v.attention16 == nil })
	require.NotEmpty(t, all)
	return all
}

// extreme returns n codes, of which every second row of some columns is at the limit, so
// that sums are as large as they can be.
func extreme(rng *rand.Rand, n, columns, limit int) []int16 {
	codes := alignedCodes(int64(n))
	for i := range codes {
		codes[i] = int16(rng.IntN(2*limit+1) - limit)
		if i/columns%2 == 0 {
			codes[i] = int16(limit)
		}
	}
	return codes
}

// TestProducts16: sums have the bits of the plain Go, whole 32-bit sums among them, for
// any number of queries, and what is not theirs is left alone.
func TestProducts16(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 16))
	for _, dim := range []int{16, 48, 64, 112, 128, 256} {
		const most, flat = 23, weightsSum / kernels.BlockSize
		limit := int(codesLength / math.Sqrt(float64(dim)))
		keys, queries := extreme(rng, kernels.BlockSize*dim, dim, limit), extreme(rng, most*dim, dim, limit)
		values, weights := extreme(rng, kernels.BlockSize*dim, dim, valuesMost), extreme(rng, most*kernels.BlockSize, kernels.BlockSize, flat)
		scales, ahead := normals(rng, kernels.BlockSize), unsafe.Pointer(&keys[0])
		for _, v := range with16(t) {
			for n := 1; n <= most; n++ {
				name := fmt.Sprintf("%s: %d queries of %d", v.name, n, dim)
				want, got := normals(rng, (most+1)*kernels.BlockSize), alignedFloats((most+1)*kernels.BlockSize)
				copy(got, want)
				scores16Generic(&want[0], &keys[0], &queries[0], dim, &scales[0], &scales[0], n, nil)
				v.attention16.scores(&got[0], &keys[0], &queries[0], dim, &scales[0], &scales[0], n, ahead)
				same(t, want, got, "%s, scores", name)

				want, got = normals(rng, (most+1)*dim), alignedFloats((most+1)*dim)
				copy(got, want)
				add16Generic(&want[0], dim, &values[0], &weights[0], &scales[0], n, nil)
				v.attention16.add(&got[0], dim, &values[0], &weights[0], &scales[0], n, ahead)
				same(t, want, got, "%s, values", name)
			}
		}
	}
	// Rounding makes a vector of 1024 codes longer by 16 at most, 64 weights heavier by 32.
	require.LessOrEqual(t, (codesLength+16)*(codesLength+16), math.MaxInt32)
	require.LessOrEqual(t, (weightsSum+32)*valuesMost, math.MaxInt32)
}

// TestWeigh16: codes of weights have the bits of the plain Go, for any number of queries.
func TestWeigh16(t *testing.T) {
	const n = 9
	rng := rand.New(rand.NewPCG(3, 16))
	s, values := alignedFloats(n*kernels.BlockSize), alignedFloats(kernels.BlockSize)
	for i := range s {
		s[i] = float32(math.Exp(-4 * rng.ExpFloat64()))
		if i/kernels.BlockSize == 2 {
			s[i] = 0
		}
	}
	for i := range values {
		values[i] = rng.Float32()
	}
	want, scales := alignedCodes(n*kernels.BlockSize), make([]float32, n)
	weigh16Generic(&want[0], &scales[0], &s[0], &values[0], n)
	for i, scale := range scales {
		sum := 0
		for p, v := range values {
			code := want[i*kernels.BlockSize+p]
			require.InDelta(t, s[i*kernels.BlockSize+p]*v, float32(code)*scale, float64(scale)*0.5001)
			sum += int(code)
		}
		require.LessOrEqual(t, sum, weightsSum+32)
		require.True(t, sum > codesMost/2 || i == 2, "as large as they may be")
	}
	for _, v := range with16(t) {
		for some := 1; some <= n; some++ {
			want, scales := alignedCodes(n*kernels.BlockSize), make([]float32, n)
			got, gotScales := alignedCodes(n*kernels.BlockSize), make([]float32, n)
			weigh16Generic(&want[0], &scales[0], &s[0], &values[0], some)
			v.attention16.weigh(&got[0], &gotScales[0], &s[0], &values[0], some)
			require.Equal(t, want, got, "%s: %d queries", v.name, some)
			require.Equal(t, scales, gotScales, "%s: %d queries", v.name, some)
		}
	}
}

// TestNaN16: a position whose key or value has a NaN makes one of the rows that see it, and
// changes nothing for those before.
func TestNaN16(t *testing.T) {
	const dim, heads, rows, bad = 32, 2, 90, 75
	for _, v := range with16(t) {
		attend := func(position int64, spoil func(kv kernels.KV) kernels.Tensor) []float32 {
			dev, err := Open(Options{Threads: 2, Variant: v.name})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			tensor := func(typ kernels.DType, shape ...int64) kernels.Tensor {
				x := kernels.View(1, typ, shape...)
				x.Addr, err = dev.Alloc(x.Bytes())
				require.NoError(t, err)
				return x
			}
			rng := rand.New(rand.NewPCG(4, 16))
			q, out := tensor(kernels.F32, rows, heads, dim), tensor(kernels.F32, rows, heads, dim)
			copy(floatsOf(q.Addr, q.Len()), normals(rng, rows*heads*dim))
			kv := kernels.KV{K: tensor(kernels.I16, 4, 1, kernels.BlockSize, dim), V: tensor(kernels.I16, 4, 1, kernels.BlockSize, dim)}
			for _, side := range []kernels.Tensor{kv.K, kv.V} {
				copy(codesAt((*int16)(pointer(side.Addr)), 0, int(side.Len())), extreme(rng, int(side.Len()), dim, 4000))
			}
			for _, scale := range []*kernels.Tensor{&kv.KScale, &kv.VScale} {
				*scale = tensor(kernels.F32, 4, 1, kernels.BlockSize)
				for i := range floatsOf(scale.Addr, scale.Len()) {
					floatsOf(scale.Addr, scale.Len())[i] = rng.Float32() / 4000
				}
			}
			if spoil != nil {
				floatsOf(spoil(kv).Addr, 4*kernels.BlockSize)[bad] = float32(math.NaN())
			}
			dev.Attention(out, q, kv, 0, &kernels.AttentionPlan{
				Seqs: []kernels.AttentionSeq{{Rows: rows, Position: position, Blocks: []int32{0, 1, 2, 3}}},
			})
			return slices.Clone(floatsOf(out.Addr, out.Len()))
		}
		for i, spoil := range []func(kv kernels.KV) kernels.Tensor{
			func(kv kernels.KV) kernels.Tensor { return kv.KScale },
			func(kv kernels.KV) kernels.Tensor { return kv.VScale },
		} {
			for _, position := range []int64{20, 128} { // all rows see it from the second on
				before := max(0, bad-position) * heads * dim
				clean, got := attend(position, nil), attend(position, spoil)
				same(t, clean[:before], got[:before], "%s: %d, rows before", v.name, i)
				for _, x := range got[before:] {
					require.True(t, math.IsNaN(float64(x)), "%s: %d, rows from %d on", v.name, i, position)
				}
			}
		}
	}
}

package kerneltest

import (
	"fmt"
	"math"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

func testRoPEAppendKV(c *context) {
	for _, s := range []ropeCase{
		{1, 1, 2, false, 0}, {4, 2, 64, false, 0}, {4, 2, 64, true, 0}, {3, 1, 6, true, 0}, {5, 5, 128, false, 1.25}, {3, 1, 96, true, 0.75},
		{40, 20, 16, false, 0}, {2, 2, 576, false, 0},
	} {
		c.run(fmt.Sprintf("rotate/%+v", s), func(c *context) { c.rotated(kernels.F32, s) })
	}
	for _, t := range c.dev.Info().KVTypes {
		for _, s := range []ropeCase{{4, 2, 64, true, 0}, {3, 1, 10, false, 1.25}} {
			c.run(fmt.Sprintf("rotate/%v/%+v", t, s), func(c *context) { c.rotated(t, s) })
		}
		for _, dim := range []int64{2, 10, 64, 128} {
			c.run(fmt.Sprintf("store/%v/%d", t, dim), func(c *context) { c.stored(t, dim) })
		}
	}
}

type ropeCase struct {
	heads, kvHeads, dim int64
	interleaved         bool
	scale               float32
}

// rotated compares with float64 angles up to position 2^20, k as it stands in a
// cache of a type. A row that is not stored is rotated nevertheless.
func (c *context) rotated(t kernels.DType, s ropeCase) {
	positions, slots := []int32{0, 1, 63, 8191, 131071, 1 << 20, 1<<20 - 1}, []int32{3, 0, 63, 2, -1, 7, 1}
	n := int64(len(positions))
	qs, ks := c.normal(n*s.heads*s.dim, 1), c.normal(n*s.kvHeads*s.dim, 1)
	inv := make([]float32, s.dim/2)
	for i := range inv {
		inv[i] = float32(math.Pow(500000, -2*float64(i)/float64(s.dim)))
	}
	r := kernels.Rotary{Inv: c.floats(inv, s.dim/2), Interleaved: s.interleaved, Scale: s.scale}
	kv := c.cache(t, 1, s.kvHeads, s.dim)
	q, k, v := c.floats(qs, n, s.heads, s.dim), c.floats(ks, n, s.kvHeads, s.dim), c.floats(ks, n, s.kvHeads, s.dim)
	at, to := c.ints(positions), c.ints(slots)
	c.dev.RoPEAppendKV(kv, q, k, v, at, to, r)
	want, tol := ropeRef(qs, positions, inv, s.heads, r)
	rotated := c.read(q)
	c.close(rotated, want, tol)
	want, tol = ropeRef(ks, positions, inv, s.kvHeads, r)
	keys, values := narrow(c.readCache(kv.K, kv.KScale, true)), narrow(c.readCache(kv.V, kv.VScale, false))
	for h := range n * s.kvHeads {
		slot := int64(slots[h/s.kvHeads])
		if slot < 0 {
			continue
		}
		from, at := h*s.dim, (h%s.kvHeads*kernels.BlockSize+slot)*s.dim
		key, value := want[from:][:s.dim], ks[from:][:s.dim]
		for i, stored := range storeTolerance(t, narrow(key)) {
			tol[from+int64(i)] += 1.001 * stored
		}
		c.close(keys[at:][:s.dim], key, tol[from:][:s.dim])
		c.close(values[at:][:s.dim], widen(value), storeTolerance(t, value))
	}
	row, kvRow := s.heads*s.dim, s.kvHeads*s.dim
	for i, p := range positions {
		one := c.floats(qs[int64(i)*row:][:row], 1, s.heads, s.dim)
		other := c.floats(ks[int64(i)*kvRow:][:kvRow], 1, s.kvHeads, s.dim)
		alone := c.cache(t, 1, s.kvHeads, s.dim)
		c.dev.RoPEAppendKV(alone, one, other, v.Slice(int64(i), int64(i)+1), c.ints([]int32{p}), c.ints(slots[i:i+1]), r)
		c.same(rotated[int64(i)*row:][:row], c.read(one), "alone at position %d", p)
		if slots[i] >= 0 {
			at := int64(slots[i]) * s.dim // of the first head
			c.same(keys[at:][:s.dim], narrow(c.readCache(alone.K, alone.KScale, true))[at:][:s.dim], "key alone at position %d", p)
		}
	}
	c.noAllocs(func() { c.dev.RoPEAppendKV(kv, q, k, v, at, to, r) })
}

// ropeRef rotates with float64 angles.
func ropeRef(x []float32, positions []int32, inv []float32, heads int64, r kernels.Rotary) (want, tol []float64) {
	half := int64(len(inv))
	want, tol = make([]float64, len(x)), make([]float64, len(x))
	for h := range int64(len(positions)) * heads {
		for i := range half {
			a, b := 2*half*h+i, 2*half*h+i+half
			if r.Interleaved {
				a, b = 2*half*h+2*i, 2*half*h+2*i+1
			}
			sin, cos := math.Sincos(float64(positions[h/heads]) * float64(inv[i]))
			va, vb := float64(x[a])*float64(r.Scaled()), float64(x[b])*float64(r.Scaled())
			want[a], want[b] = va*cos-vb*sin, va*sin+vb*cos
			// 1e-5 rad of angle, and rounding.
			tol[a] = 1.1e-5*(math.Abs(va)+math.Abs(vb)) + 1e-30
			tol[b] = tol[a]
		}
	}
	return want, tol
}

// store stores k and v as they are: no frequency turns anything.
func (c *context) store(kv kernels.KV, k, v kernels.Tensor, slots []int32) {
	n, dim := k.Shape[0], k.Shape[2]
	still := kernels.Rotary{Inv: c.floats(make([]float32, dim/2), dim/2)}
	c.dev.RoPEAppendKV(kv, c.empty(kernels.F32, n, 1, dim), k, v, c.ints(make([]int32, n)), c.ints(slots), still)
}

// stored: what is stored is what was given, rounded as its type rounds, and nothing
// else is touched.
func (c *context) stored(t kernels.DType, dim int64) {
	const blocks, kvHeads = 3, 2
	kv := c.cache(t, blocks, kvHeads, dim)
	slots := []int32{0, 64 + 63, 5, 2*64 + 1, -1, 191}
	n := int64(len(slots))
	ks, vs := c.normal(n*kvHeads*dim, 1), c.normal(n*kvHeads*dim, 1)
	// Ties, subnormal halves, and a row of zeros.
	copy(ks, []float32{1 + 0x1p-11, 1 + 3*0x1p-11, 0x1p-24, 0x1.8p-24, 65519, -0x1p-25})
	clear(vs[:dim])
	c.store(kv, c.floats(ks, n, kvHeads, dim), c.floats(vs, n, kvHeads, dim), slots)
	for _, side := range []struct {
		cache, scale kernels.Tensor
		want         []float32
	}{{kv.K, kv.KScale, ks}, {kv.V, kv.VScale, vs}} {
		got := c.readCache(side.cache, side.scale, side.cache == kv.K)
		touched := make([]bool, len(got))
		for i, slot := range slots {
			if slot < 0 {
				continue // stores nothing
			}
			for h := range int64(kvHeads) {
				at := ((int64(slot)/64*kvHeads+h)*64 + int64(slot)%64) * dim
				row := side.want[(int64(i)*kvHeads+h)*dim:][:dim]
				if t == kernels.F8E4M3 {
					row = clamped(row, 448)
				}
				c.close(narrow(got[at:at+dim]), widen(row), storeTolerance(t, row))
				for x := at; x < at+dim; x++ {
					touched[x] = true
				}
			}
		}
		if !t.Coded() {
			for i, v := range got {
				require.True(c, touched[i] || math.IsNaN(v), "element %d was touched", i)
			}
		}
	}
}

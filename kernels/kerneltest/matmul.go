package kerneltest

import (
	"fmt"
	"math"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// matmulRef computes x · wᵀ, and Σ|x w| for the tolerance.
func matmulRef(w []float64, x []float32, n, rows, cols int64) (out, size []float64) {
	out, size = make([]float64, n*rows), make([]float64, n*rows)
	for t := range n {
		for r := range rows {
			sum, abs := 0.0, 0.0
			for k, v := range w[r*cols : (r+1)*cols] {
				p := v * float64(x[t*cols+int64(k)])
				sum += p
				abs += math.Abs(p)
			}
			out[t*rows+r], size[t*rows+r] = sum, abs
		}
	}
	return out, size
}

// matmulShape is a case: tokens, out-features, blocks or columns.
type matmulShape struct{ n, rows, cols int64 }

func matmulShapes(t kernels.DType) []matmulShape {
	b := int64(t.Block())
	if b == 1 {
		return []matmulShape{{1, 1, 1}, {3, 17, 77}, {7, 40, 300}, {1, 100, 513}, {101, 18, 320}}
	}
	// Columns: one block, an odd number of blocks over one chunk of 256, many.
	odd := (320 + b - 1) / b * b
	return []matmulShape{{1, 1, b}, {3, 17, odd}, {7, 40, 3 * odd}, {1, 100, odd}, {101, 18, odd}}
}

func testMatMul(c *context) {
	for _, k := range weightKinds() {
		for _, s := range matmulShapes(k.DType) {
			c.run(fmt.Sprintf("%v/%dx%dx%d", k, s.n, s.rows, s.cols), func(c *context) {
				c.matmul(s, c.weight(k, s.rows, s.cols))
			})
		}
	}
	for _, s := range []struct {
		t                    kernels.DType
		scaleRows, scaleCols int64
	}{
		{kernels.F8E4M3, 40, 512}, {kernels.F8E4M3, 1, 512}, {kernels.F8E4M3, 128, 128}, {kernels.F8E4M3, 1 << 40, 1 << 40},
		{kernels.NVFP4, 40, 512}, {kernels.NVFP4x16, 40, 512}, {kernels.F16, 40, 512}, {kernels.BF16, 1, 512}, {kernels.Q8_0, 40, 512},
		{kernels.Q4_K, 40, 512}, {kernels.Q4_K, 1, 512}, {kernels.Q4_0, 1, 512}, {kernels.Q6_K, 1, 512},
	} {
		c.run(fmt.Sprintf("%v/scale %dx%d", s.t, s.scaleRows, s.scaleCols), func(c *context) {
			c.matmul(matmulShape{3, 40, 512}, c.scaled(c.matrix(s.t, 40, 512), s.scaleRows, s.scaleCols))
		})
		if c.suite.Brief {
			continue
		}
		c.run(fmt.Sprintf("%v/scale %dx%d/invariance", s.t, s.scaleRows, s.scaleCols), func(c *context) {
			c.matmulInvariance(c.scaled(c.matrix(s.t, 40, 512), s.scaleRows, s.scaleCols))
		})
	}
	for _, tile := range [][2]int64{{40, 300}, {1, 300}, {16, 128}} {
		c.run(fmt.Sprintf("odd columns/scale %dx%d", tile[0], tile[1]), func(c *context) {
			c.matmul(matmulShape{3, 40, 300}, c.scaled(c.matrix(kernels.F8E4M3, 40, 300), tile[0], tile[1]))
		})
	}
	for _, k := range weightKinds() {
		if c.suite.Brief && k.DType != kernels.BF16 && k.DType != kernels.Q4_K {
			continue
		}
		c.run(fmt.Sprintf("%v/invariance", k), func(c *context) { c.matmulInvariance(c.weight(k, 50, 768)) })
	}
	testSeveral(c)
	for _, t := range []kernels.DType{kernels.Q4_0, kernels.Q8_0} {
		c.run(fmt.Sprintf("%v/rows made when asked for", t), func(c *context) { c.filled(c.matrix(t, 150, 320)) })
	}
	for _, t := range []kernels.DType{kernels.F32, kernels.BF16, kernels.Q4_K} {
		if c.suite.Brief && t != kernels.Q4_K {
			continue
		}
		c.run(fmt.Sprintf("%v/long batches", t), func(c *context) { c.matmulLong(c.matrix(t, 20, 512)) })
	}
}

// one is a single product.
func one(out kernels.Tensor, w kernels.Weight) []kernels.Product {
	return []kernels.Product{{Out: out, W: w}}
}

// testSeveral: products of one input have the bits of each alone, whatever their
// heights and types, and however many of its rows decode.
func testSeveral(c *context) {
	for name, list := range map[string][]*kernels.Matrix{
		"one type":    {c.matrix(kernels.BF16, 40, 512), c.matrix(kernels.BF16, 17, 512), c.matrix(kernels.BF16, 8, 512)},
		"two":         {c.matrix(kernels.Q4_K, 16, 512), c.matrix(kernels.Q4_K, 33, 512)},
		"mixed":       {c.matrix(kernels.Q4_K, 40, 512), c.matrix(kernels.Q4_K, 24, 512), c.matrix(kernels.Q6_K, 24, 512)},
		"five":        {c.matrix(kernels.F16, 3, 512), c.matrix(kernels.F16, 50, 512), c.matrix(kernels.F16, 16, 512), c.matrix(kernels.F16, 1, 512), c.matrix(kernels.F16, 31, 512)},
		"floats":      {c.matrix(kernels.Q8_0, 9, 512), c.matrix(kernels.F32, 20, 512), c.matrix(kernels.Q8_0, 20, 512)},
		"some scaled": {c.matrix(kernels.Q8_0, 40, 512), c.scaled(c.matrix(kernels.Q8_0, 40, 512), 40, 512), c.matrix(kernels.Q8_0, 24, 512)},
		"tables": {
			c.weight(weightKind{kernels.Q3_K, true}, 40, 512), c.matrix(kernels.Q3_K, 24, 512),
			c.scaled(c.weight(weightKind{kernels.IQ4_XS, true}, 33, 512), 33, 512), c.weight(weightKind{kernels.IQ4_XS, true}, 8, 512),
		},
		"scales": {
			c.scaled(c.matrix(kernels.F8E4M3, 40, 512), 40, 512), c.scaled(c.matrix(kernels.F8E4M3, 40, 512), 1, 512),
			c.scaled(c.matrix(kernels.F8E4M3, 40, 512), 16, 128),
		},
	} {
		for _, n := range []int64{1, 5, 20} {
			if c.suite.Brief && n != 5 {
				continue
			}
			c.run(fmt.Sprintf("several/%s/n=%d", name, n), func(c *context) { c.several(n, list) })
		}
	}
}

func (c *context) several(n int64, list []*kernels.Matrix) {
	xs := c.normal(n*list[0].Cols, 1)
	x := c.floats(xs, n, list[0].Cols)
	products := make([]kernels.Product, len(list))
	for i, m := range list {
		products[i] = kernels.Product{Out: c.empty(kernels.F32, n, m.Rows), W: c.pack(m)}
	}
	for _, decode := range []int64{0, n / 2, n} {
		c.dev.MatMul(x, decode, products)
		for i, p := range products {
			alone := c.empty(kernels.F32, n, p.W.Rows)
			c.dev.MatMul(x, decode, one(alone, p.W))
			c.same(c.read(alone), c.read(p.Out), "product %d, %d of %d rows decode", i, decode, n)
		}
		c.noAllocs(func() { c.dev.MatMul(x, decode, products) })
	}
}

// matmul compares a product with the reference.
func (c *context) matmul(s matmulShape, m *kernels.Matrix) {
	xs := c.normal(s.n*s.cols, 1)
	w := c.pack(m)
	x, out := c.floats(xs, s.n, s.cols), c.empty(kernels.F32, s.n, s.rows)
	product := one(out, w)
	c.dev.MatMul(x, s.n/2, product)
	if c.suite.Rounded != nil {
		xs = c.suite.Rounded(m.Type, xs, s.cols, s.n/2)
	}
	want, size := matmulRef(values(m), xs, s.n, s.rows, s.cols)
	for i := range size {
		size[i] *= c.suite.lost(m.Type)
	}
	c.close(c.read(out), want, size)
	c.noAllocs(func() { c.dev.MatMul(x, s.n/2, product) })
}

// matmulInvariance: a row has the same bits alone, in any batch, on any peer.
func (c *context) matmulInvariance(m *kernels.Matrix) {
	const n = 24
	rows, cols := m.Rows, m.Cols
	xs := c.normal(n*cols, 1)
	w := c.pack(m)
	for _, decode := range []bool{false, true} {
		want := c.product(w, xs, n, decode)
		for i := range int64(n) {
			c.same(want[i*rows:(i+1)*rows], c.product(w, xs[i*cols:(i+1)*cols], 1, decode), "alone, row %d", i)
		}
		// Batches at both ends, so that most rows change their place.
		for _, batch := range []int64{2, 3, 5, 8, 17} {
			for from := int64(0); from+batch <= n; from += max(1, n-batch) {
				got := c.product(w, xs[from*cols:(from+batch)*cols], batch, decode)
				c.same(want[from*rows:(from+batch)*rows], got, "in a batch of %d from row %d", batch, from)
			}
		}
		for i, open := range c.suite.Peers {
			peer := c.on(Open(c, c.suite.Name, open))
			pw := peer.pack(m)
			c.same(want, peer.product(pw, xs, n, decode), "on peer %d", i)
			c.same(want[:rows], peer.product(pw, xs[:cols], 1, decode), "alone on peer %d", i)
		}
	}
}

// filled: a matrix whose rows are made when they are asked for has the bits of one with
// data.
func (c *context) filled(m *kernels.Matrix) {
	size := m.Type.RowBytes(m.Cols)
	made := *m
	made.Data, made.Fill = nil, func(dst []byte, first int64) {
		require.Positive(c, len(dst))
		require.Zero(c, int64(len(dst))%size, "whole rows")
		copy(dst, m.Data[first*size:][:len(dst)])
	}
	xs := c.normal(3*m.Cols, 1)
	c.same(c.product(c.pack(m), xs, 3, false), c.product(c.pack(&made), xs, 3, false), "by Fill")
}

// matmulLong: the same for batches that a device cuts up, and for those of
// which only the first rows decode.
func (c *context) matmulLong(m *kernels.Matrix) {
	const n = 330
	rows, cols := m.Rows, m.Cols
	xs := c.normal(n*cols, 1)
	w := c.pack(m)
	decoded, filled := c.product(w, xs, n, true), c.product(w, xs, n, false)
	for _, batch := range []int64{64, 97, 129, 200, 257} {
		from := c.rng.Int64N(n - batch)
		got := c.product(w, xs[from*cols:(from+batch)*cols], batch, false)
		c.same(filled[from*rows:(from+batch)*rows], got, "in a batch of %d from row %d", batch, from)
	}
	for _, decode := range []int64{1, 7, 96, 100, n - 1} {
		got := c.mixed(w, xs, n, decode)
		c.same(decoded[:decode*rows], got[:decode*rows], "among %d that decode", decode)
		c.same(filled[decode*rows:], got[decode*rows:], "after %d that decode", decode)
	}
}

func (c *context) product(w kernels.Weight, xs []float32, n int64, decode bool) []float32 {
	if decode {
		return c.mixed(w, xs, n, n)
	}
	return c.mixed(w, xs, n, 0)
}

// mixed multiplies n rows, of which the first decode.
func (c *context) mixed(w kernels.Weight, xs []float32, n, decode int64) []float32 {
	x, out := c.floats(xs, n, w.Cols), c.empty(kernels.F32, n, w.Rows)
	c.dev.MatMul(x, decode, one(out, w))
	got := c.read(out)
	c.release()
	return got
}

// testEmbed: an embedding is the decoder's row, bit for bit but for zero's sign.
func testEmbed(c *context) {
	for _, k := range weightKinds() {
		c.run(k.String(), func(c *context) { c.embed(c.weight(k, 37, 256*3)) })
		for name, tile := range map[string][2]int64{"all": {37, 768}, "a row": {1, 768}} {
			c.run(fmt.Sprintf("%v/a scale for %s", k, name), func(c *context) { c.embed(c.scaled(c.weight(k, 37, 768), tile[0], tile[1])) })
		}
	}
	c.run("scales of tiles", func(c *context) { c.embed(c.scaled(c.matrix(kernels.F8E4M3, 37, 700), 16, 128)) })
}

func (c *context) embed(m *kernels.Matrix) {
	ids := []int32{0, 36, 16, 16, 5, 31, 32}
	table := c.pack(m)
	out, at := c.empty(kernels.F32, int64(len(ids)), m.Cols), c.ints(ids)
	c.dev.Embed(out, table, at)
	got, all := c.read(out), values(m)
	for i, id := range ids {
		for col := range m.Cols {
			if want, v := all[int64(id)*m.Cols+col], float64(got[int64(i)*m.Cols+col]); want != v {
				require.FailNow(c, "wrong value", "row %d column %d: got %v, want %v", id, col, v, want)
			}
		}
	}
	c.noAllocs(func() { c.dev.Embed(out, table, at) })
}

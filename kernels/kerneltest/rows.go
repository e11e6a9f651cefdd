package kerneltest

import (
	"fmt"
	"math"

	"trona/kernels"
)

// rowShapes are [n, d] of the ops that work on rows.
var rowShapes = [][2]int64{{1, 1}, {3, 7}, {2, 64}, {5, 2048}, {33, 257}, {2, 8000}, {2, 16384}}

func (c *context) eachRowShape(test func(c *context, n, d int64)) {
	for _, s := range rowShapes {
		c.run(fmt.Sprintf("%dx%d", s[0], s[1]), func(c *context) { test(c, s[0], s[1]) })
	}
}

// normRef returns RMSNorm of one row.
func normRef(x []float64, weight []float32, eps float64) []float64 {
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v / math.Sqrt(sum/float64(len(x))+eps) * float64(weight[i])
	}
	return out
}

// relative returns tolerances of eps times each magnitude.
func relative(want []float64, eps float64) []float64 {
	t := make([]float64, len(want))
	for i, v := range want {
		t[i] = eps*math.Abs(v) + 1e-30
	}
	return t
}

func widen(x []float32) []float64 {
	w := make([]float64, len(x))
	for i, v := range x {
		w[i] = float64(v)
	}
	return w
}

func testRMSNorm(c *context) {
	const eps = 1e-5
	c.eachRowShape(func(c *context, n, d int64) {
		// Small rows, so that eps matters.
		xs, ws := c.normal(n*d, 0.01), c.normal(d, 1)
		x, w, out := c.floats(xs, n, d), c.floats(ws, d), c.empty(kernels.F32, n, d)
		c.dev.RMSNorm(out, x, w, eps)
		var want []float64
		for r := range n {
			want = append(want, normRef(widen(xs[r*d:(r+1)*d]), ws, eps)...)
		}
		got := c.read(out)
		c.close(got, want, relative(want, 1e-6))
		last := c.empty(kernels.F32, 1, d)
		c.dev.RMSNorm(last, x.Slice(n-1, n), w, eps)
		c.same(got[(n-1)*d:], c.read(last), "alone")
		c.noAllocs(func() { c.dev.RMSNorm(out, x, w, eps) })
	})
}

func testAddRMSNorm(c *context) {
	const eps = 1e-5
	c.eachRowShape(func(c *context, n, d int64) {
		xs, ds, ws := c.normal(n*d, 1), c.normal(n*d, 1), c.normal(d, 1)
		x, delta, w, out := c.floats(xs, n, d), c.floats(ds, n, d), c.floats(ws, d), c.empty(kernels.F32, n, d)
		c.dev.AddRMSNorm(out, x, delta, w, eps)
		sum := make([]float64, n*d)
		for i := range sum {
			sum[i] = float64(xs[i] + ds[i])
		}
		c.close(c.read(x), sum, make([]float64, n*d))
		var want []float64
		for r := range n {
			want = append(want, normRef(sum[r*d:(r+1)*d], ws, eps)...)
		}
		got := c.read(out)
		c.close(got, want, relative(want, 1e-6))
		last, one := c.floats(xs[(n-1)*d:], 1, d), c.empty(kernels.F32, 1, d)
		c.dev.AddRMSNorm(one, last, delta.Slice(n-1, n), w, eps)
		c.same(got[(n-1)*d:], c.read(one), "alone")
		c.noAllocs(func() { c.dev.AddRMSNorm(out, x, delta, w, eps) })
	})
}

func testAdd(c *context) {
	c.eachRowShape(func(c *context, n, d int64) {
		xs, ds := c.normal(n*d, 1), c.normal(n*d, 1)
		x, delta := c.floats(xs, n, d), c.floats(ds, n, d)
		c.dev.Add(x, delta)
		want := make([]float64, n*d)
		for i := range want {
			want[i] = float64(xs[i] + ds[i])
		}
		c.close(c.read(x), want, make([]float64, n*d))
		c.noAllocs(func() { c.dev.Add(x, delta) })
	})
}

func testGather(c *context) {
	c.eachRowShape(func(c *context, n, d int64) {
		xs := c.normal(n*d, 1)
		rows := []int32{int32(n - 1), 0, int32(n / 2), 0}
		x, at, out := c.floats(xs, n, d), c.ints(rows), c.empty(kernels.F32, 4, d)
		c.dev.Gather(out, x, at)
		var want []float32
		for _, r := range rows {
			want = append(want, xs[int64(r)*d:(int64(r)+1)*d]...)
		}
		c.same(want, c.read(out), "gathered")
		c.noAllocs(func() { c.dev.Gather(out, x, at) })
	})
}

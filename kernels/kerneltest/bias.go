package kerneltest

import (
	"fmt"

	"trona/kernels"
)

// biased returns n rows of d numbers and a bias, on the device and here.
func (c *context) biased(n, d int64) (b kernels.Biased, xs, bias []float32) {
	xs, bias = c.normal(n*d, 1), c.normal(d, 1)
	return kernels.Biased{X: c.floats(xs, n, d), Bias: c.floats(bias, d)}, xs, bias
}

// biasedRef returns what biased rows are, rounded once.
func biasedRef(xs, bias []float32) []float64 {
	sum := make([]float64, len(xs))
	for i, v := range xs {
		sum[i] = float64(v + bias[i%len(bias)])
	}
	return sum
}

// testAddBias: every sum has the bias of its column, however many sums of whatever
// widths there are at a time.
func testAddBias(c *context) {
	for _, s := range []struct {
		n      int64
		widths []int64
	}{
		{1, []int64{1}}, {3, []int64{7}}, {2, []int64{64, 16, 16}}, {33, []int64{257, 1, 4096}}, {5, []int64{1023, 1024, 1025, 8, 9000}},
		{2, []int64{16384}},
	} {
		c.run(fmt.Sprintf("%dx%v", s.n, s.widths), func(c *context) {
			var sums []kernels.Biased
			var want [][]float64
			for _, d := range s.widths {
				b, xs, bias := c.biased(s.n, d)
				sums, want = append(sums, b), append(want, biasedRef(xs, bias))
			}
			c.dev.AddBias(sums)
			for i := range sums {
				c.close(c.read(sums[i].X), want[i], make([]float64, len(want[i])))
			}
			c.noAllocs(func() { c.dev.AddBias(sums) })
		})
	}
}

// testSwiGLU: the gated unit of biased numbers is right to a few units in the last
// place, however large they are, and a row has the same bits alone.
func testSwiGLU(c *context) {
	c.eachRowShape(func(c *context, n, d int64) {
		gate, gs, gateBias := c.biased(n, d)
		up, us, upBias := c.biased(n, d)
		if d > 7 {
			copy(gs, []float32{0, 100, -100, 1e30, -80, 88.5, -88.5})
			clear(gateBias[:7])
			gate = kernels.Biased{X: c.floats(gs, n, d), Bias: c.floats(gateBias, d)}
		}
		c.dev.SwiGLU(gate, up)
		gates, want := biasedRef(gs, gateBias), biasedRef(us, upBias)
		for i := range want {
			want[i] *= silu(gates[i])
		}
		got := c.read(gate.X)
		c.close(got, want, relative(want, 1e-6))
		last := (n - 1) * d
		one := kernels.Biased{X: c.floats(gs[last:], 1, d), Bias: gate.Bias}
		c.dev.SwiGLU(one, kernels.Biased{X: c.floats(us[last:], 1, d), Bias: up.Bias})
		c.same(got[last:], c.read(one.X), "alone")
		c.noAllocs(func() { c.dev.SwiGLU(gate, up) })
	})
}

package kerneltest

import (
	"fmt"
	"math"

	"trona/kernels"
)

// silu is v / (1 + e^-v).
func silu(v float64) float64 { return v / (1 + math.Exp(-v)) }

func testGatedMatMul(c *context) {
	for _, s := range []struct{ n, width int64 }{{1, 1}, {5, 7}, {9, 40}} {
		c.run(fmt.Sprintf("silu/%dx%d", s.n, s.width), func(c *context) { c.gatedValues(s.n, s.width) })
	}
	for _, k := range weightKinds() {
		b := int64(k.Block())
		cols := (320 + b - 1) / b * b
		c.run(k.String(), func(c *context) { c.gated(11, c.weight(k, 40, cols), c.weight(k, 40, cols)) })
	}
	for _, s := range []struct {
		gate, up      kernels.DType
		n, rows, cols int64
	}{
		{kernels.F32, kernels.Q4_K, 7, 17, 256}, {kernels.Q4_K, kernels.F32, 7, 17, 256}, {kernels.BF16, kernels.Q8_0, 7, 17, 256},
		{kernels.Q6_K, kernels.Q4_K, 7, 17, 256}, {kernels.F16, kernels.BF16, 1, 45, 333}, {kernels.F8E4M3, kernels.F16, 19, 9, 77},
		{kernels.NVFP4, kernels.Q8_0, 34, 33, 320}, {kernels.Q4_K, kernels.BF16, 140, 71, 512},
		{kernels.Q4_K, kernels.Q4_K, 2, 2400, 256},
	} {
		c.run(fmt.Sprintf("%v and %v/n=%d", s.gate, s.up, s.n), func(c *context) {
			c.gated(s.n, c.matrix(s.gate, s.rows, s.cols), c.matrix(s.up, s.rows, s.cols))
		})
	}
	c.run("scales", func(c *context) {
		gate, up := c.matrix(kernels.F8E4M3, 40, 512), c.matrix(kernels.F8E4M3, 40, 512)
		c.gated(3, c.scaled(gate, 1, 512), c.scaled(up, 40, 128))
	})
	for _, t := range []kernels.DType{kernels.BF16, kernels.Q4_K} {
		c.run(fmt.Sprintf("%v/many rows", t), func(c *context) { c.gated(140, c.matrix(t, 70, 512), c.matrix(t, 70, 512)) })
	}
}

// gatedValues: with weights that pick single inputs, what comes out is silu to
// a few units in the last place, however large its argument.
func (c *context) gatedValues(n, width int64) {
	gs, us := c.normal(n*width, 4), c.normal(n*width, 1)
	copy(gs, []float32{0, 100, -100, 1e30, -80, 88.5, -88.5}[:min(7, len(gs))])
	xs := make([]float32, 0, 2*n*width)
	want := make([]float64, n*width)
	for i := range n {
		xs = append(append(xs, gs[i*width:(i+1)*width]...), us[i*width:(i+1)*width]...)
	}
	for i := range want {
		want[i] = silu(float64(gs[i])) * float64(us[i])
	}
	pick := func(from int64) kernels.Weight {
		w := make([]float32, 2*width*width)
		for r := range width {
			w[r*2*width+from+r] = 1
		}
		return c.pack(&kernels.Matrix{Type: kernels.F32, Rows: width, Cols: 2 * width, Data: bytesOf(w)})
	}
	x, out := c.floats(xs, n, 2*width), c.empty(kernels.F32, n, width)
	c.dev.GatedMatMul(out, x, pick(0), pick(width), n/2)
	c.close(c.read(out), want, relative(want, 1e-6))
}

// gated compares with the reference, and rows alone with those of the batch.
func (c *context) gated(n int64, gate, up *kernels.Matrix) {
	rows, cols, decode := gate.Rows, gate.Cols, n/2
	xs := c.normal(n*cols, 1)
	g, u := c.pack(gate), c.pack(up)
	x, out := c.floats(xs, n, cols), c.empty(kernels.F32, n, rows)
	c.dev.GatedMatMul(out, x, g, u, decode)
	seen := func(t kernels.DType) []float32 {
		if c.suite.Rounded != nil {
			return c.suite.Rounded(t, xs, cols, decode)
		}
		return xs
	}
	gates, gateSize := matmulRef(values(gate), seen(gate.Type), n, rows, cols)
	ups, upSize := matmulRef(values(up), seen(up.Type), n, rows, cols)
	want, tol := make([]float64, n*rows), make([]float64, n*rows)
	for i := range want {
		s := silu(gates[i])
		want[i] = s * ups[i]
		// silu changes at most 1.1 times as much as its argument.
		ofGate, ofUp := 1.1*gateSize[i]*c.suite.lost(gate.Type), upSize[i]*c.suite.lost(up.Type)
		tol[i] = ofGate*(math.Abs(ups[i])+ofUp) + math.Abs(s)*ofUp + 1e-6*math.Abs(want[i])
	}
	got := c.read(out)
	c.close(got, want, tol)
	one := c.empty(kernels.F32, 1, rows)
	for _, row := range []int64{0, n - 1} {
		c.dev.GatedMatMul(one, c.floats(xs[row*cols:][:cols], 1, cols), g, u, min(1, max(0, decode-row)))
		c.same(got[row*rows:][:rows], c.read(one), "alone, row %d", row)
	}
	c.noAllocs(func() { c.dev.GatedMatMul(out, x, g, u, decode) })
}

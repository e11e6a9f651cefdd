package kerneltest

import (
	"fmt"

	"trona/kernels"
)

// testUniform holds a device that claims Info.Uniform to it: no row of a
// product or of attention shows whether it decodes.
func testUniform(c *context) {
	if !c.dev.Info().Uniform {
		c.Skip("decode and prefill arithmetic may differ on this device")
	}
	for _, k := range weightKinds() {
		c.run(fmt.Sprintf("matmul/%v", k), func(c *context) {
			for _, s := range matmulShapes(k.DType) {
				c.matmulUniform(s.n, c.weight(k, s.rows, s.cols))
			}
			m := c.weight(k, 40, 512)
			for _, tile := range [][2]int64{{40, 512}, {1, 512}, {16, 256}} {
				c.matmulUniform(5, c.scaled(m, tile[0], tile[1]))
				c.matmulUniform(1, m)
			}
		})
	}
	for _, t := range c.dev.Info().KVTypes {
		for name, a := range attentionCases {
			c.run(fmt.Sprintf("attention/%v/%s", t, name), func(c *context) { c.attentionUniform(t, a) })
		}
	}
}

func (c *context) matmulUniform(n int64, m *kernels.Matrix) {
	c.Helper()
	w, xs := c.pack(m), c.normal(n*m.Cols, 1)
	want := c.mixed(w, xs, n, 0)
	for _, decode := range []int64{1, (n + 1) / 2, n} {
		c.same(want, c.mixed(w, xs, n, decode), "with %d of %d rows that decode, %v", decode, n, m)
	}
}

func (c *context) attentionUniform(t kernels.DType, a attentionCase) {
	a.decode = 0
	in := c.attentionInput(t, a)
	kv := c.fillCache(in)
	want := c.attend(in, kv, in.plan, 0, in.n)
	decode := int64(0)
	for _, s := range in.plan.Seqs {
		decode += s.Rows
		plan := &kernels.AttentionPlan{Decode: decode, Seqs: in.plan.Seqs}
		c.same(want, c.attend(in, kv, plan, 0, in.n), "with %d of %d rows that decode", decode, in.n)
	}
}

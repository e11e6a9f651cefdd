package kerneltest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// misuse is a call with shapes or types that do not fit.
type misuse struct {
	want string // in what it panics with
	call func()
}

// testMisuse: shapes and types that do not fit panic at the call, before the
// device sees them.
func testMisuse(c *context) {
	for _, m := range append(c.misusedRows(), c.misusedCaches()...) {
		require.Contains(c, panicOf(m.call), m.want)
	}
	for name, m := range map[string]kernels.Matrix{
		"no type":                {Rows: 1, Cols: 32, Data: make([]byte, 32)},
		"integers":               {Type: kernels.I32, Rows: 1, Cols: 32, Data: make([]byte, 128)},
		"no rows":                {Type: kernels.F32, Cols: 32},
		"part of a block":        {Type: kernels.Q8_0, Rows: 1, Cols: 16, Data: make([]byte, 17)},
		"too little data":        {Type: kernels.Q8_0, Rows: 1, Cols: 32, Data: make([]byte, 33)},
		"too much data":          {Type: kernels.F32, Rows: 1, Cols: 8, Data: make([]byte, 33)},
		"data and rows":          {Type: kernels.Q8_0, Rows: 1, Cols: 32, Data: make([]byte, 34), Fill: func([]byte, int64) {}},
		"rows without scales":    {Type: kernels.F8E4M3, Rows: 1, Cols: 32, Fill: func([]byte, int64) {}},
		"no group scales":        {Type: kernels.NVFP4x16, Rows: 1, Cols: 16, Data: make([]byte, 8)},
		"too few scales":         {Type: kernels.F8E4M3, Rows: 3, Cols: 4, Data: make([]byte, 12), Scale: make([]float32, 2), ScaleRows: 1, ScaleCols: 4},
		"scales of nothing":      {Type: kernels.F8E4M3, Rows: 3, Cols: 4, Data: make([]byte, 12), Scale: make([]float32, 3)},
		"scales that do not fit": {Type: kernels.F32, Rows: 1, Cols: 16, Data: make([]byte, 64), GroupScale: make([]byte, 1)},
		"a table of no type":     {Type: kernels.IQ4_NL, Rows: 1, Cols: 32, Data: make([]byte, 18), Table: make([]int8, 16)},
		"too small a table":      {Type: kernels.IQ4_XS, Rows: 1, Cols: 256, Data: make([]byte, 136), Table: make([]int8, 8)},
		"too great a value":      {Type: kernels.Q3_K, Rows: 1, Cols: 256, Data: make([]byte, 110), Table: []int8{0, 0, 0, 0, 0, 0, 0, 64}},
	} {
		_, err := c.dev.Pack(&m)
		require.Error(c, err, name)
	}
	require.NoError(c, c.dev.Sync(), "misuse leaves no error behind")
	c.release()
}

// panicOf returns what a call panics with.
func panicOf(call func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	call()
	return
}

// misusedRows are misuses of ops on rows.
func (c *context) misusedRows() []misuse {
	x, y, v := c.empty(kernels.F32, 2, 8), c.empty(kernels.F32, 3, 8), c.empty(kernels.F32, 8)
	out, short, ints, ids := c.empty(kernels.F32, 2, 4), c.empty(kernels.F32, 4), c.empty(kernels.I32, 2, 8), c.ints([]int32{0, 1})
	w, other := c.pack(c.matrix(kernels.F32, 4, 8)), c.pack(c.matrix(kernels.F32, 5, 8))
	return []misuse{
		{"embed: ids is", func() { c.dev.Embed(y, w, ids) }},
		{"embed: out is", func() { c.dev.Embed(out, w, ids) }},
		{"rmsnorm: x is", func() { c.dev.RMSNorm(y, x, v, 1) }},
		{"rmsnorm: out is", func() { c.dev.RMSNorm(ints, x, v, 1) }},
		{"rmsnorm: weight is", func() { c.dev.RMSNorm(x, x, ids, 1) }},
		{"add_rmsnorm: x is", func() { c.dev.AddRMSNorm(y, x, y, v, 1) }},
		{"add_rmsnorm: out is", func() { c.dev.AddRMSNorm(ints, x, x, v, 1) }},
		{"add_rmsnorm: delta is", func() { c.dev.AddRMSNorm(x, x, y, v, 1) }},
		{"add_rmsnorm: weight is", func() { c.dev.AddRMSNorm(x, x, x, ids, 1) }},
		{"add: x is", func() { c.dev.Add(x, y) }},
		{"add: delta is", func() { c.dev.Add(x, ints) }},
		{"matmul: no product", func() { c.dev.MatMul(x, 0, nil) }},
		{"matmul: x is", func() { c.dev.MatMul(out, 0, one(out, w)) }},
		{"matmul: out is", func() { c.dev.MatMul(x, 0, one(x, w)) }},
		{"matmul: out is", func() { c.dev.MatMul(x, 0, []kernels.Product{{Out: out, W: w}, {Out: out, W: other}}) }},
		{"matmul: decode is", func() { c.dev.MatMul(x, 3, one(out, w)) }},
		{"gated_matmul: out is", func() { c.dev.GatedMatMul(x, x, w, w, 0) }},
		{"gated_matmul: gate is", func() { c.dev.GatedMatMul(out, x, w, other, 0) }},
		{"add_bias: no sum", func() { c.dev.AddBias(nil) }},
		{"add_bias: bias is", func() { c.dev.AddBias([]kernels.Biased{{X: x, Bias: short}}) }},
		{"add_bias: x is", func() { c.dev.AddBias([]kernels.Biased{{X: x, Bias: v}, {X: y, Bias: v}}) }},
		{"swiglu: gate is", func() { c.dev.SwiGLU(kernels.Biased{X: ints, Bias: v}, kernels.Biased{X: x, Bias: v}) }},
		{"swiglu: up is", func() { c.dev.SwiGLU(kernels.Biased{X: x, Bias: v}, kernels.Biased{X: y, Bias: v}) }},
		{"swiglu: bias of up is", func() { c.dev.SwiGLU(kernels.Biased{X: x, Bias: v}, kernels.Biased{X: x, Bias: ids}) }},
		{"swiglu: gate is F32[2 8], up", func() { c.dev.SwiGLU(kernels.Biased{X: x, Bias: v}, kernels.Biased{X: out, Bias: short}) }},
		{"gather: x is", func() { c.dev.Gather(x, ints, ids) }},
		{"gather: rows is", func() { c.dev.Gather(y, x, ids) }},
		{"gather: out is", func() { c.dev.Gather(out, x, ids) }},
		{"sample: 0 results", func() { c.dev.Sample(nil, x, make([]kernels.SampleRow, 2)) }},
		{"sample: logits is", func() { c.dev.Sample(make([]kernels.Sampled, 2), y, make([]kernels.SampleRow, 2)) }},
		{"upload of 3 bytes", func() { c.dev.Upload(x, make([]byte, 3)) }},
		{"download of 3 bytes", func() { c.dev.Download(make([]byte, 3), x) }},
	}
}

// misusedCaches are misuses of ops on a cache.
func (c *context) misusedCaches() []misuse {
	x, v, ids := c.empty(kernels.F32, 2, 8), c.empty(kernels.F32, 8), c.ints([]int32{0, 1})
	heads, three, inv := c.empty(kernels.F32, 2, 2, 4), c.empty(kernels.F32, 2, 3, 4), c.empty(kernels.F32, 2)
	kv, half, narrow := c.cache(kernels.F32, 1, 2, 4), c.cache(kernels.F16, 1, 2, 4), c.cache(kernels.I8, 1, 2, 4)
	rope := func(kv kernels.KV, q, k, v, positions, slots, inv kernels.Tensor) func() {
		return func() { c.dev.RoPEAppendKV(kv, q, k, v, positions, slots, kernels.Rotary{Inv: inv}) }
	}
	attention := func(out, q kernels.Tensor, window, decode, row, rows int64, blocks ...int32) func() {
		return func() {
			c.dev.Attention(out, q, kv, window, &kernels.AttentionPlan{
				Decode: decode, Seqs: []kernels.AttentionSeq{{Row: row, Rows: rows, Blocks: blocks}},
			})
		}
	}
	return []misuse{
		{"rope_append_kv: q is", rope(kv, x, heads, heads, ids, ids, inv)},
		{"rope_append_kv: k is", rope(kv, heads, x, heads, ids, ids, inv)},
		{"their head sizes differ", rope(kv, heads, c.empty(kernels.F32, 2, 2, 2), heads, ids, ids, inv)},
		{", v is", rope(kv, heads, heads, x, ids, ids, inv)},
		{"rope_append_kv: positions is", rope(kv, heads, heads, heads, v, ids, inv)},
		{"rope_append_kv: slots is", rope(kv, heads, heads, heads, ids, v, inv)},
		{"rope_append_kv: inv is", rope(kv, heads, heads, heads, ids, ids, v)},
		{"rope_append_kv: cache is", rope(kernels.KV{}, heads, heads, heads, ids, ids, inv)},
		{", V is", rope(kernels.KV{K: kv.K, V: half.V}, heads, heads, heads, ids, ids, inv)},
		{"cache scales are", rope(kernels.KV{K: narrow.K, V: narrow.V}, heads, heads, heads, ids, ids, inv)},
		{"no cache of type", rope(c.cache(kernels.I32, 1, 2, 4), heads, heads, heads, ids, ids, inv)},
		{"attention: out is", attention(x, heads, 0, 0, 0, 2, 0)},
		{"3 heads do not share 2", attention(three, three, 0, 0, 0, 2, 0)},
		{"attention: window is", attention(heads, heads, -1, 0, 0, 2, 0)},
		{"attention: decode is", attention(heads, heads, 0, 3, 0, 2, 0)},
		{"want them to begin at 0", attention(heads, heads, 0, 0, 1, 1, 0)},
		{"where decoding ends", attention(heads, heads, 0, 1, 0, 2, 0)},
		{"sequences cover 1 of 2", attention(heads, heads, 0, 0, 0, 1, 0)},
		{"has 0 blocks", attention(heads, heads, 0, 0, 0, 2)},
		{"names block 1 of 1", attention(heads, heads, 0, 0, 0, 2, 1)},
	}
}

package kerneltest

import (
	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// testMisuse: shapes and types that do not fit panic at the call, before the
// device sees them.
func testMisuse(c *context) {
	x, y, v := c.empty(kernels.F32, 2, 8), c.empty(kernels.F32, 3, 8), c.empty(kernels.F32, 8)
	ids := c.ints([]int32{0, 1})
	w, other := c.pack(c.matrix(kernels.F32, 4, 8)), c.pack(c.matrix(kernels.F32, 5, 8))
	heads := c.empty(kernels.F32, 2, 2, 4)
	kv, turns := c.cache(kernels.F32, 1, 2, 4), kernels.Rotary{Inv: c.empty(kernels.F32, 2)}
	plan := func(s kernels.AttentionSeq) *kernels.AttentionPlan {
		return &kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{s}}
	}
	for name, call := range map[string]func(){
		"embed: ids":         func() { c.dev.Embed(y, w, ids) },
		"rmsnorm: rows":      func() { c.dev.RMSNorm(y, x, v, 1) },
		"rmsnorm: weight":    func() { c.dev.RMSNorm(x, x, ids, 1) },
		"add_rmsnorm: delta": func() { c.dev.AddRMSNorm(x, x, y, v, 1) },
		"add: rows":          func() { c.dev.Add(x, y) },
		"matmul: out":        func() { c.dev.MatMul(x, 0, one(x, w)) },
		"matmul: decode":     func() { c.dev.MatMul(x, 3, one(c.empty(kernels.F32, 2, 4), w)) },
		"matmul: none":       func() { c.dev.MatMul(x, 0, nil) },
		"matmul: second": func() {
			c.dev.MatMul(x, 0, []kernels.Product{{Out: c.empty(kernels.F32, 2, 4), W: w}, {Out: c.empty(kernels.F32, 2, 4), W: other}})
		},
		"add_bias: none":        func() { c.dev.AddBias(nil) },
		"add_bias: bias":        func() { c.dev.AddBias([]kernels.Biased{{X: x, Bias: turns.Inv}}) },
		"add_bias: rows":        func() { c.dev.AddBias([]kernels.Biased{{X: x, Bias: v}, {X: y, Bias: v}}) },
		"swiglu: up":            func() { c.dev.SwiGLU(kernels.Biased{X: x, Bias: v}, kernels.Biased{X: y, Bias: v}) },
		"swiglu: bias":          func() { c.dev.SwiGLU(kernels.Biased{X: x, Bias: v}, kernels.Biased{X: x, Bias: ids}) },
		"rope_append_kv: rank":  func() { c.dev.RoPEAppendKV(kv, x, heads, heads, ids, ids, turns) },
		"rope_append_kv: v":     func() { c.dev.RoPEAppendKV(kv, heads, heads, x, ids, ids, turns) },
		"rope_append_kv: inv":   func() { c.dev.RoPEAppendKV(kv, heads, heads, heads, ids, ids, kernels.Rotary{Inv: v}) },
		"rope_append_kv: slots": func() { c.dev.RoPEAppendKV(kv, heads, heads, heads, ids, v, turns) },
		"rope_append_kv: cache": func() { c.dev.RoPEAppendKV(kernels.KV{}, heads, heads, heads, ids, ids, turns) },
		"attention: rows":       func() { c.dev.Attention(heads, heads, kv, 0, plan(kernels.AttentionSeq{Rows: 1, Blocks: []int32{0}})) },
		"attention: blocks":     func() { c.dev.Attention(heads, heads, kv, 0, plan(kernels.AttentionSeq{Rows: 2})) },
		"attention: block id":   func() { c.dev.Attention(heads, heads, kv, 0, plan(kernels.AttentionSeq{Rows: 2, Blocks: []int32{1}})) },
		"attention: window":     func() { c.dev.Attention(heads, heads, kv, -1, plan(kernels.AttentionSeq{Rows: 2, Blocks: []int32{0}})) },
		"gated_matmul: up":      func() { c.dev.GatedMatMul(c.empty(kernels.F32, 2, 4), x, w, other, 0) },
		"gather: rows":          func() { c.dev.Gather(y, x, ids) },
		"sample: rows":          func() { c.dev.Sample(nil, x, make([]kernels.SampleRow, 2)) },
		"upload: size":          func() { c.dev.Upload(x, make([]byte, 3)) },
		"download: size":        func() { c.dev.Download(make([]byte, 3), x) },
	} {
		require.Panics(c, call, name)
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

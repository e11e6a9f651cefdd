package kerneltest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// benchWeight is the size of a benchmark's weight as the checkpoint stores it:
// more than caches hold, so that one token reads it from memory.
const benchWeight = 96 << 20

// bencher is the device of a benchmark. Its memory lives until the device closes.
type bencher struct {
	*testing.B
	dev kernels.Device
	rng *rand.Rand
}

// Bench measures each op and reports GB/s and GFLOP/s from the costs in
// package kernels.
func Bench(b *testing.B, open func() (kernels.Device, error)) {
	dev, err := open()
	require.NoError(b, err)
	defer func() { require.NoError(b, dev.Close()) }()
	b.Logf("%s", dev.Info().Detail)
	x := &bencher{B: b, dev: dev, rng: rand.New(rand.NewPCG(1, 1))}
	for _, t := range weightTypes {
		x.matmul(t)
	}
	for _, t := range dev.Info().KVTypes {
		x.attention(t, 1, 4095)
		x.attention(t, 512, 0)
		x.attention(t, 512, 3584)
	}
	x.rows()
	x.sample()
}

// BenchPrefill measures what reads a prompt of 512 tokens of a 1B Llama: its largest
// products, and attention.
func BenchPrefill(b *testing.B, open func() (kernels.Device, error)) {
	dev, err := open()
	require.NoError(b, err)
	defer func() { require.NoError(b, dev.Close()) }()
	b.Logf("%s", dev.Info().Detail)
	x := &bencher{B: b, dev: dev, rng: rand.New(rand.NewPCG(1, 1))}
	for _, t := range []kernels.DType{kernels.BF16, kernels.Q4_K, kernels.Q6_K, kernels.Q8_0} {
		for _, size := range [][2]int64{{8192, 2048}, {2048, 8192}, {512, 2048}} {
			x.product(fmt.Sprintf("%v/%dx%d", t, size[0], size[1]), t, size[0], size[1], 16, 128, 512)
		}
	}
	x.gated(kernels.Q4_K, 8192, 2048, 512)
	x.attention(kernels.F16, 512, 0)
	x.attention(kernels.F16, 512, 3584)
}

func (b *bencher) tensor(t kernels.DType, shape ...int64) kernels.Tensor {
	v := kernels.View(1, t, shape...)
	addr, err := b.dev.Alloc(v.Bytes())
	require.NoError(b, err)
	v.Addr = addr
	if t == kernels.F32 {
		x := make([]float32, v.Len())
		for i := range x {
			x[i] = b.rng.Float32() - 0.5
		}
		b.dev.Upload(v, bytesOf(x))
	}
	return v
}

func (b *bencher) measure(name string, cost kernels.Cost, op func()) {
	b.Run(name, func(b2 *testing.B) {
		op()
		start := time.Now()
		for b2.Loop() {
			op()
		}
		require.NoError(b2, b.dev.Sync())
		seconds := time.Since(start).Seconds() / float64(b2.N)
		b2.ReportMetric(float64(cost.Bytes)/seconds/1e9, "GB/s")
		b2.ReportMetric(float64(cost.Flops)/seconds/1e9, "GFLOP/s")
	})
}

// matmul measures one token (a stream of weights) and many.
func (b *bencher) matmul(t kernels.DType) {
	const cols = 2048
	b.product(fmt.Sprintf("matmul/%v", t), t, benchWeight/t.RowBytes(cols)/16*16, cols, 1, 2, 4, 8, 64)
}

// product measures products of a weight with some numbers of tokens.
func (b *bencher) product(name string, t kernels.DType, rows, cols int64, tokens ...int64) {
	c := &context{rng: b.rng}
	b.Run(name, func(b2 *testing.B) {
		sub := &bencher{B: b2, dev: b.dev, rng: b.rng}
		w, err := b.dev.Pack(c.matrix(t, rows, cols))
		require.NoError(b2, err)
		defer b.dev.Free(w.Addr)
		for _, n := range tokens {
			x, out := sub.tensor(kernels.F32, n, cols), sub.tensor(kernels.F32, n, w.Rows)
			sub.measure(fmt.Sprintf("n=%d", n), kernels.MatMulCost(x, w), func() { b.dev.MatMul(out, x, w, 0) })
			b.dev.Free(x.Addr)
			b.dev.Free(out.Addr)
		}
	})
}

// gated measures a gated product.
func (b *bencher) gated(t kernels.DType, rows, cols, n int64) {
	c := &context{rng: b.rng}
	gate, err := b.dev.Pack(c.matrix(t, rows, cols))
	require.NoError(b, err)
	up, err := b.dev.Pack(c.matrix(t, rows, cols))
	require.NoError(b, err)
	x, out := b.tensor(kernels.F32, n, cols), b.tensor(kernels.F32, n, rows)
	b.measure(fmt.Sprintf("gated/%v/%dx%d/n=%d", t, rows, cols, n), kernels.GatedMatMulCost(x, gate, up),
		func() { b.dev.GatedMatMul(out, x, gate, up, 0) })
}

// attention measures the heads of a 1B Llama.
func (b *bencher) attention(t kernels.DType, rows, position int64) {
	const heads, kvHeads, dim = 32, 8, 64
	blocks := (position + rows + kernels.BlockSize - 1) / kernels.BlockSize
	kv := kernels.KV{
		K: b.tensor(t, blocks, kvHeads, kernels.BlockSize, dim),
		V: b.tensor(t, blocks, kvHeads, kernels.BlockSize, dim),
	}
	if t == kernels.I8 {
		kv.KScale = b.tensor(kernels.F32, blocks, kvHeads, kernels.BlockSize)
		kv.VScale = b.tensor(kernels.F32, blocks, kvHeads, kernels.BlockSize)
	}
	seq := kernels.AttentionSeq{Rows: rows, Position: position}
	for i := range blocks {
		seq.Blocks = append(seq.Blocks, int32(i))
	}
	plan := &kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{seq}}
	q, out := b.tensor(kernels.F32, rows, heads, dim), b.tensor(kernels.F32, rows, heads, dim)
	b.measure(fmt.Sprintf("attention/%v/%d rows at %d", t, rows, position), kernels.AttentionCost(q, kv, plan),
		func() { b.dev.Attention(out, q, kv, plan) })
}

// rows measures the ops on rows, at the sizes of a 1B Llama.
func (b *bencher) rows() {
	for _, n := range []int64{1, 512} {
		x, delta, out := b.tensor(kernels.F32, n, 2048), b.tensor(kernels.F32, n, 2048), b.tensor(kernels.F32, n, 2048)
		w := b.tensor(kernels.F32, 2048)
		q, k, v := b.tensor(kernels.F32, n, 32, 64), b.tensor(kernels.F32, n, 8, 64), b.tensor(kernels.F32, n, 8, 64)
		ints := b.tensor(kernels.I32, n)
		r := kernels.Rotary{Inv: b.tensor(kernels.F32, 32)}
		name := func(op kernels.Op) string { return fmt.Sprintf("%s/n=%d", op, n) }
		b.measure(name(kernels.OpAddRMSNorm), kernels.AddRMSNormCost(x), func() { b.dev.AddRMSNorm(out, x, delta, w, 1e-5) })
		b.measure(name(kernels.OpAdd), kernels.AddCost(x), func() { b.dev.Add(out, delta) })
		b.measure(name(kernels.OpRoPE), kernels.RoPECost(q, k), func() { b.dev.RoPE(q, k, ints, r) })
		for _, t := range b.dev.Info().KVTypes {
			kv := kernels.KV{K: b.tensor(t, 1, 8, kernels.BlockSize, 64), V: b.tensor(t, 1, 8, kernels.BlockSize, 64)}
			if t == kernels.I8 {
				kv.KScale, kv.VScale = b.tensor(kernels.F32, 1, 8, kernels.BlockSize), b.tensor(kernels.F32, 1, 8, kernels.BlockSize)
			}
			b.measure(name(kernels.OpAppendKV)+"/"+t.String(), kernels.AppendKVCost(kv, k), func() { b.dev.AppendKV(kv, k, v, ints) })
		}
	}
}

// sample measures Llama 3's vocabulary.
func (b *bencher) sample() {
	logits := b.tensor(kernels.F32, 1, 128256)
	dst := make([]kernels.Sampled, 1)
	for name, r := range map[string]kernels.SampleRow{
		"greedy": {}, "plain": {Temperature: 1}, "topk": {Temperature: 1, TopK: 40, TopP: 0.95},
		"topp": {Temperature: 1, TopP: 0.95}, "minp": {Temperature: 1, MinP: 0.05}, "logprobs": {Logprob: true, Logprobs: 20},
	} {
		rows := []kernels.SampleRow{r}
		b.measure("sample/"+name, kernels.SampleCost(logits), func() { b.dev.Sample(dst, logits, rows) })
	}
}

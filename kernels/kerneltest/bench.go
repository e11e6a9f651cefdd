package kerneltest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// benchWeight is the size of a benchmark's weight as the checkpoint stores it, or
// of all copies of one: more than caches hold, so that one token reads it from
// memory.
const benchWeight = 96 << 20

// decodeTokens is up to how many tokens are measured as decode rows, by those
// benchmarks that measure answers.
const decodeTokens = 32

// bencher is the device of a benchmark. Its memory lives until the device closes.
type bencher struct {
	*testing.B
	dev    kernels.Device
	rng    *rand.Rand
	decode bool  // few tokens are decode rows
	copies int64 // copies of weights, which take turns, have so many bytes in all at least
	scales int64 // rows, and columns, that share a scale beside the weight; 0: there is none
	table  bool  // weights have tables of their own
}

// recordedOps is how many ops a recording of a benchmark has: on a device that
// records, the host's part of an op is not what is asked for.
const recordedOps = 64

// Bench measures each op and reports GB/s and GFLOP/s from the costs in
// package kernels.
func Bench(b *testing.B, open func() (kernels.Device, error)) {
	dev, err := open()
	require.NoError(b, err)
	defer func() { require.NoError(b, dev.Close()) }()
	b.Logf("%s", dev.Info().Detail)
	x := &bencher{B: b, dev: dev, rng: rand.New(rand.NewPCG(1, 1)), decode: true}
	for _, k := range weightKinds() {
		x.matmul(k)
	}
	x.blocks(kernels.F8E4M3)
	for _, t := range dev.Info().KVTypes {
		x.attention(t, 64, 1, 4095)
		x.attention(t, 64, 512, 0)
		x.attention(t, 64, 512, 3584)
		x.sequences(fmt.Sprintf("attention/%v/64 wide/a long sequence and short ones", t), t, 64, [][2]int64{{1, 4095}, {1, 127}, {1, 127}, {1, 127}})
	}
	x.rows()
	x.sample()
}

// BenchPrefill measures what reads a prompt of 512 tokens of a 1B Llama: its largest
// products, one of few rows, which is mostly what is done to the input, and attention.
func BenchPrefill(b *testing.B, open func() (kernels.Device, error)) {
	dev, err := open()
	require.NoError(b, err)
	defer func() { require.NoError(b, dev.Close()) }()
	b.Logf("%s", dev.Info().Detail)
	x := &bencher{B: b, dev: dev, rng: rand.New(rand.NewPCG(1, 1))}
	for _, t := range []kernels.DType{kernels.BF16, kernels.Q4_K, kernels.Q6_K, kernels.Q8_0} {
		for _, size := range [][2]int64{{8192, 2048}, {2048, 8192}, {512, 2048}, {16, 8192}} {
			x.product(fmt.Sprintf("%v/%dx%d", t, size[0], size[1]), t, size[0], size[1], 16, 128, 512)
		}
	}
	x.gated(kernels.Q4_K, 8192, 2048, 512)
	x.attention(kernels.F16, 64, 512, 0)
	for _, dim := range []int64{64, 128} {
		for _, t := range []kernels.DType{kernels.F16, kernels.I16} {
			x.attention(t, dim, 512, 3584)
		}
	}
}

// BenchLarge measures what an 8B Llama asks of a GPU: its largest products with
// weights of some types, for one answer, for several and for a prompt, and
// attention.
func BenchLarge(b *testing.B, open func() (kernels.Device, error)) {
	dev, err := open()
	require.NoError(b, err)
	defer func() { require.NoError(b, dev.Close()) }()
	b.Logf("%s", dev.Info().Detail)
	x := &bencher{B: b, dev: dev, rng: rand.New(rand.NewPCG(1, 1)), decode: true, copies: 2 * benchWeight}
	for _, t := range []kernels.DType{kernels.BF16, kernels.F8E4M3, kernels.NVFP4, kernels.Q8_0, kernels.Q4_K, kernels.Q6_K} {
		for _, size := range [][2]int64{{14336, 4096}, {4096, 14336}, {4096, 4096}} {
			x.product(fmt.Sprintf("product/%v/%dx%d", t, size[0], size[1]), t, size[0], size[1], 1, 8, 32, 512, 2048)
		}
	}
	for _, t := range []kernels.DType{kernels.F16, kernels.F8E4M3} {
		x.attention(t, 128, 1, 127)
		x.attention(t, 128, 1, 16383)
		x.answers(t, 8, 16383)
		x.answers(t, 32, 511)
		x.attention(t, 128, 512, 0)
		x.attention(t, 128, 512, 15872)
	}
	x.answers(kernels.I8, 8, 16383)
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
	b.measureMany(name, cost, 1, op)
}

// measureMany measures what does many ops of a cost, and reports an op's share.
func (b *bencher) measureMany(name string, cost kernels.Cost, many int, do func()) {
	b.Run(name, func(b2 *testing.B) {
		do()
		start := time.Now()
		for b2.Loop() {
			do()
		}
		require.NoError(b2, b.dev.Sync())
		seconds := time.Since(start).Seconds() / float64(b2.N*many)
		b2.ReportMetric(seconds*1e9, "ns/op")
		b2.ReportMetric(float64(cost.Bytes)/seconds/1e9, "GB/s")
		b2.ReportMetric(float64(cost.Flops)/seconds/1e9, "GFLOP/s")
	})
}

// measureOp measures an op of the model, where the device records in a recording; plan
// is that of Attention.
func (b *bencher) measureOp(name string, cost kernels.Cost, plan *kernels.AttentionPlan, op func()) {
	recorder, ok := b.dev.(kernels.Recorder)
	if !ok {
		b.measure(name, cost, op)
		return
	}
	recording, err := recorder.Record(func() {
		for range recordedOps {
			op()
		}
	})
	require.NoError(b, err)
	b.measureMany(name, cost, recordedOps, func() {
		recorder.Replay(recording, plan)
		require.NoError(b, b.dev.Sync())
	})
	recorder.Forget(recording)
}

// matmul measures one token (a stream of weights) and many.
func (b *bencher) matmul(k weightKind) {
	const cols = 2048
	x := *b
	x.table = k.table
	x.product(fmt.Sprintf("matmul/%v", k), k.DType, benchWeight/k.RowBytes(cols)/16*16, cols, 1, 2, 4, 8, 64)
}

// blocks is matmul of a weight with a scale for each [128, 128], as checkpoints of FP8 have.
func (b *bencher) blocks(t kernels.DType) {
	const rows, cols = 16384, 2048
	x := *b
	x.scales = 128
	x.product(fmt.Sprintf("blocks/%v", t), t, rows, cols, 1, 2, 4, 8, 64)
}

// product measures products of a weight with some numbers of tokens.
func (b *bencher) product(name string, t kernels.DType, rows, cols int64, tokens ...int64) {
	b.Run(name, func(b2 *testing.B) {
		sub := &bencher{B: b2, dev: b.dev, rng: b.rng}
		weights := b.weights(t, rows, cols)
		for _, n := range tokens {
			x, out := sub.tensor(kernels.F32, n, cols), sub.tensor(kernels.F32, n, rows)
			decode := int64(0)
			if b.decode && n <= decodeTokens {
				decode = n
			}
			turn, product := 0, one(out, weights[0])
			sub.measureOp(fmt.Sprintf("n=%d", n), kernels.MatMulCost(x, weights[0]), nil, func() {
				product[0].W = weights[turn%len(weights)]
				b.dev.MatMul(x, decode, product)
				turn++
			})
			b.dev.Free(x.Addr)
			b.dev.Free(out.Addr)
		}
		for _, w := range weights {
			b.dev.Free(w.Addr)
		}
	})
}

// weights returns a random weight and its copies. Its rows repeat after a while,
// which does not change the work.
func (b *bencher) weights(t kernels.DType, rows, cols int64) []kernels.Weight {
	const period = 64
	m := (&context{rng: b.rng}).weight(weightKind{t, b.table}, min(period, rows), cols)
	whole := func(some []byte) []byte {
		if some == nil {
			return nil
		}
		return bytes.Repeat(some, int((rows+m.Rows-1)/m.Rows))[:int64(len(some))/m.Rows*rows]
	}
	m.Data, m.GroupScale = whole(m.Data), whole(m.GroupScale)
	m.Rows = rows
	if b.scales > 0 {
		m = (&context{rng: b.rng}).scaled(m, b.scales, b.scales)
	}
	list := make([]kernels.Weight, max(1, (b.copies+int64(len(m.Data))-1)/int64(len(m.Data))))
	errs := make([]error, len(list))
	var packers sync.WaitGroup
	for i := range list {
		packers.Go(func() { list[i], errs[i] = b.dev.Pack(m) })
	}
	packers.Wait()
	require.NoError(b, errors.Join(errs...))
	return list
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

// attention measures the heads of a Llama of 1B (64 wide) or of 8B (128): one sequence.
func (b *bencher) attention(t kernels.DType, dim, rows, position int64) {
	b.sequences(fmt.Sprintf("attention/%v/%d wide/%d rows at %d", t, dim, rows, position), t, dim, [][2]int64{{rows, position}})
}

// answers measures a row of some sequences each, with the heads of a Llama of 8B.
func (b *bencher) answers(t kernels.DType, n int, position int64) {
	b.sequences(fmt.Sprintf("attention/%v/128 wide/%d sequences at %d", t, n, position), t, 128, slices.Repeat([][2]int64{{1, position}}, n))
}

// sequences measures attention of sequences of some rows each, from a position on. All are
// rows that decode, or none.
func (b *bencher) sequences(name string, t kernels.DType, dim int64, seqs [][2]int64) {
	const heads, kvHeads = 32, 8
	plan, rows, blocks := &kernels.AttentionPlan{}, int64(0), int64(0)
	for _, s := range seqs {
		seq := kernels.AttentionSeq{Row: rows, Rows: s[0], Position: s[1]}
		for range (s[0] + s[1] + kernels.BlockSize - 1) / kernels.BlockSize {
			seq.Blocks = append(seq.Blocks, int32(blocks))
			blocks++
		}
		plan.Seqs = append(plan.Seqs, seq)
		rows += s[0]
	}
	if n := int64(len(seqs)); b.decode && rows == n {
		plan.Decode = n
	}
	kv := kernels.KV{
		K: b.tensor(t, blocks, kvHeads, kernels.BlockSize, dim),
		V: b.tensor(t, blocks, kvHeads, kernels.BlockSize, dim),
	}
	if t.Coded() {
		kv.KScale = b.tensor(kernels.F32, blocks, kvHeads, kernels.BlockSize)
		kv.VScale = b.tensor(kernels.F32, blocks, kvHeads, kernels.BlockSize)
	}
	b.fill(kv)
	q, out := b.tensor(kernels.F32, rows, heads, dim), b.tensor(kernels.F32, rows, heads, dim)
	b.measureOp(name, kernels.AttentionCost(q, kv, 0, plan), plan, func() { b.dev.Attention(out, q, kv, 0, plan) })
}

// fill writes a cache: memory that was never written need not be read from memory.
func (b *bencher) fill(kv kernels.KV) {
	const n = kernels.BlockSize
	blocks, heads, dim := kv.K.Shape[0], kv.K.Shape[1], kv.K.Shape[3]
	k, v := b.tensor(kernels.F32, n, heads, dim), b.tensor(kernels.F32, n, heads, dim)
	r := kernels.Rotary{Inv: b.tensor(kernels.F32, dim/2)}
	places, ids := make([]int32, n), b.tensor(kernels.I32, n)
	for block := range blocks {
		for i := range places {
			places[i] = int32(block*n) + int32(i)
		}
		b.dev.Upload(ids, bytesOf(places))
		b.dev.RoPEAppendKV(kv, k, k, v, ids, ids, r)
		require.NoError(b, b.dev.Sync())
	}
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
		biased := []kernels.Biased{{X: x, Bias: w}, {X: out, Bias: w}}
		b.measure(name(kernels.OpAddBias), kernels.AddBiasCost(biased), func() { b.dev.AddBias(biased) })
		b.measure(name(kernels.OpSwiGLU), kernels.SwiGLUCost(biased[0]), func() { b.dev.SwiGLU(biased[0], biased[1]) })
		for _, t := range b.dev.Info().KVTypes {
			kv := kernels.KV{K: b.tensor(t, 1, 8, kernels.BlockSize, 64), V: b.tensor(t, 1, 8, kernels.BlockSize, 64)}
			if t.Coded() {
				kv.KScale, kv.VScale = b.tensor(kernels.F32, 1, 8, kernels.BlockSize), b.tensor(kernels.F32, 1, 8, kernels.BlockSize)
			}
			b.measure(name(kernels.OpRoPEAppendKV)+"/"+t.String(), kernels.RoPEAppendKVCost(kv, q, k), func() { b.dev.RoPEAppendKV(kv, q, k, v, ints, ints, r) })
		}
	}
}

// sample measures one row and eight of Llama 3's vocabulary.
func (b *bencher) sample() {
	const most, vocab = 8, 128256
	logits, values := b.tensor(kernels.F32, most, vocab), make([]float32, most*vocab)
	for i := range values {
		values[i] = float32(3 * b.rng.NormFloat64()) // few stand out, as a model's do
	}
	b.dev.Upload(logits, bytesOf(values))
	dst := make([]kernels.Sampled, most)
	for name, r := range map[string]kernels.SampleRow{
		"greedy": {}, "plain": {Temperature: 1}, "topk": {Temperature: 1, TopK: 40, TopP: 0.95},
		"topp": {Temperature: 1, TopP: 0.95}, "topp_cool": {Temperature: 0.6, TopP: 0.95}, "minp": {Temperature: 1, MinP: 0.05}, "logprobs": {Logprob: true, Logprobs: 20},
		"topk_logprobs": {Temperature: 1, TopK: 50, Logprob: true, Logprobs: 20},
	} {
		for _, n := range []int64{1, most} {
			rows, x := slices.Repeat([]kernels.SampleRow{r}, int(n)), logits.Slice(0, n)
			b.measure(fmt.Sprintf("sample/%s/n=%d", name, n), kernels.SampleCost(x), func() { b.dev.Sample(dst[:n], x, rows) })
		}
	}
}

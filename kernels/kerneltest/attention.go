package kerneltest

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// cacheRounding bounds the relative error of a stored element, for I8 and I16
// that of the greatest in a row.
var cacheRounding = map[kernels.DType]float64{
	kernels.F32: 0, kernels.F16: 0x1p-11, kernels.BF16: 0x1p-8, kernels.F8E4M3: 0x1p-4, kernels.I8: 0.5 / 127,
	kernels.I16: 0.5 / 2896, // rows of 256
}

// cache makes a KV cache of a type. Its codes begin as NaN where the type has one.
func (c *context) cache(t kernels.DType, blocks, kvHeads, dim int64) kernels.KV {
	kv := kernels.KV{
		K: c.empty(t, blocks, kvHeads, kernels.BlockSize, dim),
		V: c.empty(t, blocks, kvHeads, kernels.BlockSize, dim),
	}
	if t.Coded() {
		kv.KScale = c.empty(kernels.F32, blocks, kvHeads, kernels.BlockSize)
		kv.VScale = c.empty(kernels.F32, blocks, kvHeads, kernels.BlockSize)
	}
	return kv
}

// pairPlace returns where element i of a cache [.., BlockSize, dim] of I16 stands.
func pairPlace(i, dim int64, keys bool) int64 {
	block, position, column := i/dim/kernels.BlockSize*kernels.BlockSize*dim, i/dim%kernels.BlockSize, i%dim
	if keys {
		return block + column/2*2*kernels.BlockSize + 2*position + column%2
	}
	return block + position/2*2*dim + 2*column + position%2
}

// readCache returns the values of a cache's keys or values.
func (c *context) readCache(t, scale kernels.Tensor, keys bool) []float64 {
	raw := make([]byte, t.Bytes())
	c.dev.Download(raw, t)
	out := make([]float64, t.Len())
	var scales []float32
	if t.Type.Coded() {
		scales = c.read(scale)
	}
	for i := range out {
		switch t.Type {
		case kernels.F32:
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		case kernels.BF16:
			out[i] = float64(minifloat.BF16(binary.LittleEndian.Uint16(raw[2*i:])))
		case kernels.F16:
			out[i] = float64(minifloat.F16(binary.LittleEndian.Uint16(raw[2*i:])))
		case kernels.F8E4M3:
			out[i] = float64(minifloat.E4M3(raw[i]))
		case kernels.I16:
			code := binary.LittleEndian.Uint16(raw[2*pairPlace(int64(i), t.Cols(), keys):])
			out[i] = float64(int16(code)) * float64(scales[i/int(t.Cols())])
		case kernels.I8:
			out[i] = float64(int8(raw[i])) * float64(scales[i/int(t.Cols())])
		}
	}
	return out
}

func narrow(x []float64) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(v)
	}
	return y
}

// clamped returns values no larger than a limit.
func clamped(x []float32, limit float32) []float32 {
	y := slices.Clone(x)
	for i := range y {
		y[i] = max(-limit, min(limit, y[i]))
	}
	return y
}

func storeTolerance(t kernels.DType, row []float32) []float64 {
	tol := make([]float64, len(row))
	amax := 0.0
	for _, v := range row {
		amax = max(amax, math.Abs(float64(v)))
	}
	for i, v := range row {
		switch t {
		case kernels.I8, kernels.I16:
			tol[i] = amax * cacheRounding[t] * (1 + 1e-5)
		case kernels.F16:
			tol[i] = max(math.Abs(float64(v))*cacheRounding[t], 0x1p-25)
		case kernels.F8E4M3:
			tol[i] = max(math.Abs(float64(v))*cacheRounding[t], 0x1p-10)
		default:
			tol[i] = math.Abs(float64(v)) * cacheRounding[t]
		}
	}
	return tol
}

// attentionCase is sequences of a batch over one cache.
type attentionCase struct {
	heads, kvHeads, dim int64
	decode              int64
	seqs                [][2]int64 // rows, position of the first
	window              int64
}

var attentionCases = map[string]attentionCase{
	"one":               {1, 1, 64, 0, [][2]int64{{1, 0}}, 0},
	"tiny":              {1, 1, 2, 0, [][2]int64{{3, 0}}, 0},
	"odd dim":           {3, 1, 10, 0, [][2]int64{{5, 62}}, 0},
	"dim 256":           {2, 1, 256, 0, [][2]int64{{2, 126}}, 0},
	"decode":            {8, 2, 64, 3, [][2]int64{{1, 0}, {1, 63}, {1, 200}}, 0},
	"long decode":       {16, 1, 128, 2, [][2]int64{{1, 1999}, {1, 255}}, 0},
	"long groups":       {12, 4, 64, 2, [][2]int64{{1, 2100}, {1, 1030}}, 0},
	"many heads":        {40, 8, 128, 2, [][2]int64{{1, 70}, {1, 3}}, 0},
	"prefill":           {2, 2, 32, 0, [][2]int64{{140, 0}}, 0},
	"chunk":             {8, 2, 128, 0, [][2]int64{{30, 100}}, 0},
	"long chunk":        {4, 2, 32, 0, [][2]int64{{70, 220}, {3, 1022}}, 0},
	"mixed":             {6, 2, 48, 2, [][2]int64{{1, 64}, {1, 127}, {40, 30}, {3, 300}}, 0},
	"many shares":       {64, 1, 16, 0, [][2]int64{{9, 60}}, 0},
	"shares":            {20, 1, 64, 2, [][2]int64{{1, 70}, {1, 300}}, 0},
	"window of 1":       {8, 2, 64, 2, [][2]int64{{1, 0}, {1, 130}, {70, 20}, {3, 0}}, 1},
	"window of 30":      {3, 1, 10, 0, [][2]int64{{90, 62}}, 30},
	"window of 63":      {6, 2, 48, 2, [][2]int64{{1, 64}, {1, 127}, {140, 30}, {3, 300}}, 63},
	"window of 64":      {8, 2, 128, 2, [][2]int64{{1, 63}, {1, 64}, {66, 62}, {1, 191}}, 64},
	"window of 65":      {2, 1, 256, 1, [][2]int64{{1, 1088}, {3, 126}}, 65},
	"window of 1000":    {3, 1, 64, 2, [][2]int64{{1, 2100}, {1, 1030}, {3, 1022}, {36, 2014}}, 1000},
	"window of 1025":    {2, 1, 32, 1, [][2]int64{{1, 3072}, {60, 2020}}, 1025},
	"window beyond all": {8, 2, 128, 1, [][2]int64{{1, 200}, {30, 100}}, 300},
}

// invarianceCases are those whose rows come in chunks.
var invarianceCases = map[string]attentionCase{
	"invariance": {8, 2, 64, 0, [][2]int64{{100, 40}, {20, 0}}, 0},
	// A device may cut a long sequence up for its threads.
	"long invariance":         {8, 2, 32, 0, [][2]int64{{9, 2040}, {2, 1020}}, 0},
	"invariance in 50":        {4, 1, 64, 0, [][2]int64{{40, 40}, {20, 0}}, 50},
	"invariance in 65":        {4, 1, 64, 0, [][2]int64{{40, 90}, {40, 1000}}, 65},
	"long invariance in 1":    {8, 2, 32, 0, [][2]int64{{9, 2040}, {2, 1020}}, 1},
	"long invariance in 1016": {4, 1, 32, 0, [][2]int64{{9, 2040}, {40, 1020}}, 1016},
}

// mixedCases are those of sequences that decode beside others.
var mixedCases = map[string]attentionCase{
	"all":  {6, 2, 64, 3, [][2]int64{{1, 0}, {1, 130}, {1, 63}, {70, 20}, {5, 0}}, 0},
	"near": {6, 2, 64, 3, [][2]int64{{1, 0}, {1, 130}, {1, 63}, {70, 20}, {5, 0}}, 40},
	// So many that a device need not cut them up, as it does with one alone.
	"long":         {8, 4, 32, 4, [][2]int64{{1, 1030}, {1, 2060}, {1, 1500}, {1, 1023}, {5, 1020}}, 0},
	"long in 1100": {8, 4, 32, 4, [][2]int64{{1, 1030}, {1, 2060}, {1, 1500}, {1, 1023}, {5, 1020}}, 1100},
}

func testAttention(c *context) {
	types := c.suite.CacheTypes
	if types == nil {
		types = c.dev.Info().KVTypes
	}
	for _, t := range types {
		for name, a := range attentionCases {
			c.run(fmt.Sprintf("%v/%s", t, name), func(c *context) { c.attention(t, a) })
		}
		for _, arithmetic := range []string{"prefill", "decode"} {
			for name, a := range invarianceCases {
				if c.suite.Brief && (strings.HasPrefix(name, "long") || t != types[0]) {
					continue
				}
				c.run(fmt.Sprintf("%v/%s/%s", t, name, arithmetic), func(c *context) { c.attentionInvariance(t, a, arithmetic == "decode") })
			}
		}
		for name, a := range mixedCases {
			if c.suite.Brief && strings.HasPrefix(name, "long") {
				continue
			}
			c.run(fmt.Sprintf("%v/%s/mixed", t, name), func(c *context) { c.attentionMixed(t, a) })
		}
	}
}

// attentionInput is what an attention case computes with.
type attentionInput struct {
	attentionCase
	t      kernels.DType
	plan   *kernels.AttentionPlan
	blocks int64
	k, v   [][]float32 // by sequence [positions, kvHeads, dim]
	q      []float32   // [n, heads, dim]
	n      int64
}

// attentionInput draws keys, values and queries, and scatters each sequence's
// blocks over the pool.
func (c *context) attentionInput(t kernels.DType, a attentionCase) *attentionInput {
	in := &attentionInput{attentionCase: a, t: t, plan: &kernels.AttentionPlan{Decode: a.decode}}
	in.blocks = 1
	for _, s := range a.seqs {
		in.blocks += (s[0] + s[1] + kernels.BlockSize - 1) / kernels.BlockSize
	}
	free := c.rng.Perm(int(in.blocks))
	for _, s := range a.seqs {
		end := s[0] + s[1]
		seq := kernels.AttentionSeq{Row: in.n, Rows: s[0], Position: s[1]}
		for range (end + kernels.BlockSize - 1) / kernels.BlockSize {
			seq.Blocks = append(seq.Blocks, int32(free[0]))
			free = free[1:]
		}
		in.plan.Seqs = append(in.plan.Seqs, seq)
		in.k = append(in.k, c.normal(end*a.kvHeads*a.dim, 1))
		in.v = append(in.v, c.normal(end*a.kvHeads*a.dim, 1))
		in.n += s[0]
	}
	in.q = c.normal(in.n*a.heads*a.dim, 1)
	return in
}

// fillCache stores all keys and values of the sequences.
func (c *context) fillCache(in *attentionInput) kernels.KV {
	kv := c.cache(in.t, in.blocks, in.kvHeads, in.dim)
	for i, s := range in.plan.Seqs {
		end := s.Position + s.Rows
		slots := make([]int32, end)
		for p := range slots {
			slots[p] = s.Blocks[p/kernels.BlockSize]*kernels.BlockSize + int32(p%kernels.BlockSize)
		}
		k := c.floats(in.k[i], end, in.kvHeads, in.dim)
		v := c.floats(in.v[i], end, in.kvHeads, in.dim)
		c.store(kv, k, v, slots)
	}
	return kv
}

func (c *context) attention(t kernels.DType, a attentionCase) {
	in := c.attentionInput(t, a)
	kv := c.fillCache(in)
	q, out := c.floats(in.q, in.n, a.heads, a.dim), c.empty(kernels.F32, in.n, a.heads, a.dim)
	c.dev.Attention(out, q, kv, a.window, in.plan)
	want, tol := in.reference(c.readCache(kv.K, kv.KScale, true), c.readCache(kv.V, kv.VScale, false), c.suite.AttentionRounding, c.suite.AttentionLost)
	c.close(c.read(out), want, tol)
	c.noAllocs(func() { c.dev.Attention(out, q, kv, a.window, in.plan) })
}

// reference computes attention over the cache's own values.
func (in *attentionInput) reference(k, v []float64, rounding, lost float64) (want, tol []float64) {
	share := in.heads / in.kvHeads
	for _, s := range in.plan.Seqs {
		for r := range s.Rows {
			for h := range in.heads {
				q := in.q[((s.Row+r)*in.heads+h)*in.dim:][:in.dim]
				out, t := in.query(q, k, v, s.Blocks, h/share, s.Position+r, rounding, lost)
				want, tol = append(want, out...), append(tol, t...)
			}
		}
	}
	return want, tol
}

// query attends with one head of one row at a position.
func (in *attentionInput) query(q []float32, k, v []float64, blocks []int32, head, position int64, rounding, lost float64) (out, tol []float64) {
	at := func(p int64) int64 {
		return ((int64(blocks[p/kernels.BlockSize])*in.kvHeads+head)*kernels.BlockSize + p%kernels.BlockSize) * in.dim
	}
	first := kernels.FirstSeen(position, in.window)
	scores, size := make([]float64, position+1-first), 0.0
	for p := range scores {
		abs := 0.0
		for i, x := range q {
			prod := float64(x) * k[at(first+int64(p))+int64(i)] / math.Sqrt(float64(in.dim))
			scores[p] += prod
			abs += math.Abs(prod)
		}
		size = max(size, abs)
	}
	highest, sum := slices.Max(scores), 0.0
	for p := range scores {
		scores[p] = math.Exp(scores[p] - highest)
		sum += scores[p]
	}
	out, tol = make([]float64, in.dim), make([]float64, in.dim)
	values := make([]float64, in.dim) // sums of sizes
	for p, w := range scores {
		for i := range out {
			value := v[at(first+int64(p))+int64(i)]
			x := w / sum * value
			out[i] += x
			tol[i] += math.Abs(x)
			values[i] += math.Abs(value)
		}
	}
	// An error of a score, whose sum of dim products is rounded as often, is a relative
	// error of its weight.
	score := 4 * 0x1p-24 * math.Sqrt(float64(in.dim)) * size
	for i := range tol {
		tol[i] = tol[i]*(5e-6+score+rounding*(2+size)) + lost/sum*values[i] + 1e-30
	}
	return out, tol
}

// attentionInvariance: a row has the same bits in any chunk, in any batch and
// on any peer, and what it does not see in the cache does not matter. Rows that
// decode may come several of a sequence at a time too.
func (c *context) attentionInvariance(t kernels.DType, a attentionCase, decode bool) {
	if decode {
		a.decode = a.seqs[0][0] + a.seqs[1][0]
	}
	in := c.attentionInput(t, a)
	kv := c.fillCache(in)
	width := a.heads * a.dim
	want := c.attend(in, kv, in.plan, 0, in.n)
	for _, size := range []int64{1, 7, 64} {
		s := in.plan.Seqs[0]
		for from := int64(0); from < s.Rows; from += size {
			n := min(size, s.Rows-from)
			part := kernels.AttentionSeq{Rows: n, Position: s.Position + from, Blocks: s.Blocks}
			plan := &kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{part}, Decode: min(a.decode, n)}
			got := c.attend(in, kv, plan, from, n)
			c.same(want[from*width:(from+n)*width], got, "in chunks of %d, row %d", size, from)
		}
	}
	for i, open := range c.suite.Peers {
		peer := c.on(Open(c, c.suite.Name, open))
		got := peer.attend(in, peer.fillCache(in), in.plan, 0, in.n)
		c.same(want, got, "on peer %d", i)
	}
	s := in.plan.Seqs[0]
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		for _, p := range []int64{0, s.Position - 1, s.Position + 2, s.Position + s.Rows - 1} {
			c.poison(in, kv, p, float32(v), want)
		}
	}
}

// attentionMixed: what decodes and what does not have the bits that they have
// without the other, and sequences those that they have alone.
func (c *context) attentionMixed(t kernels.DType, a attentionCase) {
	in := c.attentionInput(t, a)
	kv := c.fillCache(in)
	width := in.heads * in.dim
	want := c.attend(in, kv, in.plan, 0, in.n)
	for _, s := range in.plan.Seqs {
		alone := s
		alone.Row = 0
		plan := &kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{alone}}
		if s.Row < in.decode {
			plan.Decode = s.Rows
		}
		got := c.attend(in, kv, plan, s.Row, s.Rows)
		c.same(want[s.Row*width:(s.Row+s.Rows)*width], got, "alone, row %d of %d", s.Row, in.n)
	}
}

// attend computes rows [from, from+n) of the queries under a plan.
func (c *context) attend(in *attentionInput, kv kernels.KV, plan *kernels.AttentionPlan, from, n int64) []float32 {
	width := in.heads * in.dim
	q := c.floats(in.q[from*width:(from+n)*width], n, in.heads, in.dim)
	out := c.empty(kernels.F32, n, in.heads, in.dim)
	c.dev.Attention(out, q, kv, in.window, plan)
	return c.read(out)
}

// poison makes keys and values at a position of the first sequence not finite: no row that does
// not see it may notice.
func (c *context) poison(in *attentionInput, kv kernels.KV, position int64, v float32, want []float32) {
	s, width := in.plan.Seqs[0], in.kvHeads*in.dim
	slot := []int32{s.Blocks[position/kernels.BlockSize]*kernels.BlockSize + int32(position%kernels.BlockSize)}
	bad := c.floats(slices.Repeat([]float32{v}, int(width)), 1, in.kvHeads, in.dim)
	c.store(kv, bad, bad, slot)
	got := c.attend(in, kv, in.plan, 0, in.n)
	part := func(x []float32) kernels.Tensor {
		return c.floats(x[position*width:(position+1)*width], 1, in.kvHeads, in.dim)
	}
	c.store(kv, part(in.k[0]), part(in.v[0]), slot)
	width = in.heads * in.dim
	for r := range in.n {
		at := s.Position + r
		row := got[r*width : (r+1)*width]
		if r >= s.Rows || at < position || kernels.FirstSeen(at, in.window) > position {
			c.same(want[r*width:(r+1)*width], row, "row %d, which does not see %v at %d", r, v, position)
			continue
		}
		for _, x := range row {
			require.True(c, x != x || v == v, "NaN in the cache must reach row %d, which sees it at %d", r, position)
		}
	}
}

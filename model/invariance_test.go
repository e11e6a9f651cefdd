package model

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/testdata"
)

// crowd is one sequence of interest among random others in one cache.
type crowd struct {
	*loaded
	rng    *rand.Rand
	others []other
	perSeq int // blocks of a sequence
}

type other struct {
	position int64
	blocks   []int32
}

func newCrowd(t testing.TB, variant, path string, kv kernels.DType, others int) *crowd {
	const perSeq = 8
	c := &crowd{loaded: loadOn(t, openVariant(t, variant), path, kv, 512, perSeq*kernels.BlockSize*(others+1)), rng: rand.New(rand.NewPCG(1, 2)), perSeq: perSeq}
	pool := c.blocks
	c.rng.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
	c.blocks = pool[:perSeq]
	for i := range others {
		c.others = append(c.others, other{blocks: pool[(i+1)*perSeq:][:perSeq]})
	}
	return c
}

func (c *crowd) tokens(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = c.rng.Int32N(int32(c.Config.VocabSize))
	}
	return ids
}

// add appends one run to a batch; with all, logits of all its rows are wanted.
func add(b *Batch, tokens []int32, s BatchSeq, all bool) {
	first := len(b.Tokens)
	s.Rows = len(tokens)
	b.Tokens = append(b.Tokens, tokens...)
	b.Seqs = append(b.Seqs, s)
	for i := range tokens {
		if all {
			b.Logits = append(b.Logits, int32(first+i))
		}
	}
}

// step runs the sequence's tokens among others that decode and prefill, at a
// random place, and returns its logits.
func (c *crowd) step(t testing.TB, tokens []int32, position int, decode bool) [][]float32 {
	b := new(Batch)
	mine := BatchSeq{Position: int64(position), Blocks: c.blocks, Decode: decode}
	from, placed := 0, false
	turn := func(d bool, before int) {
		for i := range c.others {
			o := &c.others[i]
			if (i%2 == 0) != d {
				continue
			}
			if i >= before && decode == d && !placed {
				from, placed = len(b.Logits), true
				add(b, tokens, mine, true)
			}
			n := 1
			if !d {
				n = 1 + c.rng.IntN(9)
			}
			if o.position+int64(n) > int64(c.perSeq*kernels.BlockSize) {
				o.position = 0
			}
			add(b, c.tokens(n), BatchSeq{Position: o.position, Blocks: o.blocks, Decode: d}, i%3 == 0 && d)
			o.position += int64(n)
		}
		if decode == d && !placed {
			from, placed = len(b.Logits), true
			add(b, tokens, mine, true)
		}
	}
	before := c.rng.IntN(len(c.others) + 1)
	turn(true, before)
	turn(false, before)
	rows := c.rows(c.Forward(b, c.cache))
	require.NoError(t, c.dev.Sync())
	return rows[from : from+len(tokens)]
}

// The same sequence gives the same bits alone and in company, in one piece and
// in chunks, with every instruction set.
func TestInvariance(t *testing.T) {
	type setting struct {
		name, variant string
		kv            kernels.DType
	}
	settings := []setting{{"nas-super", "", kernels.F32}, {"nas-super-Q4_K_M.gguf", "", kernels.F16}, {"nas-super-nvfp4", "", kernels.BF16}, {"llama-tiny-Q8_0.gguf", "", kernels.I8}, {"nas-super-Q4_K_M.gguf", "", kernels.I16}}
	if names := cpu.Variants(); !testing.Short() {
		for _, v := range names[:len(names)-1] { // the last is the default
			if strings.HasPrefix(v, "generic") && v != "generic" {
				continue // they take long, and others have their bits
			}
			settings = append(settings, setting{"llama-tiny-Q4_K_M.gguf", v, kernels.F16})
		}
	}
	for _, tc := range settings {
		t.Run(fmt.Sprintf("%s %v %s", tc.name, tc.kv, tc.variant), func(t *testing.T) {
			c := newCrowd(t, tc.variant, testdata.Shared(t, "models", tc.name), tc.kv, 32)
			prompt, answer := c.tokens(60), c.tokens(12)
			all := make([]int32, len(prompt))
			for i := range all {
				all[i] = int32(i)
			}
			want := c.feed(t, prompt, 0, false, all...)
			for i, id := range answer {
				want = append(want, c.feed(t, []int32{id}, len(prompt)+i, true, 0)...)
			}
			check := func(what string, got [][]float32) {
				require.Len(t, got, len(want), what)
				for i := range want {
					require.Equal(t, want[i], got[i], "%s: row %d", what, i)
				}
			}
			for _, chunk := range []int{1, 7, 33, 60} {
				var alone, company [][]float32
				for from := 0; from < len(prompt); from += chunk {
					part := prompt[from:min(from+chunk, len(prompt))]
					alone = append(alone, c.feed(t, part, from, false, all[:len(part)]...)...)
				}
				for i, id := range answer {
					alone = append(alone, c.feed(t, []int32{id}, len(prompt)+i, true, 0)...)
				}
				check(fmt.Sprintf("alone, chunks of %d", chunk), alone)
				if chunk == 1 || chunk == len(prompt) {
					continue
				}
				for from := 0; from < len(prompt); from += chunk {
					part := prompt[from:min(from+chunk, len(prompt))]
					company = append(company, c.step(t, part, from, false)...)
				}
				for i, id := range answer {
					company = append(company, c.step(t, []int32{id}, len(prompt)+i, true)...)
				}
				check(fmt.Sprintf("in company, chunks of %d", chunk), company)
			}
			// A replay computes all decoded positions in one run, with their arithmetic.
			replay := c.feed(t, prompt, 0, false, all...)
			check("replayed", append(replay, c.feed(t, answer, len(prompt), true, all[:len(answer)]...)...))
		})
	}
}

func TestForwardPanics(t *testing.T) {
	l := load(t, testdata.Shared(t, "models", "llama-tiny"), kernels.F32, 8, 64)
	for name, b := range map[string]*Batch{
		"empty":            {},
		"too many rows":    {Tokens: make([]int32, 9), Seqs: []BatchSeq{{Rows: 9, Blocks: l.blocks}}},
		"rows missing":     {Tokens: make([]int32, 2), Seqs: []BatchSeq{{Rows: 1, Blocks: l.blocks}}},
		"rows left over":   {Tokens: make([]int32, 1), Seqs: []BatchSeq{{Rows: 2, Blocks: l.blocks}}},
		"blocks missing":   {Tokens: make([]int32, 1), Seqs: []BatchSeq{{Rows: 1, Position: 64, Blocks: l.blocks}}},
		"decode last":      {Tokens: make([]int32, 2), Seqs: []BatchSeq{{Rows: 1, Blocks: l.blocks}, {Rows: 1, Blocks: l.blocks, Decode: true}}},
		"no such row":      {Tokens: make([]int32, 1), Seqs: []BatchSeq{{Rows: 1, Blocks: l.blocks}}, Logits: []int32{1}},
		"rows not in turn": {Tokens: make([]int32, 2), Seqs: []BatchSeq{{Rows: 2, Blocks: l.blocks}}, Logits: []int32{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Panics(t, func() { l.Forward(b, l.cache) })
		})
	}
}

// idle is a device whose ops do nothing.
type idle struct{ kernels.Device }

func (idle) Upload(kernels.Tensor, []byte)                                                  {}
func (idle) Embed(_ kernels.Tensor, _ kernels.Weight, _ kernels.Tensor)                     {}
func (idle) RMSNorm(_, _, _ kernels.Tensor, _ float32)                                      {}
func (idle) AddRMSNorm(_, _, _, _ kernels.Tensor, _ float32)                                {}
func (idle) MatMul(_ kernels.Tensor, _ int64, _ []kernels.Product)                          {}
func (idle) RoPEAppendKV(_ kernels.KV, _, _, _, _, _ kernels.Tensor, _ kernels.Rotary)      {}
func (idle) Attention(_, _ kernels.Tensor, _ kernels.KV, _ int64, _ *kernels.AttentionPlan) {}
func (idle) GatedMatMul(_, _ kernels.Tensor, _, _ kernels.Weight, _ int64)                  {}
func (idle) Gather(_, _, _ kernels.Tensor)                                                  {}

func TestForwardAllocatesNothing(t *testing.T) {
	l := load(t, testdata.Shared(t, "models", "nas-super"), kernels.F32, 64, 256)
	b := &Batch{
		Tokens: make([]int32, 20), Logits: []int32{0, 1, 19},
		Seqs: []BatchSeq{
			{Rows: 1, Position: 3, Blocks: l.blocks[:1], Decode: true},
			{Rows: 19, Position: 100, Blocks: l.blocks[1:]},
		},
	}
	l.Model.dev = idle{l.dev}
	require.Zero(t, testing.AllocsPerRun(20, func() { l.Forward(b, l.cache) }))
	l.Model.dev = l.dev
}

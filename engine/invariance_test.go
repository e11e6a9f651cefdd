package engine

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/modeltest"
)

// subject is a request whose answer shows every bit of its logits that log
// probabilities can show.
func subject(rng *rand.Rand, prompt []int32, n int) Request {
	r := plain(prompt, n)
	r.Sampling = Sampling{
		Temperature: .8, TopK: 60, TopP: .97, MinP: .001, RepetitionPenalty: 1.1, PresencePenalty: .1, FrequencyPenalty: .1,
		Seed: rng.Uint64(), Logprob: true, TopLogprobs: maxAlternatives, Bias: []kernels.TokenBias{{Token: 5, Bias: .5}},
	}
	return r
}

// stranger is any request.
func stranger(rng *rand.Rand) Request {
	r := plain(randomTokens(rng, 1+rng.IntN(200)), 1+rng.IntN(100))
	r.Sampling = Sampling{Temperature: 2 * rng.Float32(), TopK: rng.IntN(20), TopP: rng.Float32(), Seed: rng.Uint64()}
	r.Salt = []string{"", "other"}[rng.IntN(2)]
	r.PromptLogprobs = rng.IntN(3) - 1
	return r
}

var cacheTypes = []kernels.DType{kernels.F16, kernels.I16, kernels.I8}

// The same request gives the same tokens and the same bits of log
// probabilities, whatever happens around it.
func TestInvariance(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for _, kv := range cacheTypes {
		t.Run(kv.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, uint64(kv)))
			r := subject(rng, randomTokens(rng, 150), 100)
			want := complete(t, rig{path: path, kv: kv, rows: 512}.engine(t), r)
			require.NoError(t, want.err)
			require.Len(t, want.events, 100)
			invariance(t, rig{path: path, kv: kv}, r, want, rng)
		})
	}
}

// TestInvarianceInWindows is TestInvariance where some layers have a window shorter than the prompt.
func TestInvarianceInWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	r := subject(rng, randomTokens(rng, 150), 100)
	full := complete(t, rig{path: tiny(t, modeltest.Tiny().Windowed(10_000)), rows: 512}.engine(t), r)
	path := tiny(t, modeltest.Tiny().Windowed(70))
	want := complete(t, rig{path: path, rows: 512}.engine(t), r)
	require.NoError(t, want.err)
	require.NotEqual(t, full.events, want.events)
	invariance(t, rig{path: path}, r, want, rng)
}

// invariance runs a request on engines like g, in all conditions.
func invariance(t *testing.T, g rig, r Request, want answer, rng *rand.Rand) {
	same := func(t *testing.T, got answer) {
		require.NoError(t, got.err)
		require.Equal(t, want.events, got.events)
	}
	t.Run("chunks", func(t *testing.T) { inChunks(t, g, r, same) })
	t.Run("company", func(t *testing.T) { inCompany(t, g, r, rng, same) })
	t.Run("preempted", func(t *testing.T) { preempted(t, g, r, rng, same) })
	t.Run("prefix", func(t *testing.T) { afterOthers(t, g, r, want, same) })
}

// inChunks reads the prompt in chunks of every size.
func inChunks(t *testing.T, g rig, r Request, same func(*testing.T, answer)) {
	step := 1
	if g.SpeculateTokens > 0 || g.late != inTime {
		step = 9
	}
	if testing.Short() {
		step = 29
	}
	for rows := 1; rows <= len(r.Prompt); rows += step {
		g.rows, g.logits = rows, min(rows, 1+g.SpeculateTokens)
		e := g.engine(t)
		same(t, complete(t, e, r))
		noteGuesses(t, e)
		require.NoError(t, e.Close())
	}
}

// inCompany runs among 32 random others, which begin before and after it.
func inCompany(t *testing.T, g rig, r Request, rng *rand.Rand, same func(*testing.T, answer)) {
	for _, rows := range []int{48, 512} {
		h := newHooks()
		g.rows, g.logits, g.blocks, g.wrap = rows, 33+g.SpeculateTokens, 33*5, h.wrap
		e := g.engine(t)
		h.hold(t) // until all are there
		var requests []Request
		for range 33 {
			requests = append(requests, stranger(rng))
		}
		requests[16] = r
		streams := submitAll(t, e, requests...)
		h.release()
		for i, s := range streams {
			if a := read(t.Context(), s); i == 16 {
				same(t, a)
			} else {
				require.NoError(t, a.err)
			}
		}
		noteGuesses(t, e)
	}
}

// preempted runs where others, which come before it by rank, take its memory.
func preempted(t *testing.T, g rig, r Request, rng *rand.Rand, same func(*testing.T, answer)) {
	for _, blocks := range []int{6, 8, 11} {
		h := newHooks()
		g.rows, g.logits, g.blocks, g.wrap = 32, 8, blocks, h.wrap
		e := g.engine(t)
		r.Priority = 1
		h.hold(t)
		s, err := e.Submit(t.Context(), r)
		require.NoError(t, err)
		h.await(t)
		for range 3 {
			other := plain(randomTokens(rng, 60), 120)
			_, err := e.Submit(t.Context(), other)
			require.NoError(t, err)
		}
		h.release()
		same(t, read(t.Context(), s))
		require.Positive(t, e.Stats().Preemptions, "%d blocks", blocks)
		noteGuesses(t, e)
	}
}

// afterOthers finds blocks that others have computed, and none that they
// computed with other arithmetic.
func afterOthers(t *testing.T, g rig, r Request, want answer, same func(*testing.T, answer)) {
	e := g.engine(t)
	for i, found := range []int{0, 128, 128} {
		a := complete(t, e, r)
		same(t, a)
		require.Equal(t, found, a.Cached, "time %d", i)
	}
	// Others that begin alike compute half of it.
	e = g.engine(t)
	other := plain(slices.Concat(r.Prompt[:100], []int32{1, 2, 3}), 50)
	complete(t, e, other)
	a := complete(t, e, r)
	same(t, a)
	require.Equal(t, 64, a.Cached)

	// A prompt that holds an answer: what decoding has computed serves it too,
	// where it has the same bits.
	e = g.engine(t)
	next := subject(rand.New(rand.NewPCG(1, 2)), slices.Concat(r.Prompt, want.tokens), 30)
	fresh := complete(t, e, next)
	require.Zero(t, fresh.Cached)
	e = g.engine(t)
	complete(t, e, r)
	again := complete(t, e, next)
	require.Equal(t, fresh.events, again.events)
	found := 128
	if uniform(t) {
		found = 192
	}
	require.Equal(t, found, again.Cached)

	// Several at once share while they go.
	h := newHooks()
	g.rows, g.wrap = 40, h.wrap
	e = g.engine(t)
	h.hold(t)
	streams := make([]*Stream, 5)
	for i := range streams {
		var err error
		streams[i], err = e.Submit(t.Context(), r)
		require.NoError(t, err)
	}
	h.release()
	for _, s := range streams {
		same(t, read(t.Context(), s))
	}
	require.Greater(t, e.Stats().PrefixHitTokens, int64(4*64))
	noteGuesses(t, e)

	// Another salt shares nothing.
	r.Salt = "other"
	a = complete(t, e, r)
	same(t, a)
	require.Zero(t, a.Cached)
}

// uniform reports whether decode and prefill arithmetic agree on the CPU.
func uniform(t *testing.T) bool {
	dev, err := cpu.Open(cpu.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	return dev.Info().Uniform
}

// twoArithmetics makes decode arithmetic differ from prefill arithmetic, which
// mostly are the same on the CPU: decode rows of a product come out a little larger.
type twoArithmetics struct{ kernels.Device }

func (d twoArithmetics) MatMul(x kernels.Tensor, decode int64, products []kernels.Product) {
	d.Device.MatMul(x, decode, products)
	for _, p := range products {
		values := floats(p.Out.Slice(0, decode))
		for i := range values {
			values[i] *= 1.01
		}
	}
}

func (d twoArithmetics) Info() kernels.Info {
	info := d.Device.Info()
	info.Uniform = false
	return info
}

// floats views a tensor of the CPU device.
func floats(t kernels.Tensor) []float32 {
	if t.Shape[0] == 0 {
		return nil
	}
	return unsafe.Slice(*(**float32)(unsafe.Pointer(&t.Addr)), t.Len())
}

// Where the arithmetics differ, each position keeps its own, however it is
// computed again.
func TestInvarianceOfArithmetic(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	rng := rand.New(rand.NewPCG(8, 8))
	r := subject(rng, randomTokens(rng, 90), 120)
	plain := complete(t, rig{path: path}.engine(t), r)
	two := func(dev kernels.Device) kernels.Device { return twoArithmetics{dev} }
	want := complete(t, rig{path: path, wrap: two}.engine(t), r)
	require.Equal(t, plain.events[0], want.events[0], "a prompt is computed with prefill arithmetic")
	require.NotEqual(t, plain.events[1:], want.events[1:])

	for _, rows := range []int{1, 7, 64} {
		require.Equal(t, want.events, complete(t, rig{path: path, wrap: two, rows: rows, logits: 1}.engine(t), r).events)
	}
	h := newHooks()
	e := rig{path: path, rows: 9, blocks: 5, wrap: func(dev kernels.Device) kernels.Device { return h.wrap(two(dev)) }}.engine(t)
	r.Priority = 1
	h.hold(t)
	s, err := e.Submit(t.Context(), r)
	require.NoError(t, err)
	h.await(t)
	_, err = e.Submit(t.Context(), Request{Prompt: randomTokens(rng, 40), MaxTokens: 100, PromptLogprobs: -1})
	require.NoError(t, err)
	h.release()
	require.Equal(t, want.events, read(t.Context(), s).events)
	require.Positive(t, e.Stats().Preemptions)

	next := subject(rng, slices.Concat(r.Prompt, want.tokens), 20)
	fresh := complete(t, rig{path: path, wrap: two}.engine(t), next)
	again := complete(t, e, next)
	require.Equal(t, fresh.events, again.events, "after one that decoded its prompt")
	require.LessOrEqual(t, again.Cached, 64, "what decoding has computed is not for it")

	r = babbler(rng, r.Prompt, 120)
	want = complete(t, rig{path: path, wrap: two}.engine(t), r)
	e = rig{path: path, wrap: two, Options: Options{SpeculateTokens: 6}}.engine(t)
	require.Equal(t, want.events, complete(t, e, r).events, "with guesses")
	noteGuesses(t, e)
}

// Log probabilities of a prompt are those of its logits, wherever the rows of
// logits fall, and are complete with the first token.
func TestPromptLogprobs(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	rng := rand.New(rand.NewPCG(4, 4))
	r := plain(randomTokens(rng, 140), 30)
	r.PromptLogprobs = 3
	want := expectedScores(t, path, r.Prompt)
	check := func(a answer) {
		require.NoError(t, a.err)
		require.Len(t, a.scores, len(want))
		for i, p := range a.scores {
			require.InDelta(t, want[i].Logprob, p.Logprob, 1e-5)
			require.Equal(t, want[i].Rank, p.Rank)
			require.Equal(t, want[i].Token, p.Token)
			require.Len(t, p.Top, 3)
			if p.Rank <= 3 {
				require.Equal(t, kernels.TokenLogprob{Token: p.Token, Logprob: p.Logprob}, p.Top[p.Rank-1])
			}
		}
	}
	first := complete(t, rig{path: path}.engine(t), r)
	check(first)
	for _, g := range []rig{{rows: 1, logits: 1}, {rows: 50, logits: 50}, {rows: 200, logits: 150}, {rows: 64, logits: 3}} {
		g.path = path
		e := g.engine(t)
		require.Equal(t, first.scores, complete(t, e, r).scores, "%d rows, %d of logits", g.rows, g.logits)
		require.Equal(t, first.scores, complete(t, e, r).scores, "again, with the prompt in the cache")
	}
	// Preempted while it reads its prompt, among others that decode.
	h := newHooks()
	e := rig{path: path, rows: 8, logits: 6, blocks: 7, wrap: h.wrap}.engine(t)
	r.Priority = 1
	h.hold(t)
	s, err := e.Submit(t.Context(), r)
	require.NoError(t, err)
	h.await(t)
	for range 3 {
		_, err := e.Submit(t.Context(), plain(randomTokens(rng, 30), 100))
		require.NoError(t, err)
	}
	h.release()
	a := read(t.Context(), s)
	require.Equal(t, first.scores, a.scores)
	require.Equal(t, first.tokens, a.tokens)
	require.Positive(t, e.Stats().Preemptions)

	single := plain([]int32{9}, 2)
	single.PromptLogprobs = 0
	require.Empty(t, complete(t, e, single).scores)
}

// expectedScores computes log probabilities and ranks in float64 from the
// logits of the model alone.
func expectedScores(t *testing.T, path string, prompt []int32) []PromptLogprob {
	ckpt, err := model.Open(path)
	require.NoError(t, err)
	defer ckpt.Close()
	dev, err := cpu.Open(cpu.Options{})
	require.NoError(t, err)
	defer dev.Close()
	n := len(prompt)
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: n, MaxLogits: n})
	require.NoError(t, err)
	cache, err := model.NewKVCache(dev, &ckpt.Config, kernels.F16, 4)
	require.NoError(t, err)
	b := model.Batch{Tokens: prompt, Seqs: []model.BatchSeq{{Rows: n, Blocks: []int32{2, 0, 3, 1}}}}
	for i := range n {
		b.Logits = append(b.Logits, int32(i))
	}
	logits := m.Forward(&b, cache)
	require.NoError(t, dev.Sync())
	var scores []PromptLogprob
	for i, id := range prompt[1:] {
		row := floats(logits.Slice(int64(i), int64(i)+1))
		p, sum := PromptLogprob{Token: id, Rank: 1}, 0.0
		for _, v := range row {
			sum += math.Exp(float64(v))
			if v > row[id] {
				p.Rank++
			}
		}
		p.Logprob = float32(float64(row[id]) - math.Log(sum))
		scores = append(scores, p)
	}
	return scores
}

func TestRank(t *testing.T) {
	inf := float32(math.Inf(1))
	row := func(values ...float32) (b []byte) {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		return b
	}
	require.Equal(t, 1, rank(row(1, 2, 3), 2))
	require.Equal(t, 3, rank(row(1, 2, 3), 0))
	require.Equal(t, 1, rank(row(2, 2, 2), 1), "equal ones rank alike")
	require.Equal(t, 2, rank(row(-inf, inf, -inf), 2))
	for _, tc := range []struct {
		drawn, token int32
		rank         int
		want         float32
	}{{4, 4, 7, -2}, {3, 4, 1, -2}, {3, 4, 2, -inf}} {
		a := target{token: tc.token, rank: tc.rank}
		p := a.scored(&kernels.Sampled{Token: tc.drawn, Logprob: -2})
		require.Equal(t, PromptLogprob{Token: tc.token, Logprob: tc.want, Rank: tc.rank}, p, fmt.Sprint(tc))
	}
}

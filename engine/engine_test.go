package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/modeltest"
)

// rig is how a test's engine is made. What is 0 gets a value that does.
type rig struct {
	shape   modeltest.Shape
	path    string // of a checkpoint; else one of shape is written
	kv      kernels.DType
	rows    int
	logits  int
	blocks  int
	threads int // of the device; 0: as many as there are
	wrap    func(kernels.Device) kernels.Device
	late    lateness
	// A draft model, where it has a checkpoint; its cache has draftBlocks.
	draft       string
	draftBlocks int
	Options
}

func (r rig) engine(t testing.TB) *Engine {
	t.Helper()
	if r.path == "" {
		r.path = tiny(t, r.shape)
	}
	ckpt, err := model.Open(r.path)
	require.NoError(t, err)
	defer ckpt.Close()
	return r.load(t, ckpt)
}

func (r rig) load(t testing.TB, ckpt *model.Checkpoint) *Engine {
	t.Helper()
	defaults(&r.kv, kernels.F16)
	defaults(&r.logits, 8)
	defaults(&r.rows, max(64, r.logits))
	defaults(&r.blocks, 64)
	dev, err := cpu.Open(cpu.Options{Threads: r.threads})
	require.NoError(t, err)
	if r.wrap != nil {
		dev = r.wrap(dev)
	}
	if r.late != inTime {
		dev = newLate(dev, r.late)
	}
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: r.rows, MaxLogits: r.logits})
	require.NoError(t, err)
	cache, err := model.NewKVCache(dev, &ckpt.Config, r.kv, r.blocks)
	require.NoError(t, err)
	if r.draft != "" {
		r.Draft = r.loadDraft(t, dev)
	}
	e, err := New(m, cache, dev, r.Options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func defaults[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// tiny writes a model, modeltest.Tiny where the shape says nothing.
func tiny(t testing.TB, s modeltest.Shape) string {
	if s.Layers == nil {
		s = modeltest.Tiny()
	}
	return modeltest.Folder(t, s)
}

const vocab = 96 // of modeltest.Tiny

func randomTokens(rng *rand.Rand, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = rng.Int32N(vocab)
	}
	return ids
}

// answer is all that a request gave.
type answer struct {
	tokens []int32
	events []Event
	scores []PromptLogprob
	finish FinishReason
	err    error
	Timings
}

// complete runs a request to its end.
func complete(t testing.TB, e *Engine, r Request) answer {
	t.Helper()
	s, err := e.Submit(t.Context(), r)
	require.NoError(t, err)
	return read(t.Context(), s)
}

// submitAll submits requests in their order.
func submitAll(t testing.TB, e *Engine, requests ...Request) (streams []*Stream) {
	t.Helper()
	for i, r := range requests {
		s, err := e.Submit(t.Context(), r)
		require.NoError(t, err, "request %d", i)
		streams = append(streams, s)
	}
	return streams
}

// read takes all that a stream gives.
func read(ctx context.Context, s *Stream) (a answer) {
	for a.finish == FinishNone && a.err == nil {
		var event Event
		event, a.err = s.Next(ctx)
		if event.Token >= 0 {
			a.tokens = append(a.tokens, event.Token)
			a.events = append(a.events, event)
		}
		a.finish = event.Finish
	}
	a.scores, a.Timings = s.PromptLogprobs(), s.Timings()
	return a
}

// plain asks for n tokens and nothing else.
func plain(prompt []int32, n int) Request {
	return Request{Prompt: prompt, MaxTokens: n, PromptLogprobs: -1}
}

func TestEngine(t *testing.T) {
	e := rig{}.engine(t)
	require.NoError(t, e.Healthy())
	require.Equal(t, 64*kernels.BlockSize, e.ContextLength())
	rng := rand.New(rand.NewPCG(1, 1))
	r := plain(randomTokens(rng, 150), 40)
	r.Sampling.Logprob, r.Sampling.TopLogprobs = true, 3
	a := complete(t, e, r)
	require.NoError(t, a.err)
	require.Equal(t, FinishLength, a.finish)
	require.Len(t, a.tokens, 40)
	for i, event := range a.events {
		require.Equal(t, i == 39, event.Finish != FinishNone)
		require.Len(t, event.Top, 3)
		require.Equal(t, kernels.TokenLogprob{Token: event.Token, Logprob: event.Logprob}, event.Top[0], "greedy")
	}
	require.Equal(t, []int{150, 0, 40}, []int{a.Prompt, a.Cached, a.Generated})
	require.Positive(t, a.Prefill)
	require.Positive(t, a.Decode)

	s := e.Stats()
	require.Equal(t, Stats{
		Blocks: 64, BlocksCached: 2, KVBytes: s.KVBytes, ModelBytes: s.ModelBytes, Steps: 3 + 39,
		PromptTokens: 150, GeneratedTokens: 40, PrefixQueryTokens: 150,
	}, s)
	require.Positive(t, s.KVBytes)
	require.Positive(t, s.ModelBytes)
	require.Equal(t, 128, complete(t, e, r).Cached)

	require.NoError(t, e.Close())
	require.ErrorIs(t, e.Healthy(), ErrClosed)
	_, err := e.Submit(t.Context(), r)
	require.ErrorIs(t, err, ErrClosed)
}

func TestFinish(t *testing.T) {
	e := rig{blocks: 2}.engine(t)
	prompt := []int32{3, 1, 4, 1, 5}
	free := complete(t, e, plain(prompt, 0))
	require.Equal(t, FinishLength, free.finish)
	require.Len(t, free.tokens, 2*kernels.BlockSize-len(prompt), "as many as the cache holds")

	// The first token that comes a second time.
	at := 1
	for ; !contains(free.tokens[:at], free.tokens[at]); at++ {
	}
	stop := free.tokens[at]
	first := 0
	for free.tokens[first] != stop {
		first++
	}
	r := plain(prompt, 100)
	r.StopIDs = []int32{stop, 95}
	a := complete(t, e, r)
	require.Equal(t, FinishStop, a.finish)
	require.Equal(t, free.tokens[:first+1], a.tokens)

	r.MinTokens = first + 1
	a = complete(t, e, r)
	require.Equal(t, free.tokens[:first], a.tokens[:first])
	require.NotContains(t, a.tokens[:first+1], stop)

	r.MinTokens, r.MaxTokens = 0, first+1
	require.Equal(t, FinishStop, complete(t, e, r).finish, "the last token that may come is a stop")
	require.Equal(t, "stop length abort error none", FinishStop.String()+" "+FinishLength.String()+" "+
		FinishCancelled.String()+" "+FinishError.String()+" "+FinishNone.String())
}

func contains(list []int32, v int32) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// Two draws agree exactly where their seeds do; every filter does something.
func TestSampling(t *testing.T) {
	e := rig{}.engine(t)
	r := plain([]int32{7, 8, 9}, 50)
	greedy := complete(t, e, r).tokens
	r.Sampling.Temperature = 1
	r.Sampling.Seed = 1
	one := complete(t, e, r).tokens
	require.Equal(t, one, complete(t, e, r).tokens)
	require.NotEqual(t, greedy, one)
	r.Sampling.Seed = 2
	require.NotEqual(t, one, complete(t, e, r).tokens)
	for name, set := range map[string]func(*Sampling){
		"top_k": func(s *Sampling) { s.TopK = 1 }, "top_p": func(s *Sampling) { s.TopP = 1e-6 },
		"min_p": func(s *Sampling) { s.MinP = 1 }, "top_k, huge": func(s *Sampling) { s.TopK = 1 << 40; s.MinP = 1 },
	} {
		strict := r
		set(&strict.Sampling)
		require.Equal(t, greedy, complete(t, e, strict).tokens, name)
	}
	for name, set := range map[string]func(*Sampling){
		"presence": func(s *Sampling) { s.PresencePenalty = 1e6 }, "frequency": func(s *Sampling) { s.FrequencyPenalty = 1e6 },
	} {
		strict := plain([]int32{7, 8, 9}, 50)
		set(&strict.Sampling)
		seen := map[int32]bool{}
		for _, id := range complete(t, e, strict).tokens {
			require.False(t, seen[id], name)
			seen[id] = true
		}
	}
	biased := plain([]int32{7}, 5)
	biased.Sampling.Bias = []kernels.TokenBias{{Token: 33, Bias: 1e4}}
	require.Equal(t, []int32{33, 33, 33, 33, 33}, complete(t, e, biased).tokens)
	biased.Sampling.RepetitionPenalty = 1e6
	require.NotEqual(t, []int32{33, 33, 33, 33, 33}, complete(t, e, biased).tokens)
}

func TestLimits(t *testing.T) {
	e := rig{blocks: 2, Options: Options{MaxModelLen: 100}}.engine(t)
	require.Equal(t, 100, e.ContextLength())
	nan := float32(math.NaN())
	for _, tc := range []struct {
		field string
		set   func(*Request)
	}{
		{"prompt", func(r *Request) { r.Prompt = nil }},
		{"prompt", func(r *Request) { r.Prompt = []int32{1, -1} }},
		{"prompt", func(r *Request) { r.Prompt = []int32{vocab} }},
		{"max_tokens", func(r *Request) { r.MaxTokens = -1 }},
		{"min_tokens", func(r *Request) { r.MinTokens = -1 }},
		{"min_tokens", func(r *Request) { r.MinTokens = 11 }},
		{"stop_token_ids", func(r *Request) { r.StopIDs = []int32{0, vocab} }},
		{"prompt_logprobs", func(r *Request) { r.PromptLogprobs = 21 }},
		{"prompt_logprobs", func(r *Request) { r.PromptLogprobs = -2 }},
		{"temperature", func(r *Request) { r.Sampling.Temperature = -1 }},
		{"temperature", func(r *Request) { r.Sampling.Temperature = nan }},
		{"temperature", func(r *Request) { r.Sampling.Temperature = float32(math.Inf(1)) }},
		{"top_k", func(r *Request) { r.Sampling.TopK = -1 }},
		{"top_p", func(r *Request) { r.Sampling.TopP = nan }},
		{"top_p", func(r *Request) { r.Sampling.TopP = 1.5 }},
		{"min_p", func(r *Request) { r.Sampling.MinP = -.1 }},
		{"presence_penalty", func(r *Request) { r.Sampling.PresencePenalty = nan }},
		{"frequency_penalty", func(r *Request) { r.Sampling.FrequencyPenalty = float32(math.Inf(-1)) }},
		{"repetition_penalty", func(r *Request) { r.Sampling.RepetitionPenalty = -1 }},
		{"top_logprobs", func(r *Request) { r.Sampling.TopLogprobs = 21 }},
		{"logit_bias", func(r *Request) { r.Sampling.Bias = []kernels.TokenBias{{Token: -1}} }},
		{"logit_bias", func(r *Request) { r.Sampling.Bias = []kernels.TokenBias{{Token: 1, Bias: nan}} }},
	} {
		r := plain([]int32{1, 2}, 10)
		tc.set(&r)
		_, err := e.Submit(t.Context(), r)
		var limit *LimitError
		require.ErrorAs(t, err, &limit, tc.field)
		require.Equal(t, tc.field, limit.Field)
		require.False(t, limit.ContextExceeded)
		require.Contains(t, limit.Error(), tc.field+": ")
	}
	for _, tc := range []struct {
		prompt, most int
		field        string
	}{
		{99, 2, "max_tokens"}, {100, 1, "prompt"}, {100, 0, "prompt"}, {101, 0, "prompt"}, {1, math.MaxInt, "max_tokens"},
	} {
		_, err := e.Submit(t.Context(), plain(make([]int32, tc.prompt), tc.most))
		var limit *LimitError
		require.ErrorAs(t, err, &limit)
		limit.Message = ""
		require.Equal(t, &LimitError{Field: tc.field, ContextExceeded: true, Prompt: tc.prompt, Want: tc.most, Max: 100}, limit)
	}
	require.Len(t, complete(t, e, plain(make([]int32, 99), 0)).tokens, 1)
	require.Equal(t, Stats{}.Running, e.Stats().Running)
}

func TestNewRefuses(t *testing.T) {
	dev, err := cpu.Open(cpu.Options{})
	require.NoError(t, err)
	defer dev.Close()
	ckpt, err := model.Open(tiny(t, modeltest.Shape{}))
	require.NoError(t, err)
	defer ckpt.Close()
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: 4, MaxLogits: 2})
	require.NoError(t, err)
	cache, err := model.NewKVCache(dev, &ckpt.Config, kernels.F16, 4)
	require.NoError(t, err)
	for _, o := range []Options{{MaxModelLen: -1}, {MaxNumSeqs: -1}, {MaxQueued: -1}, {PrefillRows: -1}, {StallTimeout: -1}, {MaxModelLen: 10_001}} {
		_, err := New(m, cache, dev, o)
		require.Error(t, err, "%+v", o)
	}
}

func TestOverloaded(t *testing.T) {
	h := newHooks()
	e := rig{wrap: h.wrap, Options: Options{MaxNumSeqs: 2, MaxQueued: 3}}.engine(t)
	h.hold(t)
	streams := submitAll(t, e, slices.Repeat([]Request{plain([]int32{1}, 2)}, 5)...)
	_, err := e.Submit(t.Context(), plain([]int32{1}, 2))
	require.ErrorIs(t, err, ErrOverloaded)
	h.release()
	for _, s := range streams {
		require.Equal(t, FinishLength, read(t.Context(), s).finish)
		_, err := e.Submit(t.Context(), plain([]int32{1}, 1)) // there is room again at once
		require.NoError(t, err)
	}
}

// Who does not read does not hold up the others.
func TestSlowReader(t *testing.T) {
	e := rig{}.engine(t)
	slow, err := e.Submit(t.Context(), plain([]int32{5}, 500))
	require.NoError(t, err)
	other := complete(t, e, plain([]int32{6}, 600))
	require.Len(t, other.tokens, 600)
	settle(t, e)
	require.Len(t, read(t.Context(), slow).tokens, 500)
	event, err := slow.Next(t.Context())
	require.Equal(t, Event{Token: -1, Finish: FinishLength}, event, "the end stays")
	require.NoError(t, err)
}

func TestCancel(t *testing.T) {
	h := newHooks()
	e := rig{wrap: h.wrap, Options: Options{MaxNumSeqs: 1}}.engine(t)
	why := errors.New("enough")

	ended, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := e.Submit(ended, plain([]int32{1}, 2))
	require.ErrorIs(t, err, why)

	h.hold(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	running, err := e.Submit(ctx, plain([]int32{1}, 1000))
	require.NoError(t, err)
	waits, err := e.Submit(ctx, plain([]int32{1}, 1000))
	require.NoError(t, err)
	h.first(t, running)
	cancel(why)
	cancelled(t, e, 0)
	h.release()
	for i, s := range []*Stream{running, waits} {
		a := read(t.Context(), s)
		require.Equal(t, FinishCancelled, a.finish)
		require.ErrorIs(t, a.err, why)
		require.Len(t, a.tokens, 1-i, "of the step that was held")
	}
	settle(t, e)

	// The end of a context that only waits leaves the stream as it is.
	h.hold(t)
	s, err := e.Submit(t.Context(), plain([]int32{1}, 5))
	require.NoError(t, err)
	event, err := s.Next(ended)
	require.Equal(t, Event{Token: -1}, event)
	require.ErrorIs(t, err, why)
	h.release()
	a := read(t.Context(), s)
	require.Equal(t, FinishLength, a.finish)
	require.Len(t, a.tokens, 5)
}

// A cancel storm frees everything before the next step.
func TestCancelStorm(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n /= 10
	}
	h := newHooks()
	e := rig{wrap: h.wrap, Options: Options{MaxQueued: n}}.engine(t)
	h.hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	streams := make([]*Stream, n)
	for i := range streams {
		var err error
		streams[i], err = e.Submit(ctx, plain([]int32{1, 2, 3}, 100))
		require.NoError(t, err)
	}
	h.await(t)
	survivor, err := e.Submit(t.Context(), plain([]int32{1}, 3))
	require.NoError(t, err)
	cancel()
	cancelled(t, e, 1)
	before := e.Stats().Steps
	h.release()
	require.Len(t, read(t.Context(), survivor).tokens, 3)
	require.LessOrEqual(t, e.Stats().Steps-before, int64(1+3), "the step that was held, and three")
	for _, s := range streams {
		require.Equal(t, FinishCancelled, read(t.Context(), s).finish)
	}
}

func TestClose(t *testing.T) {
	h := newHooks()
	e := rig{wrap: h.wrap, Options: Options{MaxNumSeqs: 1}}.engine(t)
	h.hold(t)
	streams := submitAll(t, e, slices.Repeat([]Request{plain([]int32{1}, 1000)}, 3)...)
	closed := make(chan error)
	go func() { closed <- e.Close() }()
	eventually(t, func() bool { return errors.Is(e.Healthy(), ErrClosed) })
	h.release()
	require.NoError(t, <-closed)
	require.NoError(t, e.Wait())
	for _, s := range streams {
		a := read(t.Context(), s)
		require.ErrorIs(t, a.err, ErrClosed)
		require.Equal(t, FinishError, a.finish)
	}
	require.NoError(t, e.Close(), "closing twice")
}

// Numbers without sense cost one request and not the batch.
func TestNumeric(t *testing.T) {
	h := newHooks()
	e := rig{wrap: h.wrap}.engine(t)
	h.poison.Store(true)
	good := plain([]int32{1, 2, 3}, 30)
	want := complete(t, e, good).tokens
	bad := good
	bad.Sampling.Seed = poisonSeed
	scored := plain(make([]int32, 20), 5)
	scored.PromptLogprobs, scored.Sampling.Seed = 0, poisonSeed
	streams := submitAll(t, e, good, bad, scored, good)
	for i, s := range streams {
		a := read(t.Context(), s)
		if i == 1 || i == 2 {
			require.ErrorIs(t, a.err, ErrNumeric)
			require.Equal(t, FinishError, a.finish)
			continue
		}
		require.NoError(t, a.err)
		require.Equal(t, want, a.tokens)
	}
	require.NoError(t, e.Healthy())
	require.Equal(t, want, complete(t, e, good).tokens)
}

// An error of the device, also in a step under way, ends everything, and health says so.
func TestDeviceFails(t *testing.T) {
	why := errors.New("fell off the bus")
	for name, fail := range map[string]func(h *hooks){
		"error": func(h *hooks) { h.sync.Store(&why) },
		"panic": func(h *hooks) { h.panics.Store(true) },
	} {
		for _, l := range []lateness{inTime, lazy} {
			t.Run(fmt.Sprintf("%s, late %d", name, l), func(t *testing.T) {
				h := newHooks()
				e := rig{wrap: h.wrap, late: l}.engine(t)
				h.hold(t)
				streams := submitAll(t, e, slices.Repeat([]Request{plain([]int32{1}, 2000)}, 12)...)
				h.first(t, streams[0])
				fail(h)
				h.release()
				for _, s := range streams {
					a := read(t.Context(), s)
					require.ErrorIs(t, a.err, ErrFailed)
					require.Equal(t, FinishError, a.finish)
					if name == "error" {
						require.ErrorIs(t, a.err, why)
					}
				}
				require.ErrorIs(t, e.Healthy(), ErrFailed)
				require.ErrorIs(t, e.Wait(), ErrFailed)
				_, err := e.Submit(t.Context(), plain([]int32{1}, 1))
				require.ErrorIs(t, err, ErrFailed)
				require.Zero(t, e.Stats().Running+e.Stats().Waiting)
				h.sync.Store(nil) // Close is to succeed
				h.panics.Store(false)
			})
		}
	}
}

// A scheduler that plans nothing for requests that wait would be a mistake, and
// must not look like health.
func TestNothingPlanned(t *testing.T) {
	e := rig{}.engine(t)
	e.scheduler.limits.Rows = 0
	s, err := e.Submit(t.Context(), plain([]int32{1}, 2))
	require.NoError(t, err)
	require.ErrorIs(t, read(t.Context(), s).err, errStuck)
	require.ErrorIs(t, e.Healthy(), ErrFailed)
}

// A step that does not end is no health, though another may be queued behind it.
func TestHealthyTellsOfStandstill(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for _, l := range []lateness{inTime, lazy, busy} {
		synctest.Test(t, func(t *testing.T) { // in which only sleep takes time
			h := newHooks()
			e := rig{path: path, threads: 1, wrap: h.wrap, late: l, Options: Options{StallTimeout: time.Second}}.engine(t)
			complete(t, e, plain([]int32{1, 2, 3}, 5)) // it knows now how long a step takes
			time.Sleep(time.Hour)
			require.NoError(t, e.Healthy(), "idle")
			h.hold(t)
			s, err := e.Submit(t.Context(), plain([]int32{1, 2, 3}, 5))
			require.NoError(t, err)
			time.Sleep(time.Second)
			require.NoError(t, e.Healthy(), "it may take so long")
			time.Sleep(time.Nanosecond)
			require.EqualError(t, e.Healthy(), "no step has ended for 1s; 1 requests are open")
			h.release()
			require.Len(t, read(t.Context(), s).tokens, 5)
			require.NoError(t, e.Healthy())
		})
	}
}

package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/demo"
	"trona/model/modeltest"
)

// short returns the smaller number with -short.
func short(small, large int) int {
	if testing.Short() {
		return small
	}
	return large
}

// A thousand streams at once each get exactly the tokens they would get alone.
func TestThousandStreams(t *testing.T) {
	const kinds = 25
	n := short(100, 1000)
	ckpt, err := demo.Open()
	require.NoError(t, err)
	defer ckpt.Close()
	e := rig{rows: 256, logits: 64, blocks: 80}.load(t, ckpt)
	rng := rand.New(rand.NewPCG(5, 5))
	var requests []Request
	var want [][]int32
	for range kinds {
		r := plain(randomTokens(rng, 4+rng.IntN(80)), 4+rng.IntN(12))
		r.Sampling = Sampling{Temperature: 1, Seed: rng.Uint64()}
		requests = append(requests, r)
		want = append(want, complete(t, e, r).tokens)
	}
	before := heap()
	streams := make([]*Stream, n)
	for i := range streams {
		streams[i], err = e.Submit(t.Context(), requests[i%kinds])
		require.NoError(t, err)
	}
	var readers sync.WaitGroup
	answers := make([]answer, n)
	for i, s := range streams {
		readers.Go(func() { answers[i] = read(t.Context(), s) })
	}
	readers.Wait()
	for i, a := range answers {
		require.NoError(t, a.err)
		require.Equal(t, want[i%kinds], a.tokens, "stream %d", i)
	}
	require.Less(t, heap()-before, int64(32<<10*n), "heap of a stream")
	clear(streams)
	clear(answers)
	require.Less(t, heap()-before, int64(2<<20), "heap when all is over")
	s := e.Stats()
	require.Zero(t, s.Running+s.Waiting+s.BlocksUsed)
	t.Logf("%d steps, %d tokens, %d of %d prompt tokens from the cache, %d preemptions",
		s.Steps, s.GeneratedTokens, s.PrefixHitTokens, s.PrefixQueryTokens, s.Preemptions)
}

// heap returns the bytes in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Many users submit and go away at any moment, with all features at once.
func TestHammer(t *testing.T) {
	e := rig{rows: 32, logits: 12, blocks: 20, Options: Options{MaxQueued: 6, PrefillRows: 24, SpeculateTokens: 5}}.engine(t)
	open, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var users sync.WaitGroup
	var mu sync.Mutex
	outcome := map[string]int{}
	count := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		outcome[what]++
	}
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		s := e.Stats()
		return s.PromptTokens > int64(short(10_000, 100_000)) && s.Preemptions > 2 && min(s.PrefixHitTokens, s.AcceptedTokens) > 0 &&
			min(outcome["length"], outcome["abort"], outcome["overloaded"]) > 0
	}
	for user := range 24 {
		rng := rand.New(rand.NewPCG(9, uint64(user)))
		users.Go(func() {
			for open.Err() == nil {
				count(use(t, e, rng, open))
				require.NoError(t, e.Healthy())
			}
		})
	}
	for open.Err() == nil && !enough() {
		time.Sleep(time.Millisecond)
	}
	cancel()
	users.Wait()
	settle(t, e)
	t.Logf("%v, %+v", outcome, e.Stats())
	require.True(t, enough(), "too little has happened: %v", outcome)
	require.Zero(t, outcome["error"])
	require.Equal(t, complete(t, e, plain([]int32{1}, 20)).tokens, complete(t, e, plain([]int32{1}, 20)).tokens)
}

// use makes one request and perhaps goes away.
func use(t *testing.T, e *Engine, rng *rand.Rand, ctx context.Context) string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := stranger(rng)
	if begin := rng.IntN(3); begin > 0 { // many begin alike
		r.Prompt = slices.Concat(slices.Repeat([]int32{int32(begin)}, 150), r.Prompt[:1+rng.IntN(len(r.Prompt))])
	}
	r.Priority = rng.IntN(2)
	r.StopIDs, r.MinTokens = randomTokens(rng, rng.IntN(2)), rng.IntN(2)
	switch rng.IntN(8) {
	case 0:
		r = subject(rng, r.Prompt, r.MaxTokens)
	case 1:
		r = babbler(rng, r.Prompt, r.MaxTokens)
	case 2:
		r = babbler(rng, r.Prompt, r.MaxTokens)
		r.Constraint = AllOf(ForbidSequences([]int32{20, 21}), budget(10, 1, 2, 3))
	}
	s, err := e.Submit(ctx, r)
	if errors.Is(err, ErrOverloaded) {
		time.Sleep(time.Millisecond)
		return "overloaded"
	}
	if err != nil {
		return FinishCancelled.String()
	}
	leave := rng.IntN(2 * r.MaxTokens)
	for n := 0; ; n++ {
		if n == leave {
			cancel()
		}
		event, err := s.Next(context.Background())
		if event.Finish == FinishNone {
			continue
		}
		if event.Finish == FinishCancelled && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled with %v", err)
		}
		return event.Finish.String()
	}
}

// A prompt of 32,768 tokens is read in chunks, and found again in the cache.
func TestLongPrompt(t *testing.T) {
	n := short(8_192, 32_768)
	shape := modeltest.Shape{
		Vocab: vocab, Hidden: 16, Heads: 1, HeadDim: 16, Context: 40_000,
		Layers: []model.Layer{{Attention: &model.Attention{Heads: 1, KVHeads: 1, HeadDim: 16}, FFN: &model.FFN{Width: 32}}},
	}
	e := rig{shape: shape, rows: 1024, blocks: 40_000 / kernels.BlockSize}.engine(t)
	rng := rand.New(rand.NewPCG(6, 6))
	r := subject(rng, randomTokens(rng, n), 80)
	first := complete(t, e, r)
	require.NoError(t, first.err)
	require.Len(t, first.tokens, 80)
	require.Zero(t, first.Cached)
	again := complete(t, e, r)
	require.Equal(t, first.events, again.events)
	require.Equal(t, n-kernels.BlockSize, again.Cached)
	t.Logf("%d tokens: %v, then %v", n, first.Prefill, again.Prefill)
}

// All positions of the longest context are planned once, in order, and the
// numbers that name them on the device stay in their types.
func TestLongestContext(t *testing.T) {
	const n = 131_072
	blocks := NewBlockManager(n / kernels.BlockSize)
	s := NewScheduler(Limits{Seqs: 1, Rows: 511, Logits: 1, PrefillRows: 511, Block: kernels.BlockSize}, blocks)
	prompt := make([]int32, n-1000)
	for i := range prompt {
		prompt[i] = int32(i)
	}
	q := newSequence(prompt, 1000, kernels.BlockSize, "")
	s.Add(q)
	r := &runner{steps: [2]*step{{}, {}}}
	next := 0
	for !s.Idle() {
		p := s.Next()
		require.Equal(t, 1, p.Len())
		run := p.Run(0)
		require.Equal(t, next, run.Position)
		step := r.prepare(p)
		step.prepareDraws()
		seq := r.batch.Seqs[0]
		require.Equal(t, int64(next), seq.Position)
		next += run.Rows
		require.GreaterOrEqual(t, int64(len(seq.Blocks))*kernels.BlockSize, int64(next))
		if run.Draw {
			require.Equal(t, int64(next), step.rows[0].Position)
		}
		s.Commit(p, answers(p, func(*Run, int) int32 { return 0 }))
	}
	require.Equal(t, n-1, next, "all but the last token")
	require.Len(t, q.keys, 1+n/kernels.BlockSize-1)
	require.NoError(t, blocks.Check())
	again := newSequence(prompt, 1000, kernels.BlockSize, "")
	s.Add(again)
	require.Equal(t, (n-1000-1)/kernels.BlockSize*kernels.BlockSize, s.Next().Run(0).Position)
}

// In the steady state the host allocates nothing for a step.
func TestStepAllocatesNothing(t *testing.T) {
	ckpt, err := model.Open(tiny(t, modeltest.Shape{}))
	require.NoError(t, err)
	defer ckpt.Close()
	dev, err := cpu.Open(cpu.Options{})
	require.NoError(t, err)
	defer dev.Close()
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: 64, MaxLogits: 8})
	require.NoError(t, err)
	cache, err := model.NewKVCache(dev, &ckpt.Config, kernels.F16, 64)
	require.NoError(t, err)
	s := NewScheduler(Limits{Seqs: 8, Rows: 64, Logits: 8, PrefillRows: 64, Block: kernels.BlockSize}, NewBlockManager(64))
	r := newRunner(m, cache, dev)
	for i := range 8 {
		request := plain(slices.Repeat([]int32{int32(i)}, 10+i), 400)
		request.Sampling = Sampling{Temperature: .8, TopP: .9, RepetitionPenalty: 1.1, Seed: uint64(i)}
		q := request.sequence(kernels.BlockSize, nil)
		q.guess = newGuess(0, i/2)
		s.Add(q)
	}
	step := func() {
		for _, q := range s.running {
			if q.drafts = 0; q.decoding() && q.guess.ready() {
				q.lookUp()
			}
		}
		p := s.Next()
		now := r.prepare(p)
		r.prepareDraws(now)
		r.forward(now)
		r.draw(now)
		require.NoError(t, r.await(now))
		s.Commit(p, now.tokens)
	}
	for range 30 {
		step()
	}
	require.Zero(t, testing.AllocsPerRun(200, step))
	require.Equal(t, 8, s.Stats().Running)
}

// One step of policy for 256 sequences that decode, and one that reads a prompt.
func BenchmarkScheduler(b *testing.B) {
	const seqs = 256
	s := NewScheduler(Limits{Seqs: seqs, Rows: 512, Logits: seqs, PrefillRows: 512, Block: kernels.BlockSize}, NewBlockManager(1<<16))
	next, zero := make([][]int32, seqs), []int32{0}
	rng := rand.New(rand.NewPCG(7, 7))
	for b.Loop() {
		for s.Stats().Running+s.Stats().Waiting < seqs {
			s.Add(newSequence(randomTokens(rng, 300), 1000, kernels.BlockSize, ""))
		}
		p := s.Next()
		for i := range p.Len() {
			next[i] = zero[:p.Run(i).draws()]
		}
		s.Commit(p, next[:p.Len()])
	}
}

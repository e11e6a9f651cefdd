package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/modeltest"
)

// With the host a step ahead no bit of an answer is different.
func TestInvarianceAhead(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for kv, l := range map[kernels.DType]lateness{kernels.F16: lazy, kernels.I8: busy} {
		t.Run(kv.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, uint64(kv)))
			r := subject(rng, randomTokens(rng, 150), 100)
			want := complete(t, rig{path: path, kv: kv, rows: 512}.engine(t), r)
			require.NoError(t, want.err)
			g := rig{path: path, kv: kv, late: l}
			require.NotNil(t, g.engine(t).runner.ahead)
			invariance(t, g, r, want, rng)
		})
	}
}

// visit is a request of a random workload, and what its caller does.
type visit struct {
	Request
	make   func() Constraint // nil: none
	after  int               // it comes when so many others have ended
	cancel int               // after so many tokens; 0: never
}

// workload returns requests of all kinds.
func workload(rng *rand.Rand, n int) []visit {
	list := make([]visit, n)
	for i := range list {
		r := stranger(rng)
		if rng.IntN(3) == 0 {
			r = subject(rng, r.Prompt, r.MaxTokens)
		}
		if i > 0 && rng.IntN(3) == 0 {
			r.Prompt = slices.Concat(list[rng.IntN(i)].Prompt, randomTokens(rng, 3))
		}
		r.Sampling.Logprob, r.MaxTokens, r.Priority = true, 1+rng.IntN(60), rng.IntN(2)
		if rng.IntN(2) == 0 {
			r.StopIDs, r.MinTokens = randomTokens(rng, 6), rng.IntN(r.MaxTokens)
		}
		v := visit{Request: r, after: max(0, i-rng.IntN(12)) / 2}
		switch rng.IntN(6) {
		case 0:
			v.make = func() Constraint { return budget(5, 1, 2, 3) }
		case 1:
			v.cancel = 1 + rng.IntN(20)
		}
		list[i] = v
	}
	return list
}

// play runs a workload, of which the first requests come at once, and returns
// what each got.
func play(t *testing.T, g rig, list []visit) (*Engine, []answer) {
	t.Helper()
	h := newHooks()
	g.wrap = h.wrap
	e := g.engine(t)
	h.hold(t)
	ended := make(chan int, len(list))
	answers := make([]answer, len(list))
	next, over := 0, 0
	for over < len(list) {
		for next < len(list) && list[next].after <= over {
			v := list[next]
			if v.make != nil {
				v.Constraint = v.make()
			}
			ctx, cancel := context.WithCancel(t.Context())
			s, err := e.Submit(ctx, v.Request)
			require.NoError(t, err)
			go func(i int) {
				defer func() { ended <- i }()
				defer cancel()
				answers[i] = v.read(s, cancel)
			}(next)
			next++
		}
		h.release()
		<-ended
		over++
	}
	return e, answers
}

// read reads a stream, and cancels when it is time.
func (v *visit) read(s *Stream, cancel func()) (a answer) {
	for a.finish == FinishNone {
		event, err := s.Next(context.Background())
		if event.Token >= 0 {
			a.tokens, a.events = append(a.tokens, event.Token), append(a.events, event)
		}
		a.finish, a.err = event.Finish, err
		if len(a.tokens) == v.cancel {
			cancel()
		}
	}
	a.scores, a.Timings = s.PromptLogprobs(), s.Timings()
	return a
}

// Requests of all kinds, which come, stop, are cancelled and preempted, get the
// same answers whether the host is a step ahead or not.
func TestAheadConcurrent(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	surplus, seeds := int64(0), uint64(short(3, 8))
	for seed := uint64(0); seed < seeds || surplus == 0 && seed < 40; seed++ { // who meets whom is a matter of time
		rng := rand.New(rand.NewPCG(seed, 21))
		list := workload(rng, 60)
		g := rig{path: path, rows: 8 + rng.IntN(60), logits: 8, blocks: 7 + rng.IntN(20)}
		e, want := play(t, g, list)
		g.late = lazy + lateness(seed%2)
		ahead, got := play(t, g, list)
		require.NotNil(t, ahead.runner.ahead)
		for i := range list {
			name := fmt.Sprintf("seed %d, request %d", seed, i)
			if list[i].cancel > 0 { // its end is a matter of time
				n := min(len(want[i].tokens), len(got[i].tokens))
				require.Equal(t, want[i].tokens[:n], got[i].tokens[:n], name)
				continue
			}
			require.Equal(t, want[i].events, got[i].events, name)
			require.Equal(t, want[i].finish, got[i].finish, name)
			require.Equal(t, want[i].scores, got[i].scores, name)
			require.Equal(t, want[i].Generated, got[i].Generated, name)
		}
		for _, e := range []*Engine{e, ahead} {
			settle(t, e)
			require.NoError(t, e.Close())
			require.NoError(t, e.scheduler.blocks.Check())
		}
		surplus += ahead.Stats().Preemptions
	}
	require.Positive(t, surplus, "nothing was preempted")
}

// What a sequence leaves in the cache is the same, with a step under way when it
// ended or without.
func TestAheadPrefix(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	plainEngine, ahead := rig{path: path}.engine(t), rig{path: path, late: lazy}.engine(t)
	rng := rand.New(rand.NewPCG(31, 0))
	for n := 55; n < 75; n += 3 {
		r := subject(rng, randomTokens(rng, 10), n)
		first := complete(t, plainEngine, r)
		require.Equal(t, first.events, complete(t, ahead, r).events)
		r.StopIDs, r.MaxTokens = []int32{first.tokens[n-1]}, 200
		r.Salt = "stopped"
		one, two := complete(t, plainEngine, r), complete(t, ahead, r)
		require.Equal(t, one.events, two.events)
		require.Equal(t, FinishStop, two.finish)
		next := subject(rng, slices.Concat(r.Prompt, one.tokens, []int32{1, 2, 3}), 5)
		next.Salt = r.Salt
		one, two = complete(t, plainEngine, next), complete(t, ahead, next)
		require.Equal(t, one.events, two.events)
		require.Equal(t, one.Cached, two.Cached, "%d tokens", n)
	}
}

// A constraint hears of the tokens before those that are drawn, and never of the
// last, whose row counts for nothing.
func TestAheadConstraint(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for _, l := range []lateness{inTime, lazy, busy} {
		e := rig{path: path, late: l}.engine(t)
		limit := budget(3, 1, 2, 95)
		r := plain([]int32{4, 5}, 50)
		r.Constraint, r.StopIDs = limit, []int32{95}
		a := complete(t, e, r)
		require.NoError(t, e.Close())
		require.Equal(t, FinishStop, a.finish)
		require.Equal(t, a.tokens[:len(a.tokens)-1], limit.seen)
	}
}

// Numbers without sense cost one request and not the batch, nor the step that
// was queued behind them.
func TestAheadNumeric(t *testing.T) {
	h := newHooks()
	e := rig{wrap: h.wrap, late: lazy}.engine(t)
	h.poison.Store(true)
	h.poisonFrom.Store(3 + 7)
	good := plain([]int32{1, 2, 3}, 30)
	want := complete(t, e, good).tokens
	bad := good
	bad.Sampling.Seed = poisonSeed
	streams := submitAll(t, e, good, bad, good)
	for i, s := range streams {
		a := read(t.Context(), s)
		if i == 1 {
			require.ErrorIs(t, a.err, ErrNumeric)
			require.Equal(t, want[:7], a.tokens)
			continue
		}
		require.NoError(t, a.err)
		require.Equal(t, want, a.tokens)
	}
	require.NoError(t, e.Healthy())
}

// Whoever closes the engine waits for the step under way, whose tokens arrive;
// so do those of a step that nobody but it waits for.
func TestAheadClose(t *testing.T) {
	for _, l := range []lateness{lazy, busy} {
		h := newHooks()
		e := rig{wrap: h.wrap, late: l}.engine(t)
		h.hold(t)
		s, err := e.Submit(t.Context(), plain([]int32{1}, 1000))
		require.NoError(t, err)
		h.first(t, s)
		closed := make(chan error)
		go func() { closed <- e.Close() }()
		eventually(t, func() bool { return errors.Is(e.Healthy(), ErrClosed) })
		h.release()
		require.NoError(t, <-closed)
		a := read(t.Context(), s)
		require.ErrorIs(t, a.err, ErrClosed)
		require.Len(t, a.tokens, int(e.runner.ahead.(*late).steps.Load())-1, "all but the one read before")

		// All are cancelled while a step is under way; others come later.
		h = newHooks()
		e = rig{wrap: h.wrap, late: l}.engine(t)
		want := complete(t, e, plain([]int32{5, 6}, 9)).tokens
		ctx, cancel := context.WithCancel(t.Context())
		h.hold(t)
		s, err = e.Submit(ctx, plain([]int32{1}, 1000))
		require.NoError(t, err)
		h.first(t, s)
		cancel()
		cancelled(t, e, 0)
		h.release()
		require.Equal(t, FinishCancelled, read(t.Context(), s).finish)
		queued := &e.runner.ahead.(*late).steps
		eventually(t, func() bool { return e.Stats().Steps == queued.Load() }, "none is left under way")
		require.Equal(t, want, complete(t, e, plain([]int32{5, 6}, 9)).tokens)
		settle(t, e)
		require.NoError(t, e.Close())
	}
}

// The host is not ahead where it may not be, or where guesses follow the last
// token.
func TestNotAhead(t *testing.T) {
	for _, o := range []Options{{Synchronous: true}, {SpeculateTokens: 4}} {
		e := rig{late: lazy, Options: o}.engine(t)
		require.Nil(t, e.runner.ahead)
		require.Len(t, complete(t, e, plain([]int32{1}, 5)).tokens, 5)
	}
	require.Nil(t, rig{}.engine(t).runner.ahead, "the CPU is never late")
}

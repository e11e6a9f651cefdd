package engine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/modeltest"
)

// What was last behind the present ngram is found, or nothing where another ngram
// took its slot, which is rare.
func TestFind(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	found, lost := 0, 0
	for range 50 {
		var g guess
		var tokens []int32
		kinds := 2 + rng.Int32N(6)
		for range 300 {
			for len(tokens) < ngram || rng.IntN(3) > 0 {
				tokens = append(tokens, rng.Int32N(kinds))
			}
			want := 0
			for at := len(tokens) - 1; at >= ngram && want == 0; at-- {
				if slices.Equal(tokens[at-ngram:at], tokens[len(tokens)-ngram:]) {
					want = at
				}
			}
			switch got := g.last(tokens); {
			case got == want:
				found++
			case got == 0:
				lost++
			default:
				require.Equal(t, want, got)
			}
		}
	}
	require.Less(t, lost, found/10)
}

// look copies what followed, and what it has copied.
func TestLook(t *testing.T) {
	q := newSequence([]int32{1, 2, 3, 4, 5, 1, 2}, 100, 4, "")
	q.guess = newGuess(0, 8)
	look := func() []int32 {
		q.drafts = 0
		q.lookUp()
		return q.ahead(q.drafts)[len(q.tokens):]
	}
	q.append(3)
	require.Equal(t, []int32{4, 5}, look())
	require.Equal(t, []int32{1, 2, 3, 4, 5, 1, 2, 3}, q.tokens)
	q.guess.next = 8
	require.Equal(t, []int32{4, 5, 1, 2, 3, 4, 5, 1}, look())
	q.maxTokens = 5
	require.Len(t, look(), 3, "one is drawn, one is left to the last draft's row")
	q.append(3)
	require.Empty(t, look(), "2 3 3 was nowhere")
	q.maxTokens = 100
	for _, id := range []int32{2, 3, 4, 9, 1, 2, 3} {
		q.append(id)
	}
	require.Equal(t, []int32{3, 2, 3}, look()[:3], "the last place")
	q.guess.at = 3
	require.Equal(t, []int32{4, 5, 1}, look()[:3], "the place of the last guess")
	q.guess.learn(8, 0, 1)
	require.Equal(t, []int32{3}, look(), "after a miss the last place")
	require.Equal(t, 8, q.guess.at)
}

// Who guesses well guesses more, who does not gives up for a while, but not for
// good.
func TestLearn(t *testing.T) {
	g := newGuess(0, 12)
	require.True(t, g.ready())
	for _, want := range []int{4, 8, 12, 12} {
		g.learn(g.next, g.next, 1)
		require.Equal(t, want, g.next)
	}
	g.learn(12, 5, 6)
	require.Equal(t, 5, g.next)
	tried := 0
	for range 1000 {
		if g.ready() {
			tried++
			g.learn(g.next, 0, 1)
			require.Equal(t, 1, g.next)
		}
	}
	require.InDelta(t, 1000/mostPause, tried, 8)
	for !g.ready() {
	}
	g.learn(1, 1, 2)
	require.True(t, g.ready())
	require.Equal(t, 2, g.next)

	for _, tc := range []struct{ asked, allowed, most int }{{0, 6, 6}, {3, 6, 3}, {9, 6, 6}, {-1, 6, 0}, {4, 0, 0}} {
		g := newGuess(tc.asked, tc.allowed)
		require.Equal(t, tc.most, g.most)
		require.Equal(t, tc.most > 0, g.ready())
	}
}

// babbler is a subject that draws a few tokens over and over, so that guesses
// are often right and often wrong.
func babbler(rng *rand.Rand, prompt []int32, n int) Request {
	r := subject(rng, prompt, n)
	r.Sampling.Temperature = 1.2
	r.Sampling.FrequencyPenalty = .01
	for id := range int32(3) {
		r.Sampling.Bias = append(r.Sampling.Bias, kernels.TokenBias{Token: 20 + id, Bias: 12})
	}
	return r
}

// noteGuesses wants right guesses and, where no model makes them, wrong ones.
func noteGuesses(t *testing.T, e *Engine) {
	s := e.Stats()
	if e.speculate == 0 {
		require.Zero(t, s.DraftedTokens)
		return
	}
	if e.runner.model.MaxLogits() > 1 {
		require.Positive(t, s.AcceptedTokens)
		require.True(t, e.drafter != nil || s.DraftedTokens > s.AcceptedTokens, "all of %d guesses were right", s.DraftedTokens)
	}
}

// Guessing ahead changes no bit of an answer.
func TestInvarianceOfSpeculation(t *testing.T) {
	if testing.Short() {
		t.Skip("TestInvariance has its goroutines")
	}
	path := tiny(t, modeltest.Shape{})
	for _, kv := range cacheTypes {
		t.Run(kv.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(13, uint64(kv)))
			r := babbler(rng, randomTokens(rng, 150), 100)
			want := complete(t, rig{path: path, kv: kv, rows: 512}.engine(t), r)
			require.NoError(t, want.err)
			require.Zero(t, want.Drafted)
			invariance(t, rig{path: path, kv: kv, Options: Options{SpeculateTokens: 6}}, r, want, rng)
		})
	}
}

// Answers end at the same token, whatever is guessed behind it.
func TestSpeculationEnds(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	plain, ahead := rig{path: path}.engine(t), rig{path: path, Options: Options{SpeculateTokens: 7}}.engine(t)
	rng := rand.New(rand.NewPCG(14, 0))
	for n := 1; n < 40; n += 1 + n/8 {
		r := babbler(rng, randomTokens(rng, 20), n)
		require.Equal(t, complete(t, plain, r).events, complete(t, ahead, r).events, "%d tokens", n)
		r.StopIDs, r.MinTokens, r.MaxTokens = []int32{21}, n, 80
		want, got := complete(t, plain, r), complete(t, ahead, r)
		require.Equal(t, want.events, got.events, "stop after %d tokens", n)
		require.Equal(t, want.finish, got.finish)
	}
	noteGuesses(t, ahead)
	require.Positive(t, complete(t, ahead, babbler(rng, randomTokens(rng, 20), 60)).Drafted)
	r := babbler(rng, randomTokens(rng, 20), 60)
	r.SpeculateTokens = -1
	require.Zero(t, complete(t, ahead, r).Drafted)
}

// A row that makes no sense ends an answer where it would have ended without
// guesses: what was drawn before it is there.
func TestSpeculationNumeric(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	var want answer
	for i, tokens := range []int{0, 7} {
		h := newHooks()
		e := rig{path: path, wrap: h.wrap, Options: Options{SpeculateTokens: tokens}}.engine(t)
		h.poison.Store(true)
		h.poisonFrom.Store(20 + 33)
		r := plain(slices.Repeat([]int32{1, 2, 3, 4}, 5), 60)
		for id := range int32(3) {
			r.Sampling.Bias = append(r.Sampling.Bias, kernels.TokenBias{Token: 20 + id, Bias: 12})
		}
		r.Sampling.Seed = poisonSeed
		a := complete(t, e, r)
		require.ErrorIs(t, a.err, ErrNumeric)
		require.Equal(t, FinishError, a.finish)
		require.Len(t, a.tokens, 33)
		if i == 0 {
			want = a
		} else {
			require.Greater(t, e.Stats().AcceptedTokens, int64(10))
		}
		require.Equal(t, want.events, a.events)
	}
}

// An answer that was there before costs few steps.
func TestSpeculationSavesSteps(t *testing.T) {
	c := newChat(t)
	first := c.request(c.begin("off", "Count to 30."))
	e := rig{logits: 16, Options: Options{SpeculateTokens: 10}}.demo(t)
	one := complete(t, e, first)
	r := c.request(slices.Concat(first.Prompt, one.tokens, c.ask("Count to 30.")))
	before := e.Stats().Steps
	two := complete(t, e, r)
	require.Equal(t, one.tokens, two.tokens)
	require.Less(t, e.Stats().Steps-before, int64(len(two.tokens)/4))
	require.Greater(t, two.Accepted, len(two.tokens)*3/4)
	require.Equal(t, complete(t, rig{}.demo(t), r).events, two.events)
	t.Logf("%d tokens in %d steps, %d of %d guesses right", len(two.tokens), e.Stats().Steps-before, two.Accepted, two.Drafted)
}

package engine

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/modeltest"
)

func (r rig) loadDraft(t testing.TB, dev kernels.Device) Draft {
	ckpt, err := model.Open(r.draft)
	require.NoError(t, err)
	defer ckpt.Close()
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: max(r.rows/2, 1), MaxLogits: max(min(r.rows, r.logits)/2, 1)})
	require.NoError(t, err)
	defaults(&r.draftBlocks, r.blocks)
	cache, err := model.NewKVCache(dev, &ckpt.Config, kernels.F16, r.draftBlocks)
	require.NoError(t, err)
	return Draft{m, cache}
}

// other is a model that knows nothing of the one it guesses for.
func other(t *testing.T) string {
	s := modeltest.Tiny()
	s.Seed, s.Layers = 99, s.Layers[:1]
	return tiny(t, s)
}

// A draft model changes no bit of an answer, however good it is.
func TestInvarianceOfDraft(t *testing.T) {
	if testing.Short() {
		t.Skip("TestDraftHammer has its goroutines")
	}
	path := tiny(t, modeltest.Shape{})
	for name, draft := range map[string]string{"itself": path, "another": other(t)} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(31, 0))
			r := babbler(rng, randomTokens(rng, 150), 100)
			want := complete(t, rig{path: path, rows: 512}.engine(t), r)
			require.NoError(t, want.err)
			invariance(t, rig{path: path, draft: draft, Options: Options{SpeculateTokens: 5}}, r, want, rng)
		})
	}
}

// A draft model that is the model itself guesses all right, at any temperature
// and with all that changes logits, for the noise is the same.
func TestDraftOfItself(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	e := rig{path: path, draft: path, Options: Options{SpeculateTokens: 7}}.engine(t)
	rng := rand.New(rand.NewPCG(32, 0))
	r := subject(rng, randomTokens(rng, 100), 100)
	r.Sampling.Temperature = 3
	a := complete(t, e, r)
	require.NoError(t, a.err)
	require.Equal(t, a.Drafted, a.Accepted)
	require.Greater(t, a.Accepted, 70)
	require.Less(t, e.Stats().Steps, int64(2+20))
	require.Equal(t, complete(t, rig{path: path}.engine(t), r).events, a.events)
	require.Zero(t, e.drafter.blocks.Used())
	require.Empty(t, e.drafter.known)
}

// Where the draft model's cache is full, prompt lookup guesses; others go on.
func TestDraftCacheFull(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	e := rig{path: path, draft: path, draftBlocks: 2, Options: Options{SpeculateTokens: 4}}.engine(t)
	rng := rand.New(rand.NewPCG(33, 0))
	r := babbler(rng, randomTokens(rng, 100), 100)
	want := complete(t, rig{path: path}.engine(t), r)
	a := complete(t, e, r)
	require.Equal(t, want.events, a.events)
	require.Positive(t, a.Accepted)
	require.Less(t, a.Accepted, a.Drafted, "not all of its guesses are the model's")
	require.Zero(t, e.drafter.blocks.Used())
	short := complete(t, e, subject(rng, randomTokens(rng, 20), 60))
	require.Positive(t, short.Accepted)
	require.Equal(t, short.Drafted, short.Accepted)
	require.NoError(t, e.drafter.blocks.Check())
}

// Many who come and go leave nothing behind in the draft model's cache.
func TestDraftHammer(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	e := rig{path: path, draft: path, rows: 32, logits: 12, blocks: 20, draftBlocks: 8, Options: Options{MaxNumSeqs: 5, SpeculateTokens: 3}}.engine(t)
	var users sync.WaitGroup
	for user := range uint64(8) {
		rng := rand.New(rand.NewPCG(34, user))
		users.Go(func() {
			for range short(10, 50) {
				use(t, e, rng, t.Context())
			}
		})
	}
	users.Wait()
	settle(t, e)
	require.Positive(t, e.Stats().AcceptedTokens)
	require.NoError(t, e.Close())
	require.NoError(t, e.drafter.blocks.Check())
	require.Zero(t, e.drafter.blocks.Used())
}

func TestDraftRefused(t *testing.T) {
	dev, err := cpu.Open(cpu.Options{})
	require.NoError(t, err)
	defer dev.Close()
	d := rig{draft: tiny(t, modeltest.Shape{}), rows: 4, logits: 2, blocks: 4}.loadDraft(t, dev)
	require.NoError(t, (&Draft{}).check(5))
	require.NoError(t, d.check(vocab))
	require.ErrorContains(t, d.check(vocab+1), "has 96 tokens")
	require.Error(t, (&Draft{Model: d.Model}).check(vocab))
	require.Error(t, (&Draft{Cache: d.Cache}).check(vocab))
	_, err = New(d.Model, d.Cache, dev, Options{Draft: Draft{Model: d.Model}})
	require.Error(t, err)
}

// Several sequences are read and guess at once, each as if alone.
func TestDraftTogether(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for _, g := range []rig{{rows: 64, logits: 24, draft: path}, {rows: 12, logits: 12, draft: path}, {rows: 12, logits: 12, draft: other(t)}} {
		g.path = path
		g.Options = Options{MaxNumSeqs: 6, PrefillRows: 12, SpeculateTokens: 4}
		draftTogether(t, g, rig{path: path}.engine(t))
	}
}

func draftTogether(t *testing.T, g rig, alone *Engine) {
	h := newHooks()
	g.wrap = h.wrap
	e := g.engine(t)
	rng := rand.New(rand.NewPCG(35, 0))
	var requests []Request
	for i := range 6 {
		r := stranger(rng)
		r.MaxTokens, r.PromptLogprobs = 40+10*i, -1
		requests = append(requests, r)
	}
	h.hold(t)
	streams := submitAll(t, e, requests...)
	h.release()
	for i, s := range streams {
		a := read(t.Context(), s)
		require.Equal(t, complete(t, alone, requests[i]).tokens, a.tokens)
		if g.rows == 64 { // else there are not enough rows for all
			require.Positive(t, a.Accepted)
			require.Equal(t, a.Drafted, a.Accepted)
		}
	}
	require.Positive(t, e.Stats().AcceptedTokens)
}

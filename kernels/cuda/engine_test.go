package cuda

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/engine"
	"trona/kernels"
	"trona/model"
	"trona/model/modeltest"
)

// engineRig is an engine on the emulated device.
type engineRig struct {
	path                 string
	rows, logits, blocks int
}

func (r engineRig) open(t *testing.T) *engine.Engine {
	ckpt, err := model.Open(r.path)
	require.NoError(t, err)
	defer func() { require.NoError(t, ckpt.Close()) }()
	dev := openEmulated(t)
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: r.rows, MaxLogits: r.logits})
	require.NoError(t, err)
	cache, err := model.NewKVCache(dev, &ckpt.Config, kernels.F16, r.blocks)
	require.NoError(t, err)
	require.NoError(t, m.Record(cache))
	e, err := engine.New(m, cache, dev, engine.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// events reads a stream to its end.
func events(t *testing.T, s *engine.Stream) (all []engine.Event) {
	for {
		e, err := s.Next(t.Context())
		require.NoError(t, err)
		all = append(all, e)
		if e.Finish != engine.FinishNone {
			return all
		}
	}
}

// TestEngineInvariance: a request has the same tokens and log probabilities
// alone and in company, in one chunk and in many, where others take its memory,
// and with the beginning of its prompt in the cache.
func TestEngineInvariance(t *testing.T) {
	need(t)
	rng := rand.New(rand.NewPCG(5, 6))
	path := modeltest.Folder(t, modeltest.Tiny())
	tokens := func(n int) []int32 {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = rng.Int32N(96)
		}
		return ids
	}
	request := engine.Request{
		Prompt: tokens(140), MaxTokens: 12, PromptLogprobs: -1,
		Sampling: engine.Sampling{Temperature: 0.8, TopK: 60, TopP: 0.97, RepetitionPenalty: 1.1, Seed: 7, Logprob: true, TopLogprobs: 5},
	}
	var want []engine.Event
	for _, c := range []struct {
		name   string
		rig    engineRig
		others int
	}{
		{"alone", engineRig{path, 256, 1, 8}, 0},
		{"in chunks", engineRig{path, 37, 1, 8}, 0},
		{"in company", engineRig{path, 64, 8, 64}, 7},
		{"short of memory", engineRig{path, 64, 4, 6}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := c.rig.open(t)
			submit := func(r engine.Request) *engine.Stream {
				s, err := e.Submit(t.Context(), r)
				require.NoError(t, err)
				return s
			}
			var others []*engine.Stream
			for i := range c.others {
				others = append(others, submit(engine.Request{Prompt: tokens(10 + 20*i), MaxTokens: 4 + i, PromptLogprobs: -1}))
			}
			got := events(t, submit(request))
			for _, s := range others {
				events(t, s)
			}
			if want == nil {
				want = got
				require.Len(t, want, request.MaxTokens)
			}
			require.Equal(t, want, got)
			require.Equal(t, want, events(t, submit(request)), "its prompt may lie in the cache")
		})
	}
}

package cuda

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/engine"
	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/model"
	"trona/model/modeltest"
)

// engineRig is an engine on the emulated device, where the first allocation from then on fails.
type engineRig struct {
	path                 string
	rows, logits, blocks int
	synchronous          bool
}

func (r engineRig) open(t *testing.T) *engine.Engine {
	e := r.start(t)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// start leaves closing to the test.
func (r engineRig) start(t *testing.T) *engine.Engine {
	return r.with(t, engine.Options{Synchronous: r.synchronous})
}

func (r engineRig) with(t *testing.T, o engine.Options) *engine.Engine {
	cudatest.Set(t, "TRONA_EMU_FAULT", "")
	ckpt, err := model.Open(r.path)
	require.NoError(t, err)
	defer func() { require.NoError(t, ckpt.Close()) }()
	dev := openEmulated(t)
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: r.rows, MaxLogits: r.logits})
	require.NoError(t, err)
	cache, err := model.NewKVCache(dev, &ckpt.Config, kernels.F16, r.blocks)
	require.NoError(t, err)
	require.NoError(t, m.Record(cache))
	e, err := engine.New(m, cache, dev, o)
	require.NoError(t, err)
	emulate(t, map[string][2]string{"TRONA_EMU_FAULT": {noMemory, ""}})
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
	schedule(t, "2")
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
		{"alone, step by step", engineRig{path, 256, 1, 8, true}, 0},
		{"alone", engineRig{path, 256, 1, 8, false}, 0},
		{"in chunks", engineRig{path, 37, 1, 8, false}, 0},
		{"in company", engineRig{path, 64, 8, 64, false}, 7},
		{"short of memory", engineRig{path, 64, 4, 6, false}, 5},
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

// TestEngineAhead: random requests, some of which end where nobody could
// foresee it, have the same answers whether the host is a step ahead or not.
func TestEngineAhead(t *testing.T) {
	need(t)
	path := modeltest.Folder(t, modeltest.Tiny())
	schedule(t, "3")
	answers := map[bool][][]engine.Event{}
	for _, synchronous := range []bool{true, false} {
		rng := rand.New(rand.NewPCG(7, 8))
		e := engineRig{path, 48, 5, 7, synchronous}.open(t)
		var streams []*engine.Stream
		for i := range 11 {
			r := engine.Request{Prompt: make([]int32, 1+rng.IntN(70)), MaxTokens: 1 + rng.IntN(16), PromptLogprobs: -1}
			for k := range r.Prompt {
				r.Prompt[k] = rng.Int32N(96)
			}
			r.Sampling = engine.Sampling{Temperature: 2 * rng.Float32(), TopK: rng.IntN(20), Seed: rng.Uint64(), Logprob: true}
			switch i % 4 {
			case 1:
				r.StopIDs = []int32{rng.Int32N(96), rng.Int32N(96), rng.Int32N(96), rng.Int32N(96), rng.Int32N(96), rng.Int32N(96)}
			case 2:
				r.Sampling.RepetitionPenalty, r.Sampling.FrequencyPenalty = 1.2, 0.3
			case 3:
				r.Constraint, r.PromptLogprobs = engine.AllowTokens([]int32{3, 30, 60, 90}), 2
			}
			s, err := e.Submit(t.Context(), r)
			require.NoError(t, err)
			streams = append(streams, s)
		}
		for _, s := range streams {
			answers[synchronous] = append(answers[synchronous], events(t, s))
		}
		require.Zero(t, e.Stats().Running)
	}
	require.Equal(t, answers[true], answers[false])
}

// TestEngineStep: a step that decodes is three copies to the device (of rows, of the plan,
// and of how to draw), one launch of a recording, those of the kernels that pass tokens on
// and draw, and one copy back.
func TestEngineStep(t *testing.T) {
	need(t)
	path := modeltest.Folder(t, modeltest.Tiny())
	const scan, draw, pick = "sample_scan", "sample_draw", "sample_pick"
	for _, c := range []struct {
		name     string
		sampling engine.Sampling
		limit    engine.Constraint
		draws    []string
	}{
		{"greedy", engine.Sampling{}, nil, []string{scan, pick}},
		{"at random", engine.Sampling{Temperature: 1, TopP: 0.9, Logprob: true, TopLogprobs: 3}, nil, []string{scan, draw, pick}},
		{"with penalties", engine.Sampling{FrequencyPenalty: 0.3}, nil, []string{scan, pick}},
		{"masked", engine.Sampling{Temperature: 1}, engine.AllowTokens([]int32{3, 30, 60, 90}), []string{scan, draw, pick}},
	} {
		for _, synchronous := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, synchronous %v", c.name, synchronous), func(t *testing.T) {
				e := engineRig{path, 48, 4, 12, synchronous}.open(t)
				// made counts what a request makes of calls that matter.
				made := func(tokens int) map[string]int {
					before := emulatorCounts(t)
					s, err := e.Submit(t.Context(), engine.Request{
						Prompt: []int32{1, 2, 3}, MaxTokens: tokens, PromptLogprobs: -1, Sampling: c.sampling, Constraint: c.limit,
					})
					require.NoError(t, err)
					require.Len(t, events(t, s), tokens)
					after := emulatorCounts(t)
					for name := range after {
						after[name] -= before[name]
					}
					return after
				}
				const steps = 20
				few, many := made(5), made(5+steps)
				launched := c.draws
				if !synchronous {
					launched = append([]string{"feed"}, launched...)
				}
				want := map[string]int{"cuGraphLaunch": steps, "launches": steps * len(launched), "cuMemcpyHtoDAsync": 3 * steps, "cuMemcpyDtoHAsync": steps}
				for _, name := range launched {
					want[name] = steps
				}
				got := map[string]int{}
				for name := range want {
					got[name] = many[name] - few[name]
				}
				require.Equal(t, want, got)
			})
		}
	}
}

// emulatorCounts returns how often the emulated driver's functions were called and its
// kernels ran, and how many of those were launched outside recordings.
func emulatorCounts(t *testing.T) map[string]int {
	all := cudatest.Calls(t)
	all["launches"] = all["cuLaunchKernel"] + all["cuLaunchKernelEx"]
	maps.Copy(all, cudatest.Launches(t))
	return all
}

// TestEngineFault: an error of a step under way ends all requests, and says what
// it was.
func TestEngineFault(t *testing.T) {
	need(t)
	path := modeltest.Folder(t, modeltest.Tiny())
	for _, fault := range []string{"sample_pick@3=719", "feed@2=700", "cuMemcpyDtoHAsync@4=999", "cuEventSynchronize@2=999", "cuGraphLaunch@3=999"} {
		t.Run(fault, func(t *testing.T) {
			e := engineRig{path, 48, 4, 12, false}.start(t)
			cudatest.Set(t, "TRONA_EMU_FAULT", fault)
			var streams []*engine.Stream
			for n := range 3 {
				s, err := e.Submit(t.Context(), engine.Request{Prompt: []int32{1, 2, int32(n)}, MaxTokens: 30, PromptLogprobs: -1})
				require.NoError(t, err)
				streams = append(streams, s)
			}
			for _, s := range streams {
				event, err := s.Next(t.Context())
				for err == nil && event.Finish == engine.FinishNone {
					event, err = s.Next(t.Context())
				}
				require.ErrorIs(t, err, engine.ErrFailed)
			}
			require.ErrorIs(t, e.Healthy(), engine.ErrFailed)
			e.Close() // its error is that of a broken device
			cudatest.Set(t, "TRONA_EMU_FAULT", "")
		})
	}
}

// TestEngineHang: a kernel or a call that never ends costs the engine, and nobody waits for it.
func TestEngineHang(t *testing.T) {
	need(t)
	path := modeltest.Folder(t, modeltest.Tiny())
	for _, fault := range []string{"sample_pick@3=hang", "cuGraphLaunch@3=hang"} {
		t.Run(fault, func(t *testing.T) {
			all := openMemory(t)
			e := engineRig{path: path, rows: 48, logits: 4, blocks: 12}.with(t, engine.Options{StallTimeout: 300 * time.Millisecond})
			request := engine.Request{Prompt: []int32{1, 2, 3}, MaxTokens: 30, PromptLogprobs: -1}
			s, err := e.Submit(t.Context(), request)
			require.NoError(t, err)
			events(t, s) // it knows now how long steps take
			cudatest.Set(t, "TRONA_EMU_FAULT", fault)
			s, err = e.Submit(t.Context(), request)
			require.NoError(t, err)
			for err == nil {
				_, err = s.Next(t.Context())
			}
			require.ErrorIs(t, err, engine.ErrFailed)
			require.ErrorIs(t, e.Wait(), engine.ErrFailed)
			require.NoError(t, e.Close())
			cudatest.Set(t, "TRONA_EMU_FAULT", "")
			for begin := time.Now(); openMemory(t) != all; { // what hung ends now
				require.Less(t, time.Since(begin), 20*time.Second)
			}
		})
	}
}

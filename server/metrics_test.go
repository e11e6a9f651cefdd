package server

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/engine"
)

// Each series has the engine's own count.
func TestEngineMetrics(t *testing.T) {
	e := says(t, "ok")
	e.stats = engine.Stats{Waiting: 2, Blocks: 8, BlocksUsed: 2, BlocksCached: 4, PromptTokens: 11, GeneratedTokens: 12,
		PrefixQueryTokens: 13, PrefixHitTokens: 14, Preemptions: 15, DraftedTokens: 17, AcceptedTokens: 16}
	e.running = 3
	s := New(Options{})
	scrape := func() string {
		w, _ := call(t, s, "GET", "/metrics", "")
		require.Equal(t, 200, w.Code)
		return w.Body.String()
	}
	require.Contains(t, scrape(), "\ntrona_requests_running 0\n") // while it loads
	require.NotContains(t, scrape(), "vllm:num_requests_running")
	s.SetModels(testModel(t, e))
	text := scrape()
	for _, c := range []struct {
		ours, theirs, kind string
		value              any
	}{
		{"requests_running", "num_requests_running", "gauge", 3},
		{"requests_waiting", "num_requests_waiting", "gauge", 2},
		{"kv_cache_usage_ratio", "kv_cache_usage_perc", "gauge", .25},
		{"prompt_tokens_total", "prompt_tokens_total", "counter", 11},
		{"generation_tokens_total", "generation_tokens_total", "counter", 12},
		{"prefix_cache_query_tokens_total", "prefix_cache_queries_total", "counter", 13},
		{"prefix_cache_hit_tokens_total", "prefix_cache_hits_total", "counter", 14},
		{"preemptions_total", "num_preemptions_total", "counter", 15},
		{"spec_decode_num_draft_tokens_total", "spec_decode_num_draft_tokens_total", "counter", 17},
		{"spec_decode_num_accepted_tokens_total", "spec_decode_num_accepted_tokens_total", "counter", 16},
	} {
		require.Contains(t, text, fmt.Sprintf("# TYPE trona_%s %s\ntrona_%[1]s %[3]v\n", c.ours, c.kind, c.value))
		require.Contains(t, text, fmt.Sprintf("# TYPE vllm:%s %s\nvllm:%[1]s{engine=\"0\",model_name=\"test\"} %[3]v\n", c.theirs, c.kind, c.value))
	}
}

// Every way to end is counted, once.
func TestFinishReasons(t *testing.T) {
	for reason, ask := range map[string]func(*Server, *fakeEngine){
		"stop":   func(s *Server, _ *fakeEngine) { post(t, s, 200, chatPath, `{`+hello+`}`) },
		"length": func(s *Server, _ *fakeEngine) { post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":1}`) },
		"error": func(s *Server, e *fakeEngine) {
			e.fail = engine.ErrNumeric
			post(t, s, 500, chatPath, `{`+hello+`}`)
		},
	} {
		e := says(t, "ok")
		s := newServer(t, e)
		ask(s, e)
		w, _ := call(t, s, "GET", "/metrics", "")
		for _, series := range []string{"stop", "length", "abort", "error"} {
			n := map[bool]int{true: 1}[series == reason]
			require.Contains(t, w.Body.String(), fmt.Sprintf("trona_request_success_total{finished_reason=%q} %d\n", series, n))
		}
		require.Contains(t, w.Body.String(), "trona_e2e_request_latency_seconds_count 1\n")
	}
}

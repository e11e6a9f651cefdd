package server

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/engine"
)

// twoModels returns a server with a small and a large model, and their engines.
func twoModels(t testing.TB) (s *Server, small, large *fakeEngine) {
	small, large = says(t, "from the small one"), says(t, "from the large one")
	a, b := testModel(t, small), testModel(t, large)
	a.Names, a.Fingerprint, a.ContextLength = []string{"small"}, "fp_small", testContext
	b.Names, b.Fingerprint, b.ContextLength = []string{"org/large-1.5", "large"}, "fp_large", 2*testContext
	s = New(Options{Version: "test"})
	s.SetModels(a, b)
	return s, small, large
}

// Every route that takes a model asks the one that the request names, the first
// where it names none.
func TestModelRouting(t *testing.T) {
	s, small, large := twoModels(t)
	served := func(e *fakeEngine) int { return len(e.requests) }
	for _, c := range []struct {
		path, body string
		generates  bool
	}{
		{chatPath, `{` + hello + `}`, true},
		{"/v1/completions", `{"prompt":"x"}`, true},
		{"/v1/responses", `{"input":"x"}`, true},
		{messagesPath, `{` + hello + `,"max_tokens":9}`, true},
		{messagesPath + "/count_tokens", `{` + hello + `}`, false},
		{"/v1/responses/input_tokens", `{"input":"x"}`, false},
		{chatPath + "/render", `{` + hello + `}`, false},
		{"/tokenize", `{"prompt":"x"}`, false},
		{"/detokenize", `{"tokens":[3]}`, false},
	} {
		t.Run(c.path, func(t *testing.T) {
			for name, want := range map[string]*fakeEngine{"": small, "small": small, "large": large, "org/large-1_5": large} {
				body := c.body
				if name != "" {
					body = `{"model":"` + name + `",` + c.body[1:]
				}
				before := [2]int{served(small), served(large)}
				got := post(t, s, 200, c.path, body)
				if c.generates {
					which := map[*fakeEngine]int{small: 0, large: 1}[want]
					before[which]++
					require.Equal(t, []string{"small", "org/large-1.5"}[which], got["model"])
				}
				require.Equal(t, before, [2]int{served(small), served(large)})
				if c.path == "/tokenize" {
					require.EqualValues(t, map[bool]int{true: testContext, false: 2 * testContext}[want == small], got["max_model_len"])
				}
			}
			w, _ := call(t, s, "POST", c.path, `{"model":"none",`+c.body[1:])
			require.Equal(t, 404, w.Code)
			require.Contains(t, w.Body.String(), `[\"small\" \"org/large-1.5\" \"large\"]`)
		})
	}
	require.Equal(t, "fp_large", post(t, s, 200, chatPath, `{`+hello+`,"model":"large"}`)["system_fingerprint"])
}

// What says which models there are names all of them.
func TestModelLists(t *testing.T) {
	s, small, large := twoModels(t)
	ask := func(path string) map[string]any {
		w, got := call(t, s, "GET", path, "")
		require.Equal(t, 200, w.Code, path)
		return got
	}
	var ids []any
	for _, card := range ask("/v1/models")["data"].([]any) {
		ids = append(ids, get(card, "id"))
	}
	require.Equal(t, []any{"small", "org/large-1.5", "large", "auto"}, ids)
	require.EqualValues(t, 2*testContext, ask("/v1/models/org/large-1_5")["max_model_len"])
	require.Equal(t, "org/large-1.5", ask("/v1/models/large")["root"])
	require.Len(t, ask("/v1/metadata")["modelInfo"], 3)
	require.Equal(t, "fp_large", get(ask("/v1/manifest"), "profiles", 1, "id"))

	small.stats, large.stats = engine.Stats{PromptTokens: 5, Blocks: 10, BlocksUsed: 1}, engine.Stats{PromptTokens: 7, Blocks: 30, BlocksUsed: 9}
	post(t, s, 200, chatPath, `{`+hello+`,"model":"large"}`)
	w, _ := call(t, s, "GET", "/metrics", "")
	for _, line := range []string{
		"trona_prompt_tokens_total 12", "trona_kv_cache_usage_ratio 0.25", `trona_request_success_total{finished_reason="stop"} 1`,
		`vllm:prompt_tokens_total{engine="0",model_name="small"} 5`, `vllm:prompt_tokens_total{engine="0",model_name="org/large-1.5"} 7`,
		`vllm:request_success_total{engine="0",finished_reason="stop",model_name="org/large-1.5"} 1`,
	} {
		require.Contains(t, w.Body.String(), "\n"+line+"\n")
	}
}

// The server is ready while every model is.
func TestModelHealth(t *testing.T) {
	s, _, large := twoModels(t)
	w, _ := call(t, s, "GET", "/v1/health/ready", "")
	require.Equal(t, http.StatusOK, w.Code)
	large.unhealthy = errors.New("no progress")
	w, body := call(t, s, "GET", "/v1/health/ready", "")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, body["message"], "org/large-1.5")
	require.NotContains(t, body["message"], "small")
}

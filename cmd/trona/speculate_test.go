package main

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// metric returns the value of a series without labels.
func (s *serving) metric(t *testing.T, name string) float64 {
	t.Helper()
	response, err := http.Get(s.url + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text)
	require.NotNil(t, m, name)
	value, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(t, err)
	return value
}

// speculation asks a server, compares its tokens with those of one that does
// not guess, and returns how many were guessed and how many of them were right.
func speculation(t *testing.T, plain *answer, s *serving, body object) (drafted, accepted int) {
	t.Helper()
	got := s.ask(t, "/v1/completions", body)
	require.Equal(t, plain.Choices[0].TokenIDs, got.Choices[0].TokenIDs)
	require.Nil(t, plain.Timings.Accepted)
	require.NotNil(t, got.Timings.Accepted)
	require.EqualValues(t, got.Timings.Drafted, s.metric(t, "trona_spec_decode_num_draft_tokens_total"))
	require.EqualValues(t, *got.Timings.Accepted, s.metric(t, "trona_spec_decode_num_accepted_tokens_total"))
	return got.Timings.Drafted, *got.Timings.Accepted
}

// TestSpeculate guesses from the text itself.
func TestSpeculate(t *testing.T) {
	body := object{"prompt": strings.Repeat("one two three ", 20), "max_tokens": 100, "ignore_eos": true, "temperature": 0, "return_token_ids": true}
	plain := start(t, "--max-model-len", "1024").ask(t, "/v1/completions", body)
	drafted, accepted := speculation(t, plain, start(t, "--max-model-len", "1024", "--num-speculative-tokens", "4"), body)
	require.Positive(t, accepted)
	require.LessOrEqual(t, accepted, drafted)
}

// TestSpeculativeModel lets a draft model guess: itself in fewer bits, itself,
// and one that knows nothing.
func TestSpeculativeModel(t *testing.T) {
	path := sharedModel(t, "llama-tiny-F16.gguf")
	flags := []string{path, "--max-model-len", "512", "--max-num-seqs", "3"}
	plain := start(t, flags...)
	for draft, least := range map[string]float64{"llama-tiny-Q4_0.gguf": .2, "llama-tiny-F16.gguf": 1, "nas-ultra-Q4_K_M.gguf": 0} {
		t.Run(draft, func(t *testing.T) {
			s := start(t, append(flags, "--speculative-model", sharedModel(t, draft))...)
			drafted, accepted := 0, 0
			for _, sampling := range []object{{"temperature": 0}, {"temperature": 0.8, "seed": 7, "top_p": 0.9, "presence_penalty": 0.5}} {
				body := object{"prompt": "A model guesses what comes next.", "max_tokens": 60, "ignore_eos": true, "return_token_ids": true}
				maps.Copy(body, sampling)
				got := s.ask(t, "/v1/completions", body)
				require.Equal(t, plain.ask(t, "/v1/completions", body).Choices[0].TokenIDs, got.Choices[0].TokenIDs)
				drafted, accepted = drafted+got.Timings.Drafted, accepted+*got.Timings.Accepted
			}
			require.Positive(t, drafted)
			require.GreaterOrEqual(t, float64(accepted), least*float64(drafted))
			require.EqualValues(t, drafted, s.metric(t, "trona_spec_decode_num_draft_tokens_total"))
			require.EqualValues(t, accepted, s.metric(t, "trona_spec_decode_num_accepted_tokens_total"))
		})
	}
}

// TestSpeculativeModelRefused: a draft model must have the same tokens and as
// long a context; both commands say so before anything is loaded.
func TestSpeculativeModelRefused(t *testing.T) {
	for name, c := range map[string]struct{ model, draft, want string }{
		"fewer tokens":    {sharedModel(t, "llama-tiny-Q8_0.gguf"), "demo", "tokens"},
		"other tokens":    {sharedModel(t, "llama-tiny-Q8_0.gguf"), sharedModel(t, "llama-spm-F16.gguf"), "only a model with the same tokens"},
		"shorter context": {sharedModel(t, "llama-tiny-Q8_0.gguf"), sharedModel(t, "llama-tied-F16.gguf"), "lower --max-model-len"},
		"no model":        {"demo", "nowhere.gguf", "nowhere.gguf"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range [][]string{{"plan"}, {"serve", "--port", "0"}} {
				r := trona(t, "", append(command, c.model, "--speculative-model", c.draft)...)
				require.Equal(t, exitFailed, r.code)
				require.Contains(t, r.err, "--speculative-model")
				require.Contains(t, r.err, c.want)
			}
		})
	}
}

func TestSpeculateFlags(t *testing.T) {
	for _, n := range []string{"-1", "257"} {
		r := trona(t, "", "plan", "--num-speculative-tokens="+n)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.err, "--num-speculative-tokens")
	}
}

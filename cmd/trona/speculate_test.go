package main

import (
	"io"
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

func TestSpeculateFlags(t *testing.T) {
	for _, n := range []string{"-1", "257"} {
		r := trona(t, "", "plan", "--num-speculative-tokens="+n)
		require.Equal(t, exitUsage, r.code)
		require.Contains(t, r.err, "--num-speculative-tokens")
	}
}

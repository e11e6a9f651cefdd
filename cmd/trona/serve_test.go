package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// long asks for a stream of so many tokens.
func long(tokens int) object {
	return object{"prompt": "Count.", "max_tokens": tokens, "ignore_eos": true, "temperature": 0, "stream": true, "return_token_ids": true}
}

// inFlight is a stream that began.
type inFlight struct {
	got  *streamed
	err  error
	end  chan struct{}
	body io.Closer // closing it leaves the stream
}

// stream begins a stream and waits for its first token.
func (s *serving) stream(t *testing.T, body object) *inFlight {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	response, err := http.Post(s.url+"/v1/completions", "application/json", bytes.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	f := &inFlight{end: make(chan struct{}), body: response.Body}
	began := make(chan struct{})
	first := sync.OnceFunc(func() { close(began) })
	go func() {
		defer close(f.end)
		defer response.Body.Close()
		f.got, f.err = readStream(response.Body, func(int) { first() })
		first()
	}()
	<-began
	return f
}

// TestDrain ends the server while it answers: what is in flight finishes, what
// is new is refused. A second stream has no end of its own, so that the server
// is there for as long as it is asked.
func TestDrain(t *testing.T) {
	s := start(t, "--max-model-len", "100000", "--drain-timeout", "10m")
	endless, f := s.stream(t, long(90_000)), s.stream(t, long(1500))
	s.signal(t)
	s.log.wait(t, "finishing what is in flight", 1)
	require.Eventually(t, func() bool { return s.get(t, "/v1/health/ready") == http.StatusServiceUnavailable }, time.Minute, time.Millisecond)
	status, refused := s.post(t, "/v1/completions", object{"prompt": "late"})
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotNil(t, refused.Error)
	require.Equal(t, http.StatusOK, s.get(t, "/v1/health/live"))
	require.NoError(t, endless.body.Close())
	<-endless.end
	<-f.end
	require.NoError(t, f.err)
	require.True(t, f.got.done)
	require.Len(t, f.got.ids, 1500)
	require.Equal(t, exitDone, s.exit(t), s.log)
}

// TestSecondSignal ends the server at once: what is in flight is told so.
func TestSecondSignal(t *testing.T) {
	s := start(t, "--max-model-len", "100000")
	f := s.stream(t, long(90_000))
	s.signal(t)
	s.log.wait(t, "finishing what is in flight", 1)
	s.signal(t)
	<-f.end
	require.NotNil(t, f.got)
	require.False(t, f.got.done)
	require.NotEmpty(t, f.got.problem)
	require.Equal(t, exitDone, s.exit(t), s.log)
}

func TestDrainTimeout(t *testing.T) {
	s := start(t, "--max-model-len", "100000", "--drain-timeout", "50ms")
	f := s.stream(t, long(90_000))
	s.signal(t)
	<-f.end
	require.NotNil(t, f.got)
	require.False(t, f.got.done)
	require.NotEmpty(t, f.got.problem)
	require.Equal(t, exitDone, s.exit(t), s.log)
}

// TestFileEmptied: once a server is ready, it needs the file of its model no more.
func TestFileEmptied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.gguf")
	ok(t, "", "quantize", "demo", path, "--type", "F32")
	s := start(t, path, "--device", "cpu", "--max-model-len", "512")
	require.NoError(t, os.Truncate(path, 0))
	s.ask(t, "/v1/completions", object{"prompt": "Hello", "max_tokens": 20, "temperature": 0})
	s.signal(t)
	require.Equal(t, exitDone, s.exit(t), s.log)
}

// TestKeys asks with and without the keys of all sources.
func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(file, []byte("\ufefffrom-file\r\n\r\n # team A\nsecond, with comma\r\n"), 0o600))
	t.Setenv("TRONA_API_KEY", "from-env, one key\n") // as the end of a line that became part of a secret
	s := start(t, "--api-key-file", file, "--host", "0.0.0.0", "--max-model-len", "256")
	for key, want := range map[string]int{
		"from-file": 200, "second, with comma": 200, "from-env, one key": 200, "from-env": 401, "one key": 401, "# team A": 401, "": 401,
	} {
		request, err := http.NewRequest(http.MethodGet, s.url+"/v1/models", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+key)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, want, response.StatusCode, "%q", key)
	}
	require.Equal(t, 200, s.get(t, "/v1/health/ready"))
	require.NotContains(t, s.log.String(), "from-")
}

// TestAllowedOrigins asks as a browser does for a page of another origin.
func TestAllowedOrigins(t *testing.T) {
	s := start(t, "--allowed-origins", "http://localhost:3000,https://chat.example", "--max-model-len", "256")
	for origin, want := range map[string]int{"http://localhost:3000": 204, "https://chat.example": 204, "https://other.example": 405} {
		request, err := http.NewRequest(http.MethodOptions, s.url+"/v1/completions", nil)
		require.NoError(t, err)
		request.Header = http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, want, response.StatusCode, origin)
		require.Equal(t, want == 204, response.Header.Get("Access-Control-Allow-Origin") == origin)
	}
}

func TestPortInUse(t *testing.T) {
	s := start(t, "--max-model-len", "256")
	_, port, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), ":")
	r := trona(t, "", "serve", "--port", port)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "--port")
	require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
}

// TestNames serves a model under two names.
func TestNames(t *testing.T) {
	s := start(t, "--served-model-name", "first", "--served-model-name", "org/second", "--max-model-len", "256")
	require.Equal(t, 200, s.get(t, "/v1/models/first"))
	require.Equal(t, 200, s.get(t, "/v1/models/org/second"))
	require.Equal(t, 404, s.get(t, "/v1/models/demo"))
	status, _ := s.post(t, "/v1/completions", object{"prompt": "x", "model": "demo", "max_tokens": 1})
	require.Equal(t, 404, status)
}

// TestPrefixCache asks twice: the second time the prompt is in the cache.
func TestPrefixCache(t *testing.T) {
	s := start(t, "--max-model-len", "1024")
	body := object{"prompt": strings.Repeat("What is 12 + 30? ", 20), "max_tokens": 8, "temperature": 0, "return_token_ids": true}
	first := s.ask(t, "/v1/completions", body)
	second := s.ask(t, "/v1/completions", body)
	require.Zero(t, first.Usage.Details.Cached)
	require.Positive(t, second.Usage.Details.Cached)
	require.Zero(t, second.Usage.Details.Cached%64, "whole blocks")
	require.Less(t, second.Usage.Details.Cached, second.Usage.PromptTokens)
	require.Equal(t, first.Choices[0].TokenIDs, second.Choices[0].TokenIDs)
	body["cache_salt"] = "another tenant"
	require.Zero(t, s.ask(t, "/v1/completions", body).Usage.Details.Cached)
}

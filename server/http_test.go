package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"trona/engine"
)

// TestNearRoutes: a wrong path is told which one may be meant.
func TestNearRoutes(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	for path, want := range map[string]string{
		"/chat/completions":        ", but /v1/chat/completions",
		"/v1/v1/chat/completions":  ", but /v1/chat/completions",
		"/v1/chat/completions/":    ", but /v1/chat/completions",
		"//v1/chat/completions":    ", but /v1/chat/completions",
		"/models":                  ", but /v1/models",
		"/v1/tokenize":             ", but /tokenize",
		"/v1/chat/../../v1/models": ", but /v1/models",
		"/v1":                      "; /docs lists all",
		"/api/pull":                "; /docs lists all",
		"/api/tags":                ", but /v1/models",
		"/v1/api/chat/":            ", but /v1/chat/completions",
		"/completion":              ", but /v1/completions",
		"/v1/completion":           ", but /v1/completions",
		"/apply-template":          ", but /v1/chat/completions/render",
		"/ping":                    ", but /v1/health/ready",
		"/v1/embeddings":           "; nothing here makes embeddings",
		"/api/embed":               "; nothing here makes embeddings",
	} {
		w, got := call(t, s, "POST", path, `{`+hello+`}`)
		require.Equal(t, 404, w.Code)
		require.Contains(t, get(got, "error", "message"), want, path)
	}
}

func TestRoutes(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	for _, c := range []struct {
		method, path string
		status       int
		code         string
		allow        string
	}{
		{"GET", "/v1/models", 200, "", ""},
		{"HEAD", "/v1/models", 200, "", ""},
		{"GET", "/v1/models/test", 200, "", ""},
		{"GET", "/v1/models/org/test", 200, "", ""},
		{"GET", "/v1/models/org%2Ftest", 200, "", ""},
		{"GET", "/v1/models/other", 404, "model_not_found", ""},
		{"GET", "/v1/models/", 404, "", ""},
		{"GET", "/v1/health/live", 200, "", ""},
		{"GET", "/v1/health/ready", 200, "", ""},
		{"GET", "/health", 200, "", ""},
		{"GET", "/version", 200, "", ""},
		{"GET", "/metrics", 200, "", ""},
		{"GET", "/", 200, "", ""},
		{"POST", "/", 405, "method_not_allowed", "GET"},
		{"GET", "/v1", 404, "not_found", ""},
		{"GET", "//v1/models", 404, "not_found", ""},
		{"GET", "/v1/../v1/models", 404, "not_found", ""},
		{"GET", "/v1/models/../models", 404, "not_found", ""},
		{"GET", "/V1/models", 404, "not_found", ""},
		{"GET", "/v1/chat/completions", 405, "method_not_allowed", "POST"},
		{"DELETE", "/v1/models", 405, "method_not_allowed", "GET"},
		{"OPTIONS", "/v1/models", 405, "method_not_allowed", "GET"},
		{"POST", "/health", 405, "method_not_allowed", "GET"},
	} {
		w, got := call(t, s, c.method, c.path, "")
		require.Equal(t, c.status, w.Code, "%s %s: %s", c.method, c.path, w.Body)
		require.Equal(t, c.allow, w.Header().Get("Allow"))
		require.NotEmpty(t, w.Header().Get("X-Request-Id"))
		require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
		require.Empty(t, w.Header().Get("Location"))
		if c.code != "" {
			require.Equal(t, c.code, get(got, "error", "code"))
			for _, member := range []string{"message", "type", "param", "code"} {
				require.Contains(t, got["error"], member)
			}
		}
	}
	w, got := call(t, s, "POST", chatPath, `{`+hello+`,"model":"other"}`)
	require.Equal(t, 404, w.Code)
	require.Equal(t, "model_not_found", get(got, "error", "code"))
	require.Equal(t, "model", get(got, "error", "param"))
}

// Every route but the open ones is closed to a request without a key.
func TestKeys(t *testing.T) {
	s := newServer(t, says(t, "ok"), func(o *Options) { o.APIKeys = []string{"secret-1", "secret-2"} })
	status := func(method, path string, header ...string) int {
		w, got := call(t, s, method, path, "{"+hello+"}", header...)
		if w.Code == 401 && !anthropicPath(path) {
			require.Equal(t, "invalid_api_key", get(got, "error", "code"))
			require.Equal(t, "invalid_request_error", get(got, "error", "type"))
			require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
		}
		return w.Code
	}
	bad := [][]string{
		nil, {"Authorization", ""}, {"Authorization", "secret-1"}, {"Authorization", "Bearer"}, {"Authorization", "Bearer "},
		{"Authorization", "Bearer secret-3"}, {"Authorization", "Bearer secret-1x"}, {"Authorization", "Basic secret-1"},
		{"Authorization", "Bearer secret-1", "Authorization", "Bearer secret-1"},
		{"X-Api-Key", "secret-3"}, {"X-Api-Key", "secret-1", "X-Api-Key", "secret-1"}, {"X-Api-Key", "secret-1", "Authorization", "Bearer secret-3"},
	}
	for _, route := range s.table() {
		path := strings.Replace(route.path, "{id...}", "test", 1)
		for _, header := range bad {
			got := status(route.method, path, header...)
			require.Equal(t, !route.open, got == 401, "%s: %d", path, got)
			if !route.open { // no method and no form of the path tells more
				require.Equal(t, 401, status("PUT", path, header...))
				require.Equal(t, 401, status(route.method, path+"/x", header...))
				require.Equal(t, 401, status(route.method, "/"+path, header...))
			}
		}
		require.NotEqual(t, 401, status(route.method, path, "Authorization", "Bearer secret-2"))
		require.NotEqual(t, 401, status(route.method, path, "X-Api-Key", "secret-2"))
	}
	require.Equal(t, 401, status("GET", "/nothing"))
	require.Equal(t, 404, status("GET", "/nothing", "Authorization", "bearer secret-1"))
	require.Equal(t, 200, status("POST", chatPath, "Authorization", "Bearer secret-1"))
}

func TestRequestID(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	for _, id := range []string{"a", "A-b_c.9", strings.Repeat("x", 128)} {
		w, _ := call(t, s, "GET", "/v1/models", "", "X-Request-Id", id)
		require.Equal(t, id, w.Header().Get("X-Request-Id"))
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "a b", "a\nb", "\u00e9", strings.Repeat("x", 129), "a/b", `"`} {
		w, _ := call(t, s, "GET", "/nothing", "", "X-Request-Id", id)
		made := w.Header().Get("X-Request-Id")
		require.Regexp(t, `^req-[0-9a-f]{32}$`, made)
		require.False(t, seen[made])
		seen[made] = true
	}
}

func TestBodies(t *testing.T) {
	s := newServer(t, says(t, "ok"), func(o *Options) { o.MaxBodyBytes = 1000 })
	for _, c := range []struct {
		header []string
		status int
	}{
		{nil, 200},
		{[]string{"Content-Type", "application/json"}, 200},
		{[]string{"Content-Type", "application/json; charset=utf-8"}, 200},
		{[]string{"Content-Type", "Application/JSON;charset=Utf-8"}, 200},
		{[]string{"Content-Type", "application/json; charset=\"UTF8\""}, 200},
		{[]string{"Content-Type", "application/json; charset=utf-16"}, 415},
		{[]string{"Content-Type", "text/plain"}, 415},
		{[]string{"Content-Type", "multipart/form-data"}, 415},
		{[]string{"Content-Type", "/"}, 415},
		{[]string{"Content-Encoding", "gzip"}, 415},
		{[]string{"Content-Encoding", "identity"}, 200},
		{[]string{"Origin", "http://evil.example"}, 403},
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-origin"}, 200},
	} {
		w, _ := call(t, s, "POST", chatPath, "{"+hello+"}", c.header...)
		require.Equal(t, c.status, w.Code, "%v", c.header)
	}
	exactly := "{" + hello + strings.Repeat(" ", 1000-len(hello)-2) + "}"
	post(t, s, 200, chatPath, exactly)
	got := post(t, s, 413, chatPath, exactly+" ")
	require.Equal(t, "request_too_large", get(got, "error", "code"))
	r := httptest.NewRequest("POST", chatPath, io.MultiReader(strings.NewReader(exactly), strings.NewReader(" "))) // of unknown length
	r.Host = "localhost"
	w := httptest.NewRecorder()
	documents().Handler(t, s).ServeHTTP(w, r)
	require.Equal(t, 413, w.Code)
	require.Equal(t, "close", w.Header().Get("Connection"))
}

func TestContextLength(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	ids := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("7,", n), ",") + "]" }
	for _, c := range []struct {
		path, body, param, message string
	}{
		{completionPath, `{"prompt":` + ids(256) + `}`, "prompt", "256 in the prompt"},
		{completionPath, `{"prompt":[` + ids(2) + `,` + ids(256) + `]}`, "prompt[1]", "257: 256"},
		{completionPath, `{"prompt":` + ids(200) + `,"max_tokens":57}`, "max_tokens", "257: 200 in the prompt and 57 for the answer"},
		{chatPath, `{"messages":[{"role":"user","content":"` + strings.Repeat("x", 300) + `"}]}`, "messages", "256 tokens"},
		{chatPath, `{"messages":[{"role":"user","content":"` + strings.Repeat("x", 16*256+1) + `"}]}`, "messages", "4097 bytes"},
		{chatPath, `{` + hello + `,"max_completion_tokens":300}`, "max_completion_tokens", "300 for the answer"},
		{completionPath, `{"prompt":"` + strings.Repeat("x", 16*256+1) + `"}`, "prompt", "4097 bytes"},
	} {
		got := wantsError(t, s, c.path, c.body, c.param)
		require.Equal(t, "context_length_exceeded", get(got, "error", "code"))
		require.Contains(t, get(got, "error", "message"), c.message)
	}
	post(t, s, 200, completionPath, `{"prompt":`+ids(255)+`}`)
	post(t, s, 200, completionPath, `{"prompt":`+ids(200)+`,"max_tokens":56}`)
	// The engine may know a narrower limit.
	e := says(t, "ok")
	e.refuse = &engine.LimitError{Field: "prompt", ContextExceeded: true, Prompt: 9, Want: 3, Max: 10}
	got := wantsError(t, newServer(t, e), completionPath, `{"prompt":"a"}`, "prompt")
	require.Equal(t, "context_length_exceeded", get(got, "error", "code"))
}

func TestHealth(t *testing.T) {
	e := says(t, "ok")
	s := New(Options{})
	ready := func() (int, any) {
		w, got := call(t, s, "GET", "/v1/health/ready", "")
		w2, _ := call(t, s, "GET", "/health", "")
		require.Equal(t, w.Code, w2.Code)
		require.Equal(t, "health.response", got["object"])
		return w.Code, got["status"]
	}
	wants := func(status int, text string) {
		t.Helper()
		code, got := ready()
		require.Equal(t, status, code)
		require.Equal(t, text, got)
		w, _ := call(t, s, "GET", "/v1/health/live", "")
		require.Equal(t, 200, w.Code)
	}
	wants(503, "loading")
	got := post(t, s, 503, chatPath, `{`+hello+`}`)
	require.Equal(t, "model_loading", get(got, "error", "code"))
	_, list := call(t, s, "GET", "/v1/models", "")
	require.Empty(t, list["data"])
	w, _ := call(t, s, "GET", "/v1/models/test", "")
	require.Equal(t, 404, w.Code)
	s.SetModels(testModel(t, e))
	wants(200, "ready")
	// NIM 1.x has no status, later ones have; what is there is read by clients of both.
	for path, body := range map[string]string{"ready": `{"object":"health.response","message":"Service is ready.","status":"ready"}`,
		"live": `{"object":"health.response","message":"Service is live.","status":"live"}`} {
		w, _ := call(t, s, "GET", "/v1/health/"+path, "")
		require.Equal(t, body, w.Body.String())
	}
	e.unhealthy = errors.New("no progress")
	wants(503, "unhealthy")
	e.unhealthy = nil
	require.NoError(t, s.Shutdown(t.Context()))
	wants(503, "draining")
}

// listen serves on a port of its own.
func listen(t *testing.T, s *Server) (url string, served chan error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served = make(chan error, 1)
	s.http.Handler = documents().Handler(t, s)
	go func() { served <- s.Serve(l) }()
	return "http://" + l.Addr().String(), served
}

func TestShutdown(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) { shutdown(t, late) })
	}
}

func shutdown(t *testing.T, late bool) {
	e := says(t, "abc")
	e.gate = make(chan struct{})
	s := newServer(t, e)
	client := client(dial(t, s))
	go func() { e.gate <- struct{}{} }()
	r, err := client.Post("http://localhost"+chatPath, "application/json", strings.NewReader(`{`+hello+`,"stream":true}`))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(ctx) }()
	synctest.Wait()
	require.True(t, s.inFlight.isDraining())
	w, got := call(t, s, "POST", chatPath, `{`+hello+`}`)
	require.Equal(t, 503, w.Code)
	require.Equal(t, "shutting_down", get(got, "error", "code"))
	require.Equal(t, "close", w.Header().Get("Connection"))
	if late {
		cancel()
	} else {
		go func() { // while the client reads
			for range 3 {
				e.gate <- struct{}{}
			}
		}()
	}
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	r.Body.Close()
	list, done := events(t, text)
	require.Equal(t, !late, done)
	last := list[len(list)-1]
	if late {
		require.Equal(t, "shutting_down", get(last, "error", "code"))
		require.ErrorIs(t, <-down, context.Canceled)
	} else {
		require.Equal(t, "stop", get(last, "choices", 0, "finish_reason"))
		require.NoError(t, <-down)
	}
	require.Zero(t, e.Stats().Running)
	client.CloseIdleConnections()
}

// A panic fails its request and no other, and the client learns nothing of it.
func TestPanic(t *testing.T) {
	for _, n := range []string{"1", "3"} {
		var log bytes.Buffer
		e := says(t, "ok")
		e.answer = func(engine.Request) []int32 { return nil } // an index out of range
		s := newServer(t, e, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		got := post(t, s, 500, chatPath, `{`+hello+`,"n":`+n+`}`)
		require.Equal(t, "server_error", get(got, "error", "type"))
		require.NotContains(t, fmt.Sprint(got), "index")
		require.Contains(t, log.String(), "index out of range")
		e.answer = says(t, "ok").answer
		post(t, s, 200, chatPath, `{`+hello+`}`)
	}
	// Also where the comments of a stream would go on without it.
	e := says(t, "ok")
	e.answer = func(engine.Request) []int32 { panic("in Submit") }
	s := newServer(t, e)
	for path, body := range map[string]string{chatPath: hello, completionPath: `"prompt":"a"`, messagesPath: hello + `,"max_tokens":2`, responsesPath: `"input":"a"`} {
		post(t, s, 500, path, `{`+body+`,"stream":true}`)
	}
}

// The log says who, what and how long; never what was asked or answered.
func TestLogHoldsNoContent(t *testing.T) {
	var log bytes.Buffer
	s := newServer(t, says(t, "canary-answer"), func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.APIKeys = []string{"canary-key"}
	})
	for _, path := range []string{chatPath, completionPath, "/tokenize", "/canary-path"} {
		call(t, s, "POST", path+"?canary=query", `{"prompt":"canary-prompt","messages":[{"role":"user","content":"canary-message"}],"canary-field":1}`,
			"Authorization", "Bearer canary-key", "X-Canary", "canary-header")
	}
	require.NotContains(t, log.String(), "canary")
	require.Contains(t, log.String(), "route=/v1/chat/completions status=200")
}

// The log says how a request ended, also where the status went out before.
func TestLogTellsCode(t *testing.T) {
	var log bytes.Buffer
	e := says(t, "ab")
	s := newServer(t, e, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	ended := func(body string) string {
		log.Reset()
		call(t, s, "POST", chatPath, body)
		return regexp.MustCompile(` status=.* bytes=`).FindString(log.String())
	}
	require.Equal(t, " status=200 bytes=", ended(`{`+hello+`}`))
	require.Equal(t, " status=400 bytes=", ended(`{`+hello+`,"n":0}`))
	require.Equal(t, " status=400 code=context_length_exceeded bytes=", ended(`{`+hello+`,"max_tokens":1000000}`))
	e.fail, e.failAt = engine.ErrFailed, 1
	require.Equal(t, " status=503 code=engine_unavailable bytes=", ended(`{`+hello+`}`))
	require.Equal(t, " status=200 code=engine_unavailable bytes=", ended(`{`+hello+`,"stream":true}`))
	e.fail = errSlowReader
	require.Equal(t, " status=200 code=cancelled bytes=", ended(`{`+hello+`,"stream":true}`))
}

func TestConnectionLimits(t *testing.T) {
	var log bytes.Buffer
	s := newServer(t, says(t, "ok"), func(o *Options) {
		o.MaxConns, o.Log = 2, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	url, served := listen(t, s)
	address := strings.TrimPrefix(url, "http://")
	dial := func() net.Conn {
		c, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	read := func(c net.Conn) string {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		b := make([]byte, 4096)
		n, err := c.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
	ask := func(c net.Conn, header string) string {
		fmt.Fprintf(c, "GET /version HTTP/1.1\r\nHost: localhost\r\n%s\r\n", header)
		return read(c)
	}
	first, second := dial(), dial()
	require.Contains(t, ask(first, ""), "200 OK")
	require.Contains(t, ask(second, ""), "200 OK")
	// Where nothing happens in a connection, it gives way.
	third := dial()
	require.Contains(t, ask(third, ""), "200 OK")
	busy := func(c net.Conn) {
		fmt.Fprintf(c, "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
		require.Contains(t, read(c), "100 Continue")
	}
	busy(third)
	fourth := dial()
	busy(fourth)
	fifth := dial()
	fmt.Fprintf(fifth, "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, fifth.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := fifth.Read(make([]byte, 1))
	require.Error(t, err)
	fmt.Fprint(third, "{}")
	require.Contains(t, read(third), "Connection: close")
	require.Contains(t, read(fifth), "200 OK")
	fourth.Close()
	// A header beyond the limit.
	require.Contains(t, ask(fifth, "X-Long: "+strings.Repeat("x", 40<<10)+"\r\n"), "431")
	require.NoError(t, s.Shutdown(t.Context()))
	require.NoError(t, <-served)
	// Of all that waited, in less than a minute, the log says so once.
	require.Equal(t, 1, strings.Count(log.String(), "as many connections are open as may be"))
	require.Contains(t, log.String(), "level=WARN")
	require.Contains(t, log.String(), "connections=2\n")
}

func TestMetrics(t *testing.T) {
	s := newServer(t, says(t, "Hello"))
	post(t, s, 200, chatPath, `{`+hello+`}`)
	post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":2,"n":2}`)
	post(t, s, 400, chatPath, `{}`)
	for _, path := range []string{"/nowhere", "/elsewhere"} {
		post(t, s, 404, path, `{}`)
	}
	w, _ := call(t, s, "GET", "/metrics", "")
	text := w.Body.String()
	for _, line := range []string{
		"trona_requests_running 0", "trona_requests_waiting 0", "trona_kv_cache_usage_ratio ", "trona_prompt_tokens_total ",
		"trona_generation_tokens_total ", "trona_prefix_cache_hit_tokens_total ", "trona_preemptions_total ",
		`trona_request_success_total{finished_reason="stop"} 1`, `trona_request_success_total{finished_reason="length"} 2`,
		`trona_http_requests_total{route="/v1/chat/completions",status="200"} 2`, `trona_http_requests_total{route="/v1/chat/completions",status="400"} 1`,
		`trona_http_requests_total{route="unknown",status="404"} 2`,
		`trona_request_success_total{finished_reason="abort"} 0`, `trona_request_success_total{finished_reason="error"} 0`,
		"trona_time_to_first_token_seconds_count 3", "trona_e2e_request_latency_seconds_count 3", "trona_inter_token_latency_seconds_bucket",
		`vllm:num_requests_running{engine="0",model_name="test"} 0`, `vllm:num_requests_waiting{`, `vllm:kv_cache_usage_perc{`,
		`vllm:prompt_tokens_total{`, `vllm:generation_tokens_total{`, `vllm:num_preemptions_total{`, `vllm:prefix_cache_hits_total{`,
		`vllm:request_success_total{engine="0",finished_reason="stop",model_name="test"} 1`,
		`vllm:time_to_first_token_seconds_count{engine="0",model_name="test"} 3`,
	} {
		require.Contains(t, text, line)
	}
}

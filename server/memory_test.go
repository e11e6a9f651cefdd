package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"trona/tokenizer/grammar"
)

// withMemory gives a server so much for its requests.
func withMemory(n int64) func(*Options) { return func(o *Options) { o.Memory = n } }

// TestMemoryOfBodies: requests whose bodies do not fit beside those in work are refused, whether
// they say how long they are or not, and go through when those have ended.
func TestMemoryOfBodies(t *testing.T) {
	synctest.Test(t, memoryOfBodies)
}

func memoryOfBodies(t *testing.T) {
	e := says(t, "ok")
	e.gate = make(chan struct{})
	s := newServer(t, e, withMemory(4<<20))
	body := fmt.Sprintf(`{"prompt":"a","user":%q}`, strings.Repeat("x", 200)) + strings.Repeat(" ", 30<<10)
	ask := func(long bool) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "http://localhost/v1/completions", strings.NewReader(body))
		if !long {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	done := make(chan int)
	first := 0
	for s.memory.free-requestBytes >= s.memory.most/4+int64(len(body))*heldPerByte {
		go func() { done <- ask(true).Code }()
		first++
		synctest.Wait()
	}
	require.Equal(t, 2, first)
	for _, long := range []bool{true, false} {
		w := ask(long)
		require.Equal(t, 429, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Contains(t, w.Body.String(), `"overloaded"`)
	}
	close(e.gate)
	for range first {
		require.Equal(t, 200, <-done)
	}
	require.Equal(t, 200, ask(true).Code)
	require.Equal(t, 200, ask(false).Code)
	require.Equal(t, s.memory.most, s.memory.free)

	// A body holds what has come of it, not what is announced.
	from, to := io.Pipe()
	r := httptest.NewRequest("POST", "http://localhost/v1/completions", from)
	r.ContentLength = int64(len(body))
	w := httptest.NewRecorder()
	go func() { s.ServeHTTP(w, r); done <- w.Code }()
	_, err := io.WriteString(to, body[:100])
	require.NoError(t, err)
	synctest.Wait()
	require.Equal(t, s.memory.most-requestBytes-100*heldPerByte, s.memory.free)
	require.NoError(t, to.Close())
	require.Equal(t, 400, <-done)
	require.Equal(t, s.memory.most, s.memory.free)
}

// TestMemoryIsFull: every route that reads a body says so as documented.
func TestMemoryIsFull(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	all := &share{of: s.memory}
	require.NoError(t, all.take(s.memory.most, 0))
	h := documents().Handler(t, s)
	for _, r := range s.table() {
		if r.work != nil {
			w, _ := call(t, h, r.method, r.path, "{}")
			require.Equal(t, 429, w.Code, r.path)
		}
	}
	all.end()
	post(t, s, 200, chatPath, "{"+hello+"}")
}

// TestMemoryOfLongBodies: what cannot be read within the memory is too large.
func TestMemoryOfLongBodies(t *testing.T) {
	s := newServer(t, says(t, "ok"), withMemory(4<<20))
	most := s.memory.mostBody()
	require.Less(t, most, int64(8<<20))
	fits := `{"prompt":"a"}`
	fits += strings.Repeat(" ", int(most)-len(fits))
	post(t, s, 200, "/v1/completions", fits)
	got := post(t, s, 413, "/v1/completions", fits+" ")
	require.Contains(t, get(got, "error", "message"), fmt.Sprint(most))
}

// TestMemoryOfAnswers: an answer that is kept until it is whole may take so much; a stream keeps none.
func TestMemoryOfAnswers(t *testing.T) {
	s := newServer(t, says(t, strings.Repeat("a", testContext/2)), withMemory(2<<20))
	for path, body := range map[string]string{
		chatPath:          hello + `,"logprobs":true,"top_logprobs":20`,
		"/v1/completions": `"prompt":"a","logprobs":20`,
	} {
		post(t, s, 200, path, "{"+body+`,"max_tokens":9}`)
		got := post(t, s, 400, path, "{"+body+"}")
		require.Contains(t, get(got, "error", "message"), "memory")
		w, _ := call(t, s, "POST", path, "{"+body+`,"stream":true}`)
		require.Equal(t, 200, w.Code)
		wholeEvents(t, w.Body.Bytes())
	}
	post(t, s, 400, responsesPath, `{"input":"a","include":["message.output_text.logprobs"],"top_logprobs":20}`)
	post(t, s, 400, chatPath, "{"+hello+`,"n":40}`)
	// Each answer has a prompt of its own in the engine.
	post(t, s, 200, "/v1/completions", `{"prompt":"a","max_tokens":1,"n":28}`)
	post(t, s, 400, "/v1/completions", `{"prompt":"`+strings.Repeat("a", 200)+`","max_tokens":1,"n":28}`)
	post(t, s, 400, "/v1/completions", `{"prompt":"`+strings.Repeat("a", 100)+`","prompt_logprobs":20,"max_tokens":1}`)
	post(t, s, 400, "/tokenize", `{"prompt":"`+strings.Repeat("a", 8000)+`","return_token_strs":true}`)
	require.Equal(t, s.memory.most, s.memory.free)
}

// TestMemoryOfStoredAnswers: a short request for much that was stored counts as long.
func TestMemoryOfStoredAnswers(t *testing.T) {
	s := newServer(t, says(t, strings.Repeat("a", testContext*3/4)), withMemory(2<<20))
	item := get(post(t, s, 200, responsesPath, `{"input":"a"}`), "output", 0, "id").(string)
	refers := strings.Repeat(`{"type":"item_reference","id":"`+item+`"},`, 220)
	got := post(t, s, 400, responsesPath, `{"input":[`+refers+`{"role":"user","content":"a"}]}`)
	require.Contains(t, get(got, "error", "message"), "memory")
	require.Equal(t, s.memory.most, s.memory.free)
}

// TestMemoryOfGrammars: the form of an answer counts once for all requests that have it, and where
// there is little memory it may have fewer states.
func TestMemoryOfGrammars(t *testing.T) {
	s := newServer(t, says(t, "1"), withMemory(64<<20))
	m := s.loaded()[0]
	constrain := func(held *share, pattern string) error {
		p := &params{structure: structure{at: "guided_regex", compile: func(c *grammar.Compiler) (*grammar.Grammar, error) { return c.Regex(pattern) }}}
		return p.constrain(t.Context(), m, &prompt{}, held)
	}
	first, second := &share{of: s.memory}, &share{of: s.memory}
	require.NoError(t, constrain(first, "[a-z]{500}"))
	took := s.memory.most - s.memory.free
	require.Greater(t, took, int64(500<<10))
	require.NoError(t, constrain(second, "[a-z]{500}"))
	require.Equal(t, s.memory.most-took, s.memory.free)
	first.end()
	require.Equal(t, s.memory.most-took, s.memory.free)
	var refused *apiError
	require.NoError(t, second.take(s.memory.free-100, 0))
	require.ErrorAs(t, constrain(second, "[0-9]{500}"), &refused)
	require.Contains(t, refused.message, "memory")
	second.end()
	require.Equal(t, s.memory.most, s.memory.free)
	require.Empty(t, s.memory.grammars)

	wide := `{"prompt":"a","guided_regex":"` + strings.Repeat("[a-z]{1000}", 20) + `"}`
	post(t, newServer(t, says(t, "1")), 200, "/v1/completions", wide)
	got := post(t, newServer(t, says(t, "1"), withMemory(64<<20)), 400, "/v1/completions", wide)
	require.Contains(t, get(got, "error", "message"), "too many states")
}

// TestCompilesAreWaitedFor: up to the end of the request.
func TestCompilesAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, says(t, "1"), withMemory(64<<20))
		require.True(t, s.memory.compiles.TryAcquire(1), "it has one place")
		gone, cancel := context.WithCancelCause(t.Context())
		left := make(chan error)
		ask := func(ctx context.Context) {
			p := &params{structure: structure{at: "guided_regex", compile: func(c *grammar.Compiler) (*grammar.Grammar, error) { return c.Regex("a") }}}
			held := &share{of: s.memory}
			defer held.end()
			left <- p.constrain(ctx, s.loaded()[0], &prompt{}, held)
		}
		go ask(gone)
		go ask(t.Context())
		synctest.Wait()
		why := errors.New("gone")
		cancel(why)
		require.Equal(t, why, <-left)
		s.memory.compiles.Release(1)
		require.NoError(t, <-left)
		require.True(t, s.memory.compiles.TryAcquire(1))
	})
}

// TestMemoryOfWork: what reading takes for a moment is waited for, up to the end of the request.
func TestMemoryOfWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(1 << 20)
		all := int(m.mostWork / workPerByte)
		let := make(chan struct{})
		order := make(chan string, 3)
		work := func(name string) func() error {
			return func() error { <-let; order <- name; return nil }
		}
		go func() { require.NoError(t, m.during(t.Context(), all/2+1, work("first"))) }()
		synctest.Wait()
		go func() { require.NoError(t, m.during(t.Context(), 10*all, work("second"))) }()
		gone, cancel := context.WithCancelCause(t.Context())
		left := make(chan error)
		go func() { left <- m.during(gone, all, work("third")) }()
		synctest.Wait()
		why := errors.New("gone")
		cancel(why)
		require.Equal(t, why, <-left)
		close(let)
		synctest.Wait()
		require.Equal(t, "first", <-order)
		require.Equal(t, "second", <-order)
		require.Empty(t, order)
	})
}

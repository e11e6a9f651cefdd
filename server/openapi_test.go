package server

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/server/apitest"
	"trona/testdata"
)

// documents holds every answer of the tests against the server's own document
// and, where the fixtures are at hand, against OpenAI's.
var documents = sync.OnceValue(func() *apitest.Checker {
	var theirs []byte
	var err error
	if path := testdata.Find("openai", "openai-subset.json"); path != "" {
		if theirs, err = os.ReadFile(path); err != nil {
			panic(err)
		}
	}
	c, err := apitest.New([]byte(openAPI), theirs)
	if err != nil {
		panic(err)
	}
	return c
})

// documentPath is the path of a route as the document writes it.
func documentPath(r route) string { return strings.Replace(r.path, "...}", "}", 1) }

// The document has the server's routes, all of them and no others.
func TestOpenAPIRoutes(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	var served, described []string
	open := map[string]bool{}
	for _, r := range s.table() {
		name := r.method + " " + documentPath(r)
		served = append(served, name)
		open[name] = r.open
	}
	ids := map[any]bool{}
	for _, o := range documents().Own.Operations() {
		name := o.Method + " " + o.Path
		described = append(described, name)
		security, given := o.Object["security"].([]any)
		require.Equal(t, open[name], given && len(security) == 0, "%s: whether it needs a key", name)
		require.NotEmpty(t, o.Object["summary"], name)
		require.False(t, ids[o.Object["operationId"]], name)
		ids[o.Object["operationId"]] = true
	}
	require.ElementsMatch(t, served, described)
	w, document := call(t, s, "GET", "/openapi.json", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, apiVersion, get(document, "info", "version"))
}

// Every part of the document is used: what is left over describes nothing.
func TestOpenAPIParts(t *testing.T) {
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(openAPI), &document))
	for kind, parts := range document["components"].(map[string]any) {
		for name := range parts.(map[string]any) {
			if kind == "securitySchemes" {
				require.Contains(t, openAPI, `{"`+name+`": []}`)
			} else {
				require.Contains(t, openAPI, `"#/components/`+kind+`/`+name+`"`)
			}
		}
	}
	// Each of them is a schema.
	own := documents().Own
	for name := range get(document, "components", "schemas").(map[string]any) {
		for _, strict := range []bool{false, true} {
			err := own.Validate("#/components/schemas/"+name, strict, "x")
			require.False(t, err != nil && !strings.Contains(err.Error(), "jsonschema validation failed"), "%s: %v", name, err)
		}
	}
}

// The errors that the document names are those of the code.
func TestOpenAPIErrors(t *testing.T) {
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(openAPI), &document))
	words := sourceWords(t)
	for _, path := range [][]any{{"Error", "properties", "error", "properties", "type"}, {"ErrorCode"},
		{"MessageError", "properties", "error", "properties", "type"}} {
		values := get(document, append([]any{"components", "schemas"}, append(path, "enum")...)...).([]any)
		require.Greater(t, len(values), 4)
		for _, v := range values {
			if v != nil {
				require.Contains(t, words, v)
			}
		}
	}
}

// A client that has the document is told so.
func TestOpenAPICache(t *testing.T) {
	s := newServer(t, says(t, "ok"), func(o *Options) { o.APIKeys = []string{"secret"} })
	ask := func(tags ...string) *httptest.ResponseRecorder {
		header := []string{"Authorization", "Bearer secret"}
		for _, tag := range tags {
			header = append(header, "If-None-Match", tag)
		}
		w, _ := call(t, s, "GET", "/openapi.json", "", header...)
		return w
	}
	first := ask()
	require.Equal(t, openAPI, first.Body.String())
	require.Equal(t, "no-cache", first.Header().Get("Cache-Control"))
	tag := first.Header().Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{32}"$`, tag)
	for _, tags := range [][]string{{tag}, {"W/" + tag}, {`"x", ` + tag}, {`"x"`, tag}, {"*"}} {
		w := ask(tags...)
		require.Equal(t, http.StatusNotModified, w.Code, tags)
		require.Equal(t, tag, w.Header().Get("ETag"))
		require.Empty(t, w.Body.Bytes())
	}
	for _, other := range []string{`"x"`, strings.Trim(tag, `"`), `W/"x"`, ""} {
		require.Equal(t, http.StatusOK, ask(other).Code, other)
	}
}

// The page is one file: it loads the document and nothing else, and only its own
// script runs. It needs no key, and tells nothing of the server.
func TestDocsPage(t *testing.T) {
	s := newServer(t, says(t, "ok"), func(o *Options) { o.APIKeys = []string{"secret"} })
	w, _ := call(t, s, "GET", "/docs", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, docsPage, w.Body.String())
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	policy := w.Header().Get("Content-Security-Policy")
	require.Regexp(t, `^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; script-src 'sha256-[A-Za-z0-9+/]{43}='; img-src data:; connect-src 'self'; base-uri`, policy)
	require.NotContains(t, docsPage, "://")
	require.NotContains(t, docsPage, "innerHTML")
	require.NotRegexp(t, `(?i)<[^>]*\s(src|on\w+|style)\s*=|@import|url\(`, docsPage)
	for _, element := range []string{"<script", "<style", "</script", "</style"} {
		require.Equal(t, 1, strings.Count(docsPage, element), "the policy names one")
	}
	root, _ := call(t, s, "GET", "/", "")
	require.Equal(t, docsPage, root.Body.String())
	again, _ := call(t, s, "GET", "/docs", "", "If-None-Match", w.Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.Code)
}

// slowBody is a body that does not come in time.
type slowBody struct{}

func (slowBody) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// provoked is a request that must be answered with a status.
type provoked struct {
	server *Server
	body   io.Reader // nil: a good one
	query  string
	host   string
	id     string
	header []string
}

// provocations returns a request for each status of an operation.
func provocations(t *testing.T) func(status int, path string) provoked {
	ready := newServer(t, says(t, "ok"))
	keyed := newServer(t, says(t, "ok"), func(o *Options) { o.APIKeys = []string{"secret"} })
	small := newServer(t, says(t, "ok"), func(o *Options) { o.MaxBodyBytes = 1 })
	full := newServer(t, says(t, "ok"))
	require.NoError(t, (&share{of: full.memory}).take(full.memory.most, 0))
	broken := New(Options{})
	lacking := testModel(t, says(t, "ok"))
	lacking.Tokenizer = nil
	broken.models.Store(&modelSet{lacking})
	return func(status int, path string) provoked {
		p := provoked{server: ready, id: "test"}
		if strings.HasPrefix(path, responsesPath) {
			p.id = post(t, ready, 200, responsesPath, `{"input":"Hi"}`)["id"].(string)
		}
		switch status {
		case 304:
			p.header = []string{"If-None-Match", "*"}
		case 400:
			p.body, p.query = strings.NewReader("[]"), "?stream=true&limit=0"
		case 401:
			p.server = keyed
		case 403:
			p.header = []string{"Sec-Fetch-Site", "cross-site"}
		case 404:
			p.body, p.id, p.query = strings.NewReader(`{"model":"other"}`), "other", "?model=other"
		case 408:
			p.body = slowBody{}
		case 413:
			p.server = small
		case 415:
			p.header = []string{"Content-Type", "text/plain"}
		case 421:
			p.host = "other.example"
		case 429:
			p.server = full
		case 500:
			p.server = broken
		case 503:
			p.server = New(Options{})
		}
		return p
	}
}

// ask sends a request for an operation.
func (p provoked) ask(t *testing.T, o apitest.Operation, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(o.Method, strings.Replace(o.Path, "{id}", p.id, 1)+p.query, p.body)
	r.Host = p.host
	header = append(p.header, header...)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	documents().Handler(t, p.server).ServeHTTP(w, r)
	return w
}

// provokeAll calls f with a request for each status that the document gives an
// operation.
func provokeAll(t *testing.T, f func(o apitest.Operation, status int, p provoked)) {
	provoke := provocations(t)
	for _, o := range documents().Own.Operations() {
		body := "{}"
		if content, ok := o.Object["requestBody"].(map[string]any); ok {
			w := &requestWalk{document: documents().Own}
			body = string(marshal(w.smallest(get(content, "content", "application/json", "schema").(map[string]any))))
		}
		statuses := slices.Sorted(maps.Keys(o.Object["responses"].(map[string]any)))
		require.True(t, slices.Contains(statuses, "200") || o.Path == "/v1/responses/{id}/cancel")
		for _, text := range statuses {
			status, err := strconv.Atoi(text)
			require.NoError(t, err)
			p := provoke(status, o.Path)
			if p.body == nil {
				p.body = strings.NewReader(body)
			}
			f(o, status, p)
		}
	}
}

// Each status that the document gives an operation can come, and comes as it
// says. That no others come is what all other tests show.
func TestOpenAPIStatuses(t *testing.T) {
	provokeAll(t, func(o apitest.Operation, status int, p provoked) {
		w := p.ask(t, o)
		require.Equal(t, status, w.Code, "%s %s: %s", o.Method, o.Path, w.Body)
	})
}

// Each exception from OpenAI's document is one that an answer needs.
func TestOpenAIExceptions(t *testing.T) {
	data, err := os.ReadFile(testdata.Shared(t, "openai", "openai-subset.json"))
	require.NoError(t, err)
	require.NotNil(t, documents().OpenAI, "the answers are held against it")
	s := newServer(t, says(t, "ok"))
	var answers []*httptest.ResponseRecorder
	for _, body := range []string{
		`{"prompt":"Hi","stream":true}`, `{"prompt":"Hi","stream":true,"stream_options":{"include_usage":true}}`, `{"prompt":"Hi","echo":true,"logprobs":1}`,
	} {
		w, _ := call(t, s, "POST", completionPath, body)
		answers = append(answers, w)
	}
	for without := range apitest.Exceptions {
		others := slices.DeleteFunc(slices.Collect(maps.Keys(apitest.Exceptions)), func(place string) bool { return place == without })
		document, err := apitest.Read(data, "/v1", others...)
		require.NoError(t, err)
		refused := 0
		for _, w := range answers {
			if document.CheckOpenAI(&apitest.Exchange{Method: "POST", Path: completionPath, Status: 200, Header: w.Header(), Body: w.Body.Bytes()}) != nil {
				refused++
			}
		}
		require.Positive(t, refused, without)
	}
}

// What Anthropic's servers sent is what the document says of this one, as far
// as this one sends it.
func TestOpenAPIRecordedMessages(t *testing.T) {
	for _, name := range []string{"basic_response", "tool_use_response", "incomplete_partial_json_response"} {
		stream, err := os.ReadFile(testdata.Shared(t, "anthropic", name+".sse"))
		require.NoError(t, err)
		for _, e := range namedEvents(t, bytes.ReplaceAll(stream, []byte("\r"), nil)) {
			usage := e.data["usage"]
			if m, ok := e.data["message"].(map[string]any); ok {
				usage = m["usage"]
			}
			if u, ok := usage.(map[string]any); ok { // older streams count nothing but tokens
				for _, count := range []string{"cache_creation_input_tokens", "cache_read_input_tokens", "input_tokens"} {
					if u[count] == nil {
						u[count] = 0
					}
				}
			}
			require.NoError(t, documents().Own.Validate("#/components/schemas/MessageEvent", false, e.data), "%s: %v", name, e.data)
		}
	}
}

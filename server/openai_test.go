package server

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// openAISchemas compiles schemas of OpenAI's published description.
func openAISchemas(t *testing.T, names ...string) map[string]*jsonschema.Schema {
	data, err := os.ReadFile(testdata.Shared(t, "openai", "openai-subset.json"))
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("openai.json", document))
	schemas := map[string]*jsonschema.Schema{}
	for _, name := range names {
		schemas[name], err = c.Compile("openai.json#/components/schemas/" + name)
		require.NoError(t, err)
	}
	return schemas
}

// What the server sends has the form that OpenAI publishes.
func TestOpenAISchemas(t *testing.T) {
	const (
		chat, chunk, completion, list, card, failure = "CreateChatCompletionResponse", "CreateChatCompletionStreamResponse",
			"CreateCompletionResponse", "ListModelsResponse", "Model", "ErrorResponse"
	)
	schemas := openAISchemas(t, chat, chunk, completion, list, card, failure)
	check := func(name string, body []byte) {
		t.Helper()
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, schemas[name].Validate(value), "%s", body)
	}
	require.Error(t, schemas[chat].Validate(map[string]any{}))
	s := newServer(t, says(t, "<think>\nhm</think>\n\nHello"))
	for _, fields := range []string{"", `,"logprobs":true,"top_logprobs":2,"n":3`, `,"stop":"l"`, `,"max_tokens":1,"return_token_ids":true`, `,"prompt_logprobs":1`} {
		w, _ := call(t, s, "POST", chatPath, `{`+hello+fields+`}`)
		require.Equal(t, 200, w.Code)
		check(chat, w.Body.Bytes())
	}
	for _, fields := range []string{"", `,"logprobs":true,"top_logprobs":2,"n":3`, `,"stream_options":{"include_usage":true}`,
		`,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`, `,"stop":"l"`, `,"return_token_ids":true`} {
		w, _ := call(t, s, "POST", chatPath, `{`+hello+`,"stream":true`+fields+`}`)
		chunks := wholeEvents(t, w.Body.Bytes())
		for _, c := range chunks {
			text, err := json.Marshal(c)
			require.NoError(t, err)
			check(chunk, text)
		}
	}
	for _, fields := range []string{"", `,"logprobs":2,"n":2`, `,"echo":true`, `,"stop":"l"`, `,"max_tokens":0`} {
		w, _ := call(t, s, "POST", completionPath, `{"prompt":["Hi","you"]`+fields+`}`)
		require.Equal(t, 200, w.Code)
		check(completion, w.Body.Bytes())
	}
	w, _ := call(t, s, "GET", "/v1/models", "")
	check(list, w.Body.Bytes())
	w, _ = call(t, s, "GET", "/v1/models/org/test", "")
	check(card, w.Body.Bytes())
	for _, c := range []struct{ method, path, body string }{
		{"POST", chatPath, `{}`}, {"POST", completionPath, `{"prompt":7}`}, {"POST", chatPath, `{`}, {"GET", "/nothing", ""},
		{"GET", chatPath, ""}, {"GET", "/v1/models/other", ""}, {"POST", "/tokenize", `{}`}, {"POST", "/detokenize", `[]`},
	} {
		w, _ := call(t, s, c.method, c.path, c.body)
		require.GreaterOrEqual(t, w.Code, 400)
		check(failure, w.Body.Bytes())
	}
}

// Every route answers every kind of refusal with an error object, and every
// answer has an id.
func TestErrorsOnEveryRoute(t *testing.T) {
	loading := New(Options{})
	keyed := newServer(t, says(t, "ok"), func(o *Options) { o.APIKeys = []string{"secret"} })
	plain := newServer(t, says(t, "ok"))
	drained := newServer(t, says(t, "ok"))
	require.NoError(t, drained.Shutdown(t.Context()))
	for _, r := range plain.table() {
		work := r.work != nil
		for _, c := range []struct {
			name   string
			server *Server
			body   string
			header []string
			status int // 0: the route does not refuse this
		}{
			{"method", plain, "", nil, 405},
			{"key", keyed, "", nil, map[bool]int{false: 401}[r.open]},
			{"site", plain, "{}", []string{"Sec-Fetch-Site", "cross-site"}, map[bool]int{true: 403}[r.method == "POST"]},
			{"loading", loading, "{}", nil, map[bool]int{true: 503}[work]},
			{"draining", drained, "{}", nil, map[bool]int{true: 503}[work]},
			{"empty", plain, "", nil, map[bool]int{true: 400}[work]},
			{"not an object", plain, "[]", nil, map[bool]int{true: 400}[work]},
			{"media", plain, "{}", []string{"Content-Type", "text/plain"}, map[bool]int{true: 415}[work]},
			{"model", plain, `{"model":"other"}`, nil, map[bool]int{true: 404}[work]},
			{"size", plain, `{"model":"` + string(bytes.Repeat([]byte("x"), 8<<20)) + `"}`, nil, map[bool]int{true: 413}[work]},
		} {
			if c.status == 0 {
				continue
			}
			method := r.method
			if c.name == "method" {
				method = "PATCH"
			}
			name := fmt.Sprintf("%s %s: %s", method, r.path, c.name)
			w, got := call(t, c.server, method, r.path, c.body, c.header...)
			require.Equal(t, c.status, w.Code, name)
			require.NotEmpty(t, w.Header().Get("X-Request-Id"), name)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"), name)
			failure := got["error"].(map[string]any)
			if anthropicPath(r.path) {
				for _, member := range []string{"message", "type"} {
					require.NotEmpty(t, failure[member], name)
				}
				require.Equal(t, w.Header().Get("X-Request-Id"), got["request_id"], name)
				continue
			}
			require.Len(t, failure, 4, name)
			for _, member := range []string{"message", "type"} {
				require.NotEmpty(t, failure[member], name)
			}
			require.Contains(t, failure, "param", name)
			require.Contains(t, failure, "code", name)
		}
	}
}

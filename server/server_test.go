package server

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tester is a testing.TB or a rapid.T.
type tester interface {
	require.TestingT
	Helper()
}

// call sends one request and returns the answer with its body decoded, if that is
// an object. It holds both against the documents.
func call(t tester, h http.Handler, method, path, body string, header ...string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	return ask(t, documents().Handler(t, h), method, path, body, header...)
}

// ask is call without the documents.
func ask(t tester, h http.Handler, method, path, body string, header ...string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "localhost"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var decoded any
	if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		decodeJSON(t, w.Body.Bytes(), &decoded)
	}
	members, _ := decoded.(map[string]any)
	return w, members
}

func decodeJSON(t tester, text []byte, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, v), "%s", text)
}

// post sends JSON and wants this status.
func post(t tester, h http.Handler, status int, path, body string) map[string]any {
	t.Helper()
	w, decoded := call(t, h, "POST", path, body)
	require.Equal(t, status, w.Code, "%s -> %s", body, w.Body)
	return decoded
}

// events returns the data of a stream and whether it ended with [DONE].
func events(t tester, body []byte) (list []map[string]any, done bool) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			require.True(t, lines.Text() == "" || strings.HasPrefix(lines.Text(), ":"), "%q", lines.Text())
			continue
		}
		require.False(t, done, "%s follows [DONE]", data)
		if data == "[DONE]" {
			done = true
			continue
		}
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(data), &v))
		list = append(list, v)
	}
	return list, done
}

// wholeEvents is events of a stream that must have come to its end.
func wholeEvents(t tester, body []byte) []map[string]any {
	list, done := events(t, body)
	require.True(t, done, "no [DONE] ends %s", body)
	return list
}

// get walks into a decoded body: names of members and indexes of lists.
func get(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			v = v.([]any)[step]
		}
	}
	return v
}

func TestChat(t *testing.T) {
	s := newServer(t, says(t, "<think>\nhm\n</think>\n\nHello \u4f60\u597d."))
	got := post(t, s, 200, "/v1/chat/completions", `{"model":"test","messages":[{"role":"user","content":"Hi"}],"logprobs":true,"top_logprobs":2,"return_token_ids":true}`)
	require.Equal(t, "Hello \u4f60\u597d.", get(got, "choices", 0, "message", "content"))
	require.Equal(t, "hm", get(got, "choices", 0, "message", "reasoning_content"))
	require.Equal(t, "stop", get(got, "choices", 0, "finish_reason"))
	require.Nil(t, get(got, "choices", 0, "stop_reason"))
	ids := get(got, "choices", 0, "token_ids").([]any)
	require.Len(t, get(got, "choices", 0, "logprobs", "content"), len(ids))
	require.EqualValues(t, len(ids), get(got, "usage", "completion_tokens"))
	require.EqualValues(t, len(get(got, "prompt_token_ids").([]any)), get(got, "usage", "prompt_tokens"))
	require.EqualValues(t, 14, get(got, "usage", "completion_tokens_details", "reasoning_tokens"))
	require.Equal(t, "fp_test", got["system_fingerprint"])
	require.EqualValues(t, len(ids), get(got, "timings", "predicted_n"))
	require.NotContains(t, get(got, "choices", 0, "message"), "reasoning")
	// The reasoning has its other name too, where the request wants that.
	const both = `{` + hello + `,"reasoning_format":"both"`
	got = post(t, s, 200, chatPath, both+`}`)
	require.Equal(t, "hm", get(got, "choices", 0, "message", "reasoning_content"))
	require.Equal(t, "hm", get(got, "choices", 0, "message", "reasoning"))
	w, _ := call(t, s, "POST", chatPath, both+`,"stream":true}`)
	chunks, _ := events(t, w.Body.Bytes())
	seen := ""
	for _, chunk := range chunks {
		delta := get(chunk, "choices", 0, "delta").(map[string]any)
		require.Equal(t, delta["reasoning_content"], delta["reasoning"])
		text, _ := delta["reasoning"].(string)
		seen += text
	}
	require.Equal(t, "hm", seen)
}

package apitest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const ownDocument = `{"openapi": "3.1.0", "paths": {
	"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}, "304": {}}}},
	"/a/{id}": {"get": {"responses": {"404": {"$ref": "#/components/responses/Missing"}}}, "delete": {"responses": {"200": {}}}},
	"/a/{id}/b": {"post": {
		"requestBody": {"content": {"application/json": {"schema": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}}}},
		"responses": {"200": {"headers": {"retry-after": {"schema": {"type": "integer"}}}, "content": {
			"application/json": {"schema": {"$ref": "#/components/schemas/A"}},
			"text/event-stream": {"schema": {"anyOf": [{"$ref": "#/components/schemas/Event"}, {"$ref": "#/components/schemas/Error"}]}}}}}}}},
	"components": {
		"responses": {"Missing": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}},
		"schemas": {
			"Base": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}},
			"A": {"allOf": [{"$ref": "#/components/schemas/Base"}], "type": "object", "properties": {"list": {"type": "array", "items": {"type": "object", "properties": {"t": {"type": "string"}}}}}},
			"Event": {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["one", "two"]}, "free": {"type": "object", "additionalProperties": true}}},
			"Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}}},
			"MessageError": {"type": "object", "required": ["oops"], "properties": {"oops": {"type": "integer"}}}}}}`

const theirDocument = `{"openapi": "3.1.0", "paths": {
	"/b": {"post": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/B"}}}}}}},
	"/c": {"post": {"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/B"}}, "text/event-stream": {"schema": {"type": "object", "required": ["c"]}}}}}}},
	"/d": {"get": {"responses": {"200": {}}}}},
	"components": {"schemas": {"B": {"type": "object", "required": ["b"], "properties": {"b": {"type": "string"}}},
		"ErrorResponse": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["code"]}}}}}}`

// exchange returns a request and its answer.
func exchange(method, path, request string, status int, media, body string) *Exchange {
	return &Exchange{method, path, []byte(request), status, http.Header{"Content-Type": {media}, "Retry-After": {"1"}}, []byte(body)}
}

func TestCheck(t *testing.T) {
	d, err := Read([]byte(ownDocument), "")
	require.NoError(t, err)
	const js, sse = "application/json", "text/event-stream; charset=utf-8"
	for _, c := range []struct {
		fault string // "": none
		e     *Exchange
	}{
		{"", exchange("GET", "/a", "", 200, js, `{"n":1,"list":[{"t":"x"},{}]}`)},
		{"", exchange("HEAD", "/a", "", 200, js, ``)},
		{"", exchange("GET", "/a", "", 304, "", ``)},
		{"wants no body", exchange("GET", "/a", "", 304, "", `x`)},
		{"no status 201", exchange("GET", "/a", "", 201, js, `{"n":1}`)},
		{"missing property 'n'", exchange("GET", "/a", "", 200, js, `{}`)},
		{"want integer", exchange("GET", "/a", "", 200, js, `{"n":"1"}`)},
		{"at '/more'", exchange("GET", "/a", "", 200, js, `{"n":1,"more":2}`)},
		{"at '/list/0/more'", exchange("GET", "/a", "", 200, js, `{"n":1,"list":[{"more":2}]}`)},
		{"EOF", exchange("GET", "/a", "", 200, js, `{"n":1`)},
		{"no media type text/plain", exchange("GET", "/a", "", 200, "text/plain", `{"n":1}`)},
		{"no media type", exchange("GET", "/a", "", 200, "", `{"n":1}`)},
		{"", exchange("GET", "/a/x", "", 404, js, `{"error":{"message":"m"}}`)},
		{"", exchange("GET", "/a/x/y", "", 404, js, `{"error":{"message":"m"}}`)},
		{"missing property", exchange("GET", "/a/x", "", 404, js, `{"error":{}}`)},
		{"", exchange("POST", "/a/x/b", `{"x":1,"y":null,"z":2}`, 200, js, `{"n":1}`)},
		{"", exchange("POST", "/a/x/b", `{"x":1,"m":[1e-9999999]}`, 200, js, `{"n":1}`)},
		{"", exchange("POST", "/a/x/b", `{"x":0e-9999999}`, 200, js, `{"n":1}`)},
		{"the request was taken", exchange("POST", "/a/x/b", `{"x":null}`, 200, js, `{"n":1}`)},
		{"the request was taken", exchange("POST", "/a/x/b", `{"x":1,"y":2}`, 200, js, `{"n":1}`)},
		{"the request", exchange("POST", "/a/x/b", `{`, 200, js, `{"n":1}`)},
		{"", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "event: one\ndata: {\"type\":\"one\"}\n\n: wait\n\ndata: {\"type\":\"two\",\"free\":{\"x\":1}}\n\ndata: [DONE]\n\n")},
		{"", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "data: {\"error\":{\"message\":\"m\"}}\n\n")},
		{"event 1", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "data: {\"type\":\"one\"}\n\ndata: {\"type\":\"three\"}\n\n")},
		{"event 0", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "data: {\"type\":\"one\",\"more\":1}\n\n")},
		{"event 0", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "data: {\"type\":\n\n")},
		{"is called two", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "event: two\ndata: {\"type\":\"one\"}\n\n")},
		{"after the end", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "data: [DONE]\n\ndata: {\"type\":\"one\"}\n\n")},
		{"no line of a stream", exchange("POST", "/a/x/b", `{"x":1}`, 200, sse, "{\"type\":\"one\"}\n\n")},
		{"", exchange("PUT", "/a", "", 405, js, `{"error":{"message":"m"}}`)},
		{"", exchange("GET", "/b", "", 404, js, `{"error":{"message":"m"}}`)},
		{"", exchange("GET", "/v1/messages/b", "", 401, js, `{"oops":1}`)},
		{"missing property", exchange("GET", "/v1/messages/b", "", 401, js, `{"error":{"message":"m"}}`)},
		{"missing property", exchange("GET", "/b", "", 404, js, `{}`)},
		{"has no GET /b", exchange("GET", "/b", "", 200, js, `{}`)},
	} {
		err := d.Check(c.e)
		if c.fault == "" {
			require.NoError(t, err, "%+v", c.e)
		} else {
			require.ErrorContains(t, err, c.fault, "%+v", c.e)
		}
	}
	wrong := exchange("POST", "/a/x/b", `{"x":1}`, 200, js, `{"n":1}`)
	wrong.Header.Set("Retry-After", "soon")
	require.ErrorContains(t, d.Check(wrong), "header retry-after")
	preflight := exchange("OPTIONS", "/a", "", 204, "", "")
	require.ErrorContains(t, d.Check(preflight), "no OPTIONS /a")
	preflight.Header.Set("Access-Control-Allow-Methods", "GET")
	require.NoError(t, d.Check(preflight))
	preflight.Body = []byte("x")
	require.Error(t, d.Check(preflight))
	wrong = exchange("GET", "/a", "", 200, js, `{"n":1}`)
	wrong.Header.Set("X-Trona-New", "x")
	require.ErrorContains(t, d.Check(wrong), "no header x-trona-new")
}

func TestCheckOpenAI(t *testing.T) {
	const js, sse = "application/json", "text/event-stream; charset=utf-8"
	d, err := Read([]byte(theirDocument), "/v1")
	require.NoError(t, err)
	for _, c := range []struct {
		ok bool
		e  *Exchange
	}{
		{true, exchange("POST", "/v1/b", "", 200, js, `{"b":"x","more":1}`)},
		{false, exchange("POST", "/v1/b", "", 200, js, `{"b":null}`)},
		{true, exchange("POST", "/v1/b", "", 200, sse, "data: {\"b\":\"x\"}\n\ndata: [DONE]\n\n")},
		{false, exchange("POST", "/v1/b", "", 200, sse, "data: {\"c\":\"x\"}\n\n")},
		{true, exchange("POST", "/v1/c", "", 200, sse, "data: {\"c\":\"x\"}\n\ndata: {\"error\":{\"code\":1}}\n\n")},
		{false, exchange("POST", "/v1/c", "", 200, sse, "data: {\"c\":\"x\"}\n\ndata: {\"error\":{}}\n\n")},
		{true, exchange("GET", "/v1/d", "", 200, js, `{}`)},
		{true, exchange("GET", "/v1/e", "", 200, js, `{}`)},
		{true, exchange("GET", "/v1/e", "", 404, js, `{"error":{"code":null}}`)},
		{false, exchange("GET", "/v1/e", "", 404, js, `{"error":{}}`)},
		{true, exchange("GET", "/v1/messages", "", 404, js, `{"type":"error"}`)},
	} {
		require.Equal(t, c.ok, d.CheckOpenAI(c.e) == nil, "%+v", c.e)
	}
	d, err = Read([]byte(theirDocument), "/v1", "#/components/schemas/B/properties/b")
	require.NoError(t, err)
	require.NoError(t, d.CheckOpenAI(exchange("POST", "/v1/b", "", 200, js, `{"b":null}`)))
	require.Error(t, d.CheckOpenAI(exchange("POST", "/v1/b", "", 200, js, `{"b":1}`)))
	for _, place := range []string{"#/components/schemas/C", "#/components/schemas/B/required/0", "#/components/schemas/B/required/7"} {
		_, err = Read([]byte(theirDocument), "/v1", place)
		require.Error(t, err, place)
	}
}

// faults collects what a checker reports.
type faults []string

func (f *faults) Errorf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// The handler changes nothing, and reports what is wrong.
func TestHandler(t *testing.T) {
	c, err := New([]byte(ownDocument), nil)
	require.NoError(t, err)
	body := `{"n":1}`
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil {
			_, _ = io.ReadAll(r.Body)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
	})
	ask := func(method, path, request string) (found faults) {
		w := httptest.NewRecorder()
		c.Handler(&found, next).ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(request)))
		require.Equal(t, body, w.Body.String())
		require.True(t, w.Flushed)
		return found
	}
	require.Empty(t, ask("GET", "/a", ""))
	require.Empty(t, ask("POST", "/a/x/b", `{"x":1}`))
	found := ask("POST", "/a/x/b", `{"y":1}`)
	require.Len(t, found, 1)
	require.Contains(t, found[0], `POST /a/x/b {"y":1}`)
	body = `{"n":1.5}`
	require.Len(t, ask("GET", "/a", ""), 1)

	// A client that is gone gets half an answer, which is no fault.
	var gone faults
	c.Handler(&gone, next).ServeHTTP(deafWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", "/a", nil))
	require.Empty(t, gone)

	_, err = New([]byte(`[]`), nil)
	require.Error(t, err)
	_, err = New([]byte(`{`), nil)
	require.Error(t, err)
}

type deafWriter struct{ http.ResponseWriter }

func (deafWriter) Write([]byte) (int, error) { return 0, errors.New("gone") }

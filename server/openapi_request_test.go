package server

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/server/apitest"
)

// requestPlace is where a value stands in the requests of an operation.
type requestPlace struct {
	name   string // "messages[].content"; "": the whole request
	schema map[string]any
	with   func(any) any // the smallest request that has a value there
}

// requestWalk visits all places of requests that a schema describes.
type requestWalk struct {
	document *apitest.Document
	path     string
	values   func(requestPlace)
	objects  func(requestPlace) // objects, one for each alternative
}

// needs are the members that must stand beside one, so that it makes sense. A
// path of an operation counts more than none.
var needs = map[string]map[string]any{
	" best_of":                                {"n": 1},
	" top_logprobs":                           {"logprobs": true},
	" stream_options":                         {"stream": true},
	" messages[].tool_calls":                  {"role": "assistant"},
	" tool_choice":                            {"tools": []any{map[string]any{"type": "function", "function": map[string]any{"name": "f"}}}},
	"/v1/messages tool_choice":                {"tools": []any{map[string]any{"name": "f", "input_schema": map[string]any{}}}},
	"/v1/messages/count_tokens tool_choice":   {"tools": []any{map[string]any{"name": "f", "input_schema": map[string]any{}}}},
	"/v1/responses top_logprobs":              {"include": []any{"message.output_text.logprobs"}},
	"/v1/responses/input_tokens top_logprobs": {"include": []any{"message.output_text.logprobs"}},
	"/v1/responses tool_choice":               {"tools": []any{map[string]any{"type": "function", "name": "f"}}},
	"/v1/responses/input_tokens tool_choice":  {"tools": []any{map[string]any{"type": "function", "name": "f"}}},
}

func (w *requestWalk) walk(name string, schema map[string]any, with func(any) any) {
	schema = w.merged(schema)
	w.values(requestPlace{name, schema, with})
	for _, one := range w.alternatives(schema) {
		if properties, ok := one["properties"].(map[string]any); ok {
			w.objects(requestPlace{name, one, with})
			for _, member := range slices.Sorted(maps.Keys(properties)) {
				inner := strings.TrimPrefix(name+"."+member, ".")
				w.walk(inner, properties[member].(map[string]any), func(v any) any {
					object := w.smallest(one).(map[string]any)
					maps.Copy(object, needs[" "+inner])
					maps.Copy(object, needs[w.path+" "+inner])
					object[member] = v
					return with(object)
				})
			}
		}
		if items, ok := one["items"].(map[string]any); ok {
			w.walk(name+"[]", items, func(v any) any { return with([]any{v}) })
		}
	}
}

// merged returns a schema with what it refers to and consists of.
func (w *requestWalk) merged(schema map[string]any) map[string]any {
	whole := maps.Clone(w.document.Resolve(schema))
	parts, _ := whole["allOf"].([]any)
	delete(whole, "allOf")
	for _, part := range parts {
		whole = w.join(w.merged(part.(map[string]any)), whole)
	}
	return whole
}

// join adds the members of a schema to those of another one.
func (w *requestWalk) join(one, other map[string]any) map[string]any {
	one = maps.Clone(one)
	if one == nil {
		return other
	}
	for name, member := range other {
		switch before, _ := one[name].(map[string]any); {
		case name == "properties" && before != nil:
			properties := maps.Clone(before)
			for property, schema := range member.(map[string]any) {
				earlier, _ := properties[property].(map[string]any)
				properties[property] = w.join(w.merged(earlier), schema.(map[string]any))
			}
			one[name] = properties
		case name == "required" && one[name] != nil:
			one[name] = slices.Concat(one[name].([]any), member.([]any))
		default:
			one[name] = member
		}
	}
	return one
}

// alternatives returns the schemas of which a value must satisfy one.
func (w *requestWalk) alternatives(schema map[string]any) (list []map[string]any) {
	some, ok := schema["anyOf"].([]any)
	if !ok {
		return []map[string]any{schema}
	}
	rest := maps.Clone(schema)
	delete(rest, "anyOf")
	for _, one := range some {
		list = append(list, w.alternatives(w.join(rest, w.merged(one.(map[string]any))))...)
	}
	return list
}

// smallest returns a value that a schema allows.
func (w *requestWalk) smallest(schema map[string]any) any {
	schema = w.alternatives(w.merged(schema))[0]
	if examples, ok := schema["examples"].([]any); ok {
		return deepCopy(examples[0])
	}
	if v, ok := schema["const"]; ok {
		return v
	}
	if list, ok := schema["enum"].([]any); ok {
		return list[0]
	}
	switch schema["type"] {
	case "object":
		object := map[string]any{}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			object[name.(string)] = w.smallest(schema["properties"].(map[string]any)[name.(string)].(map[string]any))
		}
		return object
	case "array":
		list := []any{}
		for range int(limit(schema, "minItems", 0)) {
			list = append(list, w.smallest(schema["items"].(map[string]any)))
		}
		return list
	case "integer", "number":
		return max(limit(schema, "minimum", 1), 1)
	case "boolean":
		return false
	case "string":
		return strings.Repeat("x", int(limit(schema, "minLength", 0)))
	}
	return nil
}

// limit returns a number of a schema, or what it is where absent.
func limit(schema map[string]any, name string, absent float64) float64 {
	if n, err := strconv.ParseFloat(fmt.Sprint(schema[name]), 64); err == nil {
		return n
	}
	return absent
}

func deepCopy(v any) any {
	var copied any
	if err := json.Unmarshal(marshal(v), &copied); err != nil {
		panic(err)
	}
	return copied
}

// probes returns values inside and outside of what a schema allows.
func (w *requestWalk) probes(schema map[string]any) []any {
	list := []any{
		true, false, 0., 1., -1., .5, 1e18, "", "x", "none", "a\x01", "no such value", strings.Repeat("y", 300), []any{}, []any{"x"}, []any{1.}, []any{nil},
		[]any{map[string]any{}}, map[string]any{}, map[string]any{"x": "y"}, map[string]any{"x": 1.}, map[string]any{"1": 1.},
	}
	for _, one := range w.alternatives(schema) {
		list = append(list, w.smallest(one))
		if v, ok := one["const"]; ok {
			list = append(list, v)
		}
		values, _ := one["enum"].([]any)
		list = append(list, values...)
		for _, name := range []string{"minimum", "maximum", "exclusiveMinimum"} {
			if at := limit(one, name, math.NaN()); at == at {
				list = append(list, at, at-1, at+1, at-.25)
			}
		}
		for _, name := range []string{"minLength", "maxLength"} {
			if at := int(limit(one, name, -1)); at > 0 && at < 2000 {
				list = append(list, strings.Repeat("x", at), strings.Repeat("x", at+1), strings.Repeat("x", at-1))
			}
		}
		items, _ := one["items"].(map[string]any)
		for _, name := range []string{"minItems", "maxItems"} {
			if at := int(limit(one, name, -1)); at > 0 && at < 400 && items != nil {
				many := slices.Repeat([]any{w.smallest(items)}, at+1)
				list = append(list, many, many[:at], many[:at-1])
			}
		}
	}
	return list
}

// excuses are the words by which the server refuses what the document allows,
// because it does not know what the refusal depends on.
var excuses = map[string]string{
	"does not exist; this server has":                 "the names of the model",
	"maximum context length is":                       "the model's context",
	"must be between 0 and 268":                       "the model's vocabulary",
	"must be between 1 and 16":                        "how the server was started",
	"must not be above the most tokens that may come": "the model's context",
	"is not the name of a tool":                       "another member",
	"two of them have the name":                       "another member",
	"only an assistant's message can hold a refusal":  "another member",
	"line 1: want ::=":                                "the notation of grammars",
	"is a string without JSON in it":                  "what is in a string",
	"must not be below n":                             "another member",
	"is given twice":                                  "another member",
	"must be between -1 and 256":                      "the model's context",
	"this server runs no tools":                       "another member",
	"is for chats only":                               "another member",
	"needs a model whose vocabulary":                  "the model's vocabulary",
	"there is no stored":                              "what happened before",
	"no instance can satisfy the schema":              "the meaning of schemas",
}

func excused(got map[string]any) bool {
	message, _ := get(got, "error", "message").(string)
	for words := range excuses {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// requestOperations calls f with the operations that take JSON.
func requestOperations(t *testing.T, f func(*testing.T, *apitest.Operation, map[string]any)) {
	own := documents().Own
	for _, o := range own.Operations() {
		body, ok := o.Object["requestBody"].(map[string]any)
		if !ok {
			continue
		}
		t.Run(o.Path, func(t *testing.T) {
			f(t, &o, get(body, "content", "application/json", "schema").(map[string]any))
		})
	}
}

// What the document says of each member of a request is what the server does:
// it takes what is allowed, refuses what is not, and ignores neither.
func TestOpenAPIValues(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector has nothing to find in it")
	}
	s := newServer(t, says(t, "ok"))
	asked := map[string]bool{}
	requestOperations(t, func(t *testing.T, o *apitest.Operation, schema map[string]any) {
		w := &requestWalk{document: documents().Own, path: o.Path, objects: func(requestPlace) {}}
		w.values = func(p requestPlace) {
			if p.name == "" {
				return
			}
			for _, v := range w.probes(p.schema) {
				request := p.with(v)
				if again := fmt.Sprintf("%s %s", schema, marshal(request)); asked[again] {
					continue // some operations share a schema
				} else {
					asked[again] = true
				}
				invalid := documents().Own.Validate(o.RequestPlace(), false, deepCopy(request))
				answer, got := call(t, s, "POST", o.Path, string(marshal(request)))
				if answer.Code == http.StatusOK && !(p.name == "echo" && request.(map[string]any)["messages"] != nil) { // of chats only with another member
					require.NotContains(t, strings.Split(answer.Header().Get("X-Trona-Ignored"), ", "), strings.ReplaceAll(p.name, "[]", "[0]"))
				}
				if taken := answer.Code == http.StatusOK; taken != (invalid == nil) && (taken || !excused(got)) {
					t.Errorf("%s: %.300s: document: %v; server: %v", p.name, marshal(request), invalid, got["error"])
				}
			}
		}
		w.walk("", schema, func(v any) any { return v })
	})
	require.Greater(t, len(asked), 5000)
}

// What the document does not name in an object, the server does not know.
func TestOpenAPIMembers(t *testing.T) {
	words := sourceWords(t)
	s := newServer(t, says(t, "ok"))
	stored := outputItem{ID: "x", Type: "message", Role: "assistant", Content: []outputPart{newTextPart("ok")}}
	s.responses.add(&storedResponse{id: "x", output: []*outputItem{&stored}}) // as the smallest request names it
	requestOperations(t, func(t *testing.T, o *apitest.Operation, schema map[string]any) {
		w := &requestWalk{document: documents().Own, path: o.Path, values: func(requestPlace) {}}
		w.objects = func(p requestPlace) {
			if p.schema["additionalProperties"] != nil {
				return
			}
			known := p.schema["properties"].(map[string]any)
			unknown := slices.DeleteFunc(slices.Clone(words), func(word string) bool { return known[word] != nil })
			for batch := range slices.Chunk(unknown, maxIgnored) {
				object := w.smallest(p.schema).(map[string]any)
				var want []string
				prefix := strings.ReplaceAll(p.name, "[]", "[0]") + "."
				for _, word := range batch {
					object[word] = map[string]any{"x": 1}
					want = append(want, fmt.Sprintf("%.64s", strings.TrimPrefix(prefix+word, ".")))
				}
				slices.Sort(want)
				answer, _ := call(t, s, "POST", o.Path, string(marshal(p.with(object))))
				require.Equal(t, http.StatusOK, answer.Code, "%s: %s", p.name, answer.Body)
				require.Equal(t, strings.Join(want, ", "), answer.Header().Get("X-Trona-Ignored"), p.name)
			}
		}
		w.walk("", schema, func(v any) any { return v })
	})
}

// sourceWords returns all strings in the source that could name a member.
func sourceWords(t *testing.T) (words []string) {
	name := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil && name.MatchString(text) {
					words = append(words, text)
				}
			}
			return true
		})
	}
	slices.Sort(words)
	return slices.Compact(words)
}

package server

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// translation turns a request of another interface into one for
// /v1/chat/completions, so that all of them are read, checked and answered in
// one way. What the other interface has in its own shape is checked here; what
// both have is passed on as it came.
type translation struct {
	fields   map[string]any    // of the chat request
	messages []map[string]any  // its messages
	names    map[string]string // what a field of the chat is called in the request
	tools    []chatFunction    // of the chat
	places   []string          // of each tool in the request
	members  map[string]member // the functions in namespaces, by the name of the chat's tool
	schema   string            // what a tool calls its schema
	stream   bool
	own      int          // where the messages begin that a later request may go on from
	items    []*inputItem // of the request's own input, where it has items
	stored   int          // bytes that may come from what was kept, and not in the body
}

func newTranslation(schema string) *translation {
	return &translation{schema: schema, fields: map[string]any{}, names: map[string]string{}, members: map[string]member{}}
}

// pass gives the chat a field as it came, under the name that it has there.
func (t *translation) pass(v *value, as string) {
	if v != nil {
		t.put(as, v.raw, v.path())
	}
}

// put gives the chat a field that follows from one of the request.
func (t *translation) put(name string, as any, from string) {
	t.fields[name] = as
	t.names[name] = from
}

// offer gives the chat a tool that stands somewhere in the request.
func (t *translation) offer(tool chatFunction, from string) {
	t.tools, t.places = append(t.tools, tool), append(t.places, from)
	t.fields["tools"] = t.tools
}

// leaveOut notes tools of which the types are given: they are for the servers of
// others to run. The model does not see them, which has the effect of a model that
// calls none. Where there are no others they are refused.
func leaveOut(types []*value, others int, message string) {
	for _, kind := range types {
		if others == 0 {
			kind.fail("%s", message)
		}
		kind.d.ignored = append(kind.d.ignored, kind.parent.path())
	}
}

// say adds a message.
func (t *translation) say(role string, content any, further ...any) map[string]any {
	m := map[string]any{"role": role, "content": content}
	for i := 0; i < len(further); i += 2 {
		m[further[i].(string)] = further[i+1]
	}
	t.messages = append(t.messages, m)
	return m
}

// chatFunction is a tool, or a call of one. The order of its members counts:
// templates may print it as it is.
type chatFunction struct {
	ID       string `json:"id,omitempty"`
	Type     string `json:"type"`
	Function struct {
		Name        string         `json:"name"`
		Description jsontext.Value `json:"description,omitzero"`
		Parameters  jsontext.Value `json:"parameters,omitzero"`
		Strict      jsontext.Value `json:"strict,omitzero"`
		Arguments   *string        `json:"arguments,omitzero"`
	} `json:"function"`
}

// call adds a tool call to the last message.
func (t *translation) call(id, name, arguments string) {
	m := t.messages[len(t.messages)-1]
	call := chatFunction{ID: id, Type: "function"}
	call.Function.Name, call.Function.Arguments = name, &arguments
	calls, _ := m["tool_calls"].([]chatFunction)
	m["tool_calls"] = append(calls, call)
}

// chatTool returns the chat's form of a function that the model may call.
func chatTool(name string, description, parameters, strict *value) (tool chatFunction) {
	tool.Type, tool.Function.Name = "function", name
	for member, v := range map[*jsontext.Value]*value{
		&tool.Function.Description: description, &tool.Function.Parameters: parameters, &tool.Function.Strict: strict,
	} {
		if v != nil {
			*member = v.raw
		}
	}
	return tool
}

// chat reads the request that came out. Errors and ignored fields have the
// names of the original request.
func (t *translation) chat(j *job, w http.ResponseWriter, original *decoding) (*chat, error) {
	if original.err != nil {
		return nil, original.err
	}
	t.fields["messages"] = t.messages
	c := &chat{job: j}
	ignored, err := c.read(marshal(t.fields))
	if err != nil {
		return nil, t.original(err)
	}
	c.params.stream = t.stream
	for _, name := range ignored {
		if from := t.name(name); from != "" {
			original.ignored = append(original.ignored, from)
		}
	}
	return c, j.noteIgnored(w, slices.Compact(slices.Sorted(slices.Values(original.ignored))))
}

// name returns what a path of the chat is called in the original request, ""
// where nothing there asked for it.
func (t *translation) name(path string) string {
	top, _, _ := strings.Cut(path, ".")
	top, _, _ = strings.Cut(top, "[")
	from := t.names[top]
	if _, place, ok := strings.Cut(path, "response_format.json_schema."); ok && from != "" {
		return from + "." + place
	}
	if tool, place, ok := strings.Cut(path, ".function.parameters"); ok && top == "tools" {
		i, _ := strconv.Atoi(strings.Trim(tool[len(top):], "[]")) // as value.path writes it
		return t.places[i] + "." + t.schema + place
	}
	return from
}

// original gives an error of the chat the field of the original request.
func (t *translation) original(err error) error {
	var failed *apiError
	if !errors.As(err, &failed) || failed.param == "" {
		return err
	}
	renamed := *failed
	renamed.param = t.name(failed.param)
	return &renamed
}

// compact returns a JSON value without white space.
func compact(raw jsontext.Value) string {
	text := raw.Clone()
	if text.Compact() != nil {
		return string(raw) // it was read before, so this cannot be
	}
	return string(text)
}

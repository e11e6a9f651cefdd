package server

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
	"trona/tokenizer"
)

// goldenCase is a conversation of golden-renders.json.
type goldenCase struct {
	Messages []jsontext.Value `json:"messages"`
	Tools    jsontext.Value   `json:"tools,omitzero"`
	Kwargs   jsontext.Value   `json:"kwargs,omitzero"`
	Generate *bool            `json:"add_generation_prompt"`
	Continue bool             `json:"continue_final_message"`
}

// notOpenAI are the cases that are no requests of OpenAI's form, or to which
// the server gives the form that templates know.
var notOpenAI = map[string]string{
	"empty_messages": "messages", "content_number": "messages[0].content", "unknown_role": "messages[2].role",
	"llama_builtin_tools": "messages[2].role", "tool_bare": "tools[0].type", "prefill_with_generation_prompt": "continue_final_message",
	"tool_result_structured": "*", "content_parts": "*", "content_parts_assistant": "*", "content_null": "*", "tools_empty_list": "*",
}

// fitted are cases in which a model's template wants another form, which the
// server gives it: a text where OpenAI has none, arguments as an object, no
// list of calls where it is empty.
var fitted = map[string][]string{"nano": {"tool_call_dict_args"}, "llama3.1": {"tool_call_string_args", "tool_calls_empty_list"}}

// Requests of the API give the prompts that transformers makes of the same
// conversations with the models' own templates.
func TestGoldenPrompts(t *testing.T) {
	responses := 0
	for _, file := range []string{"golden-renders.json", "golden-renders-2.json"} {
		data, err := os.ReadFile(testdata.Shared(t, "nemotron", "templates", file))
		require.NoError(t, err)
		var golden struct {
			Cases    map[string]goldenCase                `json:"cases"`
			Rendered map[string]map[string]jsontext.Value `json:"rendered"`
		}
		require.NoError(t, json.Unmarshal(data, &golden))
		require.Len(t, golden.Rendered, len(nemotron))
		for model, template := range nemotron {
			s := nemotronServer(t, model)
			for name, want := range golden.Rendered[template] {
				c := golden.Cases[name]
				param, odd := notOpenAI[name]
				if param == "*" || slices.Contains(fitted[model], name) {
					continue
				}
				t.Run(model+" "+name, func(t *testing.T) {
					w, got := call(t, s, "POST", "/v1/chat/completions/render", c.request(t, c.Messages))
					var text string
					switch {
					case odd:
						require.Equal(t, 400, w.Code)
						require.Equal(t, param, get(got, "error", "param"))
					case json.Unmarshal(want, &text) == nil:
						require.Equal(t, 200, w.Code, "%s", w.Body)
						require.Equal(t, text, got["prompt"])
						_, got = call(t, s, "POST", "/v1/chat/completions/render", c.request(t, c.parts(t)))
						require.Equal(t, text, got["prompt"], "with content in parts")
						if c.checkResponse(t, s, text) {
							responses++
						}
					default:
						require.Equal(t, 400, w.Code)
						require.Equal(t, "template_error", get(got, "error", "code"))
					}
				})
			}
		}
	}
	require.Greater(t, responses, 150)
}

// parts are the messages with their texts in parts, one for each line.
func (c *goldenCase) parts(t *testing.T) (list []jsontext.Value) {
	for _, raw := range c.Messages {
		var m struct {
			Content any `json:"content"`
		}
		require.NoError(t, json.Unmarshal(raw, &m))
		if text, ok := m.Content.(string); ok {
			parts := jsontext.Value{'['}
			for i, line := range strings.Split(text, "\n") {
				if i > 0 {
					parts = append(parts, ',')
				}
				parts = append(quote(append(parts, `{"type":"text","text":`...), line), '}')
			}
			as := message{raw: raw}
			as.setRaw("content", append(parts, ']'))
			raw = as.raw
		}
		list = append(list, raw)
	}
	return list
}

// goldenMessage is a message of OpenAI's form.
type goldenMessage struct {
	Role    string `json:"role"`
	Content any    `json:"content"`
	CallID  string `json:"tool_call_id"`
	Calls   []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string         `json:"name"`
			Arguments jsontext.Value `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	Further jsontext.Value `json:",unknown"`
}

// items are the same messages for the Responses API; nil where it has no form
// for them.
func (c *goldenCase) items(t *testing.T) (items []any) {
	for _, raw := range c.Messages {
		var m goldenMessage
		if json.Unmarshal(raw, &m) != nil || len(m.Further) > 2 {
			return nil
		}
		text, ok := m.Content.(string)
		if !ok {
			return nil
		}
		if m.Role == "tool" {
			items = append(items, map[string]any{"type": "function_call_output", "call_id": cmp.Or(m.CallID, "c"), "output": text})
			continue
		}
		if text != "" || len(m.Calls) == 0 {
			items = append(items, map[string]any{"role": m.Role, "content": text})
		}
		for _, call := range m.Calls {
			arguments := call.Function.Arguments
			if arguments.Kind() == '{' { // this interface knows texts only
				require.NoError(t, arguments.Format(jsontext.SpaceAfterColon(true), jsontext.SpaceAfterComma(true)))
				arguments = quote(nil, string(arguments))
			}
			items = append(items, map[string]any{"type": "function_call", "call_id": cmp.Or(call.ID, "c"), "name": call.Function.Name, "arguments": arguments})
		}
	}
	return items
}

// checkResponse holds the prompt of the same conversation as a request of the
// Responses API against the golden one, where it has a form for that.
func (c *goldenCase) checkResponse(t *testing.T, s *Server, want string) bool {
	request := map[string]any{"input": c.items(t)}
	var tools []chatFunction
	if len(c.Tools) > 0 && string(c.Tools) != "null" {
		require.NoError(t, json.Unmarshal(c.Tools, &tools))
		if compact(marshal(tools)) != compact(c.Tools) { // members that this interface does not have, or in another order
			return false
		}
	}
	if request["input"].([]any) == nil || c.Kwargs != nil || c.Generate != nil {
		return false
	}
	var flat []any
	for _, tool := range tools {
		flat = append(flat, map[string]any{
			"type": "function", "name": tool.Function.Name, "description": tool.Function.Description, "parameters": tool.Function.Parameters, "strict": tool.Function.Strict,
		})
	}
	if flat != nil {
		request["tools"] = flat
	}
	e := s.loaded()[0].Engine.(*fakeEngine)
	post(t, s, 200, responsesPath, string(marshal(request)))
	ids := e.requests[len(e.requests)-1].Prompt
	require.Equal(t, want, s.loaded()[0].Tokenizer.Decode(ids, tokenizer.DecodeOptions{ShowSpecial: true}), "of the Responses API")
	return true
}

func (c *goldenCase) request(t *testing.T, list []jsontext.Value) string {
	messages, err := json.Marshal(list)
	require.NoError(t, err)
	request := fmt.Sprintf(`{"messages":%s`, messages)
	if c.Tools != nil && string(c.Tools) != "null" {
		request += fmt.Sprintf(`,"tools":%s`, c.Tools)
	}
	if c.Kwargs != nil {
		request += fmt.Sprintf(`,"chat_template_kwargs":%s`, c.Kwargs)
	}
	if c.Generate != nil {
		request += fmt.Sprintf(`,"add_generation_prompt":%t`, *c.Generate)
	}
	if c.Continue {
		request += `,"continue_final_message":true`
	}
	return request + "}"
}

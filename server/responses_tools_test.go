package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/tokenizer"
)

// A function in a namespace is called under the name that the client gave it,
// whatever the model calls it.
func TestResponsesNamespaces(t *testing.T) {
	long := strings.Repeat("n", 60)
	tools := `,"tools":[{"type":"function","name":"add"},{"type":"namespace","name":"mcp__sums","description":"Sums.","tools":[{"type":"function","name":"add","strict":true,"parameters":{"type":"object"}}]},` +
		`{"type":"namespace","name":"` + long + `","tools":[{"type":"function","name":"minus"}]}]`
	for called, want := range map[string]struct{ namespace, name any }{
		"add":            {nil, "add"},
		"mcp__sums__add": {"mcp__sums", "add"},
		"minus":          {long, "minus"},
	} {
		s := newServer(t, says(t, `<TOOLCALL>[{"name": "`+called+`", "arguments": {"x": 1}}]</TOOLCALL>`))
		s.loaded()[0].ContextLength = 8 * testContext
		got := post(t, s, 200, responsesPath, `{"input":"Hi"`+tools+`}`)
		item := get(got, "output", 0).(map[string]any)
		require.Equal(t, "function_call", item["type"])
		require.Equal(t, want.name, item["name"])
		require.Equal(t, want.namespace, item["namespace"])
		require.Equal(t, "Sums.", get(got, "tools", 1, "description"))
		require.Equal(t, "add", get(got, "tools", 1, "tools", 0, "name"))
		require.Equal(t, true, get(got, "tools", 1, "tools", 0, "strict"))

		w, _ := call(t, s, "POST", responsesPath, `{"input":"Hi","stream":true`+tools+`}`)
		require.Equal(t, plain(got), plain(joinResponse(t, namedEvents(t, w.Body.Bytes()))))
		for _, e := range namedEvents(t, w.Body.Bytes()) {
			if e.name == "response.function_call_arguments.done" {
				require.Equal(t, want.name, e.data["name"])
			}
		}

		// A choice names it as the model does.
		choice := func(name string) string {
			return `{"input":"Hi","tool_choice":{"type":"function","name":"` + name + `"}` + tools + `}`
		}
		require.Equal(t, item["name"], get(post(t, s, 200, responsesPath, choice(called)), "output", 0, "name"))
		wantsError(t, s, responsesPath, choice("other"), "tool_choice")

		// The model reads its own call as it was.
		e := s.loaded()[0].Engine.(*fakeEngine)
		again := post(t, s, 200, responsesPath, `{"input":"Hi"`+tools+`}`)
		post(t, s, 200, responsesPath, `{"previous_response_id":"`+again["id"].(string)+`","input":[{"type":"function_call_output","call_id":"1","output":"2"}]`+tools+`}`)
		require.Contains(t, s.loaded()[0].Tokenizer.Decode(e.requests[len(e.requests)-1].Prompt, tokenizer.DecodeOptions{}), called)
	}
}

// Tools that are no functions are left out where others remain.
func TestResponsesOtherTools(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	const function, other = `{"type":"function","name":"f","parameters":{"type":"object","properties":{"x":{"pattern":"("}}},"strict":true}`, `{"type":"web_search","filters":{}}`
	good := strings.Replace(function, "(", "a", 1)
	for tools, want := range map[string]string{
		good:               "",
		good + "," + other: "tools[1]",
		other + "," + good: "tools[0]",
		other + `,{"type":"custom","name":"c"},{"type":"namespace","name":"n","tools":[{"type":"custom"},` + good + `]}`: "tools[0], tools[1], tools[2].tools[0]",
	} {
		w, _ := call(t, s, "POST", responsesPath, `{"input":"Hi","tools":[`+tools+`]}`)
		require.Equal(t, 200, w.Code, w.Body)
		require.Equal(t, want, w.Header().Get("X-Trona-Ignored"))
		if want != "" {
			w, got := call(t, s, "POST", responsesPath, `{"input":"Hi","tools":[`+tools+`]}`, "X-Trona-Strict", "true")
			require.Equal(t, 400, w.Code)
			require.Equal(t, strings.Split(want, ",")[0], get(got, "error", "param"))
		}
	}
	for tools, param := range map[string]string{
		other:                   "tools[0].type",
		other + `,{"type":"x"}`: "tools[0].type",
		other + "," + function:  "tools[1].parameters.properties.x.pattern",
		`{"type":"namespace","name":"n","tools":[` + other + `,` + function + `]}`:                         "tools[0].tools[1].parameters.properties.x.pattern",
		`{"type":"namespace","name":"n","tools":[` + other + `]}`:                                          "tools[0].tools[0].type",
		`{"type":"namespace","name":"n","tools":[]}`:                                                       "tools[0].tools",
		`{"type":"namespace","tools":[` + good + `]}`:                                                      "tools[0].name",
		`{"type":"namespace","name":"n","tools":[{"type":"namespace","name":"m","tools":[` + good + `]}]}`: "tools[0].tools[0].type",
		`{"type":"namespace","name":"n","tools":[{"type":"function","name":"a b"}]}`:                       "tools[0].tools[0].name",
		`{"type":7}`:   "tools[0].type",
		`{"name":"f"}`: "tools[0].type",
	} {
		wantsError(t, s, responsesPath, `{"input":"Hi","tools":[`+tools+`]}`, param)
	}
}

package server

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"trona/engine"
	"trona/tokenizer"
)

// structureServer serves a model that may reason, with a longer context.
func structureServer(t *testing.T, e Engine) *Server {
	s := newServer(t, e)
	m := *s.loaded()[0]
	m.ContextLength = 1 << 12
	s.SetModels(&m)
	return s
}

const schemaA = `{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}`

// structures are constraints and what the answer must look like.
var structures = []struct{ fields, pattern string }{
	{`"response_format":{"type":"json_object"}`, `^\s*\{`},
	{`"response_format":{"type":"json_object","schema":` + schemaA + `}`, `^\s*\{\s*"a"\s*:\s*-?\d`},
	{`"response_format":{"type":"json_object","value":` + schemaA + `}`, `^\s*\{\s*"a"\s*:\s*-?\d`},
	{`"response_format":{"type":"json","value":` + schemaA + `}`, `^\s*\{\s*"a"\s*:\s*-?\d`},
	{`"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":` + schemaA + `}}`, `^\s*\{\s*"a"\s*:\s*-?\d`},
	{`"response_format":{"type":"json_schema","json_schema":{"name":"x"}}`, `^\s*\{`},
	{`"guided_json":` + schemaA, `^\s*\{\s*"a"\s*:\s*-?\d`},
	{`"guided_json":` + string(quote(nil, schemaA)), `^\s*\{\s*"a"\s*:\s*-?\d`},
	{`"json_schema":` + schemaA, `^\s*\{\s*"a"\s*:\s*-?\d`},
	{`"guided_regex":"[xyz]{3,9}"`, `^[xyz]{3,9}$`},
	{`"guided_choice":["yes","no","maybe"]`, `^(yes|no|maybe)$`},
	{`"guided_grammar":"root ::= \"(\" root \")\" | \"x\""`, `^\(*x\)*$`},
	{`"grammar":"root ::= [a-c]+ \".\""`, `^[a-c]+\.$`},
	{`"nvext":{"guided_choice":["yes","no"]}`, `^(yes|no)$`},
	{`"nvext":{"guided_regex":"[0-9]{2}"}`, `^[0-9]{2}$`},
	{`"nvext":{"guided_json":` + schemaA + `}`, `^\s*\{\s*"a"`},
	{`"nvext":{"guided_grammar":"root ::= \"ok\""}`, `^ok$`},
	{`"structured_outputs":{"json":` + schemaA + `}`, `^\s*\{\s*"a"`},
	{`"guided_json":{"type":"object","properties":{"a":{"type":"boolean"}}}`, `^\s*\{\s*("a"\s*:\s*(true|false)\s*)?\}\s*$`},
	{`"structured_outputs":{"json_object":true}`, `^\s*\{`},
	{`"structured_outputs":{"regex":"a+b"}`, `^a+b$`},
	{`"structured_outputs":{"choice":["A","B"]}`, `^[AB]$`},
	{`"structured_outputs":{"grammar":"root ::= \"g\"+"}`, `^g+$`},
}

// Whatever the model would say, the answer has the form that was asked for, in
// chats and completions, with and without reasoning before it.
func TestStructures(t *testing.T) {
	for _, c := range structures {
		want := regexp.MustCompile(c.pattern)
		for said, reasoning := range map[string]any{
			"Sure, here you are: 12": nil, "<think>\nhm { \"a\"\n</think>\n\nSure": `hm { "a"`, "{\"a\": 7": nil, "yes": nil, "": nil,
		} {
			s := structureServer(t, says(t, said))
			got := post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":400,`+c.fields+`}`)
			text := get(got, "choices", 0, "message", "content").(string)
			if get(got, "choices", 0, "finish_reason") == "stop" {
				require.Regexp(t, want, text, "%s: %q", c.fields, said)
			}
			if reasoning != nil { // else the fake engine may wander into a thought
				require.Equal(t, reasoning, get(got, "choices", 0, "message", "reasoning_content"))
			}
			if strings.Contains(c.fields, "json") && get(got, "choices", 0, "finish_reason") == "stop" {
				require.True(t, json.Valid([]byte(text)), "%q", text)
			}
			got = post(t, s, 200, completionPath, `{"prompt":"x","max_tokens":400,`+c.fields+`}`)
			if text := get(got, "choices", 0, "text").(string); get(got, "choices", 0, "finish_reason") == "stop" {
				require.Regexp(t, want, text, "%s: %q", c.fields, said)
			}
		}
	}
}

// What a schema says in a word that is unknown has no effect, and is reported.
func TestUnreadKeywords(t *testing.T) {
	s := structureServer(t, says(t, "ok"))
	const schema = `{"type":"object","title":"T","x-order":1,"properties":{"a":{"type":"string","maxLen":3,"format":"colour"}}}`
	for _, c := range []struct{ path, body, ignored string }{
		{chatPath, `{` + hello + `,"guided_json":%s}`, "guided_json.properties.a.format, guided_json.properties.a.maxLen"},
		{completionPath, `{"prompt":"x","nvext":{"guided_json":%s}}`, "nvext.guided_json.properties.a.format, nvext.guided_json.properties.a.maxLen"},
		{responsesPath, `{"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":%s}}}`, "text.format.schema.properties.a.format, text.format.schema.properties.a.maxLen"},
		{messagesPath, `{` + hello + `,"max_tokens":9,"output_config":{"format":{"type":"json_schema","schema":%s}}}`, "output_config.format.schema.properties.a.format, output_config.format.schema.properties.a.maxLen"},
		{messagesPath, `{` + hello + `,"max_tokens":9,"output_format":{"type":"json_schema","schema":%s}}`, "output_format.schema.properties.a.format, output_format.schema.properties.a.maxLen"},
		{messagesPath, `{` + hello + `,"max_tokens":9,"tools":[{"name":"f","strict":true,"input_schema":%s}]}`, "tools[0].input_schema.properties.a.format, tools[0].input_schema.properties.a.maxLen"},
	} {
		for range 2 { // the second time from the cache
			w, _ := call(t, s, "POST", c.path, fmt.Sprintf(c.body, schema))
			require.Equal(t, 200, w.Code, "%s", w.Body)
			require.Equal(t, c.ignored, w.Header().Get("X-Trona-Ignored"))
		}
	}
}

// A model that is told not to reason begins with the form.
func TestStructureWithoutReasoning(t *testing.T) {
	for effort, want := range map[string]any{"none": nil, "high": "hm"} {
		s := nemotronServer(t, "ultra")
		s.loaded()[0].Engine = says(t, "<think>hm</think>yes")
		got := post(t, s, 200, chatPath, `{`+hello+`,"guided_regex":"(yes|no)!?","reasoning_effort":"`+effort+`"}`)
		message := get(got, "choices", 0, "message").(map[string]any)
		require.Regexp(t, "^(yes|no)!?$", message["content"])
		require.Equal(t, want, message["reasoning_content"])
	}
}

// What cannot be kept is refused, with its place.
func TestStructureErrors(t *testing.T) {
	refused := wantsError(t, newServer(t, says(t, "ok")), chatPath, `{`+hello+`,"guided_json":{"properties":{"a":{"type":"strin"}}}}`, "guided_json.properties.a.type")
	require.Equal(t, `guided_json.properties.a.type: "strin" is no type of JSON Schema`, get(refused, "error", "message"))
	s := newServer(t, says(t, "ok"))
	for fields, param := range map[string]string{
		`"guided_json":{"type":"object","properties":{"a":{"pattern":"(?=x)"}}}`:                                       "guided_json.properties.a.pattern",
		`"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"items":{"$ref":"other.json"}}}}`: "response_format.json_schema.schema.items.$ref",
		`"guided_regex":"(?<=a)b"`:      "guided_regex",
		`"guided_grammar":"root ::= x"`: "guided_grammar",
		`"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"properties":{"a":{"pattern":"(?=x)"}}}}}]`: "tools[0].function.parameters.properties.a.pattern",
	} {
		wantsError(t, s, chatPath, `{`+hello+`,`+fields+`}`, param)
	}
	// An answer that goes on must have begun in the form.
	begun := `"messages":[{"role":"user","content":"x"},{"role":"assistant","content":%q}],"continue_final_message":true,"guided_regex":"ab+c"`
	wantsError(t, s, chatPath, fmt.Sprintf(`{`+begun+`}`, "x"), "continue_final_message")
	s = newServer(t, says(t, "bbc"))
	got := post(t, s, 200, chatPath, fmt.Sprintf(`{`+begun+`}`, "ab"))
	require.Equal(t, "bbc", get(got, "choices", 0, "message", "content"))
}

const toolFG = `"tools":[{"type":"function","function":{"name":"f","parameters":` + schemaA + `}},` +
	`{"type":"function","function":{"name":"g.h","strict":true,"parameters":{"$ref":"#/$defs/x","$defs":{"x":{"type":"object","properties":{"b":{"enum":["p","q"]}},"required":["b"],"additionalProperties":false}}}}}]`

const callF, callG = `{"name": "f", "arguments": {"a": 7}}`, `{"name": "g.h", "arguments": {"b": "p"}}`

// Calls in the model's own form come as it makes them, also where they must come.
func TestFormsOfCalls(t *testing.T) {
	for form, said := range map[string]string{
		"nemotron":     "<TOOLCALL>[" + callF + ", " + callG + "]</TOOLCALL>",
		"hermes":       "<tool_call>\n" + callF + "\n</tool_call>\n<tool_call>\n" + callG + "\n</tool_call>",
		"mistral":      `[TOOL_CALLS]f[ARGS]{"a": 7}[TOOL_CALLS]g.h[CALL_ID]abcdefgh1[ARGS]{"b": "p"}`,
		"mistral list": "[TOOL_CALLS] [" + callF + ", " + callG + "]",
		"functionary":  `<function=f>{"a": 7}</function><function=g.h>{"b": "p"}</function>`,
		"deepseek": strings.ReplaceAll(deepseekF, "1", "7") +
			"\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g.h\n```json\n{\"b\": \"p\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
		"apriel":    "<tool_calls>[" + callF + ", " + callG + "]</tool_calls>",
		"phi":       "<|tool_call|>" + callF + "<|/tool_call|><|tool_call|>" + callG + "<|/tool_call|>",
		"phi list":  "<|tool_call|>[" + callF + ", " + callG + "]<|/tool_call|>",
		"functools": "functools[" + callF + ", " + callG + "]",
		"qwen":      "<tool_call>\n<function=f>\n<parameter=a>\n7\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=g.h>\n<parameter=b>\np\n</parameter>\n</function>\n</tool_call>",
		"seed":      "<seed:tool_call>\n<function=f>\n<parameter=a>7</parameter>\n</function>\n</seed:tool_call>\n<seed:tool_call>\n<function=g.h>\n<parameter=b>p</parameter>\n</function>\n</seed:tool_call>",
		"xlam":      "[" + callF + ", " + callG + "]",
	} {
		for _, choice := range []string{"auto", "required"} {
			s := structureServer(t, says(t, said))
			s.loaded()[0].tools.form = formNamed(form)
			got := post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":600,`+toolFG+`,"tool_choice":"`+choice+`"}`)
			require.Equal(t, "tool_calls", get(got, "choices", 0, "finish_reason"), form)
			calls := listOf(get(got, "choices", 0, "message", "tool_calls"))
			require.Len(t, calls, 2)
			require.Equal(t, `{"a": 7}`, get(calls[0], "function", "arguments"))
			require.Equal(t, `{"b": "p"}`, get(calls[1], "function", "arguments"))
			require.Nil(t, get(got, "choices", 0, "message", "content"))
		}
	}
}

// Special tokens are read as the text that they stand for, also within a form.
func TestFormsOfSpecialTokens(t *testing.T) {
	for form, said := range map[string]string{
		"mistral":  `[TOOL_CALLS]f[CALL_ID]abcdefgh1[ARGS]{"a": 1}`,
		"deepseek": deepseekF + "<｜tool▁calls▁end｜>",
		"phi":      `<|tool_call|>{"name": "f", "arguments": {"a": 1}}<|/tool_call|>`,
	} {
		for _, choice := range []string{"auto", "required"} {
			s := structureServer(t, says(t, ""))
			m := *s.loaded()[0]
			m.Tokenizer = testTokenizer(t, "[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "<|tool_call|>", "<|/tool_call|>",
				"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>")
			m.VocabSize = m.Tokenizer.VocabSize()
			ids := m.Tokenizer.Encode(said+"<|eot_id|>", tokenizer.EncodeOptions{ParseSpecial: true})
			require.Less(t, len(ids), 50)
			m.Engine = speaks(ids)
			s.SetModels(&m)
			m.tools.form = formNamed(form)
			got := post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":600,`+toolFG+`,"tool_choice":"`+choice+`"}`)
			require.Equal(t, `{"a": 1}`, get(got, "choices", 0, "message", "tool_calls", 0, "function", "arguments"), form)
			require.Nil(t, get(got, "choices", 0, "message", "content"))
			require.Equal(t, float64(len(ids)), get(got, "usage", "completion_tokens"))
		}
	}
}

// A call that must come does, with arguments that the schema allows.
func TestForcedCalls(t *testing.T) {
	for _, form := range toolForms() {
		for said, reasoning := range map[string]any{"I would rather not.": nil, "<think>a</think>": "a", `<TOOLCALL>[{"name": "f", "arguments": {"a": "x"}}]</TOOLCALL>`: nil} {
			for choice, names := range map[string]string{`"required"`: "^(f|g.h)$", `{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g.h"}}]}}`: "^g.h$", `{"type":"function","function":{"name":"g.h"}}`: "^g.h$"} {
				s := structureServer(t, says(t, said))
				s.loaded()[0].tools.form = form
				got := post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":600,`+toolFG+`,"tool_choice":`+choice+`}`)
				if reasoning != nil {
					require.Equal(t, reasoning, get(got, "choices", 0, "message", "reasoning_content"))
				}
				if get(got, "choices", 0, "finish_reason") == "length" {
					continue // the fake engine wanders
				}
				require.Equal(t, "tool_calls", get(got, "choices", 0, "finish_reason"), "%s %s", form.name, said)
				calls := listOf(get(got, "choices", 0, "message", "tool_calls"))
				require.NotEmpty(t, calls)
				for _, call := range calls {
					name := get(call, "function", "name").(string)
					require.Regexp(t, names, name)
					var arguments map[string]any
					require.NoError(t, json.Unmarshal([]byte(get(call, "function", "arguments").(string)), &arguments))
					require.Len(t, arguments, 1)
					require.Contains(t, arguments, map[string]string{"f": "a", "g.h": "b"}[name])
				}
			}
		}
	}
}

// testModelOf has a template that names a form of calls.
func testModelOf(t *testing.T, form string) *Model {
	m := testModel(t, says(t, ""))
	template, err := tokenizer.NewTemplate("{# " + form + " #}{{ messages[0].content }}")
	require.NoError(t, err)
	m.Template = template
	return m
}

// A strict tool leaves the model free to answer, and binds the calls it makes.
func TestStrictTools(t *testing.T) {
	for said, want := range map[string][2]any{
		"Just text.": {"Just text.", nil},
		`Well. <TOOLCALL>[{"name": "g.h", "arguments": {"b": "p"}}]</TOOLCALL>`:   {"Well.", `{"b": "p"}`},
		`<TOOLCALL>[{"name": "g.h", "arguments": {"b": "q", "c": 1}}]</TOOLCALL>`: {nil, `{"b": "q"`},
		`<think><TOOLCALL> no</think>Text`:                                        {"Text", nil},
	} {
		s := structureServer(t, says(t, said))
		got := post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":300,`+toolFG+`}`)
		require.Equal(t, want[0], get(got, "choices", 0, "message", "content"), said)
		calls := listOf(get(got, "choices", 0, "message", "tool_calls"))
		if want[1] == nil {
			require.Empty(t, calls)
			continue
		}
		require.Contains(t, get(calls[0], "function", "arguments"), want[1])
	}
}

// Where a call has no tag, text may begin as one does, but must not become a call that is
// not bound.
func TestStrictPlain(t *testing.T) {
	for said, want := range map[string][2]any{
		"\nJust text.":           {"\nJust text.", nil},
		"g":                      {"g", nil},
		"fine":                   {"fine", nil},
		"{\"a\": 1}":             {"{\"a\": 1}", nil},
		"g.h\n{\"b\": \"p\"}":    {nil, `{"b": "p"}`},
		"\n g.h\n{\"b\": \"p\"}": {nil, `{"b": "p"}`},
	} {
		s := structureServer(t, says(t, said))
		s.loaded()[0].tools.form = formNamed("glm")
		got := post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":300,`+toolFG+`}`)
		require.Equal(t, want[0], get(got, "choices", 0, "message", "content"), said)
		calls := listOf(get(got, "choices", 0, "message", "tool_calls"))
		if want[1] == nil {
			require.Empty(t, calls, said)
			continue
		}
		require.Len(t, calls, 1, said)
		require.Equal(t, want[1], get(calls[0], "function", "arguments"))
	}
}

// Streams and choices keep the form too.
func TestStructureStreams(t *testing.T) {
	s := structureServer(t, babbles(t))
	rapid.Check(t, func(rt *rapid.T) {
		fields := structures[rapid.IntRange(0, len(structures)-1).Draw(rt, "structure")].fields
		if rapid.IntRange(0, 3).Draw(rt, "tools") == 0 {
			fields += `,"tool_choice":` + rapid.SampledFrom([]string{`"auto"`, `"required"`}).Draw(rt, "choice") + "," + toolFG
		}
		n := rapid.IntRange(1, 3).Draw(rt, "n")
		request := fmt.Sprintf(`{%s,"seed":%d,"n":%d,"max_tokens":100,"logprobs":true,%s`, hello, rapid.Int16().Draw(rt, "seed"), n, fields)
		whole := post(t, s, 200, chatPath, request+"}")
		w, _ := call(t, s, "POST", chatPath, request+`,"stream":true,"stream_options":{"include_usage":true}}`)
		chunks, done := events(t, w.Body.Bytes())
		require.True(rt, done, "%s", w.Body)
		require.Equal(rt, wholeChat(whole), joinChat(rt, chunks, n))
		require.Equal(rt, whole["usage"], chunks[len(chunks)-1]["usage"])
	})
}

// TestJoinedTokens: between tokens that are words are spaces, which no form of an answer has: the
// request is told, and not the engine.
func TestJoinedTokens(t *testing.T) {
	tok, err := tokenizer.FromFiles(tokenizer.Files{Tokenizer: []byte(`{"version": "1.0", "added_tokens": [{"id": 0, "content": "<s>", "special": true}],
		"pre_tokenizer": {"type": "Whitespace"}, "decoder": null,
		"model": {"type": "WordLevel", "unk_token": "<unk>", "vocab": {"<s>": 0, "<unk>": 1, "{": 2, "}": 3, "a": 4}}}`)})
	require.NoError(t, err)
	e := says(t, "ok")
	e.answer = func(engine.Request) []int32 { return []int32{2, 3} }
	m := testModel(t, e)
	m.Tokenizer, m.VocabSize, m.EOS = tok, tok.VocabSize(), []int32{0}
	s := New(Options{})
	s.SetModels(m)
	strict := `"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{}}}]`
	for field, at := range map[string]string{
		`"guided_regex":"a"`:                           "guided_regex",
		`"response_format":{"type":"json_object"}`:     "response_format.type",
		`"tool_choice":"required",` + toolFG:           "tool_choice",
		strict:                                         "tools",
		`"guided_choice":["a"],"tool_choice":"none"`:   "guided_choice",
		`"response_format":{"type":"text"},"stop":"b"`: "",
	} {
		w, got := call(t, s, "POST", chatPath, `{`+hello+`,`+field+`}`)
		if at == "" {
			require.Equal(t, 200, w.Code, "%s", w.Body)
			require.Contains(t, w.Body.String(), `"{ }"`)
			continue
		}
		require.Equal(t, 400, w.Code, "%s", w.Body)
		require.Equal(t, at, get(got, "error", "param"))
		require.Contains(t, get(got, "error", "message"), "a space comes between tokens")
	}
}

// A constraint that leaves nothing to draw fails the request and not the server.
func TestConstraintFails(t *testing.T) {
	e := says(t, "ok")
	e.fail = fmt.Errorf("%w: no token is allowed", engine.ErrConstraint)
	w, got := call(t, newServer(t, e), "POST", chatPath, `{`+hello+`,"guided_regex":"a"}`)
	require.Equal(t, 400, w.Code)
	require.Equal(t, "constraint_failed", get(got, "error", "code"))
}

package server

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/engine"
	"trona/testdata"
	"trona/tokenizer"
)

// nemotron are the templates of the released models.
var nemotron = map[string]string{
	"nano":     "llama-nemotron-nano-generic-tool-calling.jinja",
	"super1":   "llama-nemotron-super-49b-v1.jinja",
	"super1.5": "llama-nemotron-super-49b-v1_5.jinja",
	"ultra":    "llama-nemotron-ultra-253b-v1.jinja",
	"llama3.1": "meta-llama-3.1-8b-instruct.jinja",
}

// ownTemplates know their switch as a variable.
var ownTemplates = map[string]string{
	"variable": `{%- for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]` +
		`{%- if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}`,
	"other variable": testTemplate,
	"seed": `{%- if thinking_budget is not defined %}{% set thinking_budget = -1 %}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]` +
		`{%- if thinking_budget == 0 %}<seed:think><seed:cot_budget_reflect>{% endif %}`,
	"effort":    `{%- for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[{{ reasoning_effort|default('medium') }}]`,
	"refuses":   `{{ raise_exception('no') }}`,
	"no system": `{%- for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]`,
}

// templateServer serves a model with another template.
func templateServer(t *testing.T, source string) *Server {
	s := newServer(t, says(t, "ok"))
	m := *s.loaded()[0]
	template, err := tokenizer.NewTemplate(source)
	require.NoError(t, err)
	m.Template, m.ContextLength = template, 1<<16
	s.SetModels(&m)
	return s
}

func nemotronServer(t *testing.T, name string) *Server {
	if source, ok := ownTemplates[name]; ok {
		return templateServer(t, source)
	}
	source, err := os.ReadFile(testdata.Shared(t, "nemotron", "templates", nemotron[name]))
	require.NoError(t, err)
	return templateServer(t, string(source))
}

func TestFindThinking(t *testing.T) {
	for name, want := range map[string]thinking{
		"nano": {detailed: true, unsaid: reasonOff}, "super1": {detailed: true}, "ultra": {detailed: true, unsaid: reasonOn}, "super1.5": {slash: true}, "llama3.1": {},
		"variable": {variable: "enable_thinking", on: "true", off: "false"}, "other variable": {variable: "thinking", on: "true", off: "false"},
		"seed": {variable: "thinking_budget", on: "-1", off: "0"}, "effort": {effort: true}, "refuses": {}, "no system": {},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, want, nemotronServer(t, name).loaded()[0].thinking)
		})
	}
	require.Equal(t, thinking{}, findThinking(&Model{}, false))
}

// Each template is told in its own way, by each of the switches, and the words
// of the client's system message stay and count more.
func TestThinkingSwitch(t *testing.T) {
	const (
		off, on   = `,"chat_template_kwargs":{"enable_thinking":false}`, `,"chat_template_kwargs":{"enable_thinking":true}`
		none, low = `,"reasoning_effort":"none"`, `,"reasoning_effort":"low"`
		user      = `{"role":"user","content":"Hi"}`
	)
	system := func(text string) string { return fmt.Sprintf(`{"role":"system","content":%q},`, text) + user }
	head := func(role, text string) string { return "<|start_header_id|>" + role + "<|end_header_id|>\n\n" + text }
	llama := func(system string) string {
		return "<|begin_of_text|>" + head("system", system) + "<|eot_id|>" + head("user", "Hi<|eot_id|>") + head("assistant", "")
	}
	const closed = "<think>\n\n</think>\n\n"
	for _, c := range []struct {
		model, messages, fields, want string
		ignored                       string
	}{
		{"nano", user, "", llama("detailed thinking off"), ""},
		{"nano", user, on, llama("detailed thinking on"), ""},
		{"nano", user, low, llama("detailed thinking on"), ""},
		{"nano", system("Be kind."), off, llama("detailed thinking off\n\nBe kind."), ""},
		{"nano", system("Be kind, detailed thinking on"), off, llama("Be kind, detailed thinking on"), ""},
		{"super1", user, "", llama(""), ""},
		{"super1", user, on, llama("detailed thinking on"), ""},
		{"super1", user, none, llama("detailed thinking off"), ""},
		{"super1", system("detailed thinking off"), on, llama("detailed thinking off"), ""},
		{"super1", system("detailed thinking off"), `,"reasoning_effort":"high"`, llama("detailed thinking off"), ""},
		{"ultra", user, "", llama("detailed thinking on"), ""},
		{"ultra", user, off, llama("detailed thinking off"), ""},
		{"ultra", system(""), none, llama("detailed thinking off"), ""},
		{"ultra", system("Be kind."), on, llama("detailed thinking on\n\nBe kind."), ""},
		{"super1.5", user, "", llama(""), ""},
		{"super1.5", user, on, llama(""), ""},
		{"super1.5", user, off, llama("\n\n") + closed, ""},
		{"super1.5", user, none, llama("\n\n") + closed, ""},
		{"super1.5", system("Be kind."), off, llama("Be kind.\n\n") + closed, ""},
		{"super1.5", system("Be kind. /think"), off, llama("Be kind.\n\n"), ""},
		{"super1.5", system("Be kind. /no_think"), on, llama("Be kind.\n\n") + closed, ""},
		{"variable", user, "", "[user]Hi[assistant]", ""},
		{"variable", user, off, "[user]Hi[assistant]<think></think>", ""},
		{"variable", user, none, "[user]Hi[assistant]<think></think>", ""},
		{"seed", user, "", "[user]Hi[assistant]", ""},
		{"seed", user, on, "[user]Hi[assistant]", ""},
		{"seed", user, none, "[user]Hi[assistant]<seed:think><seed:cot_budget_reflect>", ""},
		{"seed", user, none + `,"chat_template_kwargs":{"thinking_budget":512}`, "[user]Hi[assistant]", ""},
		{"variable", user, none + on, "[user]Hi[assistant]", ""}, // the variable counts more
		{"variable", user, low + off, "[user]Hi[assistant]<think></think>", ""},
		{"variable", user, `,"chat_template_kwargs":{"thinking":false}`, "[user]Hi[assistant]<think></think>", ""},
		{"variable", system("detailed thinking on"), off, "[system]detailed thinking on[user]Hi[assistant]<think></think>", ""},
		{"effort", user, "", "[user]Hi[medium]", ""},
		{"effort", user, low, "[user]Hi[low]", ""},
		{"effort", user, `,"reasoning_effort":"max"`, "[user]Hi[max]", ""},
		{"effort", user, low + `,"chat_template_kwargs":{"reasoning_effort":"mine"}`, "[user]Hi[mine]", ""},
		{"effort", user, off, "[user]Hi[medium]", "chat_template_kwargs.enable_thinking"},
		{"llama3.1", user, none, "", "reasoning_effort"},
		{"llama3.1", user, on, "", "chat_template_kwargs.enable_thinking"},
	} {
		t.Run(c.model+" "+c.messages+c.fields, func(t *testing.T) {
			s := nemotronServer(t, c.model)
			request := `{"messages":[` + c.messages + `]`
			w, got := call(t, s, "POST", "/v1/chat/completions/render", request+c.fields+"}")
			require.Equal(t, 200, w.Code, "%s", w.Body)
			require.Equal(t, c.ignored, w.Header().Get("X-Trona-Ignored"))
			if c.want != "" {
				require.Equal(t, c.want, got["prompt"])
			} else {
				_, plain := call(t, s, "POST", "/v1/chat/completions/render", request+"}")
				require.Equal(t, plain, got)
			}
		})
	}
}

// Where nobody says how to draw tokens it is done as the model's makers say.
func TestRecommendedSampling(t *testing.T) {
	const off, on = `,"reasoning_effort":"none"`, `,"reasoning_effort":"high"`
	user := `"messages":[{"role":"user","content":"detailed thinking on"}]`
	system := func(text string) string {
		return fmt.Sprintf(`"messages":[{"role":"system","content":%q},{"role":"user","content":"Hi"}]`, text)
	}
	type drawing struct{ temperature, topP float32 }
	thinks, greedy, plain := drawing{0.6, 0.95}, drawing{0, 1}, drawing{1, 1}
	for _, c := range []struct {
		model, request string
		want           drawing
	}{
		{"nano", user, greedy}, {"nano", user + on, thinks}, {"nano", user + off, greedy}, {"nano", system("detailed thinking on"), thinks},
		{"nano", system("detailed thinking off") + on, greedy}, {"nano", system("Be kind."), plain}, {"nano", system("Be kind.") + on, thinks},
		{"super1", user, plain}, {"super1", user + on, thinks}, {"super1", user + off, greedy},
		{"ultra", user, thinks}, {"ultra", user + off, greedy}, {"ultra", system("detailed thinking off"), greedy},
		{"super1.5", user, thinks}, {"super1.5", user + off, greedy}, {"super1.5", system("Be kind. /no_think"), greedy}, {"super1.5", system("Be kind."), thinks},
		{"super1.5", user + `,"chat_template_kwargs":{"enable_thinking":false}`, greedy},
		{"super1.5", user + off + `,"n":2`, thinks}, // two answers are to differ
		{"super1.5", user + `,"temperature":1.5`, drawing{1.5, 1}}, {"super1.5", user + off + `,"top_p":0.5`, drawing{1, 0.5}},
		{"super1.5", user + off + `,"top_k":5`, plain}, {"super1.5", user + off + `,"min_p":0.5`, plain}, {"super1.5", user + off + `,"nvext":{"top_k":5}`, plain},
		{"llama3.1", user, plain}, {"variable", user + off, plain}, {"effort", user + on, plain},
	} {
		t.Run(c.model+" "+c.request, func(t *testing.T) {
			s := nemotronServer(t, c.model)
			e := s.loaded()[0].Engine.(*fakeEngine)
			post(t, s, 200, chatPath, "{"+c.request+"}")
			sampling := e.requests[0].Sampling
			require.Equal(t, c.want, drawing{sampling.Temperature, sampling.TopP})
			// What the checkpoint says counts more.
			m, topP := *s.loaded()[0], 0.7
			m.Defaults.TopP = &topP
			s.SetModels(&m)
			if c.want == thinks || c.want == greedy {
				post(t, s, 200, chatPath, "{"+c.request+"}")
				sampling = e.requests[len(e.requests)-1].Sampling
				require.Equal(t, drawing{1, 0.7}, drawing{sampling.Temperature, sampling.TopP})
			}
		})
	}
}

// The answer after an empty think block is no reasoning, and what the model
// itself opens is.
func TestThinkingOfAnswers(t *testing.T) {
	s := templateServer(t, testTemplate+`{% if thinking is defined and thinking %}<think>{% endif %}`)
	m := *s.loaded()[0]
	m.Engine = says(t, "hm</think>Hello")
	s.SetModels(&m)
	for fields, want := range map[string][2]any{
		``: {nil, "hm</think>Hello"}, `,"reasoning_effort":"none"`: {nil, "hm</think>Hello"},
		`,"reasoning_effort":"low"`: {"hm", "Hello"}, `,"chat_template_kwargs":{"thinking":true}`: {"hm", "Hello"},
		`,"reasoning_effort":"low","reasoning_format":"none"`: {nil, "hm</think>Hello"},
		`,"reasoning_effort":"low","include_reasoning":false`: {nil, "Hello"},
	} {
		got := post(t, s, 200, chatPath, `{`+hello+fields+`}`)
		require.Equal(t, want[0], get(got, "choices", 0, "message", "reasoning_content"), fields)
		require.Equal(t, want[1], get(got, "choices", 0, "message", "content"), fields)
	}
}

// Messages get the form that templates know: one string of content, the roles
// of the models.
func TestMessageForms(t *testing.T) {
	s := templateServer(t, `{%- for m in messages %}[{{ m.role }}:{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls|tojson }}{% endif %}]{% endfor %}`)
	for messages, want := range map[string]string{
		`{"role":"user","content":[{"type":"text","text":"a\""},{"type":"text","text":"b"}],"name":"n"}`: "[user:a\"\nb]",
		`{"content":[],"role":"user"}`:                                                                  "[user:]",
		`{"role":"developer","content":"x"},{"role":"user","content":""}`:                               "[system:x][user:]",
		`{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}`: `[assistant:[{"function": {"name": "f", "arguments": {}}}]]`,
		`{"role":"assistant"}`:                                               "[assistant:]",
		`{"role":"assistant","tool_calls":[]}`:                               "[assistant:]",
		`{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}`: "[assistant:no]",
		`{"role":"tool","content":"7","tool_call_id":"c"}`:                   "[tool:7]",
	} {
		got := post(t, s, 200, "/v1/chat/completions/render", `{"messages":[`+messages+`]}`)
		require.Equal(t, want, got["prompt"], messages)
	}
	// Many parts cost no more than their length.
	many := strings.TrimSuffix(strings.Repeat(`{"type":"text","text":"`+strings.Repeat("x", 900)+`"},`, 4096), ",")
	wantsError(t, s, chatPath, `{"messages":[{"role":"user","content":[`+many+`]}]}`, "messages")
	for _, name := range ownFields {
		wantsError(t, s, chatPath, fmt.Sprintf(`{%s,"chat_template_kwargs":{%q:true}}`, hello, name), "chat_template_kwargs."+name)
	}
	wantsError(t, s, chatPath, `{`+hello+`,"chat_template_kwargs":{"enable_thinking":"no"}}`, "chat_template_kwargs.enable_thinking")
}

// What a template may ask for reaches it.
func TestTemplateInput(t *testing.T) {
	s := templateServer(t, `{{ bos_token }}|{{ eos_token }}|{{ tools|tojson }}|{{ documents|tojson }}|{{ mine|default(none)|tojson }}|{{ add_generation_prompt }}|{{ strftime_now('%Y')|length }}`)
	got := post(t, s, 200, "/v1/chat/completions/render", `{`+hello+`,"tools":[{"type":"function","function":{"name":"f"}}],"documents":[{"title":"t"}],
		"chat_template_kwargs":{"mine":{"b":1,"a":1.0,"n":null}},"add_generation_prompt":false}`)
	require.Equal(t, `<|begin_of_text|>|<|eot_id|>|[{"type": "function", "function": {"name": "f"}}]|[{"title": "t"}]|{"b": 1, "a": 1.0, "n": null}|False|4`, got["prompt"])
	got = post(t, s, 200, "/tokenize", `{`+hello+`,"tools":[]}`)
	ids := got["tokens"].([]any)
	require.EqualValues(t, 265, ids[0])
	// No list is not an empty list, with marks or without.
	for _, content := range []string{"a", "<|eot_id|>"} {
		got := post(t, s, 200, "/v1/chat/completions/render", fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"tools":[]}`, content))
		require.Contains(t, got["prompt"], "|null|null|")
	}
	limit := templateServer(t, `{%- if messages[0].content == 'Hi' %}{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}{% endif %}`)
	failed := wantsError(t, limit, chatPath, `{`+hello+`}`, "messages")
	require.Equal(t, "template_limit", get(failed, "error", "code"))
	failed = wantsError(t, nemotronServer(t, "refuses"), chatPath, `{`+hello+`}`, "messages")
	require.Equal(t, "template_error", get(failed, "error", "code"))
	require.Contains(t, get(failed, "error", "message"), "no")
}

// Reasoning is split off also where its tags are special tokens, which have no
// text of their own.
func TestSpecialTags(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	m := *s.loaded()[0]
	m.Tokenizer = testTokenizer(t, thinkOpen, thinkClose)
	m.VocabSize = m.Tokenizer.VocabSize()
	answer := m.Tokenizer.Encode("<think>\nhm \u4f60\n</think>\n\nHello<|eot_id|>", tokenizer.EncodeOptions{ParseSpecial: true})
	require.Less(t, len(answer), 24)                    // the tags are one token each
	cut := slices.Insert(slices.Clone(answer), 5, 0xe4) // half a rune before a tag
	for _, c := range []struct {
		ids               []int32
		fields            string
		reasoning, answer any
	}{
		{answer, "", "hm \u4f60", "Hello"},
		{answer, `,"reasoning_format":"none"`, nil, "<think>\nhm \u4f60\n</think>\n\nHello"},
		{answer, `,"stop":"</think>"`, "hm \u4f60\n", ""},
		{cut, "", "hm \ufffd\u4f60", "Hello"},
	} {
		m.Engine = &fakeEngine{answer: func(engine.Request) []int32 { return c.ids }}
		s.SetModels(&m)
		got := post(t, s, 200, chatPath, `{`+hello+c.fields+`}`)
		require.Equal(t, c.reasoning, get(got, "choices", 0, "message", "reasoning_content"), c.fields)
		require.Equal(t, c.answer, get(got, "choices", 0, "message", "content"), c.fields)
	}
	// What a user writes is no tag.
	_, ids := rendered(t, s, plainMessage(t, "<think>"))
	tag, _ := m.Tokenizer.ID(thinkOpen)
	require.NotContains(t, ids, tag)
}

// Seed-OSS has other tags, and behind one of them, in a prompt, another token.
func TestSeedTags(t *testing.T) {
	s := nemotronServer(t, "seed")
	m := *s.loaded()[0]
	m.Tokenizer = testTokenizer(t, "<seed:think>", "</seed:think>", "<seed:cot_budget_reflect>", "</seed:cot_budget_reflect>")
	m.VocabSize = m.Tokenizer.VocabSize()
	for _, c := range []struct {
		said, fields      string
		reasoning, answer any
	}{
		{"<seed:think>hm</seed:think>Hello", "", "hm", "Hello"},
		{"so</seed:cot_budget_reflect></seed:think>Hello", `,"reasoning_effort":"none"`, "so", "Hello"},
		{"<seed:think>hm</seed:think>yes", `,"guided_choice":["yes","no"]`, "hm", "yes"},
		{"<seed:think>a\nb\nc\nd\ne</seed:think>yes", `,"thinking_token_budget":4`, "a\nb", "yes"},
	} {
		ids := m.Tokenizer.Encode(c.said+"<|eot_id|>", tokenizer.EncodeOptions{ParseSpecial: true})
		m.Engine = speaks(ids)
		s.SetModels(&m)
		got := post(t, s, 200, chatPath, `{`+hello+c.fields+`,"return_token_ids":true}`)
		require.Equal(t, c.reasoning, get(got, "choices", 0, "message", "reasoning_content"), c.said)
		closed, _ := m.Tokenizer.ID("</seed:think>") // by that token, also where a budget ends
		require.Contains(t, get(got, "choices", 0, "token_ids"), float64(closed), c.said)
		if c.reasoning != "a\nb" { // else what comes behind is the fake engine's
			require.Equal(t, c.answer, get(got, "choices", 0, "message", "content"), c.said)
		}
	}
}

// Where a vocabulary has two closing tags, a budget ends with the same one each time.
func TestTwoTags(t *testing.T) {
	m := *nemotronServer(t, "seed").loaded()[0]
	m.Tokenizer = testTokenizer(t, "</seed:think>", "</think>")
	closed, _ := m.Tokenizer.ID("</seed:think>")
	for range 20 {
		b := newThinkingBudget(&m, 4, &prompt{}).(*thinkingBudget)
		require.Equal(t, closed, b.begun[0])
	}
}

// A template that acts on the text of a special token, or writes no begin token.
func TestOddTemplates(t *testing.T) {
	s := templateServer(t, `{% for m in messages %}{% if '<|eot_id|>' in m.content %}A{% else %}B{% endif %}{% endfor %}`)
	require.Equal(t, "B", post(t, s, 200, "/v1/chat/completions/render", `{`+hello+`}`)["prompt"])
	require.Equal(t, "B", post(t, s, 200, "/v1/chat/completions/render", plainMessage(t, "a < b"))["prompt"])
	wantsError(t, s, chatPath, plainMessage(t, "<|eot_id|>"), "messages")
	_, ids := rendered(t, s, `{`+hello+`,"add_special_tokens":true}`)
	require.Equal(t, []int32{265, 'B'}, ids)
}

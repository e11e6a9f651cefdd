package server

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/tokenizer"
)

// toolTemplate is a checkpoint's template for conversations with tools. It has
// another switch for reasoning and another form of calls than testTemplate.
const toolTemplate = `{{- bos_token }}TOOLS {{ tools|tojson }} as [func_name1(x=1)]
{%- for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>{{ m.content }}
{%- for c in m.tool_calls or [] %}[{{ c.function.name }} {{ c.function.arguments|tojson }}]{% endfor %}{% endfor %}
{%- if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}`

// A template for tools writes the conversations that have some, and says how
// calls look; the others are written as ever.
func TestToolTemplate(t *testing.T) {
	s := newServer(t, says(t, "[f(a=7)]"))
	m := *s.loaded()[0]
	var err error
	m.ToolTemplate, err = tokenizer.NewTemplate(toolTemplate)
	require.NoError(t, err)
	m.ContextLength = 1 << 12
	s.SetModels(&m)
	const tools = `,"tools":[{"type":"function","function":{"name":"f"}}]`
	const head = `<|begin_of_text|>TOOLS [{"type": "function", "function": {"name": "f"}}] as [func_name1(x=1)]<|start_header_id|>user<|end_header_id|>Hi`
	for fields, want := range map[string]string{
		tools:                                head,
		tools + `,"reasoning_effort":"none"`: head + "<think></think>",
		tools + `,"tool_choice":"none"`:      "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
		`,"reasoning_effort":"none"`:         "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n<think>\n\n</think>\n\n",
	} {
		text, _ := rendered(t, s, `{`+hello+fields+`}`)
		require.Equal(t, want, text)
	}
	got := post(t, s, 200, chatPath, `{`+hello+tools+`}`)
	require.Equal(t, `{"a": 7}`, get(got, "choices", 0, "message", "tool_calls", 0, "function", "arguments"))
	// Earlier calls have the form that this template wants.
	text, _ := rendered(t, s, `{"messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}]}]`+tools+`}`)
	require.Contains(t, text, `[f {"a": 1}]`)
	// A model may chat with tools only.
	m.Template = nil
	s.SetModels(&m)
	post(t, s, 200, chatPath, `{`+hello+tools+`}`)
	wantsError(t, s, chatPath, `{`+hello+`}`, "messages")
}

// A template may show calls only of messages whose content is none: it gets that
// where a message has no text, whatever the client wrote for it.
func TestTemplateOfCallsWithoutContent(t *testing.T) {
	s := newServer(t, says(t, "x"))
	m := *s.loaded()[0]
	var err error
	m.Template, err = tokenizer.NewTemplate(`{% for m in messages %}{% if m['content'] is none %}
{%- for c in m['tool_calls'] %}[{{ c['function']['name'] + c['function']['arguments'] }}]{% endfor %}
{%- else %}({{ m['content'] }}){% endif %}{% endfor %}`)
	require.NoError(t, err)
	m.ContextLength = 1 << 12
	s.SetModels(&m)
	for content, want := range map[string]string{
		``:                     `(a)[f{"a": 1}](3)`,
		`"content":null,`:      `(a)[f{"a": 1}](3)`,
		`"content":"",`:        `(a)[f{"a": 1}](3)`,
		`"content":[],`:        `(a)[f{"a": 1}](3)`,
		`"content":"said",`:    `(a)(said)(3)`,
		`"refusal":null,`:      `(a)[f{"a": 1}](3)`,
		`"audio":null,`:        `(a)[f{"a": 1}](3)`,
		`"reasoning":"hm",`:    `(a)[f{"a": 1}](3)`,
		`"content":"  said ",`: `(a)(  said )(3)`,
	} {
		text, _ := rendered(t, s, `{"messages":[{"role":"user","content":"a"},{"role":"assistant",`+content+`"tool_calls":[{"id":"1","type":"function",
"function":{"name":"f","arguments":"{\"a\": 1}"}}]},{"role":"tool","content":"3","tool_call_id":"1"}]}`)
		require.Equal(t, want, text, content)
	}
}

// Some templates read tools in the system message, as text or as a list, or in a variable of
// another name. They get them there, unless the client has put them there itself.
func TestTemplateOfToolsElsewhere(t *testing.T) {
	const phi = `{% for m in messages %}{% if m['role'] == 'system' and 'tools' in m and m['tools'] is not none %}{{ m['content'] + '<|tool|>' + m['tools'] + '<|/tool|>' }}{% endif %}{% endfor %}`
	const glm = `[gMASK]<sop>{% for m in messages %}{% if m['tools'] is defined %}{% for tool in m['tools'] %}{{ tool['function']['name'] }} {% endfor %}{% endif %}{{ m['content'] }}{% endfor %}`
	const smol = `{% if xml_tools %}{% for tool in xml_tools[:] %}{{ tool['function']['name'] | string }} {% endfor %}{% endif %}{{ messages[0].content }}`
	for _, c := range []struct {
		source string
		place  toolPlace
		system string // the client's message
		fields string
		want   string
	}{
		{phi, placeText, ``, ``, `<|tool|>[{"name": "f", "parameters": {"type": "object", "properties": {"<|eot_id|>": {}}}}, {"name": "g"}]<|/tool|>`},
		{phi, placeText, `{"role":"system","content":"be"},`, ``, `be<|tool|>[{"name": "f", "parameters": {"type": "object", "properties": {"<|eot_id|>": {}}}}, {"name": "g"}]<|/tool|>`},
		{phi, placeText, `{"role":"system","content":"be","tools":"mine"},`, ``, `be<|tool|>mine<|/tool|>`},
		{phi, placeText, `{"role":"system","content":"be"},`, `,"tool_choice":"none"`, ``},
		{glm, placeList, ``, ``, `[gMASK]<sop>f g a`},
		{glm, placeList, `{"role":"system","content":"be","tools":[]},`, ``, `[gMASK]<sop>bea`},
		{smol, placeXML, ``, ``, `f g a`},
		{smol, placeXML, ``, `,"chat_template_kwargs":{"xml_tools":[{"function":{"name":"h"}}]}`, `h a`},
		{`{{ messages[0].content }}`, placeVariable, ``, ``, `a`},
		{`{% for t in tools %}{{ t.function.name }} {% endfor %}{{ messages[0].content }}`, placeVariable, ``, ``, `f g a`},
	} {
		s := newServer(t, says(t, "x"))
		m := *s.loaded()[0]
		var err error
		m.Template, err = tokenizer.NewTemplate(c.source)
		require.NoError(t, err)
		m.ContextLength = 1 << 12
		s.SetModels(&m)
		require.Equal(t, c.place, m.tools.place, c.source)
		require.Equal(t, c.want == "a", m.tools.ignored, c.source)
		const tools = `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"<|eot_id|>":{}}}}},{"type":"function","function":{"name":"g"}}]`
		text, ids := rendered(t, s, `{"messages":[`+c.system+`{"role":"user","content":"a"}]`+tools+c.fields+`}`)
		require.Equal(t, c.want, text)
		eot, _ := m.Tokenizer.ID("<|eot_id|>")
		require.NotContains(t, ids, eot) // it stays text
	}
}

// GLM-4 has calls as messages with metadata, and results as observations. A template of its
// that shows calls gets them as it is.
func TestTemplateOfCallsApart(t *testing.T) {
	const glm = `[gMASK]<sop>{% for m in messages %}{% if m['content'] %}<{{ m['role'] }}>{{ m['metadata'] }}
{{ m['content'] }}{% endif %}{% endfor %}`
	const glm0414 = `[gMASK]<sop>{% for m in messages %}{% set meta = m.get("metadata", "") %}{% if m.role == 'assistant' and meta %}<assistant>{{ meta }}
{{ m.content }}{% elif m.role in ['user', 'assistant', 'observation'] %}<{{ m.role }}>
{{ m.content }}{% endif %}{% endfor %}`
	const other = `[gMASK]<sop>{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}`
	const apart = "[gMASK]<sop><user>\na<assistant>\nsaid<assistant>f\n{\"a\": 1}<assistant>g\n{\"b\":2}<observation>\n3<observation>\n4"
	for source, want := range map[string]string{glm: apart, glm0414: apart, other: `[gMASK]<sop><user>a<assistant>saidf{"a": 1}g{"b": 2}<tool>3<tool>4`} {
		s := newServer(t, says(t, "x"))
		m := *s.loaded()[0]
		var err error
		m.Template, err = tokenizer.NewTemplate(source)
		require.NoError(t, err)
		m.ContextLength = 1 << 12
		s.SetModels(&m)
		text, _ := rendered(t, s, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"said","tool_calls":[
{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},{"id":"2","type":"function","function":{"name":"g","arguments":{"b":2}}}]},
{"role":"tool","content":"3","tool_call_id":"1"},{"role":"tool","content":"4","tool_call_id":"2"}]}`)
		require.Equal(t, want, text)
	}
}

// A template may refuse ids of calls that have not nine characters.
func TestTemplateOfShortIDs(t *testing.T) {
	s := newServer(t, says(t, "x"))
	m := *s.loaded()[0]
	var err error
	m.Template, err = tokenizer.NewTemplate(`{% for m in messages %}{% for c in m.tool_calls or [] %}
{%- if c.id|length != 9 %}{{ raise_exception('nine') }}{% endif %}[{{ c.id }} {{ c.function.arguments|tojson }}]{% endfor %}
{%- if m.role == 'tool' %}({{ m.tool_call_id }}){% endif %}{% endfor %}`)
	require.NoError(t, err)
	m.ContextLength = 1 << 12
	s.SetModels(&m)
	for id, want := range map[string]string{"abcDEF123": "abcDEF123", "chatcmpl-tool-1": "", "abcdef_12": "", "abcdefgé": ""} {
		text, _ := rendered(t, s, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"`+id+`","type":"function",
"function":{"name":"f","arguments":"{\"a\": 1}"}}]},{"role":"tool","content":"3","tool_call_id":"`+id+`"}]}`)
		require.Regexp(t, `^\[([a-zA-Z0-9]{9}) \{"a": 1\}\]\(([a-zA-Z0-9]{9})\)$`, text)
		require.Equal(t, text[1:10], text[len(text)-10:len(text)-1])
		require.Contains(t, text, want)
	}
}

// A model that writes ids itself has learnt those of nine characters.
func TestTemplateOfWrittenIDs(t *testing.T) {
	for _, tag := range []string{"", "[ARGS]"} {
		m := testModel(t, says(t, ""))
		var err error
		m.Template, err = tokenizer.NewTemplate(`{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.id }}` + tag + `{{ c.function.arguments }}{% endfor %}{% endfor %}`)
		require.NoError(t, err)
		require.Equal(t, tag != "", findTools(m).nine)
	}
}

// The template tells how calls look.
func TestToolForms(t *testing.T) {
	for source, form := range map[string]string{
		`respond only with <|tool_call|> followed by a JSON list`: "granite",
		`<TOOLCALL>[{"name"`: "nemotron", `nothing`: "nemotron", pythonTag: "llama", `{"name": x, "parameters": y}`: "llama", `[func_name1(`: "python",
		`<tool_call>{"name": x, "arguments": y}</tool_call> "parameters": `: "hermes", `[TOOL_CALLS] [`: "mistral list",
		`<tool_call><function=x>`: "nemotron", `<tool_call><function=x><parameter=y>`: "qwen", `<seed:tool_call>\n<function=x>\n<parameter=y>`: "seed", `<tool_call>f<arg_key>x`: "nemotron", `[TOOL_CALLS]f[ARGS]{}`: "mistral",
		`"parameters": <function=x>{"a": 1}</function> <|python_tag|>`: "functionary", `<｜tool▁calls▁begin｜>`: "deepseek", `in <tool_call> <tool_calls>[{`: "apriel",
		`[gMASK]<sop>{% for item in messages %}`: "glm", `[gMASK]<sop><tool_call>f<arg_key>`: "nemotron", `<|tool|>x<|/tool|>`: "phi list", `<|tool|>x<|/tool|><|tool_call|>{"name": "foo"}<|/tool_call|>`: "phi", `formatted as functools[{"name": x}]`: "functools",
		`[{"name": "tool_call_name", "arguments": x}] "parameters": `: "xlam", `"[{\"name\": \"tool_call_name\", `: "xlam",
	} {
		require.Equal(t, formNamed(form), findTools(testModelOf(t, source)).form, source)
	}
}

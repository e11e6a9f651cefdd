package server

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/tokenizer"
)

// Calls that are XML keep the schema of a tool: texts as they are, all else as JSON.
func TestStrictXML(t *testing.T) {
	const parameters = `{"type":"object","properties":{"s":{"type":"string"},"i":{"type":"integer","minimum":3},"e":{"anyOf":[{"enum":["p","q"]},{"type":"null"}]},
"o":{"$ref":"#/$defs/o"}},"required":["i"],"additionalProperties":false,"$defs":{"o":{"type":"object","properties":{"k":{"$ref":"#/$defs/k"}},"required":["k"]},"k":{"type":"boolean"}}}`
	for said, want := range map[string]string{
		"<parameter=s>\n\"a\" <b>\n</parameter>\n<parameter=i>\n7\n</parameter>": `{"s": "\"a\" <b>", "i": 7}`,
		"<parameter=i>3</parameter><parameter=e>q</parameter>":                   `{"i": 3, "e": "q"}`,
		"<parameter=i>3</parameter>\n<parameter=e>null</parameter>":              `{"i": 3, "e": null}`,
		"<parameter=i>3</parameter>\n<parameter=o>{\"k\": true}</parameter>":     `{"i": 3, "o": {"k": true}}`,
		// What the schema does not allow becomes something else.
		"<parameter=i>2</parameter>":                                        "",
		"<parameter=s>x</parameter>\n</function>":                           "",
		"<parameter=i>3</parameter><parameter=e>r</parameter>":              "",
		"<parameter=i>3</parameter><parameter=x>r</parameter>":              "",
		"<parameter=i>3</parameter><parameter=o>{\"k\": 1}</parameter>":     "",
		"<parameter=i>3</parameter><parameter=s>x</parameter>\n</function>": "",
	} {
		s := structureServer(t, says(t, "<tool_call>\n<function=x>\n"+said+"\n</function>\n</tool_call>"))
		s.loaded()[0].tools.form = formNamed("qwen")
		got := post(t, s, 200, chatPath, `{`+hello+`,"max_tokens":300,"tools":[{"type":"function","function":{"name":"x","strict":true,"parameters":`+parameters+`}}]}`)
		calls := listOf(get(got, "choices", 0, "message", "tool_calls"))
		require.Len(t, calls, 1, said)
		if arguments := get(calls[0], "function", "arguments"); want == "" {
			require.NotContains(t, said, strings.Trim(arguments.(string), "{} "), said)
		} else {
			require.Equal(t, want, arguments, said)
		}
	}
}

// A strict tool whose schema XML cannot keep is refused; other tools may be called with anything.
func TestUnkeptXML(t *testing.T) {
	for parameters, param := range map[string]string{
		`{"properties":{"a":{"type":"string","pattern":"x"}}}`:                               "properties.a.pattern",
		`{"properties":{"a":{"anyOf":[{"type":"null"},{"type":"string","minLength":1}]}}}`:   "properties.a.anyOf[1].minLength",
		`{"properties":{"a":{"type":"string","anyOf":[{"minLength":1}]}}}`:                   "properties.a.anyOf",
		`{"properties":{"a":{"type":"array","items":{"$ref":"#/x"}}}}`:                       "properties.a.items.$ref",
		`{"properties":{"a":{"enum":["b","c\n"]}}}`:                                          "properties.a",
		`{"properties":{"a":{"anyOf":[{"const":"b</parameter>"},{"type":"null"}]}}}`:         "properties.a.anyOf[0]",
		`{"properties":{"a>":{}}}`:                                                           "properties.a>",
		`{"properties":{"a":{"$ref":"#/$defs/b"}}}`:                                          "properties.a.$ref",
		`{"properties":{"a":{}},"required":["b"]}`:                                           "required",
		`{"properties":{"a":{}},"minProperties":1}`:                                          "minProperties",
		`{"properties":{"a":{}},"additionalProperties":true}`:                                "additionalProperties",
		`{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"b":{"not":{}}}}}}`:                 "$defs.a.properties.b.not",
		`{"properties":{"a":{}},"description":"` + strings.Repeat("x", maxConstraint) + `"}`: "",
	} {
		tool := func(strict string) string {
			return `{` + hello + `,"max_tokens":300,"tool_choice":"required","tools":[{"type":"function","function":{"name":"x","strict":` + strict + `,"parameters":` + parameters + `}}]}`
		}
		s := structureServer(t, says(t, "<tool_call><function=x><parameter=a>x</parameter></function></tool_call>"))
		s.loaded()[0].tools.form, s.loaded()[0].ContextLength = formNamed("qwen"), 1<<20
		wantsError(t, s, chatPath, tool("true"), strings.TrimSuffix("tools[0].function.parameters."+param, "."))
		got := post(t, s, 200, chatPath, tool("false"))
		require.Equal(t, "x", get(got, "choices", 0, "message", "tool_calls", 0, "function", "name"))
	}
}

// Templates that write earlier calls as XML want their arguments as objects.
func TestTemplateOfXML(t *testing.T) {
	m := testModel(t, says(t, ""))
	var err error
	m.Template, err = tokenizer.NewTemplate(`{% for m in messages %}{% for c in m.tool_calls or [] %}{% for k, v in c.function.arguments|items %}<parameter={{ k }}>{{ v }}</parameter>{% endfor %}{% endfor %}{% endfor %}`)
	require.NoError(t, err)
	use := findTools(m)
	require.Equal(t, "qwen", use.form.name)
	require.True(t, use.objects)
}

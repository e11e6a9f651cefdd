package tokenizer

import (
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
	"trona/tokenizer/jinja"
)

// renderCases are conversations and what transformers makes of them.
type renderCases struct {
	Cases map[string]struct {
		Messages []jsontext.Value `json:"messages"`
		Tools    []jsontext.Value `json:"tools"`
		Generate *bool            `json:"add_generation_prompt"`
		Continue bool             `json:"continue_final_message"`
		Kwargs   jsontext.Value   `json:"kwargs"`
	} `json:"cases"`
	Rendered map[string]map[string]jsontext.Value `json:"rendered"`
}

// variablesOf returns the members of an object as variables.
func variablesOf(t testing.TB, object jsontext.Value) []Variable {
	t.Helper()
	if object == nil {
		return nil
	}
	var members map[string]jsontext.Value
	require.NoError(t, json.Unmarshal(object, &members))
	var out []Variable
	for name, value := range members {
		out = append(out, Variable{name, value})
	}
	return out
}

// Every conversation of the goldens through every template of the Nemotron
// models: the text, or the error's kind and message.
func TestTemplateGoldens(t *testing.T) {
	renders := 0
	for _, file := range []string{"golden-renders.json", "golden-renders-2.json"} {
		data, err := os.ReadFile(testdata.Shared(t, "nemotron", "templates", file))
		require.NoError(t, err)
		var goldens renderCases
		require.NoError(t, json.Unmarshal(data, &goldens))
		for name, wants := range goldens.Rendered {
			source, err := os.ReadFile(testdata.Shared(t, "nemotron", "templates", name))
			require.NoError(t, err)
			template, err := NewTemplate(string(source))
			require.NoError(t, err)
			for key, want := range wants {
				c, ok := goldens.Cases[key]
				require.True(t, ok)
				got, err := template.Render(RenderInput{
					Messages:             c.Messages,
					Tools:                c.Tools,
					Variables:            variablesOf(t, c.Kwargs),
					Special:              map[string]string{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
					AddGenerationPrompt:  c.Generate == nil && !c.Continue || c.Generate != nil && *c.Generate,
					ContinueFinalMessage: c.Continue,
					Now:                  time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC),
				})
				requireRender(t, name+"/"+key, want, got, err)
				renders++
			}
		}
	}
	require.Equal(t, 60*5, renders)
}

// requireRender compares a rendering with a golden: a string, or an object
// whose error is "Kind: message" or has a type and a message.
func requireRender(t *testing.T, name string, want jsontext.Value, got string, err error) {
	t.Helper()
	var text string
	if want.Kind() == '"' {
		require.NoError(t, json.Unmarshal(want, &text))
		require.NoError(t, err, name)
		require.Equal(t, text, got, name)
		return
	}
	var failed *jinja.Error
	require.ErrorAs(t, err, &failed, name)
	var short struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(want, &short) == nil {
		require.Equal(t, short.Error, failed.Kind+": "+failed.Message, name)
		return
	}
	var long struct {
		Error struct {
			Kind    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
	require.NoError(t, json.Unmarshal(want, &long))
	require.Equal(t, long.Error.Kind, failed.Kind, name)
	require.Equal(t, long.Error.Message, failed.Message, name)
}

// raw returns the JSON of values.
func raw(values ...string) []jsontext.Value {
	out := []jsontext.Value{}
	for _, v := range values {
		out = append(out, jsontext.Value(v))
	}
	return out
}

// What transformers does around a template; each answer is one of transformers
// 5.23.0.
func TestTemplateAround(t *testing.T) {
	user := `{"role": "user", "content": "Hi"}`
	for name, c := range map[string]struct {
		template string
		in       RenderInput
		want     string
	}{
		"null keys are dropped": {"{{ messages[0]|tojson }}", RenderInput{Messages: raw(`{"role": "user", "content": null, "x": {"y": null}}`)}, `{"role": "user", "x": {"y": null}}`},
		"reasoning":             {"{{ messages[0]|tojson }}", RenderInput{Messages: raw(`{"role": "assistant", "reasoning": "R", "content": "C"}`)}, `{"thinking": "R", "role": "assistant", "reasoning": "R", "content": "C", "reasoning_content": "R"}`},
		"reasoning_content":     {"{{ messages[0]|tojson }}", RenderInput{Messages: raw(`{"reasoning_content": "R", "thinking": "T"}`)}, `{"thinking": "T", "reasoning_content": "R"}`},
		"thinking":              {"{{ messages[0]|tojson }}", RenderInput{Messages: raw(`{"reasoning_content": null, "thinking": ""}`)}, `{"thinking": "", "reasoning_content": ""}`},
		"nothing given":         {"{{ tools is none }}{{ documents is none }}{{ tools is defined }}{{ add_generation_prompt }}{{ bos_token is defined }}", RenderInput{Messages: raw(user)}, "TrueTrueTrueFalseFalse"},
		"empty lists":           {"{{ tools }}{{ documents }}", RenderInput{Messages: raw(user), Tools: raw(), Documents: raw()}, "[][]"},
		"tools and documents":   {"{{ tools|tojson }}{{ documents[0].title }}", RenderInput{Messages: raw(user), Tools: raw(`{"b": 1.0, "a": 1}`), Documents: raw(`{"title": "T"}`)}, `[{"b": 1.0, "a": 1}]T`},
		"variables":             {"{{ a + b }}{{ s }}{{ bos_token }}{{ eos_token }}", RenderInput{Messages: raw(user), Variables: []Variable{{"a", jsontext.Value("1")}, {"b", jsontext.Value("2")}, {"b", jsontext.Value("2.0")}, StringVariable("s", "\"\n\xff"), StringVariable("bos_token", "B")}, Special: map[string]string{"bos_token": "<s>", "eos_token": "</s>"}}, "3.0\"\n\uFFFDB</s>"},
		"time":                  {"{{ strftime_now('%Y') }}", RenderInput{Messages: raw(user), Now: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)}, "2031"},
		"continued":             {"[{{ messages[-1].content }}]", RenderInput{Messages: raw(user, `{"role": "assistant", "content": "Once "}`), ContinueFinalMessage: true}, "[Once "},
		"continued, trimmed":    {"[{{ messages[-1].content|trim }}]", RenderInput{Messages: raw(`{"content": " Once \n"}`), ContinueFinalMessage: true}, "[Once"},
		"continued twice":       {"[{{ messages[-1].content }}][{{ messages[-1].content }}]", RenderInput{Messages: raw(`{"content": "a"}`), ContinueFinalMessage: true}, "[aCONTINUE_FINAL_MESSAGE_TAG ][a"},
		"continued parts":       {"{% for p in messages[0].content %}[{{ p.text }}]{% endfor %}", RenderInput{Messages: raw(`{"content": [{"text": "a"}, {"text": "b"}, {"type": "image"}]}`), ContinueFinalMessage: true}, "[a][b"},
	} {
		template, err := NewTemplate(c.template)
		require.NoError(t, err, name)
		got, err := template.Render(c.in)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestTemplateErrors(t *testing.T) {
	user := `{"role": "user", "content": "Hi"}`
	for name, c := range map[string]struct {
		template string
		in       RenderInput
		want     string
	}{
		"no messages":     {"", RenderInput{}, "ValueError: Cannot apply chat template to an empty conversation. Provide at least one message."},
		"no object":       {"", RenderInput{Messages: raw(`[1, null]`)}, "TypeError: Chat messages should be dicts, dataclasses or pydantic models, but got [1, None]."},
		"not JSON":        {"", RenderInput{Messages: raw(user, `{"a": }`)}, "messages[1]: jsontext: missing value after object name within \"/a\" after offset 6"},
		"tool":            {"", RenderInput{Messages: raw(user), Tools: raw(`"f"`)}, "ValueError: Tools should either be a JSON schema, or a callable function with type hints and a docstring suitable for auto-conversion to a schema."},
		"document":        {"", RenderInput{Messages: raw(user), Documents: raw(`1`)}, "TypeError: Documents should be a list of dicts with 'title' and 'text' keys!"},
		"reserved":        {"", RenderInput{Messages: raw(user), Variables: []Variable{{"tools", jsontext.Value("1")}}}, "TypeError: render() got multiple values for keyword argument 'tools'"},
		"variable":        {"", RenderInput{Messages: raw(user), Variables: []Variable{{"x", jsontext.Value("{")}}}, "chat_template_kwargs.x: jsontext: unexpected EOF after offset 1"},
		"the template":    {"{{ messages[0].content + 1 }}", RenderInput{Messages: raw(user)}, `TypeError: can only concatenate str (not "int") to str (line 1)`},
		"both":            {"{{ messages[0].content }}", RenderInput{Messages: raw(user), ContinueFinalMessage: true, AddGenerationPrompt: true}, "ValueError: continue_final_message and add_generation_prompt are not compatible."},
		"no content":      {"content", RenderInput{Messages: raw(`{"role": "user", "content": null}`), ContinueFinalMessage: true}, `ValueError: continue_final_message is set but the final message has no "content" to continue!`},
		"content unread":  {"{{ messages }}", RenderInput{Messages: raw(user), ContinueFinalMessage: true}, `ValueError: continue_final_message is set to "content" but this is not an accepted field in the chat_template`},
		"content dropped": {"{{ messages[0].content[:3] }}", RenderInput{Messages: raw(user), ContinueFinalMessage: true}, "ValueError: continue_final_message is set but the final message does not appear in the chat after applying the chat template!"},
		"number":          {"content", RenderInput{Messages: raw(`{"content": 5}`), ContinueFinalMessage: true}, "TypeError: unsupported operand type(s) for +: 'int' and 'str'"},
		"no text":         {"content", RenderInput{Messages: raw(`{"content": [{"type": "image"}, "xx"]}`), ContinueFinalMessage: true}, "ValueError: continue_final_message is set but we could not find any text to continue in the final message!"},
	} {
		template, err := NewTemplate(c.template)
		require.NoError(t, err, name)
		_, err = template.Render(c.in)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := NewTemplate("{% if %}")
	var failed *jinja.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, jinja.PhaseCompile, failed.Phase)
}

package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/golden"
	"trona/testdata"
)

// TestRenderGoldens renders the conversations of the Nemotron templates, one
// run of the program for each template.
func TestRenderGoldens(t *testing.T) {
	folder := testdata.Shared(t, "nemotron", "templates")
	data, err := os.ReadFile(filepath.Join(folder, "golden-renders-2.json"))
	require.NoError(t, err)
	var golden struct {
		Cases    map[string]map[string]json.RawMessage // in the order of their members
		Rendered map[string]map[string]any
	}
	require.NoError(t, json.Unmarshal(data, &golden))
	names := slices.Sorted(maps.Keys(golden.Cases))
	var input strings.Builder
	for _, name := range names {
		c := maps.Clone(golden.Cases[name])
		c["bos_token"], c["eos_token"] = json.RawMessage(`"<|begin_of_text|>"`), json.RawMessage(`"<|eot_id|>"`)
		if kwargs, ok := c["kwargs"]; ok {
			c["chat_template_kwargs"] = kwargs
			delete(c, "kwargs")
		}
		line, err := json.Marshal(c)
		require.NoError(t, err)
		input.Write(append(line, '\n'))
	}
	for template, want := range golden.Rendered {
		out := ok(t, input.String(), "render", "--template", filepath.Join(folder, template), "--jsonl")
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		require.Len(t, lines, len(names))
		for i, name := range names {
			var got any
			require.NoError(t, json.Unmarshal([]byte(lines[i]), &got))
			if failed, ok := want[name].(object); ok {
				failed = failed["error"].(object)
				require.Equal(t, failed["type"].(string)+": "+failed["message"].(string), got.(object)["error"], "%s: %s", template, name)
				continue
			}
			require.Equal(t, want[name], got, "%s: %s", template, name)
		}
	}
}

// TestRenderModel renders with the template and the special tokens of a model.
func TestRenderModel(t *testing.T) {
	g := golden.Demo(t)[0]
	body, err := json.Marshal(object{"messages": g.Messages, "tools": g.Tools})
	require.NoError(t, err)
	require.Equal(t, g.Prompt, ok(t, string(body), "render"))
	template := filepath.Join(t.TempDir(), "template.jinja")
	require.NoError(t, os.WriteFile(template, []byte("{{ bos_token }}|{{ eos_token }}|{{ messages[0].content }}|{{ color }}|{{ documents[0].title }}|{{ add_generation_prompt }}\n\n"), 0o600))
	const input = `{"messages": [{"role": "user", "content": "<é>"}], "color": "red", "documents": [{"title": "T", "text": ""}], "add_generation_prompt": false}`
	require.Equal(t, "||<é>|red|T|False\n", ok(t, input, "render", "--template", template))
	require.Equal(t, "<|begin_of_text|>|<|eot_id|>|<é>|red|T|False\n", ok(t, input, "render", "demo", "--template", template))
	require.Equal(t, "||<é>|red|T|False\n", ok(t, input, "render", "--chat-template", template), "the name that it has elsewhere")
	require.Equal(t, `"||<é>|red|T|False\n"`+"\n", ok(t, input, "render", "--template", template, "--jsonl"))
}

func TestRenderErrors(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const good = `{"messages": [{"role": "user", "content": "x"}]}`
	for name, test := range map[string]struct{ input, template, want string }{
		"raised":   {good, file("raised", "a\nb\n{{ raise_exception('no way') }}"), "TemplateError: no way (line 3)"},
		"syntax":   {good, file("syntax", "a\n{% if %}"), "(line 2)"},
		"no JSON":  {`{"messages"`, file("plain", "x"), "the conversation: not valid JSON: unexpected EOF at byte 11"},
		"nothing":  {``, file("plain", "x"), "the conversation: not valid JSON: unexpected EOF at byte 0"},
		"two":      {good + good, file("plain", "x"), "the conversation"},
		"a list":   {`[]`, file("plain", "x"), `"Hi"}]}, not what stands at the beginning`},
		"a text":   {`{"messages":"x"}`, file("plain", "x"), `"Hi"}]}, not what stands at /messages`},
		"no words": {`{}`, file("plain", "x"), "empty conversation"},
		"absent":   {good, filepath.Join(folder, "absent"), "--template"},
	} {
		t.Run(name, func(t *testing.T) {
			r := trona(t, test.input, "render", "--template", test.template)
			require.Equal(t, exitFailed, r.code)
			require.Empty(t, r.out)
			require.Contains(t, r.err, test.want)
			require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
		})
	}
	out := ok(t, good+"\n[]\n"+good+"\n", "render", "--template", file("raised", "a\n{{ raise_exception('no way') }}"), "--jsonl")
	lines := strings.Split(out, "\n")
	require.Len(t, lines, 4)
	require.JSONEq(t, `{"error": "TemplateError: no way", "line": 2}`, lines[0])
	require.Contains(t, lines[1], `{"error":"the conversation`)
	require.Equal(t, lines[0], lines[2])
}

// A checkpoint's template for tools is used where a conversation has some.
func TestRenderToolTemplate(t *testing.T) {
	folder := t.TempDir()
	vocab, next := map[string]int{}, rune(256)
	for b := range 256 { // GPT-2's characters for bytes
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b != 0xad) {
			r, next = next, next+1
		}
		vocab[string(r)] = b
	}
	tokens, err := json.Marshal(object{
		"pre_tokenizer": object{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}, "decoder": object{"type": "ByteLevel"},
		"model": object{"type": "BPE", "vocab": vocab, "merges": []string{}},
	})
	require.NoError(t, err)
	const config = `{"chat_template": [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "{{ tools|length }} tools"}]}`
	for name, text := range map[string]string{"tokenizer.json": string(tokens), "tokenizer_config.json": config} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	require.Equal(t, "plain", ok(t, `{"messages": [{}], "tools": []}`, "render", folder))
	require.Equal(t, "2 tools", ok(t, `{"messages": [{}], "tools": [{}, {}]}`, "render", folder))
}

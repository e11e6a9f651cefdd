package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// templateFile writes a template.
func templateFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chat template.jinja")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestChatTemplate serves models with templates from files; one of the models
// has none of its own.
func TestChatTemplate(t *testing.T) {
	first := templateFile(t, "\ufeff{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if tools %} {{ tools|length }} tools{% endif %}\n")
	second := templateFile(t, "second {{ bos_token }}{{ messages[0].content }}")
	bare := sharedModel(t, "llama-spm-F16.gguf")
	flags := []string{"--max-model-len", "256", "--model", "demo=demo", "--model", "bare=" + bare, "--model", "alias=" + bare}
	own := start(t, flags...)
	both := start(t, append(flags, "--chat-template", "alias="+first, "--chat-template", "demo="+second)...)
	alone := start(t, bare, "--max-model-len", "256", "--chat-template", first)
	body := func(model string) object {
		return object{"model": model, "messages": []object{{"role": "user", "content": "hi"}}, "max_tokens": 2}
	}
	const render = "/v1/chat/completions/render"
	status, refused := own.post(t, render, body("bare"))
	require.Equal(t, 400, status)
	require.Contains(t, refused.Error.Message, "no chat template")
	require.Equal(t, "[user]hi", both.ask(t, render, body("bare")).Prompt)
	require.Equal(t, "second <|begin_of_text|>hi", both.ask(t, render, body("demo")).Prompt)
	tools := body("alias")
	tools["tools"] = []object{{"type": "function", "function": object{"name": "f"}}}
	require.Equal(t, "[user]hi 1 tools", both.ask(t, render, tools).Prompt)

	got := alone.ask(t, "/v1/chat/completions", object{"messages": body("")["messages"], "max_tokens": 2})
	text := object{"model": "bare", "prompt": "x", "max_tokens": 1}
	require.Equal(t, got.Fingerprint, both.ask(t, "/v1/completions", text).Fingerprint)
	require.NotEqual(t, got.Fingerprint, own.ask(t, "/v1/completions", text).Fingerprint)

	// What run answers is what serve answers.
	greedy := object{"messages": body("")["messages"], "max_tokens": 5, "temperature": 0}
	want := alone.ask(t, "/v1/chat/completions", greedy).Choices[0].Message.Content
	r := ok(t, "", "run", bare, "hi", "--chat-template", first, "--temperature", "0", "--max-tokens", "5", "--max-model-len", "256")
	require.Equal(t, strings.TrimSpace(want), strings.TrimSpace(r))
}

func TestChatTemplateErrors(t *testing.T) {
	good, bad, empty := templateFile(t, "{{ messages }}"), templateFile(t, "a\n{% if %}"), templateFile(t, "")
	absent := filepath.Join(t.TempDir(), "absent.jinja")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"absent":          {[]string{"serve", "--chat-template", absent}, exitFailed, "--chat-template: there is no file"},
		"run absent":      {[]string{"run", "demo", "hi", "--chat-template", absent}, exitFailed, "--chat-template: there is no file"},
		"syntax":          {[]string{"serve", "--chat-template", bad}, exitFailed, "(line 2)"},
		"empty":           {[]string{"serve", "--chat-template", empty}, exitFailed, "is empty"},
		"two":             {[]string{"serve", "--chat-template", good, "--chat-template", good}, exitUsage, "stands 2 times"},
		"without name":    {[]string{"serve", "--model", "a=demo", "--chat-template", good}, exitUsage, "NAME=FILE"},
		"unknown name":    {[]string{"serve", "--model", "a=demo", "--chat-template", "b=" + good}, exitUsage, "no --model has the name b"},
		"one model twice": {[]string{"serve", "--model", "a=demo", "--model", "b=demo", "--chat-template", "a=" + good, "--chat-template", "b=" + good}, exitUsage, "has one already"},
	} {
		t.Run(name, func(t *testing.T) {
			r := trona(t, "", append(c.args, "--max-model-len", "256")...)
			require.Equal(t, c.code, r.code, r.err)
			require.Contains(t, r.err, c.want)
			require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
		})
	}
}

package server

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// autoCase is a line of testdata/auto.jsonl: a conversation and what it gets.
type autoCase struct {
	History    string `json:"history"`
	Prompt     string `json:"prompt"`
	Repeat     int    `json:"repeat"`
	Tools      bool   `json:"tools"`
	ToolChoice string `json:"tool_choice"`
	Effort     string `json:"effort"`
	Kwargs     *bool  `json:"kwargs"` // enable_thinking
	Large      bool   `json:"large"`
	Think      bool   `json:"think"`
	Signals    string `json:"signals"`
}

func (c *autoCase) body() string {
	var messages []any
	say := func(role, text string) {
		messages = append(messages, map[string]string{"role": role, "content": text})
	}
	if c.History != "" {
		say("user", c.History)
		say("assistant", "Well.")
	}
	say("user", strings.Repeat(c.Prompt, max(c.Repeat, 1)))
	fields := map[string]any{"model": "auto", "messages": messages}
	if c.Tools {
		fields["tools"] = []any{map[string]any{"type": "function", "function": map[string]string{"name": "f"}}}
	}
	if c.ToolChoice != "" {
		fields["tool_choice"] = c.ToolChoice
	}
	if c.Effort != "" {
		fields["reasoning_effort"] = c.Effort
	}
	if c.Kwargs != nil {
		fields["chat_template_kwargs"] = map[string]any{"thinking": *c.Kwargs}
	}
	return string(marshal(fields))
}

// autoModels returns a server with a small model, a large one, and one between.
func autoModels(t testing.TB) *Server {
	var models []*Model
	for i, name := range []string{"middle", "small", "large"} {
		m := testModel(t, says(t, "<think>\nhm\n</think>\n\nok"))
		m.Names, m.Parameters, m.ContextLength = []string{name}, []int64{50, 8, 250}[i], 1<<13
		models = append(models, m)
	}
	s := New(Options{Version: "test"})
	s.SetModels(models...)
	return s
}

// The policy's choices for easy and hard prompts in many languages.
func TestAuto(t *testing.T) {
	file, err := os.ReadFile(testdata.Path(t, "auto.jsonl"))
	require.NoError(t, err)
	s := autoModels(t)
	cases := 0
	for line := range bytes.Lines(file) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var c autoCase
		require.NoError(t, json.Unmarshal(line, &c, json.RejectUnknownMembers(true)), "%s", line)
		cases++
		t.Run(c.Prompt, func(t *testing.T) { c.check(t, s) })
	}
	require.Greater(t, cases, 80)
}

func (c *autoCase) check(t *testing.T, s *Server) {
	want := [3]string{map[bool]string{true: "large", false: "small"}[c.Large], map[bool]string{true: "on", false: "off"}[c.Think], c.Signals}
	w, got := call(t, s, "POST", chatPath+"/render", c.body())
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Equal(t, want, [3]string{w.Header().Get(headerModel), w.Header().Get(headerThinking), w.Header().Get(headerSignals)})
	require.Equal(t, !c.Think, strings.HasSuffix(got["prompt"].(string), "<think>\n\n</think>\n\n"))
}

// Every route that takes a model knows "auto", and answers say which model it was.
func TestAutoRoutes(t *testing.T) {
	s := autoModels(t)
	for _, c := range []struct{ path, body, model, thinking string }{
		{chatPath, `{"messages":[{"role":"user","content":"Hi"}]`, "small", "off"},
		{chatPath, `{"messages":[{"role":"user","content":[{"type":"text","text":"Prove that"},{"type":"text","text":"x = 1"}]}]`, "large", "on"},
		{chatPath, `{"messages":[{"role":"user","content":"Hi"}],"thinking_token_budget":9`, "small", "on"},
		{chatPath, `{"messages":[{"role":"user","content":"Why?"}],"thinking_token_budget":0`, "small", "off"},
		{chatPath, `{"messages":[{"role":"system","content":"Write Python."},{"role":"user","content":"Hi"}]`, "small", "off"},
		{"/v1/responses", `{"input":"Solve the equation."`, "large", "on"},
		{"/v1/responses", `{"input":"Hi"`, "small", "off"},
		{"/v1/responses", `{"input":"Hi","reasoning":{"effort":"high"}`, "large", "on"},
		{"/v1/responses", `{"input":"Hi","reasoning":{"effort":"max"}`, "large", "on"},
		{"/v1/responses/input_tokens", `{"input":"Hi"`, "small", "off"},
		{messagesPath, `{"max_tokens":9,"messages":[{"role":"user","content":"Solve the equation."}]`, "large", "off"},
		{messagesPath, `{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"thinking":{"type":"adaptive"}`, "small", "on"},
		{messagesPath + "/count_tokens", `{"messages":[{"role":"user","content":"Hi"}]`, "small", "off"},
		{"/tokenize", `{"messages":[{"role":"user","content":"Why?"}]`, "small", "on"},
		{"/tokenize", `{"prompt":"Hi"`, "small", ""},
		{"/v1/completions", `{"prompt":"Hi"`, "small", ""},
		{"/v1/completions", `{"prompt":["Hi","Write a Python program."]`, "large", ""},
	} {
		w, got := call(t, s, "POST", c.path, c.body+`,"model":"auto"}`)
		require.Equal(t, 200, w.Code, "%s %s: %s", c.path, c.body, w.Body)
		require.Equal(t, [2]string{c.model, c.thinking}, [2]string{w.Header().Get(headerModel), w.Header().Get(headerThinking)}, "%s %s", c.path, c.body)
		if name, ok := got["model"]; ok {
			require.Equal(t, c.model, name)
		}
		w, _ = call(t, s, "POST", c.path, c.body+`,"model":"large"}`)
		require.Empty(t, w.Header().Get(headerModel), "it was named")
	}
	for path, body := range map[string]string{"/v1/completions": `{"prompt":[1,2]`, "/detokenize": `{"tokens":[1,2]`} {
		wantsError(t, s, path, body+`,"model":"auto"}`, "model")
	}
	w, _ := call(t, s, "POST", chatPath, `{"messages":[{"role":"user","content":"Hi"}],"stream":true,"model":"auto"}`)
	require.Equal(t, "small", w.Header().Get(headerModel))
	wantsError(t, s, chatPath, `{"messages":{"role":"user"},"model":"auto"}`, "messages")
	w, card := call(t, s, "GET", "/v1/models/auto", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "auto", card["id"])
	_, list := call(t, s, "GET", "/v1/models", "")
	require.Len(t, list["data"], 4)
}

// With one model "auto" is that one, and still decides on reasoning; a model
// that is called so is meant itself.
func TestAutoAlone(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	for prompt, thinking := range map[string]string{"Hi": "off", "Why?": "on"} {
		w, got := call(t, s, "POST", chatPath, `{"model":"auto","messages":[{"role":"user","content":"`+prompt+`"}]}`)
		require.Equal(t, 200, w.Code)
		require.Equal(t, [2]string{"test", thinking}, [2]string{w.Header().Get(headerModel), w.Header().Get(headerThinking)})
		require.Equal(t, "test", got["model"])
	}
	post(t, s, 200, "/detokenize", `{"model":"auto","tokens":[1]}`)
	_, list := call(t, s, "GET", "/v1/models", "")
	require.Len(t, list["data"], 2)
	m := testModel(t, says(t, "ok"))
	m.Names = []string{"auto"}
	s.SetModels(testModel(t, says(t, "ok")), m)
	w, got := call(t, s, "POST", chatPath, `{"model":"auto","messages":[{"role":"user","content":"Hi"}]}`)
	require.Equal(t, "auto", got["model"])
	require.Empty(t, w.Header().Get(headerModel))
}

// A model whose context is too short gives way to one with a longer one; one
// that cannot chat is chosen only where none can.
func TestAutoFits(t *testing.T) {
	s := autoModels(t)
	small, large := s.loaded()[1], s.loaded()[2]
	small.ContextLength = 100
	ask := func(fields string) (string, string) {
		w, _ := call(t, s, "POST", chatPath+"/render", `{"model":"auto","messages":[{"role":"user","content":"Hi"}]`+fields+`}`)
		require.Equal(t, 200, w.Code, w.Body)
		return w.Header().Get(headerModel), w.Header().Get(headerSignals)
	}
	model, signals := ask(`,"max_tokens":60`)
	require.Equal(t, [2]string{"small", ""}, [2]string{model, signals})
	model, signals = ask(`,"max_tokens":200`)
	require.Equal(t, [2]string{"large", "context"}, [2]string{model, signals})
	small.ContextLength, large.Template = 1<<13, nil
	model, _ = ask(`,"reasoning_effort":"high"`)
	require.Equal(t, "middle", model)
}

package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"trona/engine"
)

// joinChat puts the chunks of a stream together as a client would.
func joinChat(t require.TestingT, chunks []map[string]any, choices int) []any {
	joined := make([]any, choices)
	for i := range joined {
		joined[i] = map[string]any{"text": "", "reasoning": "", "logprobs": []any{}, "ids": []any{}, "calls": [][3]string(nil), "finish": nil, "stop": nil}
	}
	for _, chunk := range chunks {
		for _, c := range get(chunk, "choices").([]any) {
			c := c.(map[string]any)
			to := joined[int(c["index"].(float64))].(map[string]any)
			require.Nil(t, to["finish"], "a chunk after the end")
			delta := c["delta"].(map[string]any)
			text, _ := delta["content"].(string)
			reasoning, _ := delta["reasoning_content"].(string)
			to["text"] = to["text"].(string) + text
			to["reasoning"] = to["reasoning"].(string) + reasoning
			for _, call := range listOf(delta["tool_calls"]) {
				i := int(get(call, "index").(float64))
				calls := to["calls"].([][3]string)
				if name, ok := get(call, "function", "name").(string); ok {
					require.Equal(t, len(calls), i)
					require.Regexp(t, "^chatcmpl-tool-[0-9a-f]{32}$", get(call, "id"))
					to["calls"] = append(calls, [3]string{get(call, "type").(string), name, get(call, "function", "arguments").(string)})
					continue
				}
				require.Equal(t, len(calls)-1, i)
				calls[i][2] += get(call, "function", "arguments").(string)
			}
			if c["logprobs"] != nil {
				to["logprobs"] = append(to["logprobs"].([]any), get(c, "logprobs", "content").([]any)...)
			}
			if c["token_ids"] != nil {
				to["ids"] = append(to["ids"].([]any), c["token_ids"].([]any)...)
			}
			to["finish"], to["stop"] = c["finish_reason"], c["stop_reason"]
		}
	}
	return joined
}

// listOf returns a list that may be absent.
func listOf(v any) []any {
	l, _ := v.([]any)
	return l
}

// wholeChat gives a response the form of joinChat.
func wholeChat(response map[string]any) []any {
	var list []any
	for _, c := range response["choices"].([]any) {
		reasoning, _ := get(c, "message", "reasoning_content").(string)
		text, _ := get(c, "message", "content").(string)
		var calls [][3]string
		for _, call := range listOf(get(c, "message", "tool_calls")) {
			calls = append(calls, [3]string{get(call, "type").(string), get(call, "function", "name").(string), get(call, "function", "arguments").(string)})
		}
		whole := map[string]any{"text": text, "reasoning": reasoning, "calls": calls, "logprobs": []any{}, "ids": []any{},
			"finish": get(c, "finish_reason"), "stop": get(c, "stop_reason")}
		if get(c, "logprobs") != nil {
			whole["logprobs"] = get(c, "logprobs", "content")
		}
		if ids, ok := c.(map[string]any)["token_ids"]; ok {
			whole["ids"] = ids
		}
		list = append(list, whole)
	}
	return list
}

// A stream says what the same request says without streaming.
func TestChatStreamEqualsWhole(t *testing.T) {
	s := newServer(t, babbles(t))
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(rt, "n")
		var fields strings.Builder
		fmt.Fprintf(&fields, `%s,"seed":%d,"n":%d`, hello, rapid.Int16().Draw(rt, "seed"), n)
		for _, option := range []string{
			`"max_tokens":1`, `"max_tokens":30`, `"stop":["a","\u4f60","<","th"]`, `"stop":"in"`, `"include_stop_str_in_output":true`,
			`"logprobs":true`, `"return_token_ids":true`, `"reasoning_format":"none"`, `"include_reasoning":false`, `"min_tokens":1`,
			`"ignore_eos":true`, `"stop_token_ids":[65,66,67,100,101]`, `"return_tokens_as_token_ids":true`,
			`"tools":[{"type":"function","function":{"name":"f"}}]`, `"parallel_tool_calls":false`,
		} {
			name, _, _ := strings.Cut(option, ":")
			if !strings.Contains(fields.String(), name+":") && rapid.IntRange(0, 2).Draw(rt, option) == 0 {
				fields.WriteString("," + option)
			}
		}
		whole := post(t, s, 200, chatPath, "{"+fields.String()+"}")
		w, _ := call(t, s, "POST", chatPath, "{"+fields.String()+`,"stream":true,"stream_options":{"include_usage":true}}`)
		require.Equal(rt, 200, w.Code)
		chunks := wholeEvents(t, w.Body.Bytes())
		require.Equal(rt, wholeChat(whole), joinChat(rt, chunks, n))
		last := chunks[len(chunks)-1]
		require.Equal(rt, whole["usage"], last["usage"])
		require.Equal(rt, whole["timings"], last["timings"])
		for _, chunk := range chunks[:len(chunks)-1] {
			usage, ok := chunk["usage"]
			require.True(rt, ok && usage == nil)
			require.NotContains(rt, chunk, "timings")
			require.Equal(rt, chunks[0]["id"], chunk["id"])
		}
	})
}

func TestCompletionStreamEqualsWhole(t *testing.T) {
	s := newServer(t, babbles(t))
	rapid.Check(t, func(rt *rapid.T) {
		var fields strings.Builder
		prompts := rapid.SampledFrom([]string{`"Hi"`, `["Hi","you there"]`, `[72,105]`, `[[72,105],[72]]`}).Draw(rt, "prompt")
		fmt.Fprintf(&fields, `"prompt":%s,"seed":%d,"n":%d`, prompts, rapid.Int16().Draw(rt, "seed"), rapid.IntRange(1, 3).Draw(rt, "n"))
		for _, option := range []string{
			`"max_tokens":0`, `"max_tokens":30`, `"stop":["a","\u4f60","<","th"]`, `"include_stop_str_in_output":true`, `"logprobs":2`,
			`"return_token_ids":true`, `"echo":true`, `"min_tokens":0`, `"ignore_eos":true`, `"stop_token_ids":[65,66,67]`,
		} {
			name, _, _ := strings.Cut(option, ":")
			if !strings.Contains(fields.String(), name+":") && rapid.IntRange(0, 2).Draw(rt, option) == 0 {
				fields.WriteString("," + option)
			}
		}
		whole := post(t, s, 200, completionPath, "{"+fields.String()+"}")
		w, _ := call(t, s, "POST", completionPath, "{"+fields.String()+`,"stream":true,"stream_options":{"include_usage":true}}`)
		require.Equal(rt, 200, w.Code)
		chunks := wholeEvents(t, w.Body.Bytes())
		joined := map[any]map[string]any{}
		for _, chunk := range chunks {
			for _, c := range chunk["choices"].([]any) {
				c := c.(map[string]any)
				before, ok := joined[c["index"]]
				if !ok {
					joined[c["index"]] = c
					continue
				}
				before["text"] = before["text"].(string) + c["text"].(string)
				before["finish_reason"], before["stop_reason"] = c["finish_reason"], c["stop_reason"]
				if ids, ok := c["token_ids"]; ok {
					before["token_ids"] = append(before["token_ids"].([]any), ids.([]any)...)
				}
				if c["logprobs"] != nil {
					for name, list := range c["logprobs"].(map[string]any) {
						l := before["logprobs"].(map[string]any)
						l[name] = append(l[name].([]any), list.([]any)...)
					}
				}
			}
		}
		for _, c := range whole["choices"].([]any) {
			require.Equal(rt, c, any(joined[get(c, "index")]))
		}
		require.Equal(rt, whole["usage"], chunks[len(chunks)-1]["usage"])
		for _, c := range whole["choices"].([]any) {
			checkOffsets(rt, c)
		}
	})
}

// checkOffsets holds the four lists of a completion's log probabilities to each
// other.
func checkOffsets(t require.TestingT, choice any) {
	if get(choice, "logprobs") == nil {
		return
	}
	n := len(get(choice, "logprobs", "tokens").([]any))
	before := 0.0
	for _, list := range []string{"token_logprobs", "top_logprobs", "text_offset"} {
		require.Len(t, get(choice, "logprobs", list), n)
	}
	for _, offset := range get(choice, "logprobs", "text_offset").([]any) {
		require.GreaterOrEqual(t, offset.(float64), before)
		before = offset.(float64)
	}
}

// Silence is filled with comments, and what fails after the first byte is told
// by an event, without the usual end.
func TestStreamSilenceAndFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := says(t, "ab")
		e.gate = make(chan struct{})
		e.fail, e.failAt = engine.ErrFailed, 1
		s := newServer(t, e)
		go func() {
			time.Sleep(50 * time.Second)
			e.gate <- struct{}{}
			time.Sleep(20 * time.Second)
			e.gate <- struct{}{}
		}()
		w, _ := call(t, s, "POST", chatPath, `{`+hello+`,"stream":true}`)
		require.Equal(t, 200, w.Code)
		require.Equal(t, "text/event-stream; charset=utf-8", w.Header().Get("Content-Type"))
		text := w.Body.String()
		require.Equal(t, 4, strings.Count(text, ": still working\n\n"), "%s", text)
		list, done := events(t, w.Body.Bytes())
		require.False(t, done)
		require.Equal(t, "engine_unavailable", get(list[len(list)-1], "error", "code"))
		require.Equal(t, "a", get(list[len(list)-2], "choices", 0, "delta", "content"))
		require.Eventually(t, func() bool { return e.Stats().Running == 0 }, time.Minute, time.Millisecond)
	})
}

// What fails before the first byte has its own status.
func TestFailureBeforeStream(t *testing.T) {
	for err, status := range map[error]int{
		engine.ErrFailed: 503, engine.ErrClosed: 503, engine.ErrOverloaded: 429, engine.ErrNumeric: 500,
		fmt.Errorf("secret /path"):                                   500,
		&engine.LimitError{Field: "max_tokens", Message: "too many"}: 400,
	} {
		for _, streams := range []string{"true", "false"} {
			e := says(t, "ab")
			e.fail = err
			w, got := call(t, newServer(t, e), "POST", chatPath, `{`+hello+`,"stream":`+streams+`}`)
			require.Equal(t, status, w.Code)
			require.NotContains(t, w.Body.String(), "secret")
			require.NotEmpty(t, get(got, "error", "message"))
			if status == 429 || status == 503 {
				require.Equal(t, "1", w.Header().Get("Retry-After"))
			}
			e.refuse = err
			w, _ = call(t, newServer(t, e), "POST", chatPath, `{`+hello+`,"n":3,"stream":`+streams+`}`)
			require.Equal(t, status, w.Code)
		}
	}
}

// One choice that fails ends the others.
func TestChoicesFailTogether(t *testing.T) {
	e := babbles(t)
	e.fail, e.failAt = engine.ErrFailed, 3
	w, _ := call(t, newServer(t, e), "POST", chatPath, `{`+hello+`,"n":8,"ignore_eos":true}`)
	require.Equal(t, 503, w.Code)
	require.Eventually(t, func() bool { return e.Stats().Running == 0 }, time.Minute, time.Millisecond)
}

// A client that goes away frees what its request holds.
func TestCancel(t *testing.T) {
	e := babbles(t)
	e.gate = make(chan struct{})
	s := httptest.NewServer(documents().Handler(t, newServer(t, e)))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", s.URL+chatPath, strings.NewReader(`{`+hello+`,"stream":true,"n":2,"ignore_eos":true}`))
	require.NoError(t, err)
	go func() { e.gate <- struct{}{} }()
	answer, err := s.Client().Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 2, e.Stats().Running)
	cancel()
	require.Eventually(t, func() bool { return e.Stats().Running == 0 }, time.Minute, time.Millisecond)
}

func TestContinuousUsage(t *testing.T) {
	s := newServer(t, says(t, "Hello"))
	w, _ := call(t, s, "POST", chatPath, `{`+hello+`,"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}`)
	chunks := wholeEvents(t, w.Body.Bytes())
	before := 0.0
	for _, chunk := range chunks {
		n := get(chunk, "usage", "completion_tokens").(float64)
		require.GreaterOrEqual(t, n, before)
		before = n
	}
	require.Positive(t, before)
	require.Empty(t, chunks[len(chunks)-1]["choices"])
	// Without usage the last chunk before the end has the timings.
	w, _ = call(t, s, "POST", chatPath, `{`+hello+`,"stream":true}`)
	chunks, _ = events(t, w.Body.Bytes())
	require.Contains(t, chunks[len(chunks)-1], "timings")
	require.NotContains(t, chunks[len(chunks)-1], "usage")
	require.NotContains(t, chunks[0], "timings")
}

// A chunk with text has the tokens of that text: those of the reasoning's end
// come before it.
func TestStreamTokensOfText(t *testing.T) {
	for _, c := range []struct {
		said, fields string
		parted       bool
	}{
		{"<think>\nhm\n</think>\n\nok you", "", true},
		{"<think>\nhm\n</think>\n\n\u4f60ok", "", true}, // a letter of three tokens
		{"<think>hm</think>ok", `,"include_reasoning":false`, true},
		{"<think>hm</think>\n\nok", `,"reasoning_format":"none"`, false},
	} {
		w, _ := call(t, newServer(t, says(t, c.said)), "POST", chatPath, `{`+hello+`,"stream":true,"logprobs":true`+c.fields+`}`)
		require.Equal(t, 200, w.Code)
		chunks, _ := events(t, w.Body.Bytes())
		var text, tokens string
		for _, chunk := range chunks {
			content, _ := get(chunk, "choices", 0, "delta", "content").(string)
			text += content
			if content == "" || get(chunk, "choices", 0, "logprobs") == nil {
				continue
			}
			for _, token := range listOf(get(chunk, "choices", 0, "logprobs", "content")) {
				for _, b := range listOf(get(token, "bytes")) {
					tokens += string([]byte{byte(b.(float64))})
				}
			}
		}
		if c.parted {
			require.Equal(t, text, strings.TrimSuffix(tokens, "<|eot_id|>"), c.said)
		} else {
			require.Contains(t, text, "</think>")
		}
	}
}

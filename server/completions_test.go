package server

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/engine"
)

func TestCompletion(t *testing.T) {
	s := newServer(t, says(t, " there. Bye."))
	got := post(t, s, 200, completionPath, `{"prompt":"Hi","echo":true,"stop":["Bye","."],"include_stop_str_in_output":true,"return_token_ids":true}`)
	require.Equal(t, "Hi there.", get(got, "choices", 0, "text"))
	require.Equal(t, "stop", get(got, "choices", 0, "finish_reason"))
	require.Equal(t, ".", get(got, "choices", 0, "stop_reason"))
	require.Equal(t, []any{265., 72., 105.}, get(got, "choices", 0, "prompt_token_ids"))
	require.Len(t, get(got, "choices", 0, "token_ids"), int(get(got, "usage", "completion_tokens").(float64)))

	// Nothing is generated, the prompt is scored.
	got = post(t, s, 200, completionPath, `{"prompt":"Hi","echo":true,"logprobs":1,"max_tokens":0}`)
	require.Equal(t, "Hi", get(got, "choices", 0, "text"))
	require.EqualValues(t, 0, get(got, "usage", "completion_tokens"))
	require.Equal(t, []any{"<|begin_of_text|>", "H", "i"}, get(got, "choices", 0, "logprobs", "tokens"))
	require.Equal(t, []any{0., 0., 1.}, get(got, "choices", 0, "logprobs", "text_offset"))
	require.Nil(t, get(got, "choices", 0, "logprobs", "token_logprobs", 0))
	require.Nil(t, get(got, "choices", 0, "logprobs", "top_logprobs", 0))
	require.NotNil(t, get(got, "choices", 0, "logprobs", "token_logprobs", 1))

	// Prompts times choices, in order.
	got = post(t, s, 200, completionPath, `{"prompt":["a","b"],"n":2,"echo":true,"max_tokens":1}`)
	for i, text := range []string{"a", "a", "b", "b"} {
		require.EqualValues(t, i, get(got, "choices", i, "index"))
		require.True(t, strings.HasPrefix(get(got, "choices", i, "text").(string), text))
	}
	require.EqualValues(t, 4, get(got, "usage", "prompt_tokens"))
	require.EqualValues(t, 4, get(got, "usage", "completion_tokens"))
}

func TestPromptLogprobs(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	got := post(t, s, 200, completionPath, `{"prompt":"Hi","prompt_logprobs":1}`)
	list := get(got, "choices", 0, "prompt_logprobs").([]any)
	require.Len(t, list, 3)
	require.Nil(t, list[0])
	require.Equal(t, map[string]any{"logprob": 0., "rank": 2., "decoded_token": "H"}, get(list, 1, "72"))
	require.Equal(t, map[string]any{"logprob": 0., "rank": 1., "decoded_token": "I"}, get(list, 1, "73"))
	got = post(t, s, 200, completionPath, `{"prompt":["Hi","you"],"prompt_logprobs":1,"n":2}`)
	require.Equal(t, list, get(got, "choices", 0, "prompt_logprobs"))
	require.Equal(t, list, get(got, "choices", 1, "prompt_logprobs"))
	require.Len(t, get(got, "choices", 3, "prompt_logprobs"), 4)
	require.NotEqual(t, list, get(got, "choices", 3, "prompt_logprobs"))
	got = post(t, s, 200, chatPath, `{`+hello+`,"prompt_logprobs":0}`)
	require.Len(t, got["prompt_logprobs"], int(get(got, "usage", "prompt_tokens").(float64)))
	got = post(t, s, 200, chatPath, `{`+hello+`}`)
	require.NotContains(t, got, "prompt_logprobs")
}

// Streams have the log probabilities of prompts in the first chunk of an answer.
func TestStreamedPromptLogprobs(t *testing.T) {
	s := newServer(t, babbles(t))
	for path, fields := range map[string]string{chatPath: hello, completionPath: `"prompt":["Hi","you"]`} {
		request := fields + `,"prompt_logprobs":2,"n":2,"seed":1`
		whole := post(t, s, 200, path, `{`+request+`}`)
		w, _ := call(t, s, "POST", path, `{`+request+`,"stream":true}`)
		chunks := wholeEvents(t, w.Body.Bytes())
		found := map[any]any{}
		for _, chunk := range chunks {
			choice := get(chunk, "choices", 0)
			holder := chunk
			if path == completionPath {
				holder = choice.(map[string]any)
			}
			if list := holder["prompt_logprobs"]; list != nil {
				index := get(choice, "index")
				require.NotContains(t, found, index)
				found[index] = list
			}
		}
		if path == chatPath {
			require.Equal(t, map[any]any{0.: whole["prompt_logprobs"]}, found)
			continue
		}
		require.Len(t, found, 4)
		for i := range 4 {
			require.Equal(t, get(whole, "choices", i, "prompt_logprobs"), found[float64(i)])
		}
	}
}

// Tokens whose bytes are no text keep distinct names, and the fewest digits
// give each log probability back.
func TestLogprobForms(t *testing.T) {
	e := &fakeEngine{answer: func(engine.Request) []int32 { return []int32{0xe4, 0xbd, 0xa0, 'a'} }}
	s := newServer(t, e)
	got := post(t, s, 200, completionPath, `{"prompt":"x","logprobs":1}`)
	require.Equal(t, "\u4f60a", get(got, "choices", 0, "text"))
	require.Equal(t, []any{`bytes:\xe4`, `bytes:\xbd`, `bytes:\xa0`, "a"}, get(got, "choices", 0, "logprobs", "tokens"))
	require.Equal(t, []any{0., 0., 0., 1.}, get(got, "choices", 0, "logprobs", "text_offset"))
	got = post(t, s, 200, chatPath, `{`+hello+`,"logprobs":true,"top_logprobs":2}`)
	require.Equal(t, "\ufffd", get(got, "choices", 0, "logprobs", "content", 0, "token"))
	require.Equal(t, []any{float64(0xe4)}, get(got, "choices", 0, "logprobs", "content", 0, "bytes"))
	require.Len(t, get(got, "choices", 0, "logprobs", "content", 0, "top_logprobs"), 2)
	w, _ := call(t, s, "POST", chatPath, `{`+hello+`,"logprobs":true,"return_tokens_as_token_ids":true}`)
	require.Contains(t, w.Body.String(), `"token":"token_id:228","logprob":`+shortest(-float32(228%7)/3-.1))
	require.Equal(t, float32(minLogprob), finite(float32(math.Inf(-1))))
}

func shortest(x float32) string { return strconv.FormatFloat(float64(x), 'f', -1, 32) }

func TestStops(t *testing.T) {
	e := says(t, "one two three")
	s := newServer(t, e)
	finish := func(fields string) (text, reason, stop any) {
		got := post(t, s, 200, chatPath, `{`+hello+fields+`}`)
		return get(got, "choices", 0, "message", "content"), get(got, "choices", 0, "finish_reason"), get(got, "choices", 0, "stop_reason")
	}
	for _, c := range []struct {
		fields             string
		text, reason, stop any
	}{
		{``, "one two three", "stop", nil},
		{`,"stop":" tw"`, "one", "stop", " tw"},
		{`,"stop":["three","e t"]`, "on", "stop", "e t"},
		{`,"stop":" tw","include_stop_str_in_output":true`, "one tw", "stop", " tw"},
		{`,"stop":"e","min_tokens":4`, "one two thr", "stop", "e"},
		{`,"stop_token_ids":[119]`, "one t", "stop", 119.},
		{`,"stop_token_ids":[119],"include_stop_str_in_output":true`, "one tw", "stop", 119.},
		{`,"stop_token_ids":[268]`, "one two three", "stop", nil}, // the model's own end
		{`,"stop_token_ids":[268],"ignore_eos":true`, "one two three", "stop", 268.},
		{`,"ignore_eos":true`, "one two three", "length", nil},
		{`,"max_tokens":3`, "one", "length", nil},
		{`,"stop":"never"`, "one two three", "stop", nil},
		{`,"stop":"three!"`, "one two three", "stop", nil},
	} {
		text, reason, stop := finish(c.fields)
		require.Equal(t, []any{c.text, c.reason, c.stop}, []any{text, reason, stop}, c.fields)
		require.Eventually(t, func() bool { return e.Stats().Running == 0 }, time.Minute, time.Millisecond, c.fields)
	}
}

func TestTokenize(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	got := post(t, s, 200, "/tokenize", `{"prompt":"Hi<|eot_id|>","return_token_strs":true}`)
	require.Equal(t, []any{265., 72., 105., 268.}, got["tokens"])
	require.EqualValues(t, 4, got["count"])
	require.EqualValues(t, testContext, got["max_model_len"])
	require.Equal(t, []any{"<|begin_of_text|>", "H", "i", "<|eot_id|>"}, got["token_strs"])
	got = post(t, s, 200, "/tokenize", `{"prompt":"Hi","add_special_tokens":false}`)
	require.Equal(t, []any{72., 105.}, got["tokens"])
	require.Nil(t, got["token_strs"])
	got = post(t, s, 200, "/tokenize", `{"prompt":""}`)
	require.Equal(t, []any{265.}, got["tokens"])
	got = post(t, s, 200, "/tokenize", `{"prompt":"<|begin_of_text|>Hi"}`)
	require.Equal(t, []any{265., 72., 105.}, got["tokens"])
	chat := post(t, s, 200, "/tokenize", `{`+hello+`}`)
	render := post(t, s, 200, "/v1/chat/completions/render", `{`+hello+`}`)
	require.Equal(t, render["prompt_token_ids"], chat["tokens"])
	got = post(t, s, 200, "/detokenize", `{"tokens":[265,72,105,228,189,160,268]}`)
	require.Equal(t, "<|begin_of_text|>Hi\u4f60<|eot_id|>", got["prompt"])
	_, got = call(t, s, "GET", "/tokenizer_info", "")
	require.Equal(t, map[string]any{
		"tokenizer_class": "Tokenizer", "model_max_length": float64(testContext), "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>",
		"unk_token": nil, "pad_token": nil, "chat_template": s.loaded()[0].Template.Source(),
	}, got)
	for body, param := range map[string]string{
		`{}`: "prompt", `{"prompt":7}`: "prompt", `{"prompt":"a",` + hello + `}`: "prompt", `{"prompt":"a","return_token_strs":1}`: "return_token_strs",
	} {
		wantsError(t, s, "/tokenize", body, param)
	}
	for body, param := range map[string]string{
		`{}`: "tokens", `{"tokens":"a"}`: "tokens", `{"tokens":[1,-1]}`: "tokens[1]", `{"tokens":[100000]}`: "tokens[0]",
	} {
		wantsError(t, s, "/detokenize", body, param)
	}
}

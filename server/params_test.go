package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/tokenizer"
)

// knownFields are the fields that clients of vLLM and NIM send, with values
// that ask for something. Those of the second list are refused by their name.
var knownFields = map[string][2][]string{
	chatPath: {{
		`"model":"test"`, `"frequency_penalty":1`, `"logit_bias":{"7":1}`, `"logprobs":true`, `"logprobs":true,"top_logprobs":2`, `"max_tokens":5`, `"max_completion_tokens":5`,
		`"n":2`, `"presence_penalty":1`, `"response_format":{"type":"json_object"}`, `"seed":7`, `"stop":["a"]`, `"stream":true`,
		`"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}`, `"temperature":1`, `"top_p":0.5`,
		`"tools":[{"type":"function","function":{"name":"f"}}]`, `"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none"`,
		`"reasoning_effort":"low"`, `"thinking_token_budget":8`, `"include_reasoning":false`, `"parallel_tool_calls":false`, `"user":"u"`, `"top_k":5`, `"min_p":0.1`,
		`"repetition_penalty":1.1`, `"length_penalty":1`, `"stop_token_ids":[9]`, `"include_stop_str_in_output":true`, `"ignore_eos":true`, `"min_tokens":2`,
		`"skip_special_tokens":false`, `"spaces_between_special_tokens":false`, `"truncate_prompt_tokens":9`, `"prompt_logprobs":1`, `"allowed_token_ids":[7,8]`,
		`"bad_words":["a"]`, `"add_generation_prompt":false`, `"add_special_tokens":true`, `"documents":[{"text":"a"}]`, `"chat_template_kwargs":{"thinking":true}`,
		`"structured_outputs":{"regex":"a"}`, `"priority":3`, `"request_id":"a.1"`, `"return_tokens_as_token_ids":true`, `"return_token_ids":true`, `"cache_salt":"s"`,
		`"guided_json":{}`, `"guided_regex":"a"`, `"guided_choice":["a"]`, `"guided_grammar":"root ::= \"a\""`,
		`"nvext":{"guided_json":{}}`, `"nvext":{"guided_regex":"a"}`, `"nvext":{"guided_choice":["a"]}`, `"nvext":{"guided_grammar":"root ::= \"a\""}`,
		`"nvext":{"ignore_eos":true}`, `"nvext":{"max_thinking_tokens":8}`, `"nvext":{"repetition_penalty":1.1}`, `"nvext":{"top_k":5}`,
	}, {
		`"length_penalty":2`, `"use_beam_search":true`, `"chat_template":"x"`, `"nvext":{"guided_whitespace_pattern":" "}`, `"logits_processors":["x"]`,
	}},
	completionPath: {{
		`"echo":true`, `"echo":true,"logprobs":2,"max_tokens":0`, `"logprobs":1`, `"suffix":""`, `"best_of":3`, `"n":2,"best_of":3`, `"add_special_tokens":false`,
		`"truncate_prompt_tokens":-1`, `"skip_special_tokens":false`, `"prompt_logprobs":1`, `"allowed_token_ids":[7]`, `"cache_salt":"s"`, `"priority":1`,
		`"response_format":{"type":"json_object"}`, `"nvext":{"top_k":5}`, `"ignore_eos":true`, `"request_id":"a"`,
	}, {
		`"suffix":"x"`, `"prompt_embeds":"x"`, `"length_penalty":2`, `"use_beam_search":true`,
	}},
}

// No field is dropped in silence: read strictly, each one is either known or an
// error with its name.
func TestKnownFields(t *testing.T) {
	s := newServer(t, says(t, "a"), func(o *Options) { o.Strict = true })
	for path, fields := range knownFields {
		base := hello
		if path == completionPath {
			base = `"prompt":"Hi"`
		}
		for _, field := range fields[0] {
			w, _ := call(t, s, "POST", path, fmt.Sprintf(`{%s,%s}`, base, field))
			require.Equal(t, 200, w.Code, "%s: %s", field, w.Body)
			require.Empty(t, w.Header().Get("X-Trona-Ignored"), field)
		}
		for _, field := range fields[1] {
			name := strings.Trim(strings.ReplaceAll(field[:strings.LastIndex(field, `":`)], `":{"`, "."), `"`)
			wantsError(t, s, path, fmt.Sprintf(`{%s,%s}`, base, field), name)
		}
	}
}

// Where a request is read strictly, a field without effect is an error.
func TestStrict(t *testing.T) {
	const odd = `{` + hello + `,"zz":1,"temprature":1}`
	lenient, strict := newServer(t, says(t, "ok")), newServer(t, says(t, "ok"), func(o *Options) { o.Strict = true })
	for _, c := range []struct {
		server *Server
		header string
		status int
	}{
		{lenient, "", 200}, {lenient, "true", 400}, {lenient, "1", 400}, {lenient, "false", 200}, {strict, "", 400}, {strict, "true", 400}, {strict, "false", 200},
	} {
		for _, path := range []string{chatPath, "/v1/chat/completions/render", "/tokenize"} {
			w, got := call(t, c.server, "POST", path, odd, "X-Trona-Strict", c.header)
			require.Equal(t, c.status, w.Code, "%q: %s", c.header, w.Body)
			if c.status == 400 {
				require.Equal(t, "temprature", get(got, "error", "param"))
			} else {
				require.Equal(t, "temprature, zz", w.Header().Get("X-Trona-Ignored"))
			}
		}
	}
	wantsError(t, strict, completionPath, `{"prompt":"a","nvext":{"best":1}}`, "nvext.best")
	wantsError(t, strict, "/detokenize", `{"tokens":[],"text":1}`, "text")
	wantsError(t, strict, "/v1/responses", `{"input":"a","inptu":1}`, "inptu")
	got := post(t, strict, 400, messagesPath, `{`+hello+`,"max_tokens":9,"stops":[]}`)
	require.Regexp(t, "^stops: ", get(got, "error", "message"))
	// What a client did not ask for is no error of it.
	m := *strict.loaded()[0]
	template, err := tokenizer.NewTemplate(`{% for m in messages %}{{ m.content }}{% endfor %}`)
	require.NoError(t, err)
	m.Template = template
	strict.SetModels(&m)
	post(t, strict, 200, messagesPath, `{`+hello+`,"max_tokens":9}`)
	post(t, strict, 400, messagesPath, `{`+hello+`,"max_tokens":9,"thinking":{"type":"adaptive"}}`)
	wantsError(t, strict, chatPath, `{`+hello+`,"reasoning_effort":"low"}`, "reasoning_effort")
}

// The likeliest of several answers come back, the best first.
func TestBestOf(t *testing.T) {
	e := babbles(t)
	s := newServer(t, e)
	mean := func(choice any) float64 {
		sum, list := 0.0, get(choice, "logprobs", "token_logprobs").([]any)
		for _, value := range list {
			sum += value.(float64)
		}
		return sum / float64(len(list))
	}
	all := post(t, s, 200, completionPath, `{"prompt":["Hi","you"],"seed":3,"max_tokens":9,"n":6,"logprobs":0}`)
	best := post(t, s, 200, completionPath, `{"prompt":["Hi","you"],"seed":3,"max_tokens":9,"n":2,"best_of":6,"logprobs":0}`)
	require.Equal(t, all["usage"], best["usage"])
	choices := best["choices"].([]any)
	require.Len(t, choices, 4)
	for prompt := range 2 {
		of := slices.Clone(all["choices"].([]any)[6*prompt:][:6])
		slices.SortStableFunc(of, func(a, b any) int {
			if mean(a) > mean(b) {
				return -1
			}
			return 1
		})
		for i := range 2 {
			got := choices[2*prompt+i]
			require.EqualValues(t, 2*prompt+i, get(got, "index"))
			require.Equal(t, get(of[i], "text"), get(got, "text"))
			require.Equal(t, get(of[i], "logprobs"), get(got, "logprobs"))
		}
	}
	// Nobody sees log probabilities that were not asked for.
	plain := post(t, s, 200, completionPath, `{"prompt":["Hi","you"],"seed":3,"max_tokens":9,"n":2,"best_of":6}`)
	require.Equal(t, get(choices[0], "text"), get(plain, "choices", 0, "text"))
	require.Nil(t, get(plain, "choices", 0, "logprobs"))
	wantsError(t, s, completionPath, `{"prompt":"Hi","n":3,"best_of":2}`, "best_of")
	wantsError(t, s, completionPath, `{"prompt":"Hi","best_of":2,"stream":true}`, "best_of")
	wantsError(t, s, completionPath, `{"prompt":"Hi","best_of":129}`, "best_of")
}

// A prompt is cut where the request wants that, and the response says so.
func TestTruncatePrompt(t *testing.T) {
	e := says(t, "ok")
	s := newServer(t, e)
	truncated := func(body map[string]any) any { return get(body, "timings", "truncated_n") }
	got := post(t, s, 200, completionPath, `{"prompt":[[1,2,3,4,5],[6]],"truncate_prompt_tokens":3,"echo":true}`)
	require.EqualValues(t, 2, truncated(got))
	require.Equal(t, []int32{3, 4, 5}, e.requests[0].Prompt)
	require.Equal(t, []int32{6}, e.requests[1].Prompt)
	require.EqualValues(t, 4, get(got, "usage", "prompt_tokens"))
	require.Equal(t, "\x03\x04\x05ok", get(got, "choices", 0, "text"))
	require.Nil(t, truncated(post(t, s, 200, completionPath, `{"prompt":[1,2,3],"truncate_prompt_tokens":3}`)))
	// With the begin token in front, and log probabilities of what is left.
	got = post(t, s, 200, completionPath, `{"prompt":"abc","truncate_prompt_tokens":2,"echo":true,"logprobs":1}`)
	require.Equal(t, "bcok", get(got, "choices", 0, "text"))
	require.Equal(t, []any{"b", "c"}, get(got, "choices", 0, "logprobs", "tokens").([]any)[:2])
	checkOffsets(t, get(got, "choices", 0))
	// As many as the context leaves.
	long := plainMessage(t, strings.Repeat("a", 600))
	long = long[:len(long)-1] + `,"max_tokens":56,"truncate_prompt_tokens":`
	post(t, s, 400, chatPath, long+`201}`)
	for _, limit := range []string{"-1", "200"} {
		got = post(t, s, 200, chatPath, long+limit+`}`)
		require.EqualValues(t, 200, get(got, "usage", "prompt_tokens"))
		require.Positive(t, truncated(got))
		w, _ := call(t, s, "POST", chatPath, long+limit+`,"stream":true}`)
		chunks, _ := events(t, w.Body.Bytes())
		require.Equal(t, truncated(got), truncated(chunks[len(chunks)-1]))
	}
	text, ids := rendered(t, s, long+`7}`)
	require.Len(t, ids, 7)
	require.NotContains(t, text, "aaaa")
	wantsError(t, s, completionPath, `{"prompt":"a","truncate_prompt_tokens":0}`, "truncate_prompt_tokens")
	wantsError(t, s, completionPath, `{"prompt":"a","truncate_prompt_tokens":257}`, "truncate_prompt_tokens")
}

// Fields that change the form of a response, and NIM's names for others.
// What the template does not read is reported, where it stands.
func TestWhatTemplatesRead(t *testing.T) {
	s := templateServer(t, `{% for m in messages %}{{ m.content }}{{ m.mood }}{% endfor %}{{ tone }}`)
	w, _ := call(t, s, "POST", chatPath, `{"messages":[{"role":"user","content":[{"type":"text","text":"a","x":1}],"mood":"b","y":1},{"role":"assistant","content":"c","annotations":[]}],
		"documents":[{"text":"d"}],"chat_template_kwargs":{"tone":"e","z":1}}`)
	require.Equal(t, "chat_template_kwargs.z, documents, messages[0].content[0].x, messages[0].y", w.Header().Get("X-Trona-Ignored"))
}

func TestFurtherFields(t *testing.T) {
	e := says(t, "ok")
	s := newServer(t, e)
	got := post(t, s, 200, chatPath, `{`+hello+`,"request_id":"mine-1","nvext":{"top_k":7,"repetition_penalty":1.5}}`)
	require.Equal(t, "chatcmpl-mine-1", got["id"])
	require.Equal(t, 7, e.requests[0].Sampling.TopK)
	require.Equal(t, float32(1.5), e.requests[0].Sampling.RepetitionPenalty)
	got = post(t, s, 200, completionPath, `{"prompt":"Hi","request_id":"2"}`)
	require.Equal(t, "cmpl-2", got["id"])
	for field, param := range map[string]string{
		`"request_id":"a b"`: "request_id", `"request_id":""`: "request_id", `"top_k":1,"nvext":{"top_k":2}`: "nvext.top_k", `"nvext":{"top_k":-2}`: "nvext.top_k",
		`"repetition_penalty":1,"nvext":{"repetition_penalty":2}`: "nvext.repetition_penalty", `"nvext":{"repetition_penalty":0}`: "nvext.repetition_penalty",
	} {
		wantsError(t, s, chatPath, `{`+hello+`,`+field+`}`, param)
	}
	// Special tokens have text where the request wants it; the end has none.
	tok := testTokenizer(t)
	open, _ := tok.ID("<|start_header_id|>")
	end, _ := tok.ID("<|eot_id|>")
	s = newServer(t, speaks([]int32{'a', open, 'b', end}))
	for skip, text := range map[string]string{"true": "ab", "false": "a<|start_header_id|>b"} {
		got = post(t, s, 200, chatPath, `{`+hello+`,"skip_special_tokens":`+skip+`}`)
		require.Equal(t, text, get(got, "choices", 0, "message", "content"))
	}
}

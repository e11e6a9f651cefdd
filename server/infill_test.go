package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// fillingServer has a model whose vocabulary has these special tokens.
func fillingServer(t *testing.T, special ...string) *Server {
	m := testModel(t, says(t, "ok"))
	m.Tokenizer = testTokenizer(t, special...)
	m.VocabSize = m.Tokenizer.VocabSize()
	s := New(Options{})
	s.SetModels(m)
	return s
}

// The prompt for a middle stands between the tokens that the model knows.
func TestSuffix(t *testing.T) {
	const render = "/v1/completions/render"
	for _, names := range infillTokens {
		s := fillingServer(t, names[:]...)
		for request, want := range map[string]string{
			`{"prompt":"ab","suffix":"cd"}`:                                 "<|begin_of_text|>" + names[0] + "ab" + names[1] + "cd" + names[2],
			`{"prompt":"ab","suffix":"cd","add_special_tokens":false}`:      names[0] + "ab" + names[1] + "cd" + names[2],
			`{"prompt":[97],"suffix":"<|eot_id|>"}`:                         names[0] + "a" + names[1] + "<|eot_id|>" + names[2],
			`{"prompt":"ab","suffix":""}`:                                   "<|begin_of_text|>ab",
			`{"prompt":"","suffix":"x","add_special_tokens":false}`:         names[0] + names[1] + "x" + names[2],
			`{"prompt":"ab","suffix":null,"prompt_logprobs":1,"echo":true}`: "<|begin_of_text|>ab",
		} {
			w, _ := call(t, s, "POST", render, request)
			require.Equal(t, 200, w.Code, "%s", w.Body)
			var got []renderedPrompt
			decodeJSON(t, w.Body.Bytes(), &got)
			require.Equal(t, want, got[0].Prompt, request)
		}
		require.Equal(t, "ok", get(post(t, s, 200, completionPath, `{"prompt":["a","b"],"suffix":"cd"}`), "choices", 1, "text"))
		for _, request := range []string{`{"prompt":"ab","suffix":"cd","echo":true}`, `{"prompt":"ab","suffix":"cd","truncate_prompt_tokens":3}`, `{"prompt":"ab","suffix":7}`} {
			wantsError(t, s, completionPath, request, "suffix")
		}
	}
	for _, special := range [][]string{nil, {"<|fim_prefix|>", "<|fim_suffix|>"}, {"<|fim_prefix|>", "<fim_suffix>", "<|fim_middle|>"}} {
		wantsError(t, fillingServer(t, special...), completionPath, `{"prompt":"ab","suffix":"cd"}`, "suffix")
	}
}

// What a completion would be made from is rendered as it is used.
func TestRenderCompletion(t *testing.T) {
	e := says(t, "ok")
	s := newServer(t, e)
	for _, fields := range []string{`"prompt":["Hi","<|eot_id|>x"]`, `"prompt":[[72],[72,105]]`, `"prompt":"Hi there","truncate_prompt_tokens":3`} {
		e.requests = nil
		w, _ := call(t, s, "POST", "/v1/completions/render", `{`+fields+`}`)
		require.Equal(t, 200, w.Code)
		require.Empty(t, e.requests)
		var got []renderedPrompt
		decodeJSON(t, w.Body.Bytes(), &got)
		post(t, s, 200, completionPath, `{`+fields+`}`)
		require.Len(t, e.requests, len(got))
		for i, r := range e.requests {
			require.Equal(t, r.Prompt, got[i].IDs)
		}
	}
	wantsError(t, s, "/v1/completions/render", `{"prompt":[]}`, "prompt")
}

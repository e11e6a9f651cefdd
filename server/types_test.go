package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// kindValues are values of each type of JSON, and some that are no type's best.
var kindValues = map[string][]string{
	"boolean": {`true`, `false`},
	"number":  {`0`, `1`, `-1`, `1.5`, `1e999`, `9223372036854775808`},
	"string":  {`""`, `"1"`, `"true"`, `"\u0000"`},
	"list":    {`[]`, `[1]`, `["a"]`, `[null]`},
	"object":  {`{}`, `{"a":1}`},
}

// typedFields are the fields that are not numbers, by what they may be.
var typedFields = map[string][]string{ // path -> "field kind kind"
	chatPath: {
		"messages list", "model string", "stop string list", "stop_token_ids list", "include_stop_str_in_output boolean", "ignore_eos boolean",
		"return_token_ids boolean", "return_tokens_as_token_ids boolean", "stream boolean", "stream_options object", "reasoning_format string",
		"include_reasoning boolean", "cache_salt string", "user string", "metadata object", "logit_bias object", "response_format object",
		"request_id string", "use_beam_search boolean", "skip_special_tokens boolean", "spaces_between_special_tokens boolean", "nvext object", "tools list",
		"tool_choice string object", "parallel_tool_calls boolean", "documents list", "chat_template_kwargs object", "reasoning_effort string",
		"add_generation_prompt boolean", "continue_final_message boolean", "add_special_tokens boolean", "logprobs boolean", "store boolean",
		"prediction object", "prompt_cache_options object", "prompt_cache_key string", "safety_identifier string", "service_tier string", "prompt_cache_retention string",
		"verbosity string", "modalities list", "echo boolean",
	},
	completionPath: {
		"prompt string list", "model string", "stop string list", "stop_token_ids list", "include_stop_str_in_output boolean", "ignore_eos boolean",
		"return_token_ids boolean", "return_tokens_as_token_ids boolean", "stream boolean", "stream_options object", "reasoning_format string",
		"include_reasoning boolean", "cache_salt string", "user string", "metadata object", "logit_bias object", "response_format object",
		"request_id string", "use_beam_search boolean", "skip_special_tokens boolean", "spaces_between_special_tokens boolean", "nvext object", "echo boolean",
		"suffix string", "add_special_tokens boolean",
	},
	"/v1/chat/completions/render": {"messages list", "tools list", "chat_template_kwargs object", "add_generation_prompt boolean", "stream boolean"},
	"/tokenize":                   {"prompt string", "model string", "add_special_tokens boolean", "return_token_strs boolean"},
	"/detokenize":                 {"tokens list", "model string"},
}

// A value of another type is refused, with the path of its field.
func TestFieldTypes(t *testing.T) {
	base := map[string]string{
		chatPath: hello, "/v1/chat/completions/render": hello, completionPath: `"prompt":"Hi"`, "/tokenize": `"prompt":"Hi"`, "/detokenize": `"tokens":[1]`,
	}
	s := newServer(t, says(t, "ok"))
	for path, fields := range typedFields {
		for _, field := range fields {
			words := strings.Fields(field)
			name, kinds := words[0], words[1:]
			own := base[path]
			if strings.HasPrefix(own, `"`+name+`"`) {
				own = `"seed":1`
			}
			tried := 0
			for kind, values := range kindValues {
				if slices.Contains(kinds, kind) {
					continue
				}
				for _, value := range values {
					wantsError(t, s, path, fmt.Sprintf(`{%s,%q:%s}`, own, name, value), name)
					tried++
				}
			}
			require.Positive(t, tried)
			if own == base[path] { // null is absent
				post(t, s, 200, path, fmt.Sprintf(`{%s,%q:null}`, own, name))
			}
		}
	}
}

// What asks for more than the server has is refused before any work.
func TestFanOut(t *testing.T) {
	long := many(8, many(200, "7"))
	e := says(t, "ok")
	s := newServer(t, e)
	for body, param := range map[string]string{
		`{"prompt":"a","n":129}`:                                               "n",
		`{"prompt":[` + strings.Repeat(`"a",`, 1024) + `"a"]}`:                 "prompt",
		`{"n":128,"prompt":[` + strings.Repeat(`"a",`, 8) + `"a"]}`:            "prompt",
		`{"best_of":128,"prompt":[` + strings.Repeat(`"a",`, 8) + `"a"]}`:      "prompt",
		`{"n":128,"echo":true,"logprobs":20,"prompt":` + long + `}`:            "prompt",
		`{"n":128,"prompt_logprobs":20,"stream":true,"prompt":` + long + `}`:   "prompt",
		`{"prompt":"a","max_tokens":2147483648}`:                               "max_tokens",
		`{"prompt":"a","logprobs":21}`:                                         "logprobs",
		`{"prompt":"a","prompt_logprobs":21}`:                                  "prompt_logprobs",
		`{"prompt":"a","stop_token_ids":[` + strings.Repeat(`1,`, 256) + `1]}`: "stop_token_ids",
		`{"prompt":"a","stop":["` + strings.Repeat("x", 1025) + `"]}`:          "stop[0]",
		`{"prompt":"a","user":"` + strings.Repeat("x", 257) + `"}`:             "user",
		`{"prompt":"a","cache_salt":"` + strings.Repeat("x", 257) + `"}`:       "cache_salt",
		`{"prompt":"a","metadata":{"` + strings.Repeat("x", 65) + `":"a"}}`:    "metadata",
		`{"prompt":"a","metadata":{"a":"` + strings.Repeat("x", 513) + `"}}`:   "metadata.a",
	} {
		wantsError(t, s, completionPath, body, param)
	}
	require.Empty(t, e.requests)
}

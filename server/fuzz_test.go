package server

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzRoute holds a route to its promise: any body gives an answer or a refusal
// that says why, never a failure of the server.
func fuzzRoute(f *testing.F, path string, seeds ...string) {
	for _, seed := range append(seeds, `{"model":"test"}`, `{"a":"\ud800"}`, `{"`, `[]`, ``, `{"model":"other"}`) {
		f.Add([]byte(seed))
	}
	s := newServer(f, says(f, "ok"))
	send := call
	if flag.Lookup("test.fuzz").Value.String() != "" {
		send = ask // the documents cost nine tenths of the inputs
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		w, got := send(t, s, "POST", path, string(request))
		switch w.Code {
		case 200:
		case 400, 404:
			require.NotEmpty(t, get(got, "error", "message"))
			require.Contains(t, []any{"invalid_request_error", "not_found_error"}, get(got, "error", "type"))
		default:
			t.Fatalf("%d: %s", w.Code, w.Body)
		}
	})
}

func FuzzChatRequest(f *testing.F) {
	fuzzRoute(f, chatPath, `{`+hello+`}`, `{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]}`,
		`{`+hello+`,"stop":["a"],"n":2,"logprobs":true,"top_logprobs":1,"stream":true,"stream_options":{"include_usage":true}}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"<|eot_id|>"}]}],"tools":[{"type":"function","function":{"name":"f"}}]}`,
		`{`+hello+`,"logit_bias":{"1":1},"max_tokens":1e1,"seed":-0}`, `{"messages":`,
		`{`+hello+`,"chat_template_kwargs":{"thinking":false,"x":[1,{"y":null}]},"reasoning_effort":"none","documents":[{}]}`,
		`{"messages":[{"role":"assistant","content":"<think>a"}],"continue_final_message":true,"reasoning_format":"none"}`)
}

func FuzzCompletionRequest(f *testing.F) {
	fuzzRoute(f, completionPath, `{"prompt":"Hi"}`, `{"prompt":[1,2,3],"echo":true,"logprobs":2,"max_tokens":0}`, `{"prompt":[[1],[2]],"n":2,"best_of":2}`,
		`{"prompt":["<|eot_id|>","\u4f60"],"stream":true,"prompt_logprobs":1}`, `{"prompt":"a","suffix":"","stop_token_ids":[9],"min_tokens":1}`,
		`{"prompt":["a b c"],"n":2,"best_of":4,"truncate_prompt_tokens":2,"skip_special_tokens":false,"request_id":"a","nvext":{"top_k":-1,"repetition_penalty":2}}`)
}

func FuzzTokenizeRequest(f *testing.F) {
	fuzzRoute(f, "/tokenize", `{"prompt":"Hi<|eot_id|>","return_token_strs":true}`, `{`+hello+`,"add_generation_prompt":false}`,
		`{"prompt":"\u0000\ufdd0","add_special_tokens":false}`, `{`+hello+`,"tools":[{"type":"function","function":{"name":"f"}}]}`)
}

func FuzzDetokenizeRequest(f *testing.F) {
	fuzzRoute(f, "/detokenize", `{"tokens":[265,72,105,228,189]}`, `{"tokens":[]}`, `{"tokens":[1e2]}`)
}

func FuzzMessagesRequest(f *testing.F) {
	fuzzRoute(f, messagesPath, `{`+hello+`,"max_tokens":9}`, `{"max_tokens":9,"stream":true,"system":[{"type":"text","text":"a"}],"messages":[{"role":"user","content":[]}]}`,
		`{"max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":""},{"type":"tool_use","id":"a","name":"f","input":{}}]},`+
			`{"role":"user","content":[{"type":"document","title":"a","source":{"type":"text","media_type":"text/plain","data":"a"}},{"type":"tool_result","tool_use_id":"a","content":[{"type":"search_result","source":"a","title":"a","content":[{"type":"text","text":"b"}]}]}]}]}`,
		`{`+hello+`,"max_tokens":9,"thinking":{"type":"adaptive"},"stop_sequences":["a"],"top_k":1,"metadata":{"user_id":"a"},"output_config":{"effort":"low"}}`)
}

func FuzzResponsesRequest(f *testing.F) {
	fuzzRoute(f, responsesPath, `{"input":"Hi"}`, `{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}],"stream":true,"store":false}`,
		`{"input":[{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"h"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},`+
			`{"type":"function_call_output","call_id":"1","output":"5"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}],"tool_choice":"required"}`,
		`{"input":"Hi","instructions":"x","metadata":{"a":"b"},"text":{"format":{"type":"json_schema","name":"f","schema":{"type":"object"}},"verbosity":"low"},"reasoning":{"effort":"none"}}`,
		`{"input":"Hi","previous_response_id":"resp_1","max_output_tokens":1e1,"truncation":"disabled","include":["reasoning.encrypted_content"]}`)
}

package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	chatPath       = "/v1/chat/completions"
	completionPath = "/v1/completions"
	hello          = `"messages":[{"role":"user","content":"Hi"}]`
)

// wants an error about this field.
func wantsError(t testing.TB, s *Server, path, body, param string) map[string]any {
	t.Helper()
	got := post(t, s, 400, path, body)
	require.Equal(t, "invalid_request_error", get(got, "error", "type"), body)
	if param == "" {
		require.Nil(t, get(got, "error", "param"), body)
	} else {
		require.Equal(t, param, get(got, "error", "param"), "%s -> %v", body, got)
		require.True(t, strings.HasPrefix(get(got, "error", "message").(string), param+": "), "%s -> %v", body, got)
	}
	require.NotEmpty(t, get(got, "error", "message"), body)
	return got
}

// values are what each numeric field is tried with, by the class they are in.
var numericValues = []string{
	`"1"`, `true`, `[]`, `[1]`, `{}`, `-1`, `0`, `-0`, `1`, `1.0`, `1e0`, `1.5`, `0.5`, `2`, `16`, `17`, `20`, `21`, `-2`, `-2.001`, `2.001`,
	`100`, `-100`, `2147483647`, `2147483648`, `9007199254740993`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`,
	`-9223372036854775809`, `1e999`, `-1e999`, `1e-400`, `1e-46`, `1e2`, `255`, `256`,
}

// Numbers are whole by their value, not by how they are written.
func TestWholeNumber(t *testing.T) {
	for number, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "0e99999999999999999999": "0", "-0.00E-5": "0", "7": "7", "-70": "-70", "2.0": "2", "1e2": "100", "1E+2": "100",
		"1.5e1": "15", "-1.25e2": "-125", "100e-2": "1", "10.0e-1": "1", "0.5e1": "05", "9223372036854775807.0": "9223372036854775807",
		"1e400": "1" + strings.Repeat("0", 20),
		"0.5":   "", "1e-400": "", "1.00000000000000000000001": "", "15e-1": "", "9007199254740993.5": "", "1e-99999999999999999999": "",
	} {
		got, ok := wholeNumber(number)
		require.Equal(t, want != "", ok, number)
		if ok {
			require.Equal(t, want, got, number)
		}
	}
}

func TestNumericFields(t *testing.T) {
	type field struct {
		path, name string
		extra      string // members that the field needs
		accepts    []string
	}
	fraction := []string{`0`, `-0`, `1`, `1.0`, `1e0`, `0.5`, `1e-400`, `1e-46`}
	positive := []string{`1`, `1.0`, `1e0`, `1.5`, `0.5`, `2`, `16`, `17`, `20`, `21`, `2.001`, `100`, `1e2`, `255`}
	real2 := slices.Concat(fraction, []string{`1.5`, `2`})
	signed2 := slices.Concat(real2, []string{`-1`, `-2`})
	whole := func(least, most int) (list []string) {
		for value, n := range map[string]int{
			`-2`: -2, `-1`: -1, `0`: 0, `-0`: 0, `1`: 1, `1.0`: 1, `1e0`: 1, `2`: 2, `16`: 16, `17`: 17, `20`: 20, `21`: 21, `100`: 100, `-100`: -100, `1e2`: 100,
			`255`: 255, `256`: 256, `2147483647`: 1<<31 - 1,
		} {
			if n >= least && n <= most {
				list = append(list, value)
			}
		}
		return list
	}
	seed := slices.Concat(whole(-100, 1<<31), []string{`2147483648`, `9007199254740993`, `9223372036854775807`, `-9223372036854775808`})
	both := []field{
		{name: "temperature", accepts: real2},
		{name: "top_p", accepts: []string{`1`, `1.0`, `1e0`, `0.5`}},
		{name: "min_p", accepts: fraction},
		{name: "presence_penalty", accepts: signed2},
		{name: "frequency_penalty", accepts: signed2},
		{name: "repetition_penalty", accepts: slices.DeleteFunc(positive, func(s string) bool {
			return slices.Contains([]string{`16`, `17`, `20`, `21`, `100`, `1e2`, `255`}, s)
		})},
		{name: "top_k", accepts: whole(-1, 1<<31)},
		{name: "n", accepts: whole(1, 128)},
		{name: "seed", accepts: seed},
		{name: "min_tokens", accepts: whole(0, 256)},
		{name: "prompt_logprobs", accepts: whole(0, 20)},
		{name: "priority", accepts: whole(-100, 256)},
	}
	var fields []field
	for _, f := range both {
		chat, plain := f, f
		chat.path, plain.path = chatPath, completionPath
		fields = append(fields, chat, plain)
	}
	fields = append(fields,
		field{chatPath, "max_tokens", "", whole(1, 200)},
		field{chatPath, "max_completion_tokens", "", whole(1, 200)},
		field{completionPath, "max_tokens", "", whole(0, 200)},
		field{chatPath, "top_logprobs", `"logprobs":true`, whole(0, 20)},
		field{completionPath, "logprobs", "", whole(0, 20)},
		field{completionPath, "best_of", "", whole(1, 128)},
		field{completionPath, "truncate_prompt_tokens", "", slices.Concat(whole(-1, -1), whole(1, 256))},
	)
	s := newServer(t, says(t, "ok"))
	for _, f := range fields {
		base := hello
		if f.path == completionPath {
			base = `"prompt":"Hi"`
		}
		if f.extra != "" {
			base += "," + f.extra
		}
		post(t, s, 200, f.path, "{"+base+"}")
		post(t, s, 200, f.path, fmt.Sprintf(`{%s,%q:null}`, base, f.name))
		for _, value := range numericValues {
			request := fmt.Sprintf(`{%s,%q:%s}`, base, f.name, value)
			if slices.Contains(f.accepts, value) {
				post(t, s, 200, f.path, request)
			} else {
				wantsError(t, s, f.path, request, f.name)
			}
		}
	}
}

func TestFieldErrors(t *testing.T) {
	long := strings.Repeat("x", 1025)
	many := func(n int, element string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
	}
	message := func(rest string) string { return `"messages":[{"role":"user","content":"a"},` + rest + `]` }
	var bias []string
	for i := range 301 {
		bias = append(bias, fmt.Sprintf(`"%d":0`, i))
	}
	chat := map[string]string{ // member -> path of the error
		message(`{}`):                           "messages[1].role",
		message(`{"role":"wizard"}`):            "messages[1].role",
		message(`{"role":1}`):                   "messages[1].role",
		message(`{"role":"user"}`):              "messages[1].content",
		message(`{"role":"user","content":1}`):  "messages[1].content",
		message(`{"role":"user","content":{}}`): "messages[1].content",
		message(`null`):                         "messages[1]",
		message(`[]`):                           "messages[1]",
		message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}`):      "messages[1].content[0].type",
		message(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"input_audio"}]}`): "messages[1].content[1].type",
		message(`{"role":"user","content":[{"type":"text"}]}`):                                   "messages[1].content[0].text",
		message(`{"role":"user","content":["a"]}`):                                               "messages[1].content[0]",
		message(`{"role":"user","content":[{"type":"refusal","refusal":"no"}]}`):                 "messages[1].content[0].type",
		message(`{"role":"user","content":"a","name":"a\u0000"}`):                                "messages[1].name",
		message(`{"role":"tool","content":"a","tool_call_id":7}`):                                "messages[1].tool_call_id",
		message(`{"role":"user","content":"a","tool_calls":[]}`):                                 "messages[1].tool_calls",
		message(`{"role":"assistant","tool_calls":[{"type":"custom"}]}`):                         "messages[1].tool_calls[0].type",
		message(`{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]}`):                 "messages[1].tool_calls[0].function.arguments",
		message(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":1}}]}`):   "messages[1].tool_calls[0].function.arguments",
		message(`{"role":"assistant","content":"","audio":{"id":"a"}}`):                          "messages[1].audio",
		`"messages":[]`:   "messages",
		`"messages":null`: "messages",
		`"messages":{}`:   "messages",
		`"messages":"Hi"`: "messages",
		`"messages":` + many(4097, `{"role":"user","content":""}`): "messages",
		hello + `,"model":7`:                                                 "model",
		hello + `,"model":""`:                                                "model",
		hello + `,"stop":""`:                                                 "stop",
		hello + `,"stop":7`:                                                  "stop",
		hello + `,"stop":{}`:                                                 "stop",
		hello + `,"stop":["a",""]`:                                           "stop[1]",
		hello + `,"stop":["a",null]`:                                         "stop[1]",
		hello + `,"stop":["a","` + long + `"]`:                               "stop[1]",
		hello + `,"stop":` + many(17, `"a"`):                                 "stop",
		hello + `,"stop_token_ids":[1,-1]`:                                   "stop_token_ids[1]",
		hello + `,"stop_token_ids":[100000]`:                                 "stop_token_ids[0]",
		hello + `,"stop_token_ids":7`:                                        "stop_token_ids",
		hello + `,"logit_bias":[]`:                                           "logit_bias",
		hello + `,"logit_bias":{"x":1}`:                                      "logit_bias",
		hello + `,"logit_bias":{"-1":1}`:                                     "logit_bias",
		hello + `,"logit_bias":{"100000":1}`:                                 "logit_bias",
		hello + `,"logit_bias":{"7":1,"07":2}`:                               "logit_bias",
		hello + `,"logit_bias":{"7":101}`:                                    "logit_bias.7",
		hello + `,"logit_bias":{"7":"1"}`:                                    "logit_bias.7",
		hello + `,"logit_bias":{` + strings.Join(bias, ",") + `}`:            "logit_bias",
		hello + `,"stream":1`:                                                "stream",
		hello + `,"stream":"true"`:                                           "stream",
		hello + `,"stream_options":{"include_usage":true}`:                   "stream_options",
		hello + `,"stream":true,"stream_options":[]`:                         "stream_options",
		hello + `,"stream":true,"stream_options":{"include_usage":1}`:        "stream_options.include_usage",
		hello + `,"top_logprobs":2`:                                          "top_logprobs",
		hello + `,"logprobs":2`:                                              "logprobs",
		hello + `,"min_tokens":11,"max_tokens":10`:                           "min_tokens",
		hello + `,"response_format":{"type":"json_schema"}`:                  "response_format.json_schema",
		hello + `,"response_format":{"type":"json_schema","json_schema":{}}`: "response_format.json_schema.name",
		hello + `,"response_format":{}`:                                      "response_format.type",
		hello + `,"response_format":"json"`:                                  "response_format",
		hello + `,"guided_json":7`:                                           "guided_json",
		hello + `,"guided_json":"{"`:                                         "guided_json",
		hello + `,"guided_choice":[]`:                                        "guided_choice",
		hello + `,"structured_outputs":{"regex":"("}`:                        "structured_outputs.regex",
		hello + `,"structured_outputs":{"structural_tag":{}}`:                "structured_outputs.structural_tag",
		hello + `,"nvext":{"guided_regex":"["}`:                              "nvext.guided_regex",
		hello + `,"nvext":{"guided_regex":"a"},"guided_choice":["a"]`:        "nvext.guided_regex",
		hello + `,"guided_regex":"a","ignore_eos":true`:                      "ignore_eos",
		hello + `,"guided_regex":"a","guided_whitespace_pattern":" "`:        "guided_whitespace_pattern",
		hello + `,"grammar":"x ::= y"`:                                       "grammar",
		hello + `,"tool_choice":"required"`:                                  "tool_choice",
		hello + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}`: "tool_choice.allowed_tools.tools[0].function.name",
		hello + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}`:                                            "tool_choice.allowed_tools.tools",
		hello + `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"none","tools":[]}}`:                                            "tool_choice.allowed_tools.mode",
		hello + `,"tool_choice":"some"`:                                              "tool_choice",
		hello + `,"tool_choice":{"type":"function","function":{"name":"f"}}`:         "tool_choice.function.name",
		hello + `,"tools":` + many(2, `{"type":"function","function":{"name":"f"}}`): "tools",
		hello + `,"tools":{}`:                                                            "tools",
		hello + `,"tools":[{"type":"web_search"}]`:                                       "tools[0].type",
		hello + `,"tools":[{"type":"function"}]`:                                         "tools[0].function",
		hello + `,"tools":[{"type":"function","function":{"name":"` + long[:65] + `"}}]`: "tools[0].function.name",
		hello + `,"tools":[{"type":"function","function":{"name":"f","parameters":[]}}]`: "tools[0].function.parameters",
		hello + `,"tools":` + many(1025, `{"type":"function","function":{"name":"f"}}`):  "tools",
		hello + `,"modalities":["text","audio"]`:                                         "modalities[1]",
		hello + `,"audio":{"voice":"alloy"}`:                                             "audio",
		hello + `,"web_search_options":{}`:                                               "web_search_options",
		hello + `,"functions":[]`:                                                        "functions",
		hello + `,"chat_template":"{{ 1 }}"`:                                             "chat_template",
		hello + `,"chat_template_kwargs":[]`:                                             "chat_template_kwargs",
		hello + `,"documents":["a"]`:                                                     "documents[0]",
		hello + `,"reasoning_effort":"extreme"`:                                          "reasoning_effort",
		hello + `,"reasoning_effort":2`:                                                  "reasoning_effort",
		hello + `,"reasoning_format":"raw"`:                                              "reasoning_format",
		hello + `,"include_reasoning":"yes"`:                                             "include_reasoning",
		hello + `,"continue_final_message":true,"add_generation_prompt":true`:            "continue_final_message",
		hello + `,"echo":1`:                                                              "echo",
		hello + `,"use_beam_search":true`:                                                "use_beam_search",
		hello + `,"user":"` + long + `"`:                                                 "user",
		hello + `,"metadata":{"a":1}`:                                                    "metadata.a",
		hello + `,"metadata":7`:                                                          "metadata",
		hello + `,"cache_salt":7`:                                                        "cache_salt",
	}
	plain := map[string]string{
		``:                                       "prompt",
		`"prompt":null`:                          "prompt",
		`"prompt":7`:                             "prompt",
		`"prompt":{}`:                            "prompt",
		`"prompt":[]`:                            "prompt",
		`"prompt":[[]]`:                          "prompt[0]",
		`"prompt":["a",7]`:                       "prompt[1]",
		`"prompt":[7,"a"]`:                       "prompt[1]",
		`"prompt":[1,-1]`:                        "prompt[1]",
		`"prompt":[1.5]`:                         "prompt[0]",
		`"prompt":[100000]`:                      "prompt[0]",
		`"prompt":[[1],[2,100000]]`:              "prompt[1][1]",
		`"prompt":[[1],"a"]`:                     "prompt[1]",
		`"prompt":` + many(1025, `"a"`):          "prompt",
		`"prompt":"a","suffix":"b"`:              "suffix",
		`"prompt":"","add_special_tokens":false`: "prompt",
		`"prompt":["a",""],"add_special_tokens":false`:                   "prompt[1]",
		`"prompt":"a","length_penalty":2`:                                "length_penalty",
		`"prompt":"a","min_tokens":257`:                                  "min_tokens",
		`"prompt":"a","metadata":{` + strings.Join(bias[:17], ",") + `}`: "metadata",
		`"prompt":"a","n":2,"best_of":1`:                                 "best_of",
		`"prompt":"a","echo":1`:                                          "echo",
		`"prompt":"a","prompt_embeds":"x"`:                               "prompt_embeds",
		`"prompt":"a","add_special_tokens":0`:                            "add_special_tokens",
	}
	s := newServer(t, says(t, "ok"))
	for _, member := range slices.Sorted(maps.Keys(chat)) {
		wantsError(t, s, chatPath, "{"+member+"}", chat[member])
	}
	for _, member := range slices.Sorted(maps.Keys(plain)) {
		wantsError(t, s, completionPath, "{"+member+"}", plain[member])
	}
	got := wantsError(t, s, completionPath, `{"prompt":"a","length_penalty":2}`, "length_penalty")
	require.Equal(t, "length_penalty: must be 1, not 2", get(got, "error", "message"))
}

func TestSyntaxErrors(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	for text, param := range map[string]string{
		``: "", ` `: "", `null`: "", `[]`: "", `7`: "", `"a"`: "", `{`: "", `{}{}`: "", `{} x`: "", "\xef\xbb\xbf{}": "", "{\x00}": "", `{"a":1,}`: "", `{'a':1}`: "",
		`{"model":"a","model":"b"}`:                                                  "model", // names twice
		`{"messages":[{"role":"user","role":"user"}]}`:                               "messages[0].role",
		"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}":                  "messages[0].content",
		`{"messages":[{"role":"user","content":"\ud800"}]}`:                          "messages[0].content",
		`{"messages":[{"role":"user","content":"\ud800\u0041"}]}`:                    "messages[0].content",
		`{"stop":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`: "*",
		`{"temperature":01}`: "", `{"temperature":NaN}`: "temperature", `{"temperature":+1}`: "temperature",
	} {
		got := post(t, s, 400, chatPath, text)
		require.Equal(t, "invalid_request_error", get(got, "error", "type"))
		switch param {
		case "*":
		case "":
			require.Nil(t, get(got, "error", "param"), text)
		default:
			require.Equal(t, param, get(got, "error", "param"), text)
		}
	}
	members := make([]string, 1001)
	for i := range members {
		members[i] = fmt.Sprintf(`"x%d":1`, i)
	}
	post(t, s, 400, chatPath, "{"+strings.Join(members, ",")+"}")
}

func TestAcceptedFields(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	w, _ := call(t, s, "POST", chatPath, `{`+hello+`,"model":"org/test","store":true,"user":"u","metadata":{"a":"b"},"service_tier":"auto",
		"parallel_tool_calls":false,"prompt_cache_key":"k","safety_identifier":"s","verbosity":"low","prediction":{"type":"content","content":"x"},
		"response_format":{"type":"text"},"modalities":["text"],"stop":null,"logit_bias":null,"tools":null,"nvext":{},"cache_salt":"s"}`)
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Empty(t, w.Header().Get("X-Trona-Ignored"))

	// What clients say about caching, wherever they do.
	const control, breakpoint, options = `"cache_control":{"type":"ephemeral"}`, `"prompt_cache_breakpoint":{"mode":"explicit"}`, `"prompt_cache_options":{"mode":"explicit"}`
	for path, body := range map[string]string{
		chatPath:      `{"messages":[{"role":"user","content":[{"type":"text","text":"Hi",` + control + `,` + breakpoint + `}]}],` + options + `}`,
		responsesPath: `{"input":[{"role":"user","content":[{"type":"input_text","text":"Hi",` + breakpoint + `}]}],"stream_options":{"include_usage":true},` + options + `}`,
		messagesPath:  `{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Hi",` + control + `}]}],` + control + `}`,
	} {
		w, _ := call(t, s, "POST", path, body)
		require.Equal(t, 200, w.Code, "%s", w.Body)
		require.Empty(t, w.Header().Get("X-Trona-Ignored"))
	}

	var tools []string // more than OpenAI takes
	for i := range 200 {
		tools = append(tools, fmt.Sprintf(`{"name":"f%d","input_schema":{"type":"object"}}`, i))
	}
	s.loaded()[0].ContextLength = 1 << 20
	post(t, s, 200, messagesPath+"/count_tokens", `{`+hello+`,"tools":[`+strings.Join(tools, ",")+`]}`)

	post(t, s, 200, chatPath, `{`+hello+`,"logprobs":false,"top_logprobs":0}`) // asks for nothing

	w, _ = call(t, s, "POST", chatPath, `{`+hello+`,"temprature":1,"a,b\n":1,"zz":null,"stream_options":null,"nvext":{"other":1}}`)
	require.Equal(t, 200, w.Code, "%s", w.Body)
	require.Equal(t, "a?b?, nvext.other, temprature", w.Header().Get("X-Trona-Ignored"))

	var wide strings.Builder
	for i := range 200 {
		fmt.Fprintf(&wide, `,"unknown%d":1`, i)
	}
	w, _ = call(t, s, "POST", chatPath, `{`+hello+wide.String()+`}`)
	require.Equal(t, 200, w.Code)
	require.Less(t, len(w.Header().Get("X-Trona-Ignored")), 4096)
}

// What the engine is asked for is what the request says.
func TestEngineRequest(t *testing.T) {
	e := says(t, "ok")
	s := newServer(t, e)
	post(t, s, 200, completionPath, `{"prompt":[1,2,3],"temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.1,"presence_penalty":1,"frequency_penalty":-1,
		"repetition_penalty":1.2,"seed":-1,"max_tokens":7,"min_tokens":2,"stop_token_ids":[9],"logprobs":3,"prompt_logprobs":2,"priority":-3,"cache_salt":"s",
		"logit_bias":{"5":-100,"6":2.5}}`)
	r := e.requests[0]
	require.Equal(t, []int32{1, 2, 3}, r.Prompt)
	require.Equal(t, float32(0.5), r.Sampling.Temperature)
	require.Equal(t, float32(0.9), r.Sampling.TopP)
	require.Equal(t, 40, r.Sampling.TopK)
	require.Equal(t, float32(0.1), r.Sampling.MinP)
	require.Equal(t, float32(1), r.Sampling.PresencePenalty)
	require.Equal(t, float32(-1), r.Sampling.FrequencyPenalty)
	require.Equal(t, float32(1.2), r.Sampling.RepetitionPenalty)
	require.Equal(t, ^uint64(0), r.Sampling.Seed)
	require.Equal(t, 7, r.MaxTokens)
	require.Equal(t, 2, r.MinTokens)
	require.Equal(t, []int32{268, 9}, r.StopIDs)
	require.True(t, r.Sampling.Logprob)
	require.Equal(t, 3, r.Sampling.TopLogprobs)
	require.Equal(t, 2, r.PromptLogprobs)
	require.Equal(t, -3, r.Priority)
	require.Equal(t, "s", r.Salt)
	require.Len(t, r.Sampling.Bias, 2)
	require.Equal(t, float32(-100), r.Sampling.Bias[0].Bias)

	// Without fields: OpenAI's defaults, or the checkpoint's.
	post(t, s, 200, completionPath, `{"prompt":"a","ignore_eos":true}`)
	r = e.requests[1]
	require.Equal(t, float32(1), r.Sampling.Temperature)
	require.Empty(t, r.StopIDs)
	require.Equal(t, -1, r.PromptLogprobs)
	require.Zero(t, r.MaxTokens)
	temperature, topK := 0.6, 20
	m := testModel(t, e)
	m.Defaults = SamplingDefaults{Temperature: &temperature, TopK: &topK}
	s.SetModels(m)
	post(t, s, 200, completionPath, `{"prompt":"a","n":3,"seed":5}`)
	r = e.requests[2]
	require.Equal(t, float32(0.6), r.Sampling.Temperature)
	require.Equal(t, 20, r.Sampling.TopK)
	require.EqualValues(t, 5, r.Sampling.Seed)
	require.NotEqual(t, e.requests[3].Sampling.Seed, e.requests[4].Sampling.Seed)
	require.Equal(t, choiceSeed(5, 2), e.requests[4].Sampling.Seed)
}

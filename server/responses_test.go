package server

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"trona/engine"
)

const (
	responsesPath = "/v1/responses"
	responseTools = `[{"type":"function","name":"f","description":"d","strict":false,"parameters":{"type":"object"}}]`
)

// plain takes away what differs between two answers to the same request.
func plain(response map[string]any) map[string]any {
	for _, name := range []string{"id", "created_at", "completed_at"} {
		delete(response, name)
	}
	for _, item := range listOf(response["output"]) {
		delete(item.(map[string]any), "id")
		delete(item.(map[string]any), "call_id")
	}
	return response
}

func TestResponses(t *testing.T) {
	for _, c := range []struct{ says, fields, items, status string }{
		{"<think>\nhm\n</think>\n\nHello", "", "reasoning message", "completed"},
		{"<think>\nhm\n</think>\n\nHello", `,"reasoning":{"summary":"auto"}`, "reasoning message", "completed"},
		{"Hello", `,"reasoning":{"effort":"none"}`, "message", "completed"},
		{"Hello", `,"max_output_tokens":2`, "message", "incomplete"},
		{"", "", "", "completed"},
		{"so <TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"x\": 1}}, {\"name\": \"f\", \"arguments\": {}}]</TOOLCALL>", `,"tools":` + responseTools, "message function_call function_call", "completed"},
		{`so <TOOLCALL>[{"name": "f", "arguments": {"x": 1, "x": 2}}]`, `,"tools":` + responseTools, "message function_call", "completed"},
		{`so <TOOLCALL>[{"name": "f", "arguments": {"x": "\ud83d"}}]`, `,"tools":` + responseTools, "message function_call", "completed"},
		{`so <TOOLCALL>[{"name": "f", "arguments": {"x": "the`, `,"stop":"the","tools":` + responseTools, "message function_call!", "completed"},
		{`so <TOOLCALL>[{"name": "f", "arguments": {"x": the"}}]`, `,"tools":` + responseTools, "message function_call! message", "completed"},
	} {
		s := newServer(t, says(t, c.says))
		s.loaded()[0].ContextLength = 2 * testContext
		got := post(t, s, 200, responsesPath, `{"model":"test","input":"Hi"`+c.fields+`}`)
		require.Regexp(t, "^resp_[0-9a-f]{32}$", got["id"])
		var kinds []string
		for _, item := range listOf(got["output"]) {
			kind, broken := get(item, "type").(string), get(item, "status") == "incomplete"
			if broken && c.status == "completed" {
				kind += "!"
			}
			kinds = append(kinds, kind)
			require.True(t, broken || get(item, "status") == "completed")
		}
		require.Equal(t, c.items, strings.Join(kinds, " "))
		require.Equal(t, c.status, got["status"])
		require.Equal(t, c.status == "incomplete", got["incomplete_details"] != nil)
		count := post(t, s, 200, responsesPath+"/input_tokens", `{"model":"test","input":"Hi"`+c.fields+`}`)
		require.Equal(t, count["input_tokens"], get(got, "usage", "input_tokens"))
		_, stored := call(t, s, "GET", responsesPath+"/"+got["id"].(string), "")
		require.Equal(t, got, stored)
	}
}

// listNamed returns the list of an item that an event about a part is about.
func listNamed(e namedEvent) string {
	if strings.Contains(e.name, "summary") {
		return "summary"
	}
	return "content"
}

// joinResponse holds each event of a stream against those before it, and
// returns the response that they add up to.
func joinResponse(t tester, list []namedEvent) map[string]any {
	output := []any{}
	last := list[len(list)-1].data["response"].(map[string]any)
	for i, e := range list {
		require.EqualValues(t, i, e.data["sequence_number"])
		var item map[string]any
		if index, ok := e.data["output_index"].(float64); ok && int(index) < len(output) {
			item = output[int(index)].(map[string]any)
			require.EqualValues(t, len(output)-1, index)
		}
		switch e.name {
		case "response.output_item.added":
			require.EqualValues(t, len(output), e.data["output_index"])
			output = append(output, e.data["item"])
		case "response.content_part.added", "response.reasoning_summary_part.added":
			require.Equal(t, item["id"], e.data["item_id"])
			item[listNamed(e)] = append(item[listNamed(e)].([]any), e.data["part"])
		case "response.output_text.delta", "response.reasoning_text.delta", "response.reasoning_summary_text.delta":
			require.Equal(t, item["id"], e.data["item_id"])
			part := item[listNamed(e)].([]any)[0].(map[string]any)
			if part["logprobs"] != nil {
				part["logprobs"] = append(part["logprobs"].([]any), e.data["logprobs"].([]any)...)
			}
			part["text"] = part["text"].(string) + e.data["delta"].(string)
		case "response.function_call_arguments.delta":
			item["arguments"] = item["arguments"].(string) + e.data["delta"].(string)
		case "response.output_text.done", "response.reasoning_text.done", "response.reasoning_summary_text.done":
			require.Equal(t, get(item, listNamed(e), 0, "text"), e.data["text"])
			require.Equal(t, get(item, listNamed(e), 0, "logprobs"), e.data["logprobs"])
		case "response.content_part.done", "response.reasoning_summary_part.done":
			require.Equal(t, get(item, listNamed(e), 0), e.data["part"])
		case "response.function_call_arguments.done":
			require.Equal(t, item["arguments"], e.data["arguments"])
		case "response.output_item.done":
			item["status"] = get(e.data, "item", "status")
			require.Equal(t, item, e.data["item"])
		case "response.created", "response.in_progress":
			require.Less(t, i, 2)
			require.Equal(t, "in_progress", get(e.data, "response", "status"))
		default:
			require.Equal(t, len(list)-1, i, e.name)
			require.Equal(t, "response."+last["status"].(string), e.name)
		}
	}
	require.Equal(t, output, last["output"])
	return last
}

// A stream says what the same request says without streaming.
func TestResponsesStreamEqualsWhole(t *testing.T) {
	e := babbles(t)
	random := e.answer
	e.answer = func(r engine.Request) []int32 { r.Sampling.Seed = uint64(r.MaxTokens); return random(r) }
	s := newServer(t, e)
	rapid.Check(t, func(rt *rapid.T) {
		fields := fmt.Sprintf(`"input":"Hi","max_output_tokens":%d`, rapid.IntRange(1, 60).Draw(rt, "tokens"))
		if rapid.Bool().Draw(rt, "tools") {
			fields += `,"tools":` + responseTools
		}
		if rapid.Bool().Draw(rt, "summary") {
			fields += `,"reasoning":{"summary":"detailed"}`
		}
		if rapid.Bool().Draw(rt, "logprobs") {
			fields += `,"include":["message.output_text.logprobs"]`
		}
		whole := post(rt, s, 200, responsesPath, "{"+fields+"}")
		w, _ := call(rt, s, "POST", responsesPath, "{"+fields+`,"stream":true}`)
		require.Equal(rt, 200, w.Code)
		require.Equal(rt, plain(whole), plain(joinResponse(rt, namedEvents(rt, w.Body.Bytes()))))
	})
}

// A conversation becomes the one that a chat with the same content has.
func TestResponsesPrompt(t *testing.T) {
	e := says(t, "<think>h</think>b")
	s := newServer(t, e)
	first := post(t, s, 200, responsesPath, `{"instructions":"be","input":"a"}`)
	summary := post(t, s, 200, responsesPath, `{"input":"a","reasoning":{"summary":"auto"}}`)
	second := `"previous_response_id":"` + first["id"].(string) + `","input":[{"role":"user","content":[{"type":"input_text","text":"c"}]}]`
	const drawn = `"top_k":3,"min_p":0.1,"presence_penalty":0.2,"frequency_penalty":0.3,"repetition_penalty":1.1,"logit_bias":{"5":-1},"seed":7,"stop":["x"],"stop_token_ids":[4],"ignore_eos":true,"min_tokens":2`
	for _, c := range []struct{ fields, chat string }{
		{`"instructions":"be","input":"a"`, `"messages":[{"role":"system","content":"be"},{"role":"user","content":"a"}]`},
		{second, `"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"h"},{"role":"user","content":"c"}]`},
		{`"input":[{"role":"user","content":"a"},{"type":"item_reference","id":"` + get(first, "output", 0, "id").(string) + `"},{"type":"item_reference","id":"` + get(first, "output", 1, "id").(string) + `"},{"role":"user","content":"c"}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"h"},{"role":"user","content":"c"}]`},
		{`"previous_response_id":"` + summary["id"].(string) + `","input":"c"`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"h"},{"role":"user","content":"c"}]`},
		{`"input":[{"role":"user","content":"a"},{"type":"reasoning","summary":[{"type":"summary_text","text":"h"},{"type":"summary_text","text":"i"}],"content":[]},` +
			`{"role":"assistant","content":"b"},{"role":"user","content":"c"}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"h\ni"},{"role":"user","content":"c"}]`},
		{`"input":[{"role":"user","content":"a"},{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"of it"}],"content":[{"type":"reasoning_text","text":"h"}]},` +
			`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"b","annotations":[]}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},` +
			`{"type":"function_call_output","call_id":"1","output":"5"}],"tools":` + responseTools + `,"temperature":0.5,"reasoning":{"effort":"low"}`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"h","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"1","content":"5"}],"temperature":0.5,"reasoning_effort":"low",` +
				`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":false}}]`},
		{`"input":[{"role":"user","content":"a"},{"role":"assistant","content":"so"},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"role":"assistant","content":"and"},{"role":"assistant","content":"on"},` +
			`{"type":"function_call_output","call_id":"1","output":"5"}],"tools":[{"type":"function","name":"f"}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"so\nand\non","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"1","content":"5"}],"tools":[{"type":"function","function":{"name":"f"}}]`},
		{`"input":"` + strings.Repeat("a", 300) + `","truncation":"auto","max_output_tokens":9`,
			`"messages":[{"role":"user","content":"` + strings.Repeat("a", 300) + `"}],"truncate_prompt_tokens":-1,"max_tokens":9`},
		{`"input":"a","max_output_tokens":9,` + drawn, `"messages":[{"role":"user","content":"a"}],"max_tokens":9,` + drawn},
		{`"input":"a","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"g"}]}`,
			`"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"g"}}]`},
		{`"input":[{"role":"user","content":"a"},{"type":"function_call","call_id":"1","namespace":"n","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"5"}],` +
			`"tools":[{"type":"web_search"},{"type":"namespace","name":"n","description":"d","tools":[{"type":"custom","name":"c"},{"type":"function","name":"f","description":"e"}]},{"type":"function","name":"f"}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":{"name":"n__f","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"1","content":"5"}],"tools":[{"type":"function","function":{"name":"n__f","description":"e"}},{"type":"function","function":{"name":"f"}}]`},
	} {
		e.requests = nil
		post(t, s, 200, responsesPath, `{`+c.fields+`}`)
		post(t, s, 200, chatPath, `{`+c.chat+`}`)
		one, other := e.requests[0], e.requests[1]
		one.ID, one.Sampling.Seed = other.ID, other.Sampling.Seed
		require.Equal(t, other, one, c.fields)
	}
}

// An answer says what was asked for.
func TestResponsesEcho(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	got := post(t, s, 200, responsesPath, `{"input":"a"}`)
	require.Equal(t, "disabled", got["truncation"])
	require.Nil(t, get(got, "reasoning", "summary"))
	got = post(t, s, 200, responsesPath, `{"input":"a","reasoning":{"generate_summary":"auto","summary":"concise"}}`)
	require.Equal(t, "concise", get(got, "reasoning", "summary"))
	got = post(t, s, 200, responsesPath, `{"input":"a","user":"u","truncation":"auto","include":["reasoning.encrypted_content","web_search_call.action.sources"]}`)
	require.Equal(t, "auto", got["truncation"])
	require.Equal(t, "u", got["user"])
}

// Log probabilities are those of the message, from the first token of its first letter to the
// last, which may have waited for what ends the answer, and of nothing else.
func TestResponsesLogprobs(t *testing.T) {
	for item, said := range []string{"\u4f60 ok", "<think>\nhm\n</think>\n\n\u4f60 ok"} {
		s := newServer(t, says(t, said))
		got := post(t, s, 200, responsesPath, `{"input":"a","include":["message.output_text.logprobs"],"top_logprobs":2,"stop":["kx"]}`)
		require.EqualValues(t, 2, got["top_logprobs"])
		part := get(got, "output", item, "content", 0)
		var text []byte
		for _, token := range get(part, "logprobs").([]any) {
			require.Len(t, get(token, "top_logprobs"), 2)
			for _, b := range get(token, "bytes").([]any) {
				text = append(text, byte(b.(float64)))
			}
		}
		require.Equal(t, get(part, "text"), string(text))
		got = post(t, s, 200, responsesPath, `{"input":"a"}`)
		require.Empty(t, get(got, "output", item, "content", 0, "logprobs"))
	}
}

func TestResponsesStore(t *testing.T) {
	s := newServer(t, says(t, "ok"), func(o *Options) { o.APIKeys = []string{"a", "b"} })
	ask := func(status int, method, path, body, key string) map[string]any {
		t.Helper()
		w, got := call(t, s, method, path, body, "Authorization", "Bearer "+key)
		require.Equal(t, status, w.Code, w.Body.String())
		return got
	}
	id := ask(200, "POST", responsesPath, `{"input":"Hi"}`, "a")["id"].(string)
	ask(200, "GET", responsesPath+"/"+id, "", "a")
	ask(404, "GET", responsesPath+"/"+id, "", "b")
	for key, status := range map[string]int{"a": 200, "b": 404} { // whoever holds the key, however it comes
		w, _ := call(t, s, "GET", responsesPath+"/"+id, "", "X-Api-Key", key)
		require.Equal(t, status, w.Code)
	}
	item := get(ask(200, "GET", responsesPath+"/"+id, "", "a"), "output", 0, "id").(string)
	refers := `{"input":[{"role":"user","content":"Hi"},{"type":"item_reference","id":"` + item + `"},{"role":"user","content":"a"}]}`
	ask(200, "POST", responsesPath, refers, "a")
	ask(400, "POST", responsesPath, refers, "b")
	ask(404, "DELETE", responsesPath+"/"+id, "", "b")
	ask(404, "POST", responsesPath+"/"+id+"/cancel", "", "b")
	ask(400, "POST", responsesPath+"/"+id+"/cancel", "", "a")
	ask(400, "GET", responsesPath+"/"+id+"?stream=true", "", "a")
	got := ask(400, "POST", responsesPath, `{"input":"Hi","previous_response_id":"`+id+`"}`, "b")
	require.Equal(t, "previous_response_not_found", get(got, "error", "code"))
	require.Equal(t, map[string]any{"id": id, "object": "response", "deleted": true}, ask(200, "DELETE", responsesPath+"/"+id, "", "a"))
	got = ask(400, "POST", responsesPath, refers, "a")
	require.Equal(t, "input[1].id", get(got, "error", "param"))
	ask(404, "GET", responsesPath+"/"+id, "", "a")
	id = ask(200, "POST", responsesPath, `{"input":"Hi","store":false}`, "a")["id"].(string)
	ask(404, "GET", responsesPath+"/"+id, "", "a")

	// Both bounds hold, and the oldest goes first.
	store := newResponseStore(maxStoredBytes)
	for i := range maxStoredResponses + 2 {
		store.add(&storedResponse{id: fmt.Sprint(i), output: []*outputItem{{ID: fmt.Sprint("item ", i)}}})
	}
	own := keeper{store, ""}
	require.Nil(t, own.response("1"))
	require.NotNil(t, own.response("2"))
	require.Nil(t, own.item("item 1"))
	require.Equal(t, "item 2", own.item("item 2").ID)
	require.Len(t, store.byID, maxStoredResponses)
	store.add(&storedResponse{id: "large", body: make([]byte, maxStoredBytes-100)})
	require.NotNil(t, own.response("large"))
	require.LessOrEqual(t, store.bytes, maxStoredBytes)
	store.add(&storedResponse{id: "too large", body: make([]byte, maxStoredBytes)})
	require.Nil(t, own.response("too large"))
	require.NotNil(t, own.response("large"))
	for id := range store.byID {
		require.True(t, own.remove(id))
	}
	require.Zero(t, store.bytes)
	require.Empty(t, store.items)
}

// What goes on from a stored response leaves it as it is, also where several do at once and
// their items belong to its last turn.
func TestResponsesGoOn(t *testing.T) {
	s := newServer(t, says(t, `a<TOOLCALL>[{"name": "f", "arguments": {"x": 1}}]</TOOLCALL>b<TOOLCALL>[{"name": "f", "arguments": {"x": 1}}]</TOOLCALL>c`))
	s.loaded()[0].ContextLength = 8 * testContext
	id := post(t, s, 200, responsesPath, `{"input":"Hi","tools":`+responseTools+`}`)["id"].(string)
	stored := func() string { return string(marshal(keeper{s.responses, ""}.response(id).messages)) }
	before := stored()
	var asking sync.WaitGroup
	for _, items := range []string{
		`{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"1"}`,
		`{"type":"function_call","call_id":"d","name":"g","arguments":"{}"},{"type":"function_call_output","call_id":"d","output":"2"}`,
		`{"role":"assistant","content":"so"},{"role":"user","content":"x"}`,
		`{"role":"assistant","content":"or"},{"role":"user","content":"x"}`,
	} {
		asking.Go(func() {
			post(t, s, 200, responsesPath, `{"store":false,"previous_response_id":"`+id+`","tools":`+responseTools+`,"input":[`+items+`]}`)
		})
	}
	asking.Wait()
	require.Equal(t, before, stored())
}

// A conversation goes on after whatever the model did, also where its template wants the
// arguments of calls as objects: a call that broke off is left out.
func TestResponsesGoOnAfter(t *testing.T) {
	for said, want := range map[string]string{
		"": `[{"content":"Hi","role":"user"},{"content":"","role":"assistant"}]`,
		`<TOOLCALL>[{"name": "f", "arguments": {"x": the`:            `[{"content":"Hi","role":"user"},{"content":"he","role":"assistant"}]`,
		`so <TOOLCALL>[{"name": "f", "arguments": {"x": "`:           `[{"content":"Hi","role":"user"},{"content":"so","role":"assistant"}]`,
		`so <TOOLCALL>[{"name": "f", "arguments": {"x": the`:         `[{"content":"Hi","role":"user"},{"content":[{"type":"text","text":"so"},{"type":"text","text":"he"}],"role":"assistant"}]`,
		`<TOOLCALL>[{"name": "f", "arguments": {"x": 1, "x": 2}}]`:   "",
		`<TOOLCALL>[{"name": "f", "arguments": {"x": "\ud83d"}}]`:    "",
		`<TOOLCALL>[{"name": "f", "arguments": {}}, {"name": "f", "`: "",
	} {
		s := newServer(t, says(t, said))
		m := s.loaded()[0]
		m.ContextLength, m.tools.objects = 8*testContext, true
		id := post(t, s, 200, responsesPath, `{"input":"Hi","tools":`+responseTools+`}`)["id"].(string)
		post(t, s, 200, responsesPath, `{"input":"a","previous_response_id":"`+id+`","tools":`+responseTools+`}`)
		if stored := marshal(keeper{s.responses, ""}.response(id).messages); want != "" {
			require.Equal(t, want, string(stored))
		} else {
			require.Contains(t, string(stored), "tool_calls")
		}
	}
}

// The calls of one turn may be as many as there may be items, or blocks of a message.
func TestManyCalls(t *testing.T) {
	const most = 4096
	s := newServer(t, says(t, "ok"))
	s.loaded()[0].ContextLength = 1 << 20
	post(t, s, 200, responsesPath, `{"input":`+many(most, `{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`)+`}`)
	post(t, s, 200, messagesPath, `{"max_tokens":9,"messages":[{"role":"assistant","content":`+many(most, `{"type":"tool_use","id":"c","name":"f","input":{}}`)+`},{"role":"user","content":"x"}]}`)
	call := `{"function":{"name":"f","arguments":"{}"}}`
	post(t, s, 200, chatPath, `{"messages":[{"role":"assistant","tool_calls":`+many(most, call)+`},{"role":"user","content":"x"}]}`)
	wantsError(t, s, chatPath, `{"messages":[{"role":"assistant","tool_calls":`+many(most+1, call)+`},{"role":"user","content":"x"}]}`, "messages[0].tool_calls")
}

func TestResponsesErrors(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	for body, param := range map[string]string{
		`{}`:                                    "input",
		`{"input":7}`:                           "input",
		`{"input":[]}`:                          "input",
		`{"input":[{"type":"image"}]}`:          "input[0].type",
		`{"input":[{"role":"tool"}]}`:           "input[0].role",
		`{"input":[{"type":"item_reference"}]}`: "input[0].id",
		`{"input":[{"type":"item_reference","id":"x"}]}`:                 "input[0].id",
		`{"input":[{"role":"user"}]}`:                                    "input[0].content",
		`{"input":[{"type":"function_call"}]}`:                           "input[0].arguments",
		`{"input":[{"role":"user","content":[{"type":"input_image"}]}]}`: "input[0].content[0].type",
		`{"input":"Hi","background":true}`:                               "background",
		`{"input":"Hi","max_output_tokens":0}`:                           "max_output_tokens",
		`{"input":"Hi","max_output_tokens":300}`:                         "max_output_tokens",
		`{"input":"` + strings.Repeat("x", 300) + `"}`:                   "input",
		`{"input":"Hi","reasoning":{"effort":"big"}}`:                    "reasoning.effort",
		`{"input":"Hi","text":{"format":{"type":"x"}}}`:                  "text.format.type",
		`{"input":"Hi","truncation":"some"}`:                             "truncation",
		`{"input":"Hi","top_logprobs":2}`:                                "top_logprobs",
		`{"input":"Hi","top_logprobs":21}`:                               "top_logprobs",
		`{"input":"Hi","include":["file_search"]}`:                       "include[0]",
		`{"input":"Hi","tools":[{"type":"web_search"}]}`:                 "tools[0].type",
		`{"input":"Hi","metadata":{"a":1}}`:                              "metadata.a",
		`{"input":"Hi","previous_response_id":"x"}`:                      "previous_response_id",
		`{"input":"Hi","temperature":3}`:                                 "temperature",
	} {
		wantsError(t, s, responsesPath, body, param)
	}
	// In a stream that has begun the failure is the last event.
	e := says(t, "abc")
	e.fail, e.failAt = engine.ErrFailed, 2
	w, _ := call(t, newServer(t, e), "POST", responsesPath, `{"input":"Hi","stream":true}`)
	list := namedEvents(t, w.Body.Bytes())
	require.Equal(t, "response.failed", list[len(list)-1].name)
	failed := get(list[len(list)-1].data, "response")
	require.NotEmpty(t, get(failed, "error", "message"))
	require.Equal(t, "ab", get(failed, "output", 0, "content", 0, "text"))
	require.Equal(t, "incomplete", get(failed, "output", 0, "status"))
}

// Responses and their events have the form that OpenAI publishes.
func TestResponsesSchemas(t *testing.T) {
	schemas := openAISchemas(t, "Response", "ResponseStreamEvent", "TokenCountsResource")
	check := func(name string, body []byte) {
		t.Helper()
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		require.NoError(t, err)
		require.NoError(t, schemas[name].Validate(value), "%s", body)
	}
	require.Error(t, schemas["Response"].Validate(map[string]any{}))
	for _, text := range []string{"<think>\nhm</think>\n\nHello", `<TOOLCALL>[{"name": "f", "arguments": {}}]</TOOLCALL>`} {
		s := newServer(t, says(t, text))
		for _, fields := range []string{"", `,"max_output_tokens":3`, `,"tools":` + responseTools, `,"metadata":{"a":"b"},"instructions":"x","reasoning":{"effort":"low"}`} {
			w, _ := call(t, s, "POST", responsesPath, `{"input":"Hi"`+fields+`}`)
			require.Equal(t, 200, w.Code)
			check("Response", w.Body.Bytes())
			w, _ = call(t, s, "POST", responsesPath, `{"stream":true,"input":"Hi"`+fields+`}`)
			for _, e := range namedEvents(t, w.Body.Bytes()) {
				data, err := json.Marshal(e.data)
				require.NoError(t, err)
				check("ResponseStreamEvent", data)
			}
		}
		w, _ := call(t, s, "POST", responsesPath+"/input_tokens", `{"input":"Hi"}`)
		check("TokenCountsResource", w.Body.Bytes())
	}
}

// What was sent can be read back, in pages.
func TestInputItems(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	list := func(id any, query string) map[string]any {
		w, got := call(t, s, "GET", fmt.Sprintf("%s/%s/input_items%s", responsesPath, id, query), "")
		require.Equal(t, 200, w.Code, w.Body)
		return got
	}
	first := post(t, s, 200, responsesPath, `{"input":"Hi"}`)["id"]
	got := list(first, "")
	require.Len(t, got["data"], 1)
	require.Equal(t, "Hi", get(got, "data", 0, "content", 0, "text"))
	require.Equal(t, false, got["has_more"])
	items := `[{"id":"mine","role":"developer","content":"a"},{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"h"}]},{"type":"reasoning"},` +
		`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"b"},{"type":"refusal","refusal":"c"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},` +
		`{"type":"function_call_output","call_id":"1","output":"5"}]`
	second := post(t, s, 200, responsesPath, `{"previous_response_id":"`+first.(string)+`","input":`+items+`}`)["id"]
	got = list(second, "?order=asc")
	data := got["data"].([]any)
	require.Len(t, data, 6, "those of the first response are its own")
	for i, want := range []map[string]any{
		{"type": "message", "role": "developer", "content": []any{map[string]any{"type": "input_text", "text": "a"}}},
		{"type": "reasoning", "summary": []any{}, "content": []any{map[string]any{"type": "reasoning_text", "text": "h"}}},
		{"type": "reasoning", "summary": []any{}, "content": []any{}},
		{"type": "message", "role": "assistant", "content": []any{map[string]any{"type": "output_text", "text": "b\nc", "annotations": []any{}, "logprobs": []any{}}}},
		{"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
		{"type": "function_call_output", "call_id": "1", "output": "5"},
	} {
		want["id"], want["status"] = get(data[i], "id"), "completed"
		require.Equal(t, want, data[i])
	}
	require.Equal(t, "mine", got["first_id"])
	require.Equal(t, get(data[5], "id"), got["last_id"])
	var paged []any
	for after := ""; ; {
		page := list(second, "?limit=4"+after)
		paged = append(paged, page["data"].([]any)...)
		if page["has_more"] == false {
			break
		}
		require.Len(t, page["data"], 4)
		after = "&after=" + page["last_id"].(string)
	}
	slices.Reverse(paged)
	require.Equal(t, data, paged)
	require.Equal(t, map[string]any{"object": "list", "data": []any{}, "first_id": "", "last_id": "", "has_more": false}, list(second, "?after=mine"))
	for query, param := range map[string]string{"limit=0": "limit", "limit=101": "limit", "limit=x": "limit", "order=up": "order", "after=x": "after"} {
		w, got := call(t, s, "GET", fmt.Sprintf("%s/%s/input_items?%s", responsesPath, second, query), "")
		require.Equal(t, 400, w.Code)
		require.Equal(t, param, get(got, "error", "param"))
	}
}

package server

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"trona/engine"
	"trona/testdata"
)

const messagesPath = "/v1/messages"

// namedEvent is one event of a stream whose events have names.
type namedEvent struct {
	name string
	data map[string]any
}

// namedEvents reads such a stream.
func namedEvents(t tester, stream []byte) (list []namedEvent) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(stream))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			list = append(list, namedEvent{name: name})
		} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			require.NotEmpty(t, list)
			require.Nil(t, list[len(list)-1].data)
			require.NoError(t, json.Unmarshal([]byte(data), &list[len(list)-1].data))
			require.Equal(t, list[len(list)-1].name, list[len(list)-1].data["type"])
		} else {
			require.Empty(t, lines.Text())
		}
	}
	return list
}

// joinMessage puts a stream together as Anthropic's clients do.
func joinMessage(t tester, list []namedEvent) map[string]any {
	require.Equal(t, "message_start", list[0].name)
	require.Equal(t, "message_stop", list[len(list)-1].name)
	message := list[0].data["message"].(map[string]any)
	content, inputs, open := []any{}, map[int]string{}, false
	for _, e := range list[1:] {
		switch e.name {
		case "content_block_start":
			require.False(t, open, "a block begins within another: %v", e.data)
			open = true
			require.EqualValues(t, len(content), e.data["index"])
			content = append(content, e.data["content_block"])
		case "content_block_delta":
			require.True(t, open, "a delta of no block: %v", e.data)
			block, delta := content[int(e.data["index"].(float64))].(map[string]any), e.data["delta"].(map[string]any)
			member, ok := strings.CutSuffix(delta["type"].(string), "_delta")
			require.True(t, ok, "type of %v", delta)
			require.Equal(t, block["type"], map[string]string{"input_json": "tool_use", "text": "text", "thinking": "thinking"}[member])
			if member == "input_json" {
				require.NotEmpty(t, delta["partial_json"])
				inputs[len(content)-1] += delta["partial_json"].(string)
				continue
			}
			require.NotEmpty(t, delta[member])
			block[member] = block[member].(string) + delta[member].(string)
		case "content_block_stop":
			require.True(t, open, "the end of no block: %v", e.data)
			open = false
		case "message_delta":
			require.False(t, open, "the message ends within a block: %v", e.data)
			for name, v := range e.data["delta"].(map[string]any) {
				message[name] = v
			}
			message["usage"] = e.data["usage"]
		}
	}
	for i, text := range inputs { // what was cut off is no JSON
		var input any
		if json.Unmarshal([]byte(text), &input, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) == nil {
			content[i].(map[string]any)["input"] = input
		}
	}
	message["content"] = content
	return message
}

const messageTools = `[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"x":{"type":"integer"}}}}]`

func TestMessages(t *testing.T) {
	for _, c := range []struct{ says, fields, blocks, reason, sequence string }{
		{"<think>\nhm\n</think>\n\nHello", `,"thinking":{"type":"adaptive"}`, "thinking text", "end_turn", ""},
		{"Hello", "", "text", "end_turn", ""},
		{"Hello there", `,"stop_sequences":["x","the"]`, "text", "stop_sequence", "the"},
		{"Hello", `,"max_tokens":2`, "text", "max_tokens", ""},
		{"<think>hm", `,"thinking":{"type":"adaptive"}`, "thinking", "end_turn", ""},
		{"", "", "", "end_turn", ""},
		{"so <TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"x\": 1}}, {\"name\": \"f\", \"arguments\": {}}]</TOOLCALL>", `,"tools":` + messageTools, "text tool_use tool_use", "tool_use", ""},
		{"<TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"x\": 1}}]</TOOLCALL>", `,"max_tokens":40,"tools":` + messageTools, "tool_use", "max_tokens", ""},
		{`so <TOOLCALL>[{"name": "f", "arguments": {"x": "the `, `,"tools":` + messageTools, "text tool_use", "end_turn", ""},
		{`<TOOLCALL>[{"name": "f", "arguments": {"x": 1, "x": 2}}]`, `,"tools":` + messageTools, "tool_use", "tool_use", ""},
		{`<TOOLCALL>[{"name": "f", "arguments": {"x": "\ud83d"}}]`, `,"tools":` + messageTools, "tool_use", "tool_use", ""},
		{`so <TOOLCALL>[{"name": "f", "arguments": {"x": "the`, `,"stop_sequences":["the"],"tools":` + messageTools, "text tool_use", "stop_sequence", "the"},
		{`so <TOOLCALL>[{"name": "f", "arguments": {"x": the"}}]`, `,"tools":` + messageTools, "text tool_use text", "end_turn", ""},
		{"<TOOLCALL>[]</TOOLCALL>", `,"tools":` + messageTools + `,"tool_choice":{"type":"none"}`, "text", "end_turn", ""},
	} {
		s := newServer(t, says(t, c.says))
		s.loaded()[0].ContextLength = 2 * testContext
		fields := c.fields
		if !strings.Contains(fields, "max_tokens") {
			fields += `,"max_tokens":100`
		}
		got := post(t, s, 200, messagesPath, `{"model":"test",`+hello+fields+`}`)
		joined, _ := call(t, s, "POST", messagesPath, `{"model":"test","stream":true,`+hello+fields+`}`)
		sameMessage(t, got, joinMessage(t, namedEvents(t, joined.Body.Bytes())))
		var kinds []string
		for _, block := range got["content"].([]any) {
			kinds = append(kinds, get(block, "type").(string))
		}
		require.Equal(t, c.blocks, strings.Join(kinds, " "))
		require.Equal(t, c.reason, got["stop_reason"])
		if c.sequence == "" {
			require.Nil(t, got["stop_sequence"])
		} else {
			require.Equal(t, c.sequence, got["stop_sequence"])
		}
		require.Equal(t, "same", got["id"])
		require.Equal(t, []any{"message", "assistant", "test"}, []any{got["type"], got["role"], got["model"]})
		require.Equal(t, strings.HasPrefix(c.blocks, "thinking"), get(got, "usage", "output_tokens_details") != nil)
		count := post(t, s, 200, messagesPath+"/count_tokens", `{"model":"test",`+hello+c.fields+`}`)
		require.Equal(t, count["input_tokens"], get(got, "usage", "input_tokens").(float64)+get(got, "usage", "cache_read_input_tokens").(float64))
	}
}

// sameMessage wants two answers to be equal but for ids.
func sameMessage(t tester, want, got map[string]any) {
	t.Helper()
	for _, message := range []map[string]any{want, got} {
		require.NotEmpty(t, message["id"])
		message["id"] = "same"
		for _, block := range message["content"].([]any) {
			if block := block.(map[string]any); block["type"] == "tool_use" {
				require.NotEmpty(t, block["id"])
				block["id"] = "same"
			}
		}
	}
	require.Equal(t, want, got)
}

// A conversation becomes the one that a chat with the same content has.
func TestMessagesPrompt(t *testing.T) {
	for _, c := range []struct{ messages, chat string }{
		{`"system":"be","messages":[{"role":"user","content":"a"}]`,
			`"messages":[{"role":"system","content":"be"},{"role":"user","content":"a"}]`},
		{`"system":[{"type":"text","text":"be","cache_control":{"type":"ephemeral"}},{"type":"text","text":"it"}],"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`,
			`"messages":[{"role":"system","content":"be\nit"},{"role":"user","content":"a\nb"}]`},
		{`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"h","signature":""},{"type":"text","text":"b"}]},{"role":"user","content":"c"}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"h"},{"role":"user","content":"c"}]`},
		{`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{"x": 1}}]},` +
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"5"},{"type":"text","text":"so?"}]}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},` +
				`{"role":"tool","tool_call_id":"t1","content":"5"},{"role":"user","content":"so?"}]`},
		{`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"I say"}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"I say"}],"continue_final_message":true,"add_generation_prompt":false`},
		{`"messages":[{"role":"user","content":"a"}],"tools":` + messageTools + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`,
			`"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"type":"integer"}}}}}],"parallel_tool_calls":false`},
		{`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"redacted_thinking","data":"x"},{"type":"text","text":"b"}]},{"role":"user","content":"c"}],` +
			`"tools":[{"type":"web_search_20250305","name":"web_search"},{"type":"custom","name":"f","input_schema":{}}]`,
			`"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]`},
		{`"messages":[{"role":"user","content":[{"type":"document","title":"T","context":"C","source":{"type":"text","media_type":"text/plain","data":"d"},"citations":{"enabled":true}},{"type":"document","title":null,"source":{"type":"content","content":[{"type":"text","text":"e"}]}},{"type":"text","text":"a"}]},` +
			`{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"search_result","source":"S","title":"R","content":[{"type":"text","text":"r"}]},{"type":"text","text":"x"}]}]},{"role":"system","content":[{"type":"text","text":"b"}]}]`,
			`"messages":[{"role":"user","content":"T\nC\nd\ne\na"},{"role":"assistant","content":"","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"t1","content":"R\nS\nr\nx"},{"role":"system","content":"b"}]`},
		{`"messages":[{"role":"user","content":"a"}],"mcp_servers":[],"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"},{"type":"clear_thinking_20251015","keep":{"type":"all"}}]}`,
			`"messages":[{"role":"user","content":"a"}]`},
		{`"messages":[{"role":"user","content":"a"}],"thinking":{"type":"adaptive"},"temperature":0.5,"top_k":3,"top_p":0.5,"stop_sequences":["x"]`,
			`"messages":[{"role":"user","content":"a"}],"reasoning_effort":"medium","temperature":0.5,"top_k":3,"top_p":0.5,"stop":["x"]`},
	} {
		e := says(t, "ok")
		s := newServer(t, e)
		post(t, s, 200, messagesPath, `{"max_tokens":9,`+c.messages+`}`)
		chat := c.chat
		if !strings.Contains(chat, "reasoning_effort") {
			chat += `,"reasoning_effort":"none"`
		}
		post(t, s, 200, chatPath, `{"max_tokens":9,`+chat+`}`)
		one, other := e.requests[0], e.requests[1]
		one.ID, one.Sampling.Seed = other.ID, other.Sampling.Seed
		require.Equal(t, other, one, c.messages)
	}
}

// Tools that are for Anthropic's servers are left out where others remain, and an
// error names the place in the request all the same.
func TestMessagesOtherTools(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	body := `{"max_tokens":9,` + hello + `,"tools":[{"type":"web_search_20250305","name":"w","max_uses":8},{"name":"f","strict":true,"input_schema":{"properties":{"a":{"pattern":"%s"}}}}]}`
	w, _ := call(t, s, "POST", messagesPath, fmt.Sprintf(body, "a"))
	require.Equal(t, 200, w.Code)
	require.Equal(t, "tools[0]", w.Header().Get("X-Trona-Ignored"))
	w, got := call(t, s, "POST", messagesPath, fmt.Sprintf(body, "a"), "X-Trona-Strict", "true")
	require.Equal(t, 400, w.Code)
	require.Contains(t, get(got, "error", "message"), "tools[0]")
	w, got = call(t, s, "POST", messagesPath, fmt.Sprintf(body, "("))
	require.Equal(t, 400, w.Code)
	require.Contains(t, get(got, "error", "message"), "tools[1].input_schema.properties.a.pattern")
}

// A stream says what the same request says without streaming, with events in
// the order of Anthropic's own.
func TestMessagesStreamEqualsWhole(t *testing.T) {
	e := babbles(t)
	random := e.answer
	e.answer = func(r engine.Request) []int32 { r.Sampling.Seed = uint64(r.MaxTokens); return random(r) }
	s := newServer(t, e)
	rapid.Check(t, func(rt *rapid.T) {
		fields := fmt.Sprintf(`%s,"max_tokens":%d`, hello, rapid.IntRange(1, 60).Draw(rt, "tokens"))
		if rapid.Bool().Draw(rt, "thinking") {
			fields += `,"thinking":{"type":"adaptive"}`
		}
		if rapid.Bool().Draw(rt, "tools") {
			fields += `,"tools":` + messageTools
		}
		if rapid.Bool().Draw(rt, "stop") {
			fields += `,"stop_sequences":["a","\u4f60","<","th"]`
		}
		whole := post(rt, s, 200, messagesPath, "{"+fields+"}")
		w, _ := call(rt, s, "POST", messagesPath, "{"+fields+`,"stream":true}`)
		require.Equal(rt, 200, w.Code)
		joined := joinMessage(rt, namedEvents(rt, w.Body.Bytes()))
		sameMessage(rt, whole, joined)
	})
}

// Events have the order of a recorded stream, and all members that it has.
func TestMessagesRecorded(t *testing.T) {
	recorded, err := os.ReadFile(testdata.Shared(t, "anthropic", "basic_response.sse"))
	require.NoError(t, err)
	w, _ := call(t, newServer(t, says(t, "abc")), "POST", messagesPath, `{`+hello+`,"max_tokens":9,"stream":true}`)
	order := func(list []namedEvent) (names []string) {
		for _, e := range list {
			if e.name != "ping" { // may come anywhere
				names = append(names, e.name)
			}
		}
		return names
	}
	want, got := namedEvents(t, recorded), namedEvents(t, w.Body.Bytes())
	require.Equal(t, order(want), order(got))
	for i := range got {
		for _, e := range want {
			if e.name == got[i].name {
				holds(t, e.data, got[i].data)
			}
		}
	}
}

// holds wants the members of one value in another, values aside.
func holds(t *testing.T, want, got map[string]any) {
	t.Helper()
	for name, v := range want {
		require.Contains(t, got, name)
		if inner, ok := v.(map[string]any); ok {
			holds(t, inner, got[name].(map[string]any))
		}
	}
}

func TestMessagesErrors(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	for _, c := range []struct{ body, message string }{
		{`{` + hello + `}`, "max_tokens: is required"},
		{`{"max_tokens":9}`, "messages: is required"},
		{`{"max_tokens":0,` + hello + `}`, "max_tokens: must be between"},
		{`{"max_tokens":9,"messages":[]}`, "messages: must not be empty"},
		{`{"max_tokens":9,"messages":[{"role":"tool","content":"a"}]}`, "messages[0].role: must be one of user, assistant, system"},
		{`{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":""}}]}]}`, "messages[0].content[0].source.type: must be one of text, content"},
		{`{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"search_result","title":"a","content":"b"}]}]}`, "messages[0].content[0].source: is required"},
		{`{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image"}]}]}]}`, "messages[0].content[0].content[0].type: only text, document"},
		{`{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{}}]}]}`, "messages[0].content[0].type: only text"},
		{`{"max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}`, "messages[0].content[0].tool_use_id: is required"},
		{`{"max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":"x"}]}]}`, "messages[0].content[0].input: must be an object"},
		{`{"max_tokens":9,"messages":[{"role":"user","content":7}]}`, "messages[0].content: must be a string or a list"},
		{`{"max_tokens":9,` + hello + `,"system":7}`, "system: must be"},
		{`{"max_tokens":9,` + hello + `,"stop_sequences":"a"}`, "stop_sequences: must be a list"},
		{`{"max_tokens":9,` + hello + `,"stop_sequences":[1]}`, "stop_sequences: must be a string"},
		{`{"max_tokens":9,` + hello + `,"temperature":3}`, "temperature: must be between 0 and 2"},
		{`{"max_tokens":9,` + hello + `,"thinking":{"type":"on"}}`, "thinking.type: must be one of"},
		{`{"max_tokens":9,` + hello + `,"thinking":{"type":"enabled"}}`, "thinking.budget_tokens: is required"},
		{`{"max_tokens":9,` + hello + `,"metadata":{"user_id":7}}`, "metadata.user_id: must be a string"},
		{`{"max_tokens":9,` + hello + `,"tools":[{"type":"bash_20250124","name":"bash"}]}`, "tools[0].type: only custom"},
		{`{"max_tokens":9,` + hello + `,"tools":[{"name":"f"}]}`, "tools[0].input_schema: is required"},
		{`{"max_tokens":9,` + hello + `,"tools":` + messageTools + `,"tool_choice":{"type":"tool","name":"g"}}`, "tool_choice: is not the name"},
		{`{"max_tokens":9,` + hello + `,"container":"x"}`, "container: is not supported"},
		{`{"max_tokens":9,` + hello + `,"mcp_servers":[{}]}`, "mcp_servers: must not have more than 0"},
		{`{"max_tokens":9,` + hello + `,"context_management":{"edits":[{"type":"clear_tool_uses_20250919","keep":"all"}]}}`, "context_management.edits[0].type: must be clear_thinking_20251015"},
		{`{"max_tokens":9,` + hello + `,"context_management":{"edits":[{"type":"clear_thinking_20251015"}]}}`, "context_management.edits[0].keep: is required"},
		{`{"max_tokens":9,` + hello + `,"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":{"type":"thinking_turns","value":1}}]}}`, "context_management.edits[0].keep.type: must be all"},
		{`{"max_tokens":9,` + hello + `,"compaction":{}}`, "compaction: is not supported"},
		{`{"max_tokens":9,` + hello + `,"thread":{"type":"create"}}`, "thread: this server keeps no threads"},
		{`{"max_tokens":9,"messages":[],"thread":{"type":"continue","previous_message_id":"msg_1"}}`, "thread: this server keeps no threads"},
		{`{"max_tokens":9,` + hello + `,"output_format":{"type":"text"}}`, "output_format.type: must be json_schema"},
		{`{"max_tokens":300,` + hello + `}`, "max_tokens: this model's maximum context length"},
		{`{"max_tokens":9,"messages":[{"role":"user","content":"` + strings.Repeat("x", 300) + `"}]}`, "messages: this model's maximum context length"},
	} {
		got := post(t, s, 400, messagesPath, c.body)
		require.Equal(t, "error", got["type"])
		require.Equal(t, "invalid_request_error", get(got, "error", "type"), c.body)
		require.True(t, strings.HasPrefix(get(got, "error", "message").(string), c.message), "%s -> %v", c.body, got)
	}
	// Codes are where Anthropic's clients look for those that they act on.
	for fields, code := range map[string]any{`"max_tokens":9,"thread":{}`: "thread_unsupported_request", `"max_tokens":300`: "context_length_exceeded"} {
		require.Equal(t, code, get(post(t, s, 400, messagesPath, `{`+hello+`,`+fields+`}`), "error", "details", "error_code"))
	}
	w, got := call(t, s, "POST", messagesPath, `{`+hello+`,"max_tokens":9,"model":"other"}`)
	require.Equal(t, 404, w.Code)
	require.Equal(t, "not_found_error", get(got, "error", "type"))
	require.Equal(t, w.Header().Get("Request-Id"), got["request_id"])
	for err, kind := range map[error]string{engine.ErrOverloaded: "rate_limit_error", engine.ErrFailed: "overloaded_error", engine.ErrNumeric: "api_error"} {
		e := says(t, "abc")
		e.fail = err
		_, got := call(t, newServer(t, e), "POST", messagesPath, `{`+hello+`,"max_tokens":9,"stream":true}`)
		require.Equal(t, kind, get(got, "error", "type"))
		// In a stream that has begun the error is the last event.
		e.failAt = 2
		w, _ := call(t, newServer(t, e), "POST", messagesPath, `{`+hello+`,"max_tokens":9,"stream":true}`)
		list := namedEvents(t, w.Body.Bytes())
		require.Equal(t, "error", list[len(list)-1].name)
		require.Equal(t, kind, get(list[len(list)-1].data, "error", "type"))
	}
}

// Only what the client itself sent is named as ignored.
func TestMessagesIgnored(t *testing.T) {
	s := newServer(t, says(t, "ok"))
	m := s.loaded()[0]
	m.thinking = thinking{} // a template without a way
	for fields, want := range map[string]string{
		"":                                "",
		`,"thinking":{"type":"disabled"}`: "thinking",
		`,"odd":1,"thinking":{"type":"adaptive","x":1}`: "odd, thinking, thinking.x",
	} {
		w, _ := call(t, s, "POST", messagesPath, `{`+hello+`,"max_tokens":9`+fields+`}`)
		require.Equal(t, 200, w.Code)
		require.Equal(t, want, w.Header().Get("X-Trona-Ignored"))
	}
}

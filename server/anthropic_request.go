package server

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// readMessagesAPI reads a request in the shape of Anthropic's Messages API. A
// request whose tokens are only counted needs no max_tokens.
func (t *translation) readMessagesAPI(o *object, counting bool) {
	if v := o.take("thread"); v != nil { // its clients then send all messages
		v.failAs(codeThread, "this server keeps no threads: send the whole conversation")
	}
	if counting {
		t.pass(o.take("max_tokens"), "max_tokens")
	} else {
		t.pass(o.need("max_tokens"), "max_tokens")
	}
	t.pass(o.take("temperature"), "temperature")
	t.pass(o.take("top_p"), "top_p")
	t.pass(o.take("top_k"), "top_k")
	if v := o.take("stop_sequences"); v != nil {
		if v.raw.Kind() != '[' {
			v.must("a list of strings")
		}
		t.pass(v, "stop")
	}
	t.stream = o.flag("stream", false)
	if v := o.take("system"); v != nil {
		t.say("system", readBlocks(v))
	}
	t.names["messages"] = "messages"
	for _, element := range o.need("messages").list(1, maxMessages) {
		m := element.object()
		switch m.need("role").oneOf("user", "assistant", "system") {
		case "assistant":
			t.readAssistant(m.need("content"))
		case "system": // between turns, as newer clients send instructions
			t.say("system", readBlocks(m.need("content")))
		default:
			t.readUser(m.need("content"))
		}
		m.rest()
	}
	t.prefill()
	t.readThinkingConfig(o)
	t.readAnthropicTools(o)
	t.readOutputFormat(o.take("output_format")) // its name before output_config
	if v := o.take("output_config"); v != nil {
		config := v.object()
		config.text("effort", maxNameBytes) // a hint
		t.readOutputFormat(config.take("format"))
		config.rest()
	}
	readMetadata(o.take("metadata"))
	o.text("service_tier", maxNameBytes)
	o.take("cache_control") // the cache needs no marks
	if v := o.take("mcp_servers"); v != nil {
		for range v.list(0, 0) { // an entry is an error
		}
	}
	readContextEdits(o.take("context_management"))
	o.unsupported("container", "compaction")
	o.rest()
}

// readContextEdits takes how an earlier conversation is to be cut. Only the edit
// that keeps all of it is built; Claude Code sends it with every request.
func readContextEdits(v *value) {
	if v == nil {
		return
	}
	management := v.object()
	if edits := management.take("edits"); edits != nil {
		for _, element := range edits.list(0, maxMessages) {
			edit := element.object()
			edit.need("type").oneOf("clear_thinking_20251015")
			keep := edit.need("keep")
			if keep.raw.Kind() == '{' {
				which := keep.object()
				keep = which.need("type")
				which.rest()
			}
			keep.oneOf("all")
			edit.rest()
		}
	}
	management.rest()
}

// prefill lets the answer go on where the last message of the model ends.
func (t *translation) prefill() {
	if len(t.messages) == 0 {
		return
	}
	last := t.messages[len(t.messages)-1]
	if _, calls := last["tool_calls"]; last["role"] == "assistant" && !calls {
		t.put("continue_final_message", true, "messages")
		t.put("add_generation_prompt", false, "messages")
	}
}

// readBlocks reads a text that may come as blocks.
func readBlocks(v *value) string {
	return v.joined("blocks", func(block *object, kind *value) string {
		if kind.text(1, maxNameBytes) != "text" {
			kind.fail("only text is supported by this server")
		}
		return readTextBlock(block)
	})
}

func readTextBlock(block *object) string {
	for _, name := range []string{"cache_control", "citations"} { // without effect
		block.take(name)
	}
	return block.need("text").text(0, len(block.raw))
}

// readPassages reads what a tool returned.
func readPassages(v *value) string {
	return v.joined("blocks", func(block *object, kind *value) string {
		text, ok := readPassage(block, kind.text(1, maxNameBytes))
		if !ok {
			kind.fail("only text, document and search_result are supported by this server")
		}
		return text
	})
}

// readPassage reads a text, or one that came from somewhere: below its title, and what
// is said about it. ok: the kind of block is one of these.
func readPassage(block *object, kind string) (text string, ok bool) {
	switch kind {
	case "text":
		return readTextBlock(block), true
	case "document":
		return passage(block, block.text("title", len(block.raw)), block.text("context", len(block.raw)), readSource(block.need("source").object())), true
	case "search_result":
		return passage(block, block.need("title").text(0, len(block.raw)), block.need("source").text(0, len(block.raw)), readBlocks(block.need("content"))), true
	}
	return "", false
}

func passage(block *object, parts ...string) string {
	for _, name := range []string{"cache_control", "citations"} { // without effect
		block.take(name)
	}
	return joinTexts(slices.DeleteFunc(parts, func(part string) bool { return part == "" }))
}

// readSource reads the text of a document. Others are files, which need a reader.
func readSource(source *object) (text string) {
	if source.need("type").oneOf("text", "content") == "content" {
		text = readBlocks(source.need("content"))
	} else {
		source.need("media_type").oneOf("text/plain")
		text = source.need("data").text(0, len(source.raw))
	}
	source.rest()
	return text
}

// readUser reads what the user says, and what tools returned: messages of
// their own in a chat.
func (t *translation) readUser(content *value) {
	if content.raw.Kind() != '[' {
		t.say("user", readBlocks(content))
		return
	}
	var texts []string
	said := false
	flush := func() {
		if len(texts) > 0 {
			t.say("user", joinTexts(texts))
			texts, said = nil, true
		}
	}
	for _, element := range content.list(1, maxMessages) {
		block := element.object()
		switch kind := block.need("type"); kind.text(1, maxNameBytes) {
		case "tool_result":
			flush()
			id, result := block.need("tool_use_id").label(maxNameBytes), ""
			if v := block.take("content"); v != nil {
				result = readPassages(v)
			}
			block.flag("is_error", false) // the text says so
			block.take("cache_control")
			t.say("tool", result, "tool_call_id", id)
			said = true
		default:
			text, ok := readPassage(block, kind.text(1, maxNameBytes))
			if !ok {
				kind.fail("only text, document, search_result and tool_result are supported by this server")
			}
			texts = append(texts, text)
		}
		block.rest()
	}
	flush()
	if !said && content.d.err == nil {
		t.say("user", "")
	}
}

// readAssistant reads an earlier answer.
func (t *translation) readAssistant(content *value) {
	if content.raw.Kind() != '[' {
		t.say("assistant", readBlocks(content))
		return
	}
	m := t.say("assistant", "")
	var texts, thoughts []string
	for _, element := range content.list(0, maxMessages) {
		block := element.object()
		switch kind := block.need("type"); kind.text(1, maxNameBytes) {
		case "text":
			texts = append(texts, readTextBlock(block))
		case "thinking":
			thoughts = append(thoughts, block.need("thinking").text(0, len(block.raw)))
			block.text("signature", len(block.raw))
		case "redacted_thinking": // nobody but Anthropic can read it
			block.take("data")
		case "tool_use":
			input := block.need("input").object()
			t.call(block.need("id").label(maxNameBytes), block.need("name").label(maxNameBytes), compact(input.raw))
			for _, name := range []string{"cache_control", "caller"} { // without effect
				block.take(name)
			}
		default:
			kind.fail("only text, thinking, redacted_thinking and tool_use are supported by this server")
		}
		block.rest()
	}
	m["content"] = joinTexts(texts)
	if len(thoughts) > 0 {
		m["reasoning_content"] = joinTexts(thoughts)
	}
}

// readThinkingConfig switches reasoning. It is off unless asked for: clients of
// this interface expect a text first.
func (t *translation) readThinkingConfig(o *object) {
	kind := "disabled"
	if v := o.take("thinking"); v != nil {
		config := v.object()
		kind = config.need("type").oneOf("enabled", "disabled", "adaptive")
		if kind == "enabled" {
			budget := config.need("budget_tokens")
			budget.integer(1, maxTokensAllowed)
			t.put("thinking_token_budget", budget.raw, "thinking.budget_tokens")
		}
		config.text("display", maxNameBytes)
		config.rest()
		t.names["reasoning_effort"] = "thinking"
	}
	if kind == "disabled" {
		t.fields["reasoning_effort"] = "none"
	} else {
		t.fields["reasoning_effort"] = "medium"
	}
}

// readAnthropicTools reads tools and which of them may be used.
func (t *translation) readAnthropicTools(o *object) {
	if v := o.take("tools"); v != nil {
		t.put("tools", t.tools, v.path())
		var others []*value
		for _, element := range v.list(0, maxTools) {
			tool := element.object()
			if kind := tool.take("type"); kind != nil && kind.text(1, maxNameBytes) != "custom" {
				others = append(others, kind)
				continue
			}
			name := tool.need("name").label(maxToolName)
			t.offer(chatTool(name, tool.take("description"), tool.need("input_schema"), tool.take("strict")), element.path())
			for _, name := range []string{"cache_control", "eager_input_streaming"} { // without effect
				tool.take(name)
			}
			tool.rest()
		}
		leaveOut(others, len(t.tools), "only custom is supported: this server runs no tools")
	}
	v := o.take("tool_choice")
	if v == nil {
		return
	}
	choice := v.object()
	var as any
	switch kind := choice.need("type").oneOf("auto", "any", "tool", "none"); kind {
	case "any":
		as = "required"
	case "tool":
		as = map[string]any{"type": "function", "function": map[string]any{"name": choice.need("name").label(maxToolName)}}
	default:
		as = kind
	}
	t.put("tool_choice", as, v.path())
	if only := choice.take("disable_parallel_tool_use"); only != nil {
		t.put("parallel_tool_calls", !only.boolean(), only.path())
	}
	choice.rest()
}

// readOutputFormat passes on the schema of a structured answer.
func (t *translation) readOutputFormat(v *value) {
	if v == nil {
		return
	}
	format := v.object()
	format.need("type").oneOf("json_schema")
	schema := map[string]jsontext.Value{"name": jsontext.Value(`"output"`), "schema": format.need("schema").raw, "strict": jsontext.Value("true")}
	t.put("response_format", map[string]any{"type": "json_schema", "json_schema": schema}, v.path())
	format.rest()
}

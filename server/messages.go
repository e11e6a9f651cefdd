package server

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// message is one message as the chat template gets it.
type message struct {
	role string
	raw  jsontext.Value // an object
	text string         // its content
}

// readMessages checks a conversation and gives each message the form that
// templates know: content is one string.
func (in *renderInput) readMessages(v *value, model *Model) {
	for _, element := range v.list(1, maxMessages) {
		m := element.object()
		got := message{raw: m.raw, role: m.need("role").oneOf("system", "developer", "user", "assistant", "tool")}
		if got.role == "developer" { // OpenAI's newer name, which these models do not know
			got.role = "system"
			got.set("role", got.role)
		}
		calls := m.take("tool_calls")
		if content := m.take("content"); content != nil {
			got.text = readContent(content, got.role)
			if content.raw.Kind() == '[' {
				got.set("content", got.text)
			}
		} else if got.role == "assistant" {
			got.set("content", "") // what is null or absent is no text for many templates
		} else {
			m.need("content")
		}
		if calls != nil {
			readCalls(calls, got.role)
			got.fitCalls(calls, model.tools)
			if got.text == "" && model.tools.null {
				got.setRaw("content", jsontext.Value("null"))
			}
		}
		for _, name := range []string{"name", "tool_call_id"} {
			if label := m.take(name); label != nil {
				text := label.label(maxNameBytes)
				if name == "tool_call_id" && model.tools.nine {
					got.set(name, nineCharacters(text))
				}
			}
		}
		for _, name := range []string{"refusal", "reasoning_content", "reasoning"} {
			m.text(name, len(m.raw))
		}
		m.unsupported("audio", "function_call")
		m.take("annotations") // of an answer that comes back
		// What else a message holds is the template's business.
		for i := range m.members {
			m.taken[i] = m.taken[i] || model.reads(m.members[i].name)
		}
		m.rest()
		in.textBytes += len(got.text)
		if model.tools.apart {
			in.messages = append(in.messages, got.apart(calls)...)
		} else {
			in.messages = append(in.messages, got)
		}
	}
}

// set gives a member of the message a text, in its place or at the end.
func (m *message) set(name, text string) { m.setRaw(name, quote(nil, text)) }

// setRaw gives a member of the message a value; nil takes it away.
func (m *message) setRaw(name string, raw jsontext.Value) { m.raw = withMember(m.raw, name, raw) }

// withMember returns an object with another value of a member, as with does.
func withMember(object jsontext.Value, name string, raw jsontext.Value) jsontext.Value {
	old := value{d: &decoding{}, raw: object}
	return old.object().with(name, raw)
}

// with returns the object with another value of a member, in its place or at
// the end; nil takes it away.
func (o *object) with(name string, raw jsontext.Value) jsontext.Value {
	out := jsontext.Value{'{'}
	add := func(member string, raw jsontext.Value) {
		if raw == nil {
			return
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(quote(out, member), ':'), raw...)
	}
	found := false
	for _, member := range o.members {
		if member.name == name {
			found = true
			member.raw = raw
		}
		add(member.name, member.raw)
	}
	if !found {
		add(name, raw)
	}
	return append(out, '}')
}

// quote appends a text as JSON. What was read before is valid UTF-8.
func quote(to []byte, text string) []byte {
	to, _ = jsontext.AppendQuote(to, text)
	return to
}

// readContent wants a string or parts with text, and returns all of the text.
func readContent(v *value, role string) string {
	return v.joined("parts", func(part *object, kind *value) string {
		for _, name := range []string{"cache_control", "prompt_cache_breakpoint"} { // without effect
			part.take(name)
		}
		switch name := kind.text(1, maxNameBytes); name {
		case "text", "refusal":
			if name == "refusal" && role != "assistant" {
				kind.fail("only an assistant's message can hold a refusal")
			}
			return part.need(name).text(0, len(part.raw))
		}
		kind.fail("only text is supported by this server")
		return ""
	})
}

// joined returns a text that may come in parts: read returns that of one, given
// its type. Parts are joined by line ends, as vLLM does.
func (v *value) joined(parts string, read func(part *object, kind *value) string) string {
	switch v.raw.Kind() {
	case '"':
		return v.text(0, len(v.raw))
	case '[':
	default:
		v.must("a string or a list of " + parts)
		return ""
	}
	var texts []string
	for _, element := range v.list(0, maxMessages) {
		part := element.object()
		texts = append(texts, read(part, part.need("type")))
		part.rest()
	}
	return joinTexts(texts)
}

func joinTexts(parts []string) string { return strings.Join(parts, "\n") }

// readCalls checks what an assistant called earlier.
func readCalls(v *value, role string) {
	if role != "assistant" {
		v.fail("only an assistant's message can hold tool calls")
	}
	for _, element := range v.list(0, maxMessages) {
		call := element.object()
		if id := call.take("id"); id != nil {
			id.label(maxNameBytes)
		}
		if kind := call.take("type"); kind != nil {
			kind.oneOf("function")
		}
		function := call.need("function").object()
		function.need("name").label(maxNameBytes)
		// A string of JSON for OpenAI, an object for some templates.
		if arguments := function.need("arguments"); arguments.raw.Kind() != '"' && arguments.raw.Kind() != '{' {
			arguments.must("a string")
		}
	}
}

// apart returns the messages that GLM-4 has for one: a call is a message of its own, with the
// name as metadata, and a result an observation.
func (m message) apart(calls *value) (list []message) {
	if m.role == "tool" {
		m.set("role", "observation")
	}
	if calls != nil {
		m.setRaw("tool_calls", nil)
		for _, element := range calls.list(0, maxMessages) {
			function := element.object().need("function").object()
			arguments := function.need("arguments")
			call := newMessage(m.role, string(arguments.raw))
			if arguments.raw.Kind() == '"' {
				call = newMessage(m.role, arguments.text(0, len(arguments.raw)))
			}
			call.set("metadata", function.need("name").label(maxNameBytes))
			list = append(list, call)
		}
	}
	if len(list) == 0 || m.text != "" {
		list = append([]message{m}, list...)
	}
	return list
}

// nineCharacters returns an id of nine letters and digits, the same for the same id.
func nineCharacters(id string) string {
	const length = 9
	other := func(r rune) bool { return r > 0x7f || !letter(int(r)) && !digit(int(r)) || r == '_' }
	if len(id) == length && !strings.ContainsFunc(id, other) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])[:length]
}

// fitCalls gives the arguments and ids of earlier calls the form that the template
// needs, and takes away an empty list of calls, which some templates mistake.
func (m *message) fitCalls(calls *value, use toolUse) {
	list := jsontext.Value{'['}
	for _, element := range calls.list(0, maxMessages) {
		call := element.object()
		function := call.need("function").object()
		arguments := function.need("arguments")
		raw := arguments.raw
		switch {
		case use.objects && raw.Kind() == '"':
			text := strings.Trim(arguments.text(0, len(raw)), blank)
			if raw = wholeArguments(cmp.Or(text, "{}")); raw == nil {
				arguments.fail("must be the text of a JSON object: this model's template needs one")
				return
			}
		case use.text && raw.Kind() == '{':
			raw = quote(nil, string(raw))
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		fitted := call.with("function", function.with("arguments", raw))
		if id := call.take("id"); id != nil && use.nine {
			fitted = withMember(fitted, "id", quote(nil, nineCharacters(id.label(maxNameBytes))))
		}
		list = append(list, fitted...)
	}
	if len(list) == 1 {
		m.setRaw("tool_calls", nil)
	} else if use.objects || use.text || use.nine {
		m.setRaw("tool_calls", append(list, ']'))
	}
}

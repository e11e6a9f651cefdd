package server

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// inputItem is an item that a response answers, as it is kept and listed: a
// message, or what was answered and called before.
type inputItem struct {
	outputItem
	Output *string `json:"output,omitzero"` // of a tool
}

// readInput reads a text, or the items of a conversation.
func (t *translation) readInput(v *value, kept keeper) {
	if v.raw.Kind() == '"' {
		text := v.text(0, len(v.raw))
		t.say("user", text)
		t.items = append(t.items, newInputMessage("", "user", text))
		return
	}
	if v.raw.Kind() != '[' {
		v.must("a string or a list of items")
		return
	}
	for _, element := range v.list(1, maxMessages) {
		if item := readItem(element.object(), kept); item != nil {
			t.items = append(t.items, item)
			t.stored += item.size()
			t.join(item)
		}
	}
}

// size is the bytes of what an item says.
func (i *inputItem) size() int {
	n := len(i.text())
	for _, text := range []*string{i.Arguments, i.Output} {
		if text != nil {
			n += len(*text)
		}
	}
	return n
}

// newInputItem returns an item with the client's id, or a new one.
func newInputItem(id, kind, prefix string) *inputItem {
	if id == "" {
		id = prefix + randomHex()
	}
	return &inputItem{outputItem: outputItem{ID: id, Type: kind, Status: "completed"}}
}

func newInputMessage(id, role, text string) *inputItem {
	item := newInputItem(id, "message", "msg_")
	item.Role, item.Content = role, []outputPart{{Type: "input_text", Text: text}}
	if role == "assistant" {
		item.Content[0] = newTextPart(text)
	}
	return item
}

// readItem reads an item; nil where there is none.
func readItem(item *object, kept keeper) (read *inputItem) {
	kind := item.take("type")
	name := "message"
	if kind != nil {
		name = kind.text(1, maxNameBytes)
	}
	id := item.text("id", maxNameBytes)
	for _, member := range []string{"status", "phase"} { // without effect
		item.text(member, maxNameBytes)
	}
	switch name {
	case "message":
		role := item.need("role").oneOf("user", "assistant", "system", "developer")
		read = newInputMessage(id, role, readInputText(item.need("content")))
	case "reasoning":
		read = newInputItem(id, name, "rs_")
		read.readReasoning(item)
	case "function_call":
		read = newInputItem(id, name, "fc_")
		arguments := item.need("arguments")
		text := arguments.text(0, len(arguments.raw))
		read.CallID, read.Name, read.Arguments = item.need("call_id").label(maxNameBytes), item.need("name").label(maxNameBytes), &text
		if namespace := item.take("namespace"); namespace != nil {
			read.Namespace = namespace.label(maxNameBytes)
		}
	case "function_call_output":
		read = newInputItem(id, name, "fco_")
		text := readInputText(item.need("output"))
		read.CallID, read.Output = item.need("call_id").label(maxNameBytes), &text
	case "item_reference":
		if found := kept.item(item.need("id").label(maxNameBytes)); found != nil {
			read = &inputItem{outputItem: *found}
		} else {
			item.need("id").fail("there is no stored item with this id")
		}
	default:
		kind.fail("only message, reasoning, function_call, function_call_output and item_reference are supported by this server")
	}
	item.rest()
	return read
}

// readReasoning takes earlier reasoning: its text, or its summary in parts.
func (i *inputItem) readReasoning(item *object) {
	i.Summary, i.Content = []outputPart{}, []outputPart{}
	if v := item.take("content"); v != nil {
		if text := readInputText(v); text != "" {
			i.Content = append(i.Content, outputPart{Type: "reasoning_text", Text: text})
		}
	}
	if v := item.take("summary"); v != nil {
		for _, element := range v.list(0, maxMessages) {
			part := element.object()
			part.need("type").oneOf("summary_text")
			i.Summary = append(i.Summary, outputPart{Type: "summary_text", Text: part.need("text").text(0, len(part.raw))})
			part.rest()
		}
	}
	item.take("encrypted_content")
}

// goOn takes the conversation of a stored response. What follows may join its last
// message, so that one is a copy: others go on from there too.
func (t *translation) goOn(from *storedResponse) {
	t.messages = append(t.messages, from.messages...)
	t.stored = from.bytes
	last := &t.messages[len(t.messages)-1]
	*last = maps.Clone(*last)
	if calls, ok := (*last)["tool_calls"].([]chatFunction); ok {
		(*last)["tool_calls"] = slices.Clip(calls)
	}
	if parts, ok := (*last)["content"].([]outputPart); ok {
		(*last)["content"] = slices.Clip(parts)
	}
}

// join adds an item to the conversation. What the model said in one turn is one
// message there.
func (t *translation) join(item *inputItem) {
	switch item.Type {
	case "message":
		if last := t.open(); item.Role == "assistant" && last != nil {
			last["content"] = withText(last["content"], item.text())
		} else {
			t.say(item.Role, item.text())
		}
	case "reasoning":
		t.say("assistant", "")["reasoning_content"] = item.text()
	case "function_call":
		if t.open() == nil {
			t.say("assistant", "")
		}
		t.call(item.CallID, fullName(item.Namespace, item.Name), *item.Arguments)
	case "function_call_output":
		t.say("tool", *item.Output, "tool_call_id", item.CallID)
	}
}

// withText returns the content of a message, a text or parts of one, and a text behind it.
func withText(content any, text string) any {
	parts, ok := content.([]outputPart)
	if said, _ := content.(string); said != "" {
		parts = []outputPart{{Type: "text", Text: said}}
	} else if !ok {
		return text
	}
	return append(parts, outputPart{Type: "text", Text: text})
}

// open returns the last message where it is the model's, so that an item can
// join it.
func (t *translation) open() map[string]any {
	if len(t.messages) == 0 || t.messages[len(t.messages)-1]["role"] != "assistant" {
		return nil
	}
	return t.messages[len(t.messages)-1]
}

// readInputText reads a text that may come in parts.
func readInputText(v *value) string {
	return v.joined("parts", func(part *object, kind *value) string {
		for _, name := range []string{"annotations", "logprobs", "prompt_cache_breakpoint"} { // without effect
			part.take(name)
		}
		switch kind.text(1, maxNameBytes) {
		case "input_text", "output_text", "reasoning_text":
			return part.need("text").text(0, len(part.raw))
		case "refusal":
			return part.need("refusal").text(0, len(part.raw))
		}
		kind.fail("only text is supported by this server")
		return ""
	})
}

// itemList is a page of items.
type itemList struct {
	Object  string       `json:"object"`
	Data    []*inputItem `json:"data"`
	FirstID string       `json:"first_id"` // empty where there are none
	LastID  string       `json:"last_id"`
	HasMore bool         `json:"has_more"`
}

// listInputItems serves GET /v1/responses/{id}/input_items: the items of the
// request's own input, the newest first, in pages.
func (s *Server) listInputItems(w http.ResponseWriter, r *http.Request) error {
	found, err := s.stored(r)
	if err != nil {
		return err
	}
	items, more, err := pageOf(found.input, r.URL.Query())
	if err != nil {
		return err
	}
	list := itemList{Object: "list", Data: items, HasMore: more}
	if len(items) > 0 {
		list.FirstID, list.LastID = items[0].ID, items[len(items)-1].ID
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// Lengths of a page.
const (
	defaultPage = 20
	maxPage     = 100
)

// pageOf returns the items that limit, order and after ask for, and whether
// there are more of them.
func pageOf(items []*inputItem, query url.Values) (page []*inputItem, more bool, err error) {
	items = slices.Concat([]*inputItem{}, items)
	switch query.Get("order") {
	case "", "desc":
		slices.Reverse(items)
	case "asc":
	default:
		return nil, false, invalid("order", "must be one of asc, desc")
	}
	if after := query.Get("after"); after != "" {
		at := slices.IndexFunc(items, func(item *inputItem) bool { return item.ID == after })
		if at < 0 {
			return nil, false, invalid("after", "is not the id of an item of this response")
		}
		items = items[at+1:]
	}
	limit := defaultPage
	if given := query.Get("limit"); given != "" {
		if limit, err = strconv.Atoi(given); err != nil || limit < 1 || limit > maxPage {
			return nil, false, invalid("limit", "must be between 1 and %d, not %.32q", maxPage, given)
		}
	}
	return items[:min(limit, len(items))], len(items) > limit, nil
}

package server

import (
	"context"
	"strings"
	"time"
)

// outputItem is one item of an answer: reasoning, a message, or a tool call.
type outputItem struct {
	ID        string       `json:"id"`
	Type      string       `json:"type"`
	Status    string       `json:"status"`
	Role      string       `json:"role,omitempty"`
	Summary   []outputPart `json:"summary,omitzero"` // of reasoning: all of it, where the request asks for one
	Content   []outputPart `json:"content,omitzero"`
	CallID    string       `json:"call_id,omitempty"`
	Namespace string       `json:"namespace,omitempty"` // of the function
	Name      string       `json:"name,omitempty"`
	Arguments *string      `json:"arguments,omitzero"`
	call      int          // of the answer
}

type outputPart struct {
	Type        string        `json:"type"`
	Text        string        `json:"text"`
	Annotations []int         `json:"annotations,omitzero"` // none
	Logprobs    []chatLogprob `json:"logprobs,omitzero"`    // none unless asked for
}

func newTextPart(text string) outputPart {
	return outputPart{Type: "output_text", Text: text, Annotations: []int{}, Logprobs: []chatLogprob{}}
}

// part returns the only part of an item of an answer, nil where it has none.
func (i *outputItem) part() *outputPart {
	for _, list := range [][]outputPart{i.Content, i.Summary} {
		if len(list) > 0 {
			return &list[0]
		}
	}
	return nil
}

// text returns the text of an item: its content, or where it has none its summary,
// which others than this server may give in parts.
func (i *outputItem) text() string {
	list := i.Content
	if len(list) == 0 {
		list = i.Summary
	}
	var texts []string
	for _, part := range list {
		texts = append(texts, part.Text)
	}
	return joinTexts(texts)
}

// broken reports whether a call broke off.
func (i *outputItem) broken() bool { return i.Arguments != nil && wholeArguments(*i.Arguments) == nil }

// responseEvent is an event of a stream; its type is its name too.
type responseEvent struct {
	Type         string          `json:"type"`
	Sequence     int             `json:"sequence_number"`
	Response     *responseObject `json:"response,omitzero"`
	OutputIndex  *int            `json:"output_index,omitzero"`
	ItemID       string          `json:"item_id,omitempty"`
	Item         *outputItem     `json:"item,omitzero"`
	ContentIndex *int            `json:"content_index,omitzero"`
	SummaryIndex *int            `json:"summary_index,omitzero"`
	Part         *outputPart     `json:"part,omitzero"`
	Name         string          `json:"name,omitempty"`
	Delta        *string         `json:"delta,omitzero"`
	Text         *string         `json:"text,omitzero"`
	Arguments    *string         `json:"arguments,omitzero"`
	Logprobs     []chatLogprob   `json:"logprobs,omitzero"` // of the delta, or of the text
}

// responseRun makes an answer out of pieces, and sends its events where it is
// streamed. So a stream adds up to the whole.
type responseRun struct {
	response *responseObject
	members  map[string]member                  // the functions in namespaces, by the model's name of each
	send     func(name string, event any) error // nil: nobody listens
	kept     func()                             // before the last event, so that the client can go on from it
	sequence int
	open     *outputItem
	said     strings.Builder // by the open item, which has it at its end
	err      error           // of sending
}

// run fills the response.
func (r *responseRun) run(ctx context.Context, c *chat) error {
	return c.run(ctx, func(p piece) error {
		if err := c.keep(p); err != nil {
			return err
		}
		if p.first {
			r.event(responseEvent{Type: "response.created", Response: r.response})
			r.event(responseEvent{Type: "response.in_progress", Response: r.response})
		}
		if p.reasoning != "" {
			r.grow("reasoning", callDelta{index: -1, arguments: p.reasoning}, nil)
		}
		logprobs := c.chatLogprobs(p.said())
		for _, d := range p.answer() {
			if d.index >= 0 {
				r.grow("function_call", d, nil)
				continue
			}
			r.grow("message", d, logprobs)
			logprobs = nil
		}
		if p.finish != "" {
			r.finish(c, p)
		}
		return r.err
	})
}

// event sends an event; after an error nothing more.
func (r *responseRun) event(e responseEvent) {
	if r.send == nil || r.err != nil {
		return
	}
	e.Sequence = r.sequence
	r.sequence++
	r.err = r.send(e.Type, e)
}

// about sends an event about the open item, or about its only part.
func (r *responseRun) about(e responseEvent, part bool) {
	index := len(r.response.Output) - 1
	e.OutputIndex = &index
	if e.Item == nil {
		e.ItemID = r.open.ID
	}
	switch {
	case part && len(r.open.Summary) > 0:
		e.SummaryIndex = new(int)
	case part:
		e.ContentIndex = new(int)
	}
	r.event(e)
}

// names returns what events about the only part of the open item, and about its
// text, are called before what happens to it.
func (r *responseRun) names() (part, text string) {
	switch {
	case r.open.Type == "message":
		return "response.content_part", "response.output_text"
	case len(r.open.Summary) > 0:
		return "response.reasoning_summary_part", "response.reasoning_summary_text"
	}
	return "response.content_part", "response.reasoning_text"
}

// grow adds to the open item, or ends it and begins another. The arguments of
// the delta are what is added, whatever the kind.
func (r *responseRun) grow(kind string, d callDelta, logprobs *chatLogprobs) {
	if r.open == nil || r.open.Type != kind || r.open.call != d.index {
		r.end("completed")
		r.begin(kind, d)
	}
	if d.arguments == "" {
		return
	}
	r.said.WriteString(d.arguments)
	if kind == "function_call" {
		r.about(responseEvent{Type: "response.function_call_arguments.delta", Delta: &d.arguments}, false)
		return
	}
	_, name := r.names()
	added := responseEvent{Type: name + ".delta", Delta: &d.arguments}
	if kind == "message" {
		added.Logprobs = []chatLogprob{}
		if logprobs != nil {
			added.Logprobs = logprobs.Content
			part := r.open.part()
			part.Logprobs = append(part.Logprobs, logprobs.Content...)
		}
	}
	r.about(added, true)
}

// begin opens an item. Reasoning is its content, or its summary where the request
// asks for one: there many clients read nothing else.
func (r *responseRun) begin(kind string, d callDelta) {
	item := &outputItem{Type: kind, Status: "in_progress", call: d.index}
	part, list := outputPart{Type: "reasoning_text"}, &item.Content
	switch kind {
	case "reasoning":
		item.ID, item.Summary, item.Content = "rs_"+randomHex(), []outputPart{}, []outputPart{}
		if r.response.Reasoning.Summary != nil {
			part.Type, list = "summary_text", &item.Summary
		}
	case "message":
		item.ID, item.Role, item.Content = "msg_"+randomHex(), "assistant", []outputPart{}
		part = newTextPart("")
	default:
		item.ID, item.CallID, item.Name, item.Arguments = "fc_"+randomHex(), d.id, d.name, new(string)
		if of, ok := r.members[d.name]; ok {
			item.Namespace, item.Name = of.namespace, of.name
		}
	}
	r.open = item
	r.response.Output = append(r.response.Output, item)
	r.about(responseEvent{Type: "response.output_item.added", Item: item}, false)
	if kind != "function_call" {
		*list = append(*list, part)
		name, _ := r.names()
		r.about(responseEvent{Type: name + ".added", Part: &part}, true)
	}
}

// end closes the open item.
func (r *responseRun) end(status string) {
	if r.open == nil {
		return
	}
	r.settle()
	if r.open.broken() {
		status = "incomplete"
	}
	r.open.Status = status
	if part := r.open.part(); part == nil {
		r.about(responseEvent{Type: "response.function_call_arguments.done", Name: r.open.Name, Arguments: r.open.Arguments}, false)
	} else {
		name, text := r.names()
		r.about(responseEvent{Type: text + ".done", Text: &part.Text, Logprobs: part.Logprobs}, true)
		r.about(responseEvent{Type: name + ".done", Part: part}, true)
	}
	r.about(responseEvent{Type: "response.output_item.done", Item: r.open}, false)
	r.open = nil
}

// settle gives the open item what it has said.
func (r *responseRun) settle() {
	text := r.said.String()
	r.said.Reset()
	if part := r.open.part(); part != nil {
		part.Text = text
	} else {
		r.open.Arguments = &text
	}
}

// finish completes the response.
func (r *responseRun) finish(c *chat, p piece) {
	status := "completed"
	if p.finish == finishLength {
		status = "incomplete"
		r.response.IncompleteDetails = &incompleteDetails{Reason: "max_output_tokens"}
	}
	r.end(status)
	now := time.Now().Unix()
	u, _ := c.totals()
	r.response.Status, r.response.CompletedAt = status, &now
	r.response.Usage = &responseUsage{
		InputTokens: u.PromptTokens, InputTokensDetails: inputDetails{CachedTokens: u.PromptTokensDetails.CachedTokens},
		OutputTokens: u.CompletionTokens, OutputDetails: u.CompletionTokensDetails, TotalTokens: u.TotalTokens,
	}
	if r.kept != nil {
		r.kept()
	}
	r.event(responseEvent{Type: "response." + status, Response: r.response})
}

// fail ends a stream that has begun.
func (r *responseRun) fail(e *apiError) {
	r.err = nil
	if r.open != nil {
		r.settle()
		r.open.Status = "incomplete"
	}
	r.response.Status = "failed"
	r.response.Error = &responseError{Code: "server_error", Message: e.text()}
	r.event(responseEvent{Type: "response.failed", Response: r.response})
}

package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// messageEvent is an event of a stream; its type is its name too.
type messageEvent struct {
	Type    string            `json:"type"`
	Message *anthropicMessage `json:"message,omitzero"`
	Index   *int              `json:"index,omitzero"`
	Block   *contentBlock     `json:"content_block,omitzero"`
	Delta   any               `json:"delta,omitzero"`
	Usage   *anthropicUsage   `json:"usage,omitzero"`
}

// blockDelta is what is added to a block.
type blockDelta struct {
	Type     string `json:"type"`
	Text     string `json:"text,omitempty"`
	Thinking string `json:"thinking,omitempty"`
	JSON     string `json:"partial_json,omitempty"`
}

// addition is what a piece adds to a message: to the last block, or to a new one.
type addition struct {
	block contentBlock // as it begins, empty
	call  int          // of the answer; -1: no call
	delta blockDelta
}

// blocksOf returns what a piece adds, in order.
func blocksOf(p piece) (list []addition) {
	if p.reasoning != "" {
		list = append(list, addition{contentBlock{Type: "thinking", Thinking: new(string), Signature: new(string)}, -1,
			blockDelta{Type: "thinking_delta", Thinking: p.reasoning}})
	}
	for _, c := range p.answer() {
		block, delta := contentBlock{Type: "tool_use", ID: c.id, Name: c.name, Input: jsontext.Value("{}")}, blockDelta{Type: "input_json_delta", JSON: c.arguments}
		if c.index < 0 {
			block, delta = contentBlock{Type: "text", Text: new(string)}, blockDelta{Type: "text_delta", Text: c.arguments}
		}
		list = append(list, addition{block, c.index, delta})
	}
	return list
}

// blockPlace is where the next addition goes.
type blockPlace struct {
	kind string // of the open block; "": none
	call int
}

// begins reports whether an addition begins a block.
func (at *blockPlace) begins(a addition) bool {
	next := blockPlace{a.block.Type, a.call}
	before := *at
	*at = next
	return before != next
}

// blockList is the content of a whole message.
type blockList struct {
	blocks []contentBlock
	text   strings.Builder // of the last one, whatever it holds
	at     blockPlace
}

func (l *blockList) add(a addition) {
	if l.at.begins(a) {
		l.finish()
		l.blocks = append(l.blocks, a.block)
	}
	l.text.WriteString(a.delta.Text + a.delta.Thinking + a.delta.JSON) // of which it has one
}

// finish gives the last block what it holds. A call that was cut off in the middle of its
// arguments has none: what is there is not JSON.
func (l *blockList) finish() {
	if len(l.blocks) == 0 {
		return
	}
	text := l.text.String()
	l.text.Reset()
	switch b := &l.blocks[len(l.blocks)-1]; b.Type {
	case "text":
		b.Text = &text
	case "thinking":
		b.Thinking = &text
	default:
		if raw := wholeArguments(text); raw != nil {
			b.Input = raw
		}
	}
}

// messageDelta is what is known at the end of a message.
type messageDelta struct {
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}

// messageStream sends one answer as events.
type messageStream struct {
	*eventStream
	block int // index of the last one that began; -1: none
	at    blockPlace
}

// streamMessage answers with events: the message begins, each block begins,
// grows and ends, and the message ends.
func (c *chat) streamMessage(ctx context.Context, w http.ResponseWriter, id string) error {
	s := &messageStream{eventStream: newEventStream(w, c.server.options.Heartbeat), block: -1}
	defer s.quiet()
	err := c.run(ctx, func(p piece) error {
		if p.first {
			begun := c.message(id)
			begun.Usage.InputTokens = len(c.prompts[0].ids)
			if err := s.event(messageEvent{Type: "message_start", Message: &begun}); err != nil {
				return err
			}
			if err := s.event(messageEvent{Type: "ping"}); err != nil {
				return err
			}
		}
		for _, a := range blocksOf(p) {
			if err := s.add(a); err != nil {
				return err
			}
		}
		if p.finish == "" {
			return nil
		}
		if s.block >= 0 {
			if err := s.stop(); err != nil {
				return err
			}
		}
		var end messageDelta
		end.StopReason, end.StopSequence = anthropicStop(p)
		used := c.anthropicUsage()
		if err := s.event(messageEvent{Type: "message_delta", Delta: end, Usage: &used}); err != nil {
			return err
		}
		return s.event(messageEvent{Type: "message_stop"})
	})
	return s.closeWith(err, func(e *apiError) { _ = s.sendNamed("error", e.anthropic(c.id)) })
}

// event sends one event under its type.
func (s *messageStream) event(e messageEvent) error { return s.sendNamed(e.Type, e) }

// add adds to the open block, or ends it and begins another.
func (s *messageStream) add(a addition) error {
	open := s.at.kind != ""
	if s.at.begins(a) {
		if open {
			if err := s.stop(); err != nil {
				return err
			}
		}
		s.block++
		if err := s.event(messageEvent{Type: "content_block_start", Index: &s.block, Block: &a.block}); err != nil {
			return err
		}
	}
	if a.delta.JSON == "" && a.call >= 0 {
		return nil // the name of a call came alone
	}
	return s.event(messageEvent{Type: "content_block_delta", Index: &s.block, Delta: a.delta})
}

// stop ends the last block.
func (s *messageStream) stop() error {
	return s.event(messageEvent{Type: "content_block_stop", Index: &s.block})
}

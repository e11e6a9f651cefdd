package server

import (
	"context"
	"net/http"
	"strings"
)

// Anthropic's Messages API over the chat of this server: POST /v1/messages and
// POST /v1/messages/count_tokens. The order and the members of events are those
// that Anthropic's clients were written for.

type anthropicMessage struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []contentBlock `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        anthropicUsage `json:"usage"`
}

// contentBlock is one part of an answer: a text or the thoughts before it.
type contentBlock struct {
	Type      string  `json:"type"`
	Text      *string `json:"text,omitzero"`
	Thinking  *string `json:"thinking,omitzero"`
	Signature *string `json:"signature,omitzero"` // empty: this server takes any thoughts back
}

// anthropicUsage counts tokens; those found in the cache are not in InputTokens.
type anthropicUsage struct {
	InputTokens         int `json:"input_tokens"`
	CacheCreationTokens int `json:"cache_creation_input_tokens"`
	CacheReadTokens     int `json:"cache_read_input_tokens"`
	OutputTokens        int `json:"output_tokens"`
}

func textBlock(text string) contentBlock { return contentBlock{Type: "text", Text: &text} }

func thinkingBlock(text string) contentBlock {
	return contentBlock{Type: "thinking", Thinking: &text, Signature: new(string)}
}

// createMessage serves POST /v1/messages.
func (s *Server) createMessage(w http.ResponseWriter, r *http.Request, m *Model) error {
	c, err := s.readMessage(w, r, m, false)
	if err != nil {
		return err
	}
	id := "msg_" + randomHex()
	if c.params.stream {
		return c.streamMessage(r.Context(), w, id)
	}
	p, err := c.whole(r.Context())
	if err != nil {
		return err
	}
	response := c.message(id)
	if p.reasoning != "" {
		response.Content = append(response.Content, thinkingBlock(p.reasoning))
	}
	if p.text != "" {
		response.Content = append(response.Content, textBlock(p.text))
	}
	response.StopReason, response.StopSequence = anthropicStop(p)
	response.Usage = c.anthropicUsage()
	writeJSON(w, http.StatusOK, response)
	return nil
}

// countMessageTokens serves POST /v1/messages/count_tokens; nothing is generated.
func (s *Server) countMessageTokens(w http.ResponseWriter, r *http.Request, m *Model) error {
	c, err := s.readMessage(w, r, m, true)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		InputTokens int `json:"input_tokens"`
	}{len(c.prompts[0].ids)})
	return nil
}

func (s *Server) readMessage(w http.ResponseWriter, r *http.Request, m *Model, counting bool) (*chat, error) {
	j := s.newJob(w, m)
	body, err := s.readBody(w, r)
	if err != nil {
		return nil, err
	}
	o, d := decodeObject(body)
	j.readModel(o)
	t := newTranslation()
	t.readMessagesAPI(o, counting)
	return t.chat(j, w, d)
}

// message returns an answer that has no content yet.
func (c *chat) message(id string) anthropicMessage {
	return anthropicMessage{ID: id, Type: "message", Role: "assistant", Model: c.model.Names[0], Content: []contentBlock{}}
}

func (c *chat) anthropicUsage() anthropicUsage {
	u, _ := c.totals()
	cached := u.PromptTokensDetails.CachedTokens
	return anthropicUsage{InputTokens: u.PromptTokens - cached, CacheReadTokens: cached, OutputTokens: u.CompletionTokens}
}

// anthropicStop says why an answer ended, and at which stop sequence.
func anthropicStop(p piece) (reason, sequence *string) {
	name := "end_turn"
	if stop, ok := p.stopReason.(string); ok {
		name, sequence = "stop_sequence", &stop
	} else if p.finish == finishLength {
		name = "max_tokens"
	}
	return &name, sequence
}

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
}

// messageDelta is what is known at the end of a message.
type messageDelta struct {
	StopReason   *string `json:"stop_reason"`
	StopSequence *string `json:"stop_sequence"`
}

// messageStream sends one answer as events.
type messageStream struct {
	*eventStream
	block int    // index of the last one that began; -1: none
	open  string // its type; "": it has ended
}

// streamMessage answers with events: the message begins, each block begins,
// grows and ends, and the message ends.
func (c *chat) streamMessage(ctx context.Context, w http.ResponseWriter, id string) error {
	s := &messageStream{eventStream: newEventStream(w, c.server.options.Heartbeat), block: -1}
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
		if err := s.piece(p); err != nil || p.finish == "" {
			return err
		}
		if err := s.stop(); err != nil {
			return err
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

// piece sends thoughts and text.
func (s *messageStream) piece(p piece) error {
	if p.reasoning != "" {
		if err := s.grow(thinkingBlock(""), blockDelta{Type: "thinking_delta", Thinking: p.reasoning}); err != nil {
			return err
		}
	}
	if p.text != "" {
		return s.grow(textBlock(""), blockDelta{Type: "text_delta", Text: p.text})
	}
	return nil
}

// grow adds to the open block, or begins one where another kind is open.
func (s *messageStream) grow(empty contentBlock, delta blockDelta) error {
	if s.open != empty.Type {
		if err := s.stop(); err != nil {
			return err
		}
		s.block++
		s.open = empty.Type
		if err := s.event(messageEvent{Type: "content_block_start", Index: &s.block, Block: &empty}); err != nil {
			return err
		}
	}
	return s.event(messageEvent{Type: "content_block_delta", Index: &s.block, Delta: delta})
}

// stop ends the open block, if there is one.
func (s *messageStream) stop() error {
	if s.open == "" {
		return nil
	}
	s.open = ""
	return s.event(messageEvent{Type: "content_block_stop", Index: &s.block})
}

// anthropicPath reports whether a route speaks Anthropic's language.
func anthropicPath(path string) bool {
	return path == "/v1/messages" || strings.HasPrefix(path, "/v1/messages/")
}

// anthropicError is an error in Anthropic's shape.
type anthropicError struct {
	Type      string               `json:"type"`
	Error     anthropicErrorObject `json:"error"`
	RequestID string               `json:"request_id"`
}

type anthropicErrorObject struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// anthropic gives an error Anthropic's shape, in which the message names the field.
func (e *apiError) anthropic(id string) anthropicError {
	kind := "api_error"
	switch e.status {
	case http.StatusUnauthorized:
		kind = "authentication_error"
	case http.StatusForbidden, http.StatusMisdirectedRequest:
		kind = "permission_error"
	case http.StatusNotFound:
		kind = "not_found_error"
	case http.StatusRequestEntityTooLarge:
		kind = "request_too_large"
	case http.StatusRequestTimeout:
		kind = "timeout_error"
	case http.StatusTooManyRequests:
		kind = "rate_limit_error"
	case http.StatusServiceUnavailable:
		kind = "overloaded_error"
	default:
		if e.status < http.StatusInternalServerError {
			kind = "invalid_request_error"
		}
	}
	message := e.message
	if e.param != "" {
		message = e.param + ": " + message
	}
	return anthropicError{Type: "error", Error: anthropicErrorObject{kind, shorten(message)}, RequestID: id}
}

package server

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
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

// contentBlock is one part of an answer: a text, the thoughts before it, or a
// tool call.
type contentBlock struct {
	Type      string         `json:"type"`
	Text      *string        `json:"text,omitzero"`
	Thinking  *string        `json:"thinking,omitzero"`
	Signature *string        `json:"signature,omitzero"` // empty: this server takes any thoughts back
	ID        string         `json:"id,omitempty"`
	Name      string         `json:"name,omitempty"`
	Input     jsontext.Value `json:"input,omitzero"` // an object
}

// anthropicUsage counts tokens; those found in the cache are not in InputTokens.
type anthropicUsage struct {
	InputTokens         int           `json:"input_tokens"`
	CacheCreationTokens int           `json:"cache_creation_input_tokens"`
	CacheReadTokens     int           `json:"cache_read_input_tokens"`
	OutputTokens        int           `json:"output_tokens"`
	OutputDetails       outputDetails `json:"output_tokens_details,omitzero"`
}

type outputDetails struct {
	ThinkingTokens int `json:"thinking_tokens"`
}

// anthropicModel is what Anthropic's clients read of a model beside its id.
type anthropicModel struct {
	Type           string `json:"type"`
	DisplayName    string `json:"display_name"`
	CreatedAt      string `json:"created_at"` // RFC 3339
	MaxInputTokens int    `json:"max_input_tokens"`
}

// createMessage serves POST /v1/messages.
func (s *Server) createMessage(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, err := s.readMessage(w, r, models, false)
	if err != nil {
		return err
	}
	id := "msg_" + randomHex()
	if c.params.stream {
		return c.streamMessage(r.Context(), w, id)
	}
	response := c.message(id)
	var blocks blockList
	err = c.run(r.Context(), func(p piece) error {
		if err := c.keep(p); err != nil {
			return err
		}
		response.StopReason, response.StopSequence = anthropicStop(p)
		for _, a := range blocksOf(p) {
			blocks.add(a)
		}
		return nil
	})
	if err != nil {
		return err
	}
	blocks.finish()
	response.Content = append(response.Content, blocks.blocks...)
	response.Usage = c.anthropicUsage()
	writeJSON(w, http.StatusOK, response)
	return nil
}

// countMessageTokens serves POST /v1/messages/count_tokens; nothing is generated.
func (s *Server) countMessageTokens(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, err := s.readMessage(w, r, models, true)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		InputTokens int `json:"input_tokens"`
	}{len(c.prompts[0].ids)})
	return nil
}

func (s *Server) readMessage(w http.ResponseWriter, r *http.Request, models modelSet, counting bool) (*chat, error) {
	j := s.newJob(w, r, models)
	var c *chat
	err := s.withBody(w, r, func(body []byte) (err error) {
		o, d := decodeObject(body)
		j.readModel(o)
		t := newTranslation("input_schema")
		t.readMessagesAPI(o, counting)
		c, err = t.chat(j, w, d)
		return err
	})
	return c, err
}

// message returns an answer that has no content yet.
func (c *chat) message(id string) anthropicMessage {
	return anthropicMessage{ID: id, Type: "message", Role: "assistant", Model: c.model.Names[0], Content: []contentBlock{}}
}

func (c *chat) anthropicUsage() anthropicUsage {
	u, _ := c.totals()
	cached := u.PromptTokensDetails.CachedTokens
	return anthropicUsage{
		InputTokens: u.PromptTokens - cached, CacheReadTokens: cached,
		OutputTokens: u.CompletionTokens, OutputDetails: outputDetails{u.CompletionTokensDetails.ReasoningTokens},
	}
}

// anthropicStop says why an answer ended, and at which stop sequence.
func anthropicStop(p piece) (reason, sequence *string) {
	name := "end_turn"
	if stop, ok := p.stopReason.(string); ok {
		name, sequence = "stop_sequence", &stop
	}
	switch p.finish {
	case finishLength:
		name = "max_tokens"
	case finishCalls:
		name = "tool_use"
	}
	return &name, sequence
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
	Type    string        `json:"type"`
	Message string        `json:"message"`
	Details *errorDetails `json:"details,omitzero"`
}

type errorDetails struct {
	Code string `json:"error_code"`
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
	object := anthropicErrorObject{Type: kind, Message: e.text()}
	if e.code != "" {
		object.Details = &errorDetails{e.code}
	}
	return anthropicError{Type: "error", Error: object, RequestID: id}
}

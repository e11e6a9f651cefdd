package server

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// OpenAI's Responses API over the chat of this server. Answers are kept in
// memory for previous_response_id, GET and DELETE, unless store is false.

type responseObject struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	CreatedAt         int64              `json:"created_at"` // Unix seconds
	CompletedAt       *int64             `json:"completed_at"`
	Status            string             `json:"status"` // in_progress, completed, incomplete, failed
	Background        bool               `json:"background"`
	Error             *responseError     `json:"error"`
	IncompleteDetails *incompleteDetails `json:"incomplete_details"`
	Instructions      jsontext.Value     `json:"instructions"`
	MaxOutputTokens   jsontext.Value     `json:"max_output_tokens"`
	Metadata          jsontext.Value     `json:"metadata"`
	Model             string             `json:"model"`
	Output            []*outputItem      `json:"output"`
	ParallelToolCalls bool               `json:"parallel_tool_calls"`
	Previous          *string            `json:"previous_response_id"`
	Reasoning         responseReasoning  `json:"reasoning"`
	Store             bool               `json:"store"`
	Temperature       float32            `json:"temperature"`
	Text              responseText       `json:"text"`
	ToolChoice        jsontext.Value     `json:"tool_choice"`
	Tools             []any              `json:"tools"` // responseTool or responseNamespace
	TopLogprobs       int64              `json:"top_logprobs"`
	TopP              float32            `json:"top_p"`
	Truncation        string             `json:"truncation"`
	Usage             *responseUsage     `json:"usage,omitzero"`
	User              jsontext.Value     `json:"user,omitzero"`
}

// responseText is the form of the answer.
type responseText struct {
	Format    responseFormat `json:"format"`
	Verbosity string         `json:"verbosity,omitempty"`
}

type responseFormat struct {
	Type        string         `json:"type"`
	Name        string         `json:"name,omitempty"`
	Description jsontext.Value `json:"description,omitzero"`
	Schema      jsontext.Value `json:"schema,omitzero"`
	Strict      jsontext.Value `json:"strict,omitzero"`
}

// responseTool is a function that the model may call. OpenAI's clients expect
// parameters and strict even where the request had none.
type responseTool struct {
	Type        string         `json:"type"`
	Name        string         `json:"name"`
	Description jsontext.Value `json:"description,omitzero"`
	Parameters  jsontext.Value `json:"parameters"` // a schema, or null
	Strict      bool           `json:"strict"`
}

// responseNamespace is a group of functions.
type responseNamespace struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Tools       []any  `json:"tools"` // responseTool
}

func newResponseTool(as chatFunction) responseTool {
	out := responseTool{Type: as.Type, Name: as.Function.Name, Description: as.Function.Description, Parameters: null()}
	if as.Function.Parameters != nil {
		out.Parameters = as.Function.Parameters
	}
	out.Strict = as.Function.Strict.Kind() == 't'
	return out
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

type responseReasoning struct {
	Effort  jsontext.Value `json:"effort"`
	Summary *string        `json:"summary"`
}

type responseUsage struct {
	InputTokens        int               `json:"input_tokens"`
	InputTokensDetails inputDetails      `json:"input_tokens_details"`
	OutputTokens       int               `json:"output_tokens"`
	OutputDetails      completionDetails `json:"output_tokens_details"`
	TotalTokens        int               `json:"total_tokens"`
}

type inputDetails struct {
	CachedTokens     int `json:"cached_tokens"`
	CacheWriteTokens int `json:"cache_write_tokens"`
}

// createResponse serves POST /v1/responses.
func (s *Server) createResponse(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, t, echo, err := s.readResponse(w, r, models)
	if err != nil {
		return err
	}
	run := &responseRun{response: c.response(echo), members: t.members}
	if !c.params.stream {
		if err := run.run(r.Context(), c); err != nil {
			return err
		}
		s.keep(r, t, run.response)
		writeJSON(w, http.StatusOK, run.response)
		return nil
	}
	events := newEventStream(w, s.options.Heartbeat)
	defer events.quiet()
	run.send = events.sendNamed
	run.kept = func() { s.keep(r, t, run.response) }
	err = run.run(r.Context(), c)
	return events.closeWith(err, run.fail)
}

// readResponse reads a request up to the tokens of its prompt.
func (s *Server) readResponse(w http.ResponseWriter, r *http.Request, models modelSet) (*chat, *translation, responseEcho, error) {
	j := s.newJob(w, r, models)
	body, err := s.readBody(w, r)
	if err != nil {
		return nil, nil, responseEcho{}, err
	}
	o, d := decodeObject(body)
	j.readModel(o)
	t := newTranslation("parameters")
	echo := t.readResponsesAPI(o, s.keeper(r))
	if err := j.held.body(int64(t.stored)); err != nil {
		return nil, nil, echo, err
	}
	var c *chat
	err = s.memory.during(r.Context(), len(body)+t.stored, func() (err error) {
		c, err = t.chat(j, w, d)
		return err
	})
	return c, t, echo, err
}

// response returns an answer that has no output yet.
func (c *chat) response(echo responseEcho) *responseObject {
	return &responseObject{
		ID: "resp_" + randomHex(), Object: "response", CreatedAt: c.began.Unix(), Status: "in_progress",
		Instructions: echo.instructions, MaxOutputTokens: echo.maxTokens, Metadata: echo.metadata, Model: c.model.Names[0],
		Output: []*outputItem{}, ParallelToolCalls: echo.parallel, Previous: echo.previous,
		Reasoning: responseReasoning{Effort: echo.effort, Summary: echo.summary}, Store: echo.store, Temperature: c.params.sampling.Temperature,
		Text: echo.text, ToolChoice: echo.toolChoice, Tools: echo.tools, TopLogprobs: echo.topLogprobs, TopP: c.params.sampling.TopP, Truncation: echo.truncation, User: echo.user,
	}
}

// keep stores an answer with its conversation, where the request wants that. A call that
// broke off is no part of it, and an answer of nothing is a turn all the same.
func (s *Server) keep(r *http.Request, t *translation, response *responseObject) {
	if !response.Store {
		return
	}
	for _, item := range response.Output {
		if !item.broken() {
			t.join(&inputItem{outputItem: *item})
		}
	}
	if t.open() == nil {
		t.say("assistant", "")
	}
	s.responses.add(&storedResponse{
		id: response.ID, owner: s.owner(r), body: marshal(response), messages: t.messages[t.own:], input: t.items, output: response.Output,
	})
}

// owner tells the holders of keys apart: nobody sees what another one stored.
func (s *Server) owner(r *http.Request) string {
	if len(s.keys) == 0 {
		return ""
	}
	key, _ := keyOf(r) // which was checked before
	digest := sha256.Sum256([]byte(key))
	return string(digest[:])
}

func (s *Server) keeper(r *http.Request) keeper { return keeper{s.responses, s.owner(r)} }

// responseID returns the id in a path.
func responseID(r *http.Request) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/responses/"), "/")
	return id
}

// stored returns the response that a path names.
func (s *Server) stored(r *http.Request) (*storedResponse, error) {
	id := responseID(r)
	if found := s.keeper(r).response(id); found != nil {
		return found, nil
	}
	return nil, noResponse(id)
}

func noResponse(id string) *apiError {
	return &apiError{status: http.StatusNotFound, kind: kindInvalid, message: fmt.Sprintf("there is no stored response %.128q", id)}
}

// getResponse serves GET /v1/responses/{id}.
func (s *Server) getResponse(w http.ResponseWriter, r *http.Request) error {
	found, err := s.stored(r)
	if err != nil {
		return err
	}
	if stream := r.URL.Query().Get("stream"); stream != "" && stream != "false" {
		return invalid("stream", "is not supported by this server: a stored response is whole")
	}
	writeJSON(w, http.StatusOK, jsontext.Value(found.body))
	return nil
}

// deleteResponse serves DELETE /v1/responses/{id}.
func (s *Server) deleteResponse(w http.ResponseWriter, r *http.Request) error {
	id := responseID(r)
	if !s.keeper(r).remove(id) {
		return noResponse(id)
	}
	writeJSON(w, http.StatusOK, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{id, "response", true})
	return nil
}

// cancelResponse serves POST /v1/responses/{id}/cancel. Only responses in the
// background can be cancelled, and there are none.
func (s *Server) cancelResponse(_ http.ResponseWriter, r *http.Request) error {
	if _, err := s.stored(r); err != nil {
		return err
	}
	return invalid("", "a response that is not in the background cannot be cancelled; close its connection instead")
}

// countResponseTokens serves POST /v1/responses/input_tokens; nothing is generated.
func (s *Server) countResponseTokens(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, _, _, err := s.readResponse(w, r, models)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Object      string `json:"object"`
		InputTokens int    `json:"input_tokens"`
	}{"response.input_tokens", len(c.prompts[0].ids)})
	return nil
}

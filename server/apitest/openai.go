package apitest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Exceptions are the places where OpenAI's document wants a value and this
// server may answer null, and why.
var Exceptions = map[string]string{
	completionChoice + "finish_reason":                                    "a chunk of a stream that is not the last of its choice; the document has no schema for chunks of completions",
	"#/components/schemas/CreateCompletionResponse/properties/usage":      "a chunk that is not the last, with include_usage; likewise",
	completionChoice + "logprobs/anyOf/0/properties/token_logprobs/items": "the first token of an echoed prompt has none",
	completionChoice + "logprobs/anyOf/0/properties/top_logprobs/items":   "likewise",
}

const completionChoice = "#/components/schemas/CreateCompletionResponse/properties/choices/items/properties/"

// ReadOpenAI reads OpenAI's document with the exceptions.
func ReadOpenAI(data []byte) (*Document, error) {
	return Read(data, "/v1", slices.Sorted(maps.Keys(Exceptions))...)
}

// CheckOpenAI holds an answer against OpenAI's document, where it describes the
// route, and an error against the shape of OpenAI's errors.
func (d *Document) CheckOpenAI(e *Exchange) error {
	const failure = schemas + "ErrorResponse"
	o := d.Find(e.Method, e.Path)
	switch {
	case strings.HasPrefix(e.Path, "/v1/messages"), strings.HasSuffix(e.Path, "health") || strings.Contains(e.Path, "/health/"):
		return nil // Anthropic's and NIM's
	case e.Status >= http.StatusBadRequest:
		return d.checkJSON(failure, false, e.Method, e.Body)
	case o == nil || e.Status != http.StatusOK:
		return nil
	}
	response := o.place + "/responses/200"
	responses, _ := o.Object["responses"].(map[string]any)
	given, _ := responses["200"].(map[string]any)
	content, _ := given["content"].(map[string]any)
	if len(content) == 0 {
		return nil
	}
	schema := response + "/content/application~1json/schema"
	if !strings.HasPrefix(e.Header.Get("Content-Type"), "text/event-stream") {
		return d.checkJSON(schema, false, e.Method, e.Body)
	}
	if content["text/event-stream"] != nil {
		schema = response + "/content/" + escape("text/event-stream") + "/schema"
	} // else the chunks have the form of a whole
	body, failed := cutFailure(e.Body)
	if failed != nil {
		if err := d.checkJSON(failure, false, "", failed); err != nil {
			return err
		}
	}
	return d.checkEvents(schema, false, body)
}

// cutFailure cuts a stream from the error that it ends with; nil where it does
// not.
func cutFailure(stream []byte) (before, failure []byte) {
	at := bytes.LastIndex(stream, []byte("data: "))
	if at < 0 {
		return stream, nil
	}
	data := stream[at+len("data: "):]
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil || members["error"] == nil || members["type"] != nil {
		return stream, nil
	}
	return stream[:at], data
}

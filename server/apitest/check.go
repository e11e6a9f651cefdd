package apitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Exchange is a request and its answer.
type Exchange struct {
	Method, Path string
	Request      []byte
	Status       int
	Header       http.Header // of the answer
	Body         []byte
}

// schemas is where a document has its schemas, by name.
const schemas = "#/components/schemas/"

// Check holds an exchange against the document that describes the whole server:
// status, media type, headers, body, each event of a stream; and where the
// answer is 200, the request too.
func (d *Document) Check(e *Exchange) error {
	o := d.Find(e.Method, e.Path)
	if o == nil {
		return d.checkUnknown(e)
	}
	responses, _ := o.Object["responses"].(map[string]any)
	given, ok := responses[strconv.Itoa(e.Status)].(map[string]any)
	if !ok {
		return fmt.Errorf("the document has no status %d", e.Status)
	}
	place := o.place + "/responses/" + strconv.Itoa(e.Status)
	if ref, ok := given["$ref"].(string); ok {
		place = ref
	}
	given = d.Resolve(given)
	if err := d.checkHeaders(place, given, e); err != nil {
		return err
	}
	if err := d.checkContent(place, given, e); err != nil {
		return err
	}
	if _, ok := o.Object["requestBody"]; ok && e.Status == http.StatusOK {
		request, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Request))
		if err != nil {
			return fmt.Errorf("the request: %w", err)
		}
		if err := d.Validate(o.RequestPlace(), false, asRead(request)); err != nil {
			return fmt.Errorf("the request was taken: %w", err)
		}
	}
	return nil
}

// RequestPlace is where the schema of the operation's JSON requests stands.
func (o *Operation) RequestPlace() string {
	return o.place + "/requestBody/content/application~1json/schema"
}

// checkUnknown wants a refusal of what the document does not have. Only a
// preflight is answered: it is of the protocol between servers and browsers.
func (d *Document) checkUnknown(e *Exchange) error {
	if e.Method == http.MethodOptions && e.Status == http.StatusNoContent && e.Header.Get("Access-Control-Allow-Methods") != "" && len(e.Body) == 0 {
		return nil
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusMisdirectedRequest:
	default:
		return fmt.Errorf("the document has no %s %s, and the status is %d", e.Method, e.Path, e.Status)
	}
	name := "Error"
	if strings.HasPrefix(e.Path, "/v1/messages/") || e.Path == "/v1/messages" {
		name = "MessageError"
	}
	return d.checkJSON(schemas+name, true, e.Method, e.Body)
}

// checkHeaders holds the headers that a document names against it. Those of
// this server it must name.
func (d *Document) checkHeaders(place string, response map[string]any, e *Exchange) error {
	header := e.Header
	named, _ := response["headers"].(map[string]any)
	for name := range header {
		if own := strings.ToLower(name); e.Status == http.StatusOK && strings.HasPrefix(own, "x-trona-") && named[own] == nil {
			return fmt.Errorf("the document has no header %s", own)
		}
	}
	for name, object := range named {
		text := header.Get(name)
		if text == "" {
			continue
		}
		where := place + "/headers/" + name
		if ref, ok := object.(map[string]any)["$ref"].(string); ok {
			where = ref
		}
		var value any = text
		if n, err := strconv.Atoi(text); err == nil {
			value = n
		}
		if err := d.Validate(where+"/schema", true, value); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

// checkContent holds a body against the schema of its media type.
func (d *Document) checkContent(place string, response map[string]any, e *Exchange) error {
	content, _ := response["content"].(map[string]any)
	if len(content) == 0 {
		if len(e.Body) > 0 {
			return fmt.Errorf("the document wants no body, not %q", e.Body)
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	if _, ok := content[media]; !ok {
		return fmt.Errorf("the document has no media type %s", media)
	}
	schema := place + "/content/" + escape(media) + "/schema"
	switch media {
	case "application/json":
		return d.checkJSON(schema, true, e.Method, e.Body)
	case "text/event-stream":
		return d.checkEvents(schema, true, e.Body)
	}
	return nil
}

func (d *Document) checkJSON(schema string, strict bool, method string, body []byte) error {
	if method == http.MethodHead {
		return nil
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return d.Validate(schema, strict, value)
}

// checkEvents holds each event of a stream against a schema. The name of an
// event is its type.
func (d *Document) checkEvents(schema string, strict bool, body []byte) error {
	events, err := readEvents(body)
	if err != nil {
		return err
	}
	for i, event := range events {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(event.data))
		if err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
		if event.name != "" && event.name != value.(map[string]any)["type"] {
			return fmt.Errorf("event %d is called %s", i, event.name)
		}
		if err := d.Validate(schema, strict, value); err != nil {
			return fmt.Errorf("event %d, %s: %w", i, event.data, err)
		}
	}
	return nil
}

// event is one of a stream.
type event struct{ name, data string }

// readEvents reads server-sent events as this server writes them: each has one
// line of data, and the last may be [DONE], which is no event.
func readEvents(body []byte) (list []event, err error) {
	name, done := "", false
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSuffix(line, "\n")
		given, isName := strings.CutPrefix(line, "event: ")
		data, isData := strings.CutPrefix(line, "data: ")
		switch {
		case line == "" || strings.HasPrefix(line, ":"):
		case done:
			return nil, fmt.Errorf("%q comes after the end", line)
		case isName:
			name = given
		case data == "[DONE]":
			done = true
		case isData:
			list = append(list, event{name, data})
			name = ""
		default:
			return nil, fmt.Errorf("%q is no line of a stream", line)
		}
	}
	return list, nil
}

// asRead returns a request as the server sees it: members that are null count
// as absent, and a number too near to 0 for a float64 is 0.
func asRead(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = asRead(v[i])
		}
	case map[string]any:
		for name, member := range v {
			if member == nil {
				delete(v, name)
			} else {
				v[name] = asRead(member)
			}
		}
	case json.Number:
		if x, err := v.Float64(); err == nil && x == 0 {
			return x
		}
	}
	return v
}

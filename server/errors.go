package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"

	"trona/engine"
)

// apiError is an answer other than 200. Type and code are OpenAI's where it has
// them.
type apiError struct {
	status  int
	kind    string // "type" in JSON
	code    string // "": null
	param   string // path of the offending field; "": null
	message string
	allow   string // methods, with 405
}

func (e *apiError) Error() string { return e.message }

// Kinds of errors, as OpenAI's clients know them.
const (
	kindInvalid     = "invalid_request_error"
	kindPermission  = "permission_error"
	kindRateLimit   = "rate_limit_error"
	kindServer      = "server_error"
	kindUnavailable = "service_unavailable_error"
)

// Codes of errors that clients act on.
const (
	codeAPIKey        = "invalid_api_key"
	codeOrigin        = "permission_denied"
	codeHost          = "wrong_host"
	codeRoute         = "not_found"
	codeMethod        = "method_not_allowed"
	codeModel         = "model_not_found"
	codeTimeout       = "request_timeout"
	codeTooLarge      = "request_too_large"
	codeMediaType     = "unsupported_media_type"
	codeContext       = "context_length_exceeded"
	codePrevious      = "previous_response_not_found"
	codeThread        = "thread_unsupported_request" // Anthropic's
	codeTemplate      = "template_error"
	codeTemplateLimit = "template_limit"
	codeOverloaded    = "overloaded"
	codeLoading       = "model_loading"
	codeShutdown      = "shutting_down"
	codeEngine        = "engine_unavailable"
	codeNumeric       = "model_output_invalid"
	codeConstraint    = "constraint_failed"
	codeCancelled     = "cancelled" // seen in logs only
	codeInternal      = "internal_error"
	maxMessageBytes   = 1 << 10
	retryAfterSeconds = 1
)

// errDraining ends requests that outlast a shutdown.
var errDraining = errors.New("the server is shutting down")

// errSlowReader ends a stream whose client takes nothing.
var errSlowReader = errors.New("the client does not read its stream")

// invalid is a 400 about one field.
func invalid(param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: kindInvalid, param: param, message: fmt.Sprintf(format, args...)}
}

// errorFor is the table from errors of all layers to answers.
func errorFor(err error) *apiError {
	var api *apiError
	var limit *engine.LimitError
	switch {
	case errors.As(err, &api):
		return api
	case errors.As(err, &limit) && limit.ContextExceeded:
		return contextError(limit.Field, limit.Prompt, limit.Want, limit.Max)
	case errors.As(err, &limit):
		return invalid(limit.Field, "%s", limit.Message)
	case errors.Is(err, engine.ErrOverloaded):
		return &apiError{status: http.StatusTooManyRequests, kind: kindRateLimit, code: codeOverloaded, message: "the queue is full; retry later"}
	case errors.Is(err, engine.ErrClosed), errors.Is(err, errDraining):
		return &apiError{status: http.StatusServiceUnavailable, kind: kindUnavailable, code: codeShutdown, message: errDraining.Error()}
	case errors.Is(err, engine.ErrFailed):
		return &apiError{status: http.StatusServiceUnavailable, kind: kindUnavailable, code: codeEngine, message: "the engine failed; retry later"}
	case errors.Is(err, engine.ErrConstraint):
		return &apiError{status: http.StatusBadRequest, kind: kindInvalid, code: codeConstraint, message: "no token satisfies all that the request asks of its answer"}
	case errors.Is(err, engine.ErrNumeric):
		return &apiError{status: http.StatusInternalServerError, kind: kindServer, code: codeNumeric, message: engine.ErrNumeric.Error()}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errSlowReader):
		return &apiError{status: statusClientClosed, kind: kindInvalid, code: codeCancelled, message: "the client closed the request"}
	}
	// The text of an unknown error may name files or hold what a user wrote.
	return &apiError{status: http.StatusInternalServerError, kind: kindServer, code: codeInternal, message: "internal error; the server's log has the request id"}
}

// loadingError is for what needs a model before there is one.
func loadingError() *apiError {
	return &apiError{status: http.StatusServiceUnavailable, kind: kindUnavailable, code: codeLoading, message: "the model is loading; retry later"}
}

// statusClientClosed is seen in logs and metrics only.
const statusClientClosed = 499

// contextError says by how much a request exceeds the context. Want is the
// length of the answer asked for, 0 where it is open.
func contextError(param string, prompt, want, limit int) *apiError {
	e := invalid(param, "this model's maximum context length is %d tokens, but the request needs %d: %d in the prompt and %d for the answer; shorten either",
		limit, prompt+max(want, 1), prompt, max(want, 1))
	e.code = codeContext
	return e
}

// errorBody is what stands in JSON.
type errorBody struct {
	Error errorObject `json:"error"`
}

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// text names the field too: many clients show nothing but the message.
func (e *apiError) text() string {
	if e.param == "" {
		return shorten(e.message)
	}
	return shorten(e.param + ": " + e.message)
}

func (e *apiError) body() errorBody {
	return errorBody{errorObject{Message: e.text(), Type: e.kind, Param: orNull(e.param), Code: orNull(e.code)}}
}

// orNull returns nil for "".
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// shorten bounds a message that quotes what came from outside.
func shorten(s string) string {
	if len(s) <= maxMessageBytes {
		return s
	}
	return fmt.Sprintf("%.*s...", maxMessageBytes/4, s) // runes: at most 4 bytes each
}

// writeError answers with an error, in the language of the route.
func writeError(w http.ResponseWriter, r *http.Request, e *apiError) {
	h := w.Header()
	switch e.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		h.Set("Allow", e.allow)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfterSeconds))
		// Clients that were refused together should not come back together.
		h.Set("Retry-After-Ms", strconv.Itoa(retryAfterSeconds*(750+rand.IntN(500))))
	case http.StatusRequestTimeout, http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close") // the rest of the body is not read
	}
	if e.code == codeShutdown {
		h.Set("Connection", "close")
	}
	if anthropicPath(r.URL.Path) {
		writeJSON(w, e.status, e.anthropic(h.Get(headerRequestID)))
		return
	}
	writeJSON(w, e.status, e.body())
}

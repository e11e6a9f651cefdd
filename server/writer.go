package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

// writeTimeout is how long a client may take nothing of what is written to it.
const writeTimeout = 30 * time.Second

// ioStep bounds what is read or written under one deadline.
const ioStep = 64 << 10

// responseWriter counts what is written and gives the client writeTimeout for each
// part of it.
type responseWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	status  int
	bytes   int64
}

func newResponseWriter(w http.ResponseWriter) *responseWriter {
	return &responseWriter{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status.
func (w *responseWriter) WriteHeader(status int) {
	w.status = status
	w.deadline()
	w.ResponseWriter.WriteHeader(status)
}

// Write writes in parts, each under its own deadline.
func (w *responseWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	written := 0
	for {
		w.deadline()
		n, err := w.ResponseWriter.Write(b[:min(len(b), ioStep)])
		written += n
		w.bytes += int64(n)
		b = b[n:]
		if err != nil || len(b) == 0 {
			return written, err
		}
	}
}

func (w *responseWriter) deadline() { _ = w.control.SetWriteDeadline(time.Now().Add(writeTimeout)) }

// jsonOptions print nil lists and maps as null, and maps in order.
var jsonOptions = json.JoinOptions(json.Deterministic(true), json.FormatNilSliceAsNull(true), json.FormatNilMapAsNull(true))

// marshal returns the JSON of a response.
func marshal(v any) []byte {
	text, err := json.Marshal(v, jsonOptions)
	if err != nil {
		panic(fmt.Sprintf("server: a response of type %T has no JSON form: %v", v, err))
	}
	return text
}

// writeJSON answers with one JSON value.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body := marshal(v)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

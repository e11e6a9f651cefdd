package server

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// A body must come at this pace, after a grace time.
const (
	bodyGrace          = 10 * time.Second
	bodyBytesPerSecond = 1 << 10
	bodyLinger         = time.Second // for the rest of one that is refused
)

// withBody reads the JSON body of a request and has it turned into tokens.
func (s *Server) withBody(w http.ResponseWriter, r *http.Request, read func(body []byte) error) error {
	body, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	return s.memory.during(r.Context(), len(body), func() error { return read(body) })
}

// readBody returns the JSON body of a request.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := checkMedia(r); err != nil {
		return nil, err
	}
	limit := s.options.MaxBodyBytes
	tooLarge := &apiError{
		status: http.StatusRequestEntityTooLarge, kind: kindInvalid, code: codeTooLarge,
		message: fmt.Sprintf("the body may have at most %d bytes", limit),
	}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	held := shareOf(r.Context())
	if err := held.fits(max(r.ContentLength, 0)); err != nil { // said before it is sent
		return nil, err
	}
	paced := &pacedReader{from: r.Body, control: http.NewResponseController(w), began: time.Now(), held: held}
	body, err := io.ReadAll(io.LimitReader(paced, limit+1))
	paced.end(err == nil && int64(len(body)) <= limit)
	var refused *apiError
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &apiError{status: http.StatusRequestTimeout, kind: kindInvalid, code: codeTimeout, message: "the body came too slowly"}
	case err != nil:
		return nil, invalid("", "the body could not be read")
	case int64(len(body)) > limit:
		return nil, tooLarge
	}
	return body, nil
}

// discard takes some more of a body that was refused, for a moment: many
// clients send all of it before they read the answer.
func (s *Server) discard(w *responseWriter, r *http.Request) {
	if w.control.Flush() != nil || w.control.SetReadDeadline(time.Now().Add(bodyLinger)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, 2*s.options.MaxBodyBytes) // the client has its answer
}

// checkMedia wants JSON as it is, where the request says what it sends.
func checkMedia(r *http.Request) error {
	refused := &apiError{status: http.StatusUnsupportedMediaType, kind: kindInvalid, code: codeMediaType}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		refused.message = "compressed bodies are not supported"
		return refused
	}
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	media, parameters, err := mime.ParseMediaType(given)
	charset := strings.ToLower(parameters["charset"])
	if err != nil || media != "application/json" || charset != "" && charset != "utf-8" && charset != "utf8" {
		refused.message = "the content type must be application/json in UTF-8: send the header Content-Type: application/json"
		return refused
	}
	return nil
}

// pacedReader moves the deadline of a connection forward as its body comes in.
type pacedReader struct {
	from    io.Reader
	control *http.ResponseController
	began   time.Time
	n       int64
	held    *share
}

// Read reads under the deadline that the bytes read so far have earned.
func (p *pacedReader) Read(b []byte) (int, error) {
	earned := time.Duration(p.n) * time.Second / bodyBytesPerSecond
	p.deadline(p.began.Add(bodyGrace + earned))
	n, err := p.from.Read(b[:min(len(b), ioStep)])
	p.n += int64(n)
	if full := p.held.body(int64(n)); full != nil {
		return n, full
	}
	return n, err
}

// end lifts the deadline once all was read. What is left of a refused body is
// not waited for.
func (p *pacedReader) end(all bool) {
	if all {
		p.deadline(time.Time{})
	} else {
		p.deadline(time.Now().Add(bodyLinger))
	}
}

// deadline has no effect where the connection knows none, as in some tests.
func (p *pacedReader) deadline(t time.Time) { _ = p.control.SetReadDeadline(t) }

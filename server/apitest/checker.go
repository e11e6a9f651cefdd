package apitest

import (
	"bytes"
	"io"
	"net/http"
)

// T is a testing.TB, or what reports errors like one.
type T interface {
	Errorf(format string, args ...any)
}

// Checker holds the answers of a server against its own document, which must
// describe all of them, and against OpenAI's, where the route is OpenAI's.
type Checker struct {
	Own    *Document
	OpenAI *Document // nil: not at hand
}

// New reads both documents; openAI may be nil.
func New(own, openAI []byte) (*Checker, error) {
	c := &Checker{}
	var err error
	if c.Own, err = Read(own, ""); err == nil && openAI != nil {
		c.OpenAI, err = ReadOpenAI(openAI)
	}
	return c, err
}

// Handler returns a handler that answers like next, and reports to t what the
// documents do not allow. What the client does not take is not checked.
func (c *Checker) Handler(t T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request bytes.Buffer
		method, path := r.Method, r.URL.Path
		if r.Body != nil {
			r.Body = teeBody{io.TeeReader(r.Body, &request), r.Body}
		}
		out := &recorder{ResponseWriter: w}
		next.ServeHTTP(out, r)
		if out.failed || out.status == 0 {
			return
		}
		c.check(t, &Exchange{method, path, request.Bytes(), out.status, w.Header(), out.body.Bytes()})
	})
}

func (c *Checker) check(t T, e *Exchange) {
	report := func(document string, err error) {
		if err != nil {
			t.Errorf("%s %s %.1000s\n-> %d %.4000s\n%s: %v", e.Method, e.Path, e.Request, e.Status, e.Body, document, err)
		}
	}
	report("the server's own document", c.Own.Check(e))
	if c.OpenAI != nil {
		report("OpenAI's document", c.OpenAI.CheckOpenAI(e))
	}
}

// teeBody is a body of which a copy is kept.
type teeBody struct {
	io.Reader
	io.Closer
}

// recorder keeps a copy of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	failed bool // the client is gone
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status.
func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write notes what is written.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.body.Write(b)
	n, err := w.ResponseWriter.Write(b)
	w.failed = w.failed || err != nil
	return n, err
}

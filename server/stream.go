package server

import (
	"net/http"
	"sync"
	"time"
)

// eventStream writes server-sent events (WHATWG HTML, section 9.2). It begins
// with the first of them, so that what fails before has a status of its own,
// and fills silence with comments.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController

	mu      sync.Mutex
	started bool
	err     error  // of the first write that failed
	quiet   func() // ends the comments
}

// newEventStream begins to count silence; quiet or close must follow, whatever happens.
func newEventStream(w http.ResponseWriter, heartbeat time.Duration) *eventStream {
	e := &eventStream{w: w, control: http.NewResponseController(w)}
	quit := make(chan struct{})
	var done sync.WaitGroup
	e.quiet = sync.OnceFunc(func() {
		close(quit)
		done.Wait()
	})
	done.Go(func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = e.write(": still working\n\n") // the next event reports the error
			case <-quit:
				return
			}
		}
	})
	return e
}

// send writes one event.
func (e *eventStream) send(v any) error { return e.write("data: " + string(marshal(v)) + "\n\n") }

// sendNamed writes one event that has a name.
func (e *eventStream) sendNamed(name string, v any) error {
	return e.write("event: " + name + "\ndata: " + string(marshal(v)) + "\n\n")
}

// end writes what OpenAI's streams end with.
func (e *eventStream) end() error { return e.write("data: [DONE]\n\n") }

func (e *eventStream) write(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	if !e.started {
		e.started = true
		h := e.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no") // proxies must not hold events back
		e.w.WriteHeader(http.StatusOK)
	}
	if _, e.err = e.w.Write([]byte(text)); e.err == nil {
		e.err = e.control.Flush()
	}
	if e.err != nil {
		e.err = errSlowReader
	}
	return e.err
}

// close ends the comments and returns err where a status can still tell it;
// else it writes err as the last event.
func (e *eventStream) close(err error) error {
	return e.closeWith(err, func(failed *apiError) { _ = e.send(failed.body()) }) // the client may be gone
}

// toldError is why a stream broke off, as its last event has told.
type toldError struct{ error }

func (e *toldError) Unwrap() error { return e.error }

// closeWith is close for a stream that has a last event of its own.
func (e *eventStream) closeWith(err error, last func(*apiError)) error {
	e.quiet()
	if err == nil || !e.started {
		return err
	}
	last(errorFor(err))
	return &toldError{err}
}

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
	err     error // of the first write that failed
	quit    chan struct{}
	done    sync.WaitGroup
}

// newEventStream begins to count silence; close must follow.
func newEventStream(w http.ResponseWriter, heartbeat time.Duration) *eventStream {
	e := &eventStream{w: w, control: http.NewResponseController(w), quit: make(chan struct{})}
	e.done.Go(func() {
		tick := time.NewTicker(heartbeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = e.write(": still working\n\n") // the next event reports the error
			case <-e.quit:
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
	close(e.quit)
	e.done.Wait()
	if err == nil || !e.started {
		return err
	}
	last(errorFor(err))
	return &toldError{err}
}

// totals adds up what the choices used so far.
func (j *job) totals() (usage, timings) {
	var u usage
	var t timings
	accepted := 0
	for i := range j.prompts {
		u.PromptTokens += len(j.prompts[i].ids)
		t.TruncatedN += j.prompts[i].truncated
	}
	for i, out := range j.outcomes {
		u.CompletionTokens += out.tokens
		u.CompletionTokensDetails.ReasoningTokens += out.reasoning
		t.PredictedN += out.tokens
		if i%j.params.choices == 0 { // the others find the prompt of the first
			u.PromptTokensDetails.CachedTokens += out.timings.Cached
			t.CacheN += out.timings.Cached
			t.PromptN += out.timings.Prompt - out.timings.Cached
		}
		t.DraftN += out.timings.Drafted
		accepted += out.timings.Accepted
		t.QueueMS = max(t.QueueMS, milliseconds(out.timings.Queue))
		t.PromptMS = max(t.PromptMS, milliseconds(out.timings.Prefill))
		t.PredictedMS = max(t.PredictedMS, milliseconds(out.timings.Decode))
	}
	if t.DraftN > 0 {
		t.DraftNAccepted = &accepted
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	t.PromptPerSecond = perSecond(t.PromptN, t.PromptMS)
	t.PredictedPerSecond = perSecond(t.PredictedN, t.PredictedMS)
	return u, t
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perSecond returns 0 where the time was too short to measure.
func perSecond(n int, ms float64) float64 {
	if ms <= 0 {
		return 0
	}
	return float64(n) * 1000 / ms
}

// header returns what every chunk of the job begins with.
func (j *job) header(id, object string) header {
	return header{ID: id, Object: object, Created: j.began.Unix(), Model: j.model.Names[0], SystemFingerprint: j.model.Fingerprint}
}

// tail returns the usage and the timings of a chunk. Usage is absent, null or
// given as stream_options say; the last chunk of all has the timings.
func (j *job) tail(last bool) (chunkUsage any, chunkTimings *timings) {
	u, t := j.totals()
	if j.params.includeUsage {
		chunkUsage = (*usage)(nil)
		if j.params.continuousUsage {
			chunkUsage = &u
		}
	}
	if last && !j.params.includeUsage {
		chunkTimings = &t
	}
	return chunkUsage, chunkTimings
}

// ids returns the ids of tokens where the request asks for them.
func (j *job) ids(tokens []drawn) []int32 {
	if !j.params.returnTokenIDs {
		return nil
	}
	ids := make([]int32, len(tokens))
	for i, token := range tokens {
		ids[i] = token.Token
	}
	return ids
}

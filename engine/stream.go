package engine

import (
	"context"
	"sync"
	"time"

	"trona/kernels"
)

// Stream is the tokens of one request, for one reader. Tokens wait in it, four
// bytes each, so that a slow reader never stops the engine.
type Stream struct {
	ctx     context.Context // of the request
	forget  func() bool     // the end of ctx no longer matters
	wake    chan struct{}   // of capacity 1: something changed
	lost    *loss
	details bool // tokens have details

	mu      sync.Mutex // guards what follows
	tokens  []int32    // drawn
	more    []detail   // of each token, where there are details
	read    int        // how many of tokens were read
	finish  FinishReason
	err     error
	prompt  []PromptLogprob
	timings Timings
	times   struct{ submitted, started, first time.Time }
}

// detail is what an event says about its token.
type detail struct {
	logprob float32
	top     []kernels.TokenLogprob
}

func newStream(ctx context.Context, r *Request, now time.Time, lost *loss) *Stream {
	s := &Stream{ctx: ctx, lost: lost, wake: make(chan struct{}, 1), details: r.Sampling.Logprob || r.Sampling.TopLogprobs > 0}
	s.timings.Prompt, s.times.submitted = len(r.Prompt), now
	return s
}

// Next waits for the next event. The one whose Finish is set is the last. It
// comes with an error where the request did not run to its end: the cause of
// its context's end (FinishCancelled), or why it failed (FinishError). By then
// the engine has let go of all that the request held. Next also returns where
// ctx ends, which leaves the stream as it was.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		if e, err, ok := s.take(); ok {
			return e, err
		}
		select {
		case <-s.wake:
		case <-s.lost.known:
			return Event{Token: -1, Finish: FinishError}, s.lost.why
		case <-ctx.Done():
			return Event{Token: -1}, context.Cause(ctx)
		}
	}
}

// take returns the next event, if there is one.
func (s *Stream) take() (e Event, err error, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == len(s.tokens) {
		return Event{Token: -1, Finish: s.finish}, s.err, s.finish != FinishNone
	}
	e.Token = s.tokens[s.read]
	if s.details {
		e.Logprob, e.Top = s.more[s.read].logprob, s.more[s.read].top
		s.more[s.read] = detail{}
	}
	if s.read++; s.read == len(s.tokens) {
		s.tokens, s.more, s.read = s.tokens[:0], s.more[:0], 0
		if s.err == nil {
			e.Finish = s.finish
		}
	}
	return e, nil, true
}

// Timings tells how the request fared so far.
func (s *Stream) Timings() Timings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timings
}

// PromptLogprobs returns the log probabilities of all prompt tokens but the
// first, where the request asks for them. They are complete after the first
// event.
func (s *Stream) PromptLogprobs() []PromptLogprob {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.prompt
}

// start notes that a step holds the request.
func (s *Stream) start(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times.started = now
	s.timings.Queue = now.Sub(s.times.submitted)
}

// push passes on the tokens that q has drawn last, one for each detail.
func (s *Stream) push(q *Sequence, details []detail, now time.Time) {
	s.mu.Lock()
	s.tokens = append(s.tokens, q.tokens[len(q.tokens)-len(details):]...)
	if s.details {
		s.more = append(s.more, details...)
	}
	if q.finish != FinishError { // for that end follows
		s.finish = q.finish
	}
	if s.timings.Generated == 0 {
		s.times.first = now
		s.timings.Prefill, s.timings.Cached = now.Sub(s.times.started), q.cached
		s.prompt = q.scores
	}
	s.timings.Generated += len(details)
	s.timings.Drafted, s.timings.Accepted = q.drafted, q.accepted
	s.timings.Decode = now.Sub(s.times.first)
	s.mu.Unlock()
	s.signal()
}

// end ends the stream without a token.
func (s *Stream) end(why FinishReason, err error) {
	s.mu.Lock()
	s.finish, s.err = why, err
	s.mu.Unlock()
	s.signal()
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

package server

import (
	"context"
	"net/http"
	"sync"

	"golang.org/x/sync/semaphore"

	"trona/tokenizer/grammar"
)

// Estimates of what requests take, in bytes, on the high side.
const (
	connBytes      = 16 << 10 // of a connection that is open
	requestBytes   = 32 << 10 // of a request in work
	answerBytes    = 16 << 10 // of each answer, before it has tokens
	heldPerByte    = 8        // of a body: its text, the prompt, a token for each letter
	workPerByte    = 64       // while tokens are made of it: a long word takes most
	heldPerPrompt  = 6        // of each answer, for a token of its prompt: the engine keeps them apart
	heldPerLetter  = 4        // of an answer: text, and JSON
	heldPerToken   = 96       // of an answer, where more than its text is asked for
	heldPerLogprob = 256
	compileBytes   = 96 << 20 // while a constraint is compiled that is as large as the usual limits allow
)

// memory bounds what requests take together. What reading one takes for a moment is waited for;
// one that there is no room to keep is refused.
type memory struct {
	most     int64 // that requests may hold
	mostWork int64
	work     *semaphore.Weighted
	compiles *semaphore.Weighted // a place for each constraint that is compiled

	mu       sync.Mutex
	free     int64                    // of most
	grammars map[*grammar.Grammar]int // how many requests hold each
}

// newMemory shares out n bytes; a quarter stays for what is not counted.
func newMemory(n int64) *memory {
	return &memory{
		most: n / 4, free: n / 4, mostWork: n / 2, work: semaphore.NewWeighted(n / 2),
		compiles: semaphore.NewWeighted(max(n/2/compileBytes, 1)), grammars: map[*grammar.Grammar]int{},
	}
}

// limits are those of constraints: lower where there is no room for one as large as usual.
func (m *memory) limits() grammar.Limits {
	l := grammar.DefaultLimits()
	part := min(float64(m.mostWork)/compileBytes, 1)
	l.States, l.Steps = int(part*float64(l.States)), int(part*float64(l.Steps))
	return l
}

// kept is what may stay of the past: of responses, and of the grammars of a model.
func (m *memory) kept(most int64) int { return int(min(most, m.most/4)) }

// forBodies is what bodies may hold: the rest is for answers that were begun.
func (m *memory) forBodies() int64 { return m.most / 4 * 3 }

// mostBody is how long a body may be to be read at all.
func (m *memory) mostBody() int64 {
	return max(min((m.forBodies()-requestBytes)/heldPerByte, m.mostWork/workPerByte), 0)
}

// during does what takes memory for a moment, for a body of n bytes.
func (m *memory) during(ctx context.Context, n int, work func() error) error {
	takes := min(int64(n)*workPerByte, m.mostWork)
	if m.work.Acquire(ctx, takes) != nil {
		return context.Cause(ctx)
	}
	defer m.work.Release(takes)
	return work()
}

// share is what one request holds until it ends.
type share struct {
	of       *memory
	n        int64
	grammars []*grammar.Grammar
}

// take holds n bytes more, where so many stay free besides.
func (h *share) take(n, stay int64) error {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if err := h.refusal(n, stay); err != nil {
		return err
	}
	h.n += n
	h.of.free -= n
	return nil
}

// grammar holds a compiled constraint. It counts once, however many requests have it.
func (h *share) grammar(g *grammar.Grammar) error {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	if h.of.grammars[g] == 0 {
		if err := h.refusal(int64(g.Bytes()), 0); err != nil {
			return err
		}
		h.of.free -= int64(g.Bytes())
	}
	h.of.grammars[g]++
	h.grammars = append(h.grammars, g)
	return nil
}

// refusal says why n bytes more cannot be held, if so.
func (h *share) refusal(n, stay int64) error {
	switch {
	case h.n+n+stay > h.of.most:
		return invalid("", "the request needs more memory than this server has for all requests together, %d bytes; ask for a stream, or for less", h.of.most)
	case n+stay > h.of.free:
		return &apiError{status: http.StatusTooManyRequests, kind: kindRateLimit, code: codeOverloaded, message: "other requests hold the memory that this one needs; retry later"}
	}
	return nil
}

// body holds what n bytes of a body become.
func (h *share) body(n int64) error { return h.take(n*heldPerByte, h.of.most-h.of.forBodies()) }

// fits says why what n bytes of a body become could not be held now, if so. It holds nothing: what
// is announced may take long to come.
func (h *share) fits(n int64) error {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	return h.refusal(n*heldPerByte, h.of.most-h.of.forBodies())
}

// end gives all back.
func (h *share) end() {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	h.of.free += h.n
	h.n = 0
	for _, g := range h.grammars {
		if h.of.grammars[g]--; h.of.grammars[g] == 0 {
			delete(h.of.grammars, g)
			h.of.free += int64(g.Bytes())
		}
	}
	h.grammars = nil
}

// shareKey is under which the context of a request has its share.
type shareKey struct{}

func shareOf(ctx context.Context) *share { return ctx.Value(shareKey{}).(*share) }

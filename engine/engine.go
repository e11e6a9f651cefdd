package engine

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"trona/kernels"
	"trona/model"
)

// Options bounds an engine. The most rows of a step, and of those with logits,
// are what the model was loaded for.
type Options struct {
	MaxModelLen int // most tokens of a prompt and its answer; 0: what model and cache allow
	MaxNumSeqs  int // most requests in work at once; 0 or above the model's MaxLogits: that many
	MaxQueued   int // most requests that wait besides; 0: 2048
	// PrefillRows is the most tokens of prompts, and guesses, of a step in which
	// others decode. Small steps keep the gaps between tokens short. 0: a quarter
	// of the rows of a step.
	PrefillRows int
	// SpeculateTokens is the most tokens that a request may guess ahead in a step;
	// 0: none. Each needs a row of logits, so a model should be loaded for more
	// of them than there are requests.
	SpeculateTokens int
	// Draft, where it has a model, guesses; else what followed the last time
	// that the text was like now is the guess.
	Draft Draft
	// Synchronous keeps the host from being a step ahead of the device, where that
	// could be.
	Synchronous bool
	// Turn, where engines share a processor, is locked while a step runs, so that
	// each has all of the processor for its steps. Nil: this engine has its own.
	Turn sync.Locker
	// StallTimeout is how long nothing may happen before Healthy fails; a step
	// may take ten times what steps of its size took before. 0: 10 s. A device
	// that computes beside the host counts as failed after as long again, and
	// no less than six times this.
	StallTimeout time.Duration
}

const defaultQueued = 2048

// Engine runs requests on one device. Its methods may be called from any
// goroutine.
type Engine struct {
	context, vocab int  // tokens
	maxOpen        int  // requests, waiting or in work
	uniform        bool // see kernels.Info
	speculate      int  // most drafts of a request in a step
	stall          time.Duration
	turn           sync.Locker
	broken, done   chan struct{} // closed: when it has failed for good, when it has ended
	lost           *loss

	// Of the engine's goroutine alone.
	scheduler *Scheduler
	runner    *runner
	drafter   *drafter    // nil: no model guesses
	guessing  []*Sequence // for the next step
	underWay  *step       // queued, and not awaited; nil: none is

	mu        sync.Mutex // guards what follows
	wake      sync.Cond  // inbox, cancelled or closing changed
	inbox     []*Sequence
	cancelled []*Sequence // their contexts have ended
	open      int         // requests that have not ended
	closing   bool
	failed    error // ErrFailed and why
	closed    error // of closing the device
	stats     Stats
	pulse     pulse
}

// New starts an engine, which from then on owns the device and what is on it:
// Close closes all three, and a draft model with its cache. Where New fails they
// stay the caller's.
func New(m *model.Model, cache *model.KVCache, dev kernels.Device, o Options) (*Engine, error) {
	if min(o.MaxModelLen, o.MaxNumSeqs, o.MaxQueued, o.PrefillRows, o.SpeculateTokens) < 0 || o.StallTimeout < 0 {
		return nil, fmt.Errorf("engine: options must not be negative: %+v", o)
	}
	if declared := m.Config.ContextLength; o.MaxModelLen > declared {
		return nil, fmt.Errorf("engine: %d tokens of a request, but the model declares a context of %d", o.MaxModelLen, declared)
	}
	if err := o.Draft.check(m.Config.VocabSize); err != nil {
		return nil, err
	}
	o.defaults(m)
	blocks, tables := NewBlockManager(cache.Blocks), dev.Info().Tables
	e := &Engine{
		context: min(o.MaxModelLen, min(cache.Blocks, cmp.Or(tables, cache.Blocks))*kernels.BlockSize), vocab: m.Config.VocabSize,
		maxOpen: o.MaxNumSeqs + o.MaxQueued, speculate: o.SpeculateTokens, uniform: dev.Info().Uniform, stall: o.StallTimeout, turn: o.Turn,
		broken: make(chan struct{}), done: make(chan struct{}), lost: newLoss(),
		scheduler: NewScheduler(Limits{
			Seqs: o.MaxNumSeqs, Rows: m.MaxRows(), Logits: m.MaxLogits(), PrefillRows: o.PrefillRows, Tables: tables, Block: kernels.BlockSize,
		}, blocks),
		runner: newRunner(m, cache, dev),
		stats:  Stats{Blocks: cache.Blocks, KVBytes: cache.Bytes(), ModelBytes: m.Bytes()},
	}
	if d := o.Draft; d.Model != nil {
		e.drafter = newDrafter(d, dev, o.PrefillRows)
		e.stats.KVBytes += d.Cache.Bytes()
		e.stats.ModelBytes += d.Model.Bytes()
	}
	if ahead, ok := dev.(kernels.Pipeliner); ok && !o.Synchronous && o.SpeculateTokens == 0 {
		e.runner.ahead = ahead
	}
	e.wake.L = &e.mu
	go e.loop()
	if _, beside := dev.(kernels.Pipeliner); beside { // else a slow step is this process's own
		go e.watch()
	}
	return e, nil
}

func (o *Options) defaults(m *model.Model) {
	if o.MaxModelLen == 0 {
		o.MaxModelLen = m.Config.ContextLength
	}
	if o.MaxNumSeqs == 0 || o.MaxNumSeqs > m.MaxLogits() {
		o.MaxNumSeqs = m.MaxLogits()
	}
	if o.MaxQueued == 0 {
		o.MaxQueued = defaultQueued
	}
	if o.PrefillRows == 0 {
		o.PrefillRows = (m.MaxRows() + 3) / 4
	}
	o.PrefillRows = min(o.PrefillRows, m.MaxRows())
	if o.StallTimeout == 0 {
		o.StallTimeout = defaultStall
	}
	if o.Turn == nil {
		o.Turn = new(sync.Mutex)
	}
}

// ContextLength returns the most tokens of a prompt and its answer: the
// smallest of MaxModelLen, what the model declares and what the cache holds.
func (e *Engine) ContextLength() int { return e.context }

// Submit starts a request. Its error is a *LimitError where the request can
// never be served, ErrOverloaded, ErrClosed or ErrFailed, or the cause of a
// context that has ended. Later the end of ctx cancels the request: the engine
// lets go of it before its next step.
func (e *Engine) Submit(ctx context.Context, r Request) (*Stream, error) {
	if err := r.check(e.vocab, e.context); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	now := time.Now()
	if err := e.reserve(now); err != nil {
		return nil, err
	}
	stream := newStream(ctx, &r, now, e.lost)
	q := r.sequence(kernels.BlockSize, stream)
	q.uniform, q.guess = e.uniform, newGuess(r.SpeculateTokens, e.speculate)
	if err := e.enqueue(q); err != nil {
		return nil, err
	}
	return stream, nil
}

// reserve counts a request in, if there is room for it.
func (e *Engine) reserve(now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(); err != nil {
		return err
	}
	if e.open == e.maxOpen {
		return ErrOverloaded
	}
	if e.open == 0 {
		e.pulse.begin(now, 0)
	}
	e.open++
	return nil
}

// refusal returns why no request is taken, if so.
func (e *Engine) refusal() error {
	if e.closing {
		return ErrClosed
	}
	return e.failed
}

// enqueue hands a sequence to the engine's goroutine.
func (e *Engine) enqueue(q *Sequence) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(); err != nil {
		e.open--
		return err
	}
	e.inbox = append(e.inbox, q)
	e.stats.Waiting++
	q.stream.forget = context.AfterFunc(q.stream.ctx, func() { e.cancel(q) })
	e.wake.Signal()
	return nil
}

// cancel lets the engine's goroutine drop a sequence.
func (e *Engine) cancel(q *Sequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cancelled = append(e.cancelled, q)
	e.wake.Signal()
}

// Stats returns what the engine holds and has done.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// Healthy returns why no forward pass works, nil while one does: ErrClosed,
// ErrFailed, or that requests are open and nothing happens.
func (e *Engine) Healthy() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.refusal(); err != nil {
		return err
	}
	if still, stuck := e.pulse.stuck(time.Now(), e.stall); stuck && e.open > 0 {
		return fmt.Errorf("no step has ended for %v; %d requests are open", still.Round(time.Millisecond), e.open)
	}
	return nil
}

// Wait waits until the engine has failed for good, and all of its requests with it, or is closed,
// and returns why it failed, nil where it did not.
func (e *Engine) Wait() error {
	select {
	case <-e.broken:
	case <-e.lost.known:
	case <-e.done:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// Close waits for the step in progress, ends all requests with ErrClosed, and
// closes model, cache and device. Only the first call does something; all
// return its error. A step that never ends is not waited for.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closing = true
	e.wake.Signal()
	e.mu.Unlock()
	select {
	case <-e.done:
		return e.closed
	case <-e.lost.known: // Wait says why
		return nil
	}
}

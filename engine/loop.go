package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// loop is the engine's goroutine.
func (e *Engine) loop() {
	defer close(e.done)
	for e.receive() {
		if e.scheduler.Idle() && e.underWay == nil {
			continue
		}
		e.takeTurn()
		e.try(e.step)
		e.turn.Unlock()
	}
	e.try(func() error { return e.complete(e.underWay) })
	e.dropAll(ErrClosed)
	if e.drafter != nil {
		e.drafter.close()
	}
	e.runner.cache.Close()
	e.runner.model.Close()
	e.closed = e.runner.dev.Close()
}

// takeTurn waits for the steps of other engines. That is no standstill of this one.
func (e *Engine) takeTurn() {
	waits := func(yes bool) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.pulse.begin(time.Now(), 0)
		e.pulse.waits = yes
	}
	waits(true)
	e.turn.Lock()
	waits(false)
}

// receive waits until there is work and takes what has come. It returns false
// where the engine closes.
func (e *Engine) receive() bool {
	e.mu.Lock()
	for !e.closing && len(e.inbox)+len(e.cancelled) == 0 && e.scheduler.Idle() && e.underWay == nil {
		e.wake.Wait()
	}
	for _, q := range e.inbox {
		e.scheduler.Add(q)
	}
	clear(e.inbox)
	e.inbox = e.inbox[:0]
	cancelled := e.cancelled
	e.cancelled = nil
	closing := e.closing
	e.mu.Unlock()
	if len(cancelled) > 0 {
		e.drop(cancelled, FinishCancelled, nil)
	}
	return !closing
}

// drop ends sequences: cancelled ones with the cause of their contexts, others
// with err.
func (e *Engine) drop(list []*Sequence, why FinishReason, err error) {
	open := list[:0]
	for _, q := range list {
		if q.state != finished {
			open = append(open, q)
		}
	}
	e.scheduler.Drop(open, why)
	e.publish(len(open))
	for _, q := range open {
		q.stream.forget()
		if why == FinishCancelled {
			err = context.Cause(q.stream.ctx)
		}
		q.stream.end(why, err)
	}
}

// dropAll ends everything.
func (e *Engine) dropAll(err error) {
	e.mu.Lock()
	for _, q := range e.inbox {
		e.scheduler.Add(q)
	}
	e.inbox = nil
	e.mu.Unlock()
	e.drop(e.scheduler.All(), FinishError, err)
}

// fail ends everything for good: no device works after an error. The first is the reason.
func (e *Engine) fail(err error) {
	e.underWay = nil
	e.mu.Lock()
	first := e.failed == nil
	if first {
		e.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	e.mu.Unlock()
	e.dropAll(e.failed)
	if first {
		close(e.broken)
	}
}

// try does f. A panic, which is a mistake of ours, costs the requests of this
// engine and not the process.
func (e *Engine) try(f func() error) {
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		defer e.runner.masks.wait()
		return f()
	}()
	if err != nil {
		e.fail(err)
	}
}

// errStuck cannot happen; if it does, it must not look like health.
var errStuck = errors.New("the scheduler plans nothing")

// step plans a step and queues its forward pass, takes what the step before it
// gave, which may still be under way, and queues the draws. Where the host
// cannot be ahead it waits for them too.
func (e *Engine) step() error {
	if err := e.draft(); err != nil {
		return err
	}
	before := e.underWay
	next, err := e.plan(before)
	if err != nil {
		return err
	}
	if next != nil {
		if before == nil {
			e.runner.prepareDraws(next)
		}
		e.runner.forward(next)
	}
	if err := e.complete(before); err != nil {
		return err
	}
	if e.underWay = next; next == nil {
		return nil
	}
	if before != nil {
		e.runner.prepareDraws(next)
	}
	e.runner.draw(next)
	if e.runner.ahead == nil {
		e.underWay = nil
		return e.complete(next)
	}
	return nil
}

// plan prepares the next step, behind one that may be under way; nil where all
// wait for that.
func (e *Engine) plan(before *step) (*step, error) {
	if before != nil {
		e.scheduler.Expect(before.plan)
	}
	var next *step
	if p := e.scheduler.Next(); p.Len() > 0 {
		next = e.runner.prepare(p)
	}
	oldest := before
	if before == nil {
		if oldest = next; next == nil {
			return nil, errStuck
		}
	}
	now := time.Now()
	e.mu.Lock()
	e.pulse.begin(now, oldest.size)
	e.mu.Unlock()
	for _, q := range e.scheduler.started {
		q.stream.start(now)
	}
	return next, nil
}

// complete waits for a step, if there is one, and passes on what it gives.
func (e *Engine) complete(s *step) error {
	if s == nil {
		return nil
	}
	if err := e.runner.await(s); err != nil {
		return err
	}
	e.scheduler.Commit(s.plan, s.tokens)
	e.deliver(s)
	return nil
}

// deliver tells the streams what a step gave them, after all that ended was
// let go.
func (e *Engine) deliver(s *step) {
	p := s.plan
	now := time.Now()
	ended := 0
	for i := range p.Len() {
		if p.Run(i).Ended {
			ended++
		}
	}
	e.mu.Lock()
	e.pulse.end(now)
	e.mu.Unlock()
	e.publish(ended)
	for i := range p.Len() {
		r := p.Run(i)
		q := r.Seq
		if r.Ended {
			q.stream.forget()
		}
		if r.Took > 0 {
			q.stream.push(q, s.details[i][:r.Took], now)
		}
		if r.Ended && q.finish == FinishError {
			q.stream.end(FinishError, s.errs[i])
		}
	}
}

// publish makes the scheduler's numbers public after so many requests ended.
func (e *Engine) publish(ended int) {
	if e.drafter != nil {
		e.drafter.sweep()
	}
	now := e.scheduler.Stats()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open -= ended
	now.Waiting += len(e.inbox)
	now.KVBytes, now.ModelBytes = e.stats.KVBytes, e.stats.ModelBytes
	e.stats = now
}

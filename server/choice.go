package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"trona/engine"
)

// choice is one answer in the making.
type choice struct {
	job    *job
	whole  context.Context // of the request
	ctx    context.Context // of this choice: a stop string ends it and not the others
	cancel context.CancelFunc
	stream Stream
	text   *textStream
	out    outcome
	finish string // not empty: the answer is over
	next   piece  // what the next piece will hold
	before time.Time
}

// submit asks the engine for choice i.
func (j *job) submit(ctx context.Context, i int) (*choice, error) {
	prompt := &j.prompts[i/j.params.choices]
	c := &choice{job: j, whole: ctx, next: piece{choice: i, first: true}}
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.text = newTextStream(j.model, j.params, prompt)
	var err error
	c.stream, err = j.model.Engine.Submit(c.ctx, j.params.request(j.id, j.model, prompt, i%j.params.choices))
	return c, err
}

// run passes on the answer in pieces.
func (c *choice) run(emit func(piece) error) error {
	defer c.cancel()
	defer c.text.close()
	err := c.pieces(emit)
	reason := c.finish
	switch {
	case err != nil && (c.whole.Err() != nil || errors.Is(err, errSlowReader)):
		reason = engine.FinishCancelled.String()
	case err != nil:
		reason = engine.FinishError.String()
	}
	c.job.server.metrics.finished(c.job.model, reason, time.Since(c.job.began))
	return err
}

func (c *choice) pieces(emit func(piece) error) error {
	for c.finish == "" {
		event, err := c.stream.Next(c.ctx)
		if err != nil {
			return err
		}
		c.take(event)
		if c.next.finish != "" {
			if err := c.end(event.Finish != engine.FinishNone); err != nil {
				return err
			}
		}
		if err := c.pass(emit); err != nil {
			return err
		}
	}
	return nil
}

// take adds an event to the next piece.
func (c *choice) take(event engine.Event) {
	p := c.job.params
	c.observe()
	if p.maxTokens == 0 {
		c.next.finish = finishLength
		return
	}
	if event.Token >= 0 {
		offset := c.text.runes
		silent := event.Finish == engine.FinishStop && !(p.includeStop && slices.Contains(p.stopIDs, event.Token))
		c.next.add(c.text.token(event.Token, silent))
		c.next.tokens = append(c.next.tokens, drawn{event, offset})
		c.out.tokens++
	}
	switch {
	case c.text.stopped != "":
		c.next.finish, c.next.stopReason = finishStop, c.text.stopped
	case c.text.complete():
		c.next.finish = finishStop
	case event.Finish == engine.FinishStop:
		c.next.finish = finishStop
		if slices.Contains(p.stopIDs, event.Token) && (p.ignoreEOS || !slices.Contains(c.job.model.EOS, event.Token)) {
			c.next.stopReason = event.Token
		}
	case event.Finish == engine.FinishLength:
		c.next.finish = finishLength
	}
}

// Why an answer ended, as OpenAI says it.
const (
	finishStop   = "stop"
	finishLength = "length"
	finishCalls  = "tool_calls"
)

// end completes the text. Where the engine would go on it is told to stop, and
// has let go of the request when end returns.
func (c *choice) end(ended bool) error {
	c.next.add(c.text.end(c.next.finish == finishLength))
	if c.text.stopped != "" {
		c.next.finish, c.next.stopReason = finishStop, c.text.stopped
	}
	if c.text.called() && c.next.finish == finishStop {
		c.next.finish = finishCalls
	}
	c.cancel()
	for !ended {
		event, err := c.stream.Next(c.whole)
		if err != nil && c.whole.Err() != nil {
			return err
		}
		ended = err != nil || event.Finish != engine.FinishNone
	}
	c.out.timings = c.stream.Timings()
	return nil
}

// pass passes on the next piece where there is something to say.
func (c *choice) pass(emit func(piece) error) error {
	p := &c.next
	if !p.first && p.empty() && p.finish == "" {
		return nil
	}
	tokens := p.tokens[:0]
	if p.empty() && p.finish == "" { // no more than a beginning: its tokens are those of the text to come
		tokens, p.tokens = p.tokens, nil
	}
	if p.first {
		p.prompt = c.stream.PromptLogprobs()
	}
	p.lead = max(0, c.text.led-(c.out.tokens-len(p.tokens)))
	c.finish = p.finish
	c.out.reasoning = c.text.reasoning
	p.outcome = c.out
	if c.job.params.dropReasoning {
		p.reasoning = ""
	}
	err := emit(*p)
	*p = piece{choice: p.choice, tokens: tokens}
	return err
}

// observe measures how long the token took to come.
func (c *choice) observe() {
	now := time.Now()
	if c.before.IsZero() {
		c.job.server.metrics.firstToken(c.job.model, now.Sub(c.job.began))
	} else {
		c.job.server.metrics.nextToken(c.job.model, now.Sub(c.before))
	}
	c.before = now
}

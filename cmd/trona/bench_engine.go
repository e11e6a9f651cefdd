package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"trona/engine"
	"trona/kernels"
)

// start gives the model to an engine with room for the requests of every test.
func (b *bench) start(tests []benchRow, synchronous bool) (err error) {
	sequences := 0
	for _, t := range tests {
		sequences = max(sequences, t.Batch)
	}
	b.engine, err = engine.New(b.model, b.cache, b.device, engine.Options{MaxNumSeqs: sequences, Synchronous: synchronous})
	return err
}

// engineBlocks returns the cache blocks that let the engine take all requests
// of the test at once: it keeps some free for those in work to grow.
func (r *benchRow) engineBlocks(rows int) int {
	tokens := r.NDepth + r.tokens() + 1
	return r.Batch * (tokens/kernels.BlockSize + tokens/(rows/4*kernels.BlockSize) + 3)
}

// measureEngine runs a test some times through the engine, after a run that
// does not count: it leaves the positions before the test in the cache.
func (b *bench) measureEngine(r *benchRow, repetitions int) error {
	for i := range 1 + repetitions {
		speed, err := b.serve(r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name(), err)
		}
		if i > 0 {
			r.Samples = append(r.Samples, speed)
		}
	}
	r.AvgTS, r.StddevTS = meanDeviation(r.Samples)
	return nil
}

// outcome is what became of a request.
type outcome struct {
	arrivals []time.Time // of its tokens
	read     int         // prompt tokens that were computed
	err      error
}

// serve answers a request for each sequence of a test, all at once, and returns
// the tokens a second: of the prompts until each had its first token, or of the
// answers from then on.
func (b *bench) serve(r *benchRow) (float64, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var readers sync.WaitGroup
	list := make([]outcome, r.Batch)
	start := time.Now()
	for i := range list {
		stream, err := b.engine.Submit(ctx, b.request(r, i))
		if err != nil {
			cancel()
			readers.Wait()
			return 0, err
		}
		readers.Go(func() { list[i] = arrivals(ctx, stream) })
	}
	readers.Wait()
	return r.speed(list, start)
}

// request asks for what a sequence does in a test: the positions before it are
// the same every time, a prompt that is measured never.
func (b *bench) request(r *benchRow, sequence int) engine.Request {
	prompt := make([]int32, 0, 1+r.NDepth+r.NPrompt)
	for i := range r.NDepth {
		prompt = append(prompt, b.token(sequence, i))
	}
	b.prompts++
	for i := range r.NPrompt {
		prompt = append(prompt, b.token(-b.prompts, i))
	}
	if len(prompt) == 0 {
		prompt = append(prompt, b.token(sequence, 0))
	}
	return engine.Request{
		Prompt: prompt, MaxTokens: 1 + r.NGen, PromptLogprobs: -1,
		Sampling: engine.Sampling{Temperature: 1, Seed: uint64(sequence)},
	}
}

// arrivals reads a stream to its end and notes when tokens came.
func arrivals(ctx context.Context, stream *engine.Stream) (s outcome) {
	for {
		event, err := stream.Next(ctx)
		if err != nil {
			s.err = err
			return s
		}
		s.arrivals = append(s.arrivals, time.Now())
		if event.Finish != engine.FinishNone {
			t := stream.Timings()
			s.read = t.Prompt - t.Cached
			return s
		}
	}
}

// speed returns the tokens a second of requests that began at a time.
func (r *benchRow) speed(list []outcome, start time.Time) (float64, error) {
	var first, last time.Time // when each had its first token, and the last came
	read := 0
	for _, s := range list {
		if s.err != nil {
			return 0, s.err
		}
		first = slices.MaxFunc([]time.Time{first, s.arrivals[0]}, time.Time.Compare)
		last = slices.MaxFunc([]time.Time{last, s.arrivals[len(s.arrivals)-1]}, time.Time.Compare)
		read += s.read
	}
	if r.NPrompt > 0 {
		return float64(read) / first.Sub(start).Seconds(), nil
	}
	drawn := 0
	for _, s := range list {
		for _, at := range s.arrivals {
			if at.After(first) {
				drawn++
			}
		}
	}
	if drawn == 0 {
		return 0, errors.New("all answers ended before each had begun: -n must be greater")
	}
	return float64(drawn) / last.Sub(first).Seconds(), nil
}

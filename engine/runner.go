package engine

import (
	"encoding/binary"
	"math"

	"trona/kernels"
	"trona/model"
)

// runner computes plans: it is where policy meets the device.
type runner struct {
	model *model.Model
	cache *model.KVCache
	dev   kernels.Device
	ahead kernels.Pipeliner // the device; nil: a step begins when the one before has ended

	steps [2]*step // the last, and the one before it
	batch model.Batch
	raw   []byte // one row of logits, F32
	masks masks
}

func newRunner(m *model.Model, cache *model.KVCache, dev kernels.Device) *runner {
	r := &runner{model: m, cache: cache, dev: dev, masks: masks{vocab: m.Config.VocabSize}}
	for i := range r.steps {
		r.steps[i] = &step{rows: make([]kernels.SampleRow, 0, m.MaxLogits()), drawn: make([]kernels.Sampled, m.MaxLogits())}
	}
	return r
}

// prepare makes a step of a plan.
func (r *runner) prepare(p *Plan) *step {
	r.steps[0], r.steps[1] = r.steps[1], r.steps[0]
	s := r.steps[0]
	s.reset(p)
	r.batch.Reset()
	unknown := false
	for i := range p.Len() {
		unknown = r.add(s, i, i < len(p.Decode)) || unknown
	}
	if !unknown {
		r.batch.Drawn = r.batch.Drawn[:0]
	}
	return s
}

// add appends run i of a step to the batch, and what is wanted of it. It reports
// whether the run has a token that is still being drawn.
func (r *runner) add(s *step, i int, decode bool) (unknown bool) {
	run := s.plan.Run(i)
	q := run.Seq
	end := run.Position + run.Rows
	tokens := q.ahead(run.Drafts)
	for at := run.Position; at < end; at++ {
		token, drawn := int32(0), int32(-1)
		if unknown = at == len(tokens); unknown {
			drawn = q.drawnBy
		} else {
			token = tokens[at]
		}
		r.batch.Tokens, r.batch.Drawn = append(r.batch.Tokens, token), append(r.batch.Drawn, drawn)
	}
	r.batch.Seqs = append(r.batch.Seqs, model.BatchSeq{
		Rows: run.Rows, Position: int64(run.Position), Blocks: q.table, Decode: decode,
	})
	for left := run.Logits; left > 0; left-- {
		r.batch.Logits = append(r.batch.Logits, int32(len(r.batch.Tokens)-left))
		t := target{q: q, run: i, draw: left <= run.draws()}
		if t.draw {
			t.behind = run.draws() - left
			q.drawnBy = int32(len(s.targets))
		} else {
			t.token = q.tokens[end-left+1]
		}
		s.targets = append(s.targets, t)
	}
	return unknown
}

// prepareDraws says how to draw the tokens of a step, and begins to ask the constraints.
func (r *runner) prepareDraws(s *step) {
	s.prepareDraws()
	r.masks.start(s.targets, s.rows)
}

// forward queues the forward pass of the step that was prepared last.
func (r *runner) forward(s *step) { s.logits = r.model.Forward(&r.batch, r.cache) }

// draw queues the draws of a step.
func (r *runner) draw(s *step) {
	r.rank(s)
	r.masks.wait()
	if n := len(s.rows); n > 0 {
		r.dev.Sample(s.drawn[:n], s.logits, s.rows)
	}
	if r.ahead != nil {
		r.ahead.Mark()
	}
}

// await waits for what a step gives. What is queued behind it goes on.
func (r *runner) await(s *step) error {
	wait := r.dev.Sync
	if r.ahead != nil {
		wait = r.ahead.Await
	}
	if err := wait(); err != nil {
		return err
	}
	s.collect(r.model.Config.VocabSize)
	return nil
}

// rank finds the ranks of prompt tokens, before Sample may overwrite logits.
func (r *runner) rank(s *step) {
	for i := range s.targets {
		t := &s.targets[i]
		if t.draw || t.q == nil {
			continue
		}
		if r.raw == nil {
			r.raw = make([]byte, 4*s.logits.Cols())
		}
		r.dev.Download(r.raw, s.logits.Slice(int64(i), int64(i)+1))
		t.rank = rank(r.raw, t.token)
	}
}

// rank returns 1 and how many logits of a row are greater than a token's.
func rank(row []byte, token int32) int {
	at := func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:])) }
	own, n := at(int(token)), 1
	for i := range len(row) / 4 {
		if at(i) > own {
			n++
		}
	}
	return n
}

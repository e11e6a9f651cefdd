package engine

import (
	"encoding/binary"
	"math"

	"trona/kernels"
	"trona/model"
)

// runner computes plans: it is where policy meets the device. It keeps the
// arrays of a step, so that steps allocate nothing.
type runner struct {
	model *model.Model
	cache *model.KVCache
	dev   kernels.Device

	batch model.Batch
	asked []ask               // what each row of logits is wanted for
	rows  []kernels.SampleRow // how to draw from it
	drawn []kernels.Sampled   // what it gave
	force []kernels.TokenBias // of rows that score the prompt
	raw   []byte              // one row of logits, F32
	masks masks

	// Of each run of the plan: the tokens that its rows drew, for
	// Scheduler.Commit, and what they say of them; up to the first that could
	// not draw, which is -1, and why.
	tokens  [][]int32
	details [][]detail
	errs    []error
}

// ask is what a row of logits is wanted for: to draw the next token of a
// sequence, or the log probability of one that its prompt has.
type ask struct {
	q     *Sequence
	run   int // index in the plan
	draw  bool
	err   error // why nothing can be drawn
	token int32 // of the prompt
	rank  int   // of that token
}

func newRunner(m *model.Model, cache *model.KVCache, dev kernels.Device) *runner {
	return &runner{
		model: m, cache: cache, dev: dev,
		rows: make([]kernels.SampleRow, 0, m.MaxLogits()), drawn: make([]kernels.Sampled, m.MaxLogits()),
		masks: masks{vocab: m.Config.VocabSize},
	}
}

// run computes a plan. Afterwards tokens, details and errs hold what it gave.
func (r *runner) run(p *Plan) error {
	r.reset()
	for i := range p.Len() {
		r.add(i, p.Run(i), i < len(p.Decode))
	}
	r.masks.start(r.asked, r.rows)
	defer r.masks.wait()
	logits := r.model.Forward(&r.batch, r.cache)
	r.rank(logits)
	r.masks.wait()
	drawn := r.drawn[:len(r.rows)]
	if len(drawn) > 0 {
		r.dev.Sample(drawn, logits, r.rows)
	}
	if err := r.dev.Sync(); err != nil {
		return err
	}
	r.collect(drawn)
	return nil
}

// reset empties the arrays of a step.
func (r *runner) reset() {
	r.batch.Reset()
	r.asked, r.rows, r.force = r.asked[:0], r.rows[:0], r.force[:0]
	for i := range r.tokens {
		r.tokens[i], r.details[i], r.errs[i] = r.tokens[i][:0], r.details[i][:0], nil
	}
}

// add appends run i of the plan to the batch, and what is wanted of it.
func (r *runner) add(i int, run *Run, decode bool) {
	if i == len(r.tokens) {
		r.tokens, r.details, r.errs = append(r.tokens, nil), append(r.details, nil), append(r.errs, nil)
	}
	q := run.Seq
	end := run.Position + run.Rows
	tokens := q.ahead(run.Drafts)[:end]
	r.batch.Tokens = append(r.batch.Tokens, tokens[run.Position:]...)
	r.batch.Seqs = append(r.batch.Seqs, model.BatchSeq{
		Rows: run.Rows, Position: int64(run.Position), Blocks: q.table, Decode: decode,
	})
	for left := run.Logits; left > 0; left-- {
		r.batch.Logits = append(r.batch.Logits, int32(len(r.batch.Tokens)-left))
		a := ask{q: q, run: i, draw: left <= run.draws()}
		if a.draw {
			r.rows = append(r.rows, q.row(run.draws()-left))
		} else {
			a.token = q.tokens[end-left+1]
			r.rows = append(r.rows, r.score(a.token, q.alts))
		}
		r.asked = append(r.asked, a)
	}
}

// score returns a row that draws a given token, for the device to report its
// log probability, which is that of the raw logits.
func (r *runner) score(token int32, alternatives int) kernels.SampleRow {
	r.force = append(r.force, kernels.TokenBias{Token: token, Bias: math.MaxFloat32})
	return kernels.SampleRow{Bias: r.force[len(r.force)-1:], Logprob: true, Logprobs: alternatives}
}

// rank finds the ranks of prompt tokens, before Sample may overwrite logits.
func (r *runner) rank(logits kernels.Tensor) {
	for i := range r.asked {
		a := &r.asked[i]
		if a.draw {
			continue
		}
		if r.raw == nil {
			r.raw = make([]byte, 4*logits.Cols())
		}
		r.dev.Download(r.raw, logits.Slice(int64(i), int64(i)+1))
		a.rank = rank(r.raw, a.token)
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

// collect takes what the rows of logits gave.
func (r *runner) collect(drawn []kernels.Sampled) {
	for i := range r.asked {
		a, s := &r.asked[i], &drawn[i]
		if a.err == nil && (s.Invalid || s.Token < 0 || int(s.Token) >= r.model.Config.VocabSize) {
			a.err = ErrNumeric
		}
		tokens, details, err := &r.tokens[a.run], &r.details[a.run], &r.errs[a.run]
		switch {
		case *err != nil:
		case a.err != nil:
			*tokens, *err = append(*tokens, -1), a.err
		case a.draw:
			*tokens, *details = append(*tokens, s.Token), append(*details, detail{s.Logprob, s.Top})
		default:
			a.q.scores = append(a.q.scores, a.scored(s))
		}
	}
}

// scored returns what a row says about a token of the prompt.
func (a *ask) scored(s *kernels.Sampled) PromptLogprob {
	p := PromptLogprob{Token: a.token, Logprob: s.Logprob, Rank: a.rank, Top: s.Top}
	// Only an infinite logit outdoes the bias. Infinite ones are alike, and
	// leave nothing to the others.
	if s.Token != a.token && a.rank > 1 {
		p.Logprob = float32(math.Inf(-1))
	}
	return p
}

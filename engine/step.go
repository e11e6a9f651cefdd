package engine

import (
	"math"

	"trona/kernels"
)

// step is a forward pass that was planned, until its tokens are there. Its
// arrays are used again, so that steps allocate nothing.
type step struct {
	plan *Plan
	size int // rows of the plan

	logits  kernels.Tensor
	targets []target            // what each row of logits is wanted for
	rows    []kernels.SampleRow // how to draw from it
	drawn   []kernels.Sampled   // what it gave
	force   []kernels.TokenBias // of rows that score the prompt

	// Of each run of the plan: the tokens that its rows drew, for
	// Scheduler.Commit, and what they say of them; up to the first that could
	// not draw, which is -1, and why.
	tokens  [][]int32
	details [][]detail
	errs    []error
}

// target is what a row of logits is wanted for: to draw the next token of a
// sequence, or the log probability of one that its prompt has.
type target struct {
	q      *Sequence // nil: it has ended meanwhile
	run    int       // index in the plan
	draw   bool
	behind int   // drafts
	err    error // why nothing can be drawn
	token  int32 // of the prompt
	rank   int   // of that token
}

// reset empties the arrays, for another plan.
func (s *step) reset(p *Plan) {
	s.plan, s.size = p, p.Rows()
	s.targets = s.targets[:0]
	for len(s.tokens) < p.Len() {
		s.tokens, s.details, s.errs = append(s.tokens, nil), append(s.details, nil), append(s.errs, nil)
	}
	for i := range s.tokens {
		s.tokens[i], s.details[i], s.errs[i] = s.tokens[i][:0], s.details[i][:0], nil
	}
}

// prepareDraws says how to draw from the rows of logits. All tokens before theirs must
// be known by now.
func (s *step) prepareDraws() {
	s.rows, s.force = s.rows[:0], s.force[:0]
	for i := range s.targets {
		t := &s.targets[i]
		switch {
		case t.q.state == finished:
			*t = target{}
			s.rows = append(s.rows, kernels.SampleRow{})
		case t.draw:
			s.rows = append(s.rows, t.q.row(t.behind))
		default:
			s.rows = append(s.rows, s.score(t.token, t.q.alternatives))
		}
	}
}

// score returns a row that draws a given token, for the device to report its
// log probability, which is that of the raw logits.
func (s *step) score(token int32, alternatives int) kernels.SampleRow {
	s.force = append(s.force, kernels.TokenBias{Token: token, Bias: math.MaxFloat32})
	return kernels.SampleRow{Bias: s.force[len(s.force)-1:], Logprob: true, Logprobs: alternatives}
}

// collect takes what the rows of logits gave.
func (s *step) collect(vocab int) {
	for i := range s.targets {
		t, drawn := &s.targets[i], &s.drawn[i]
		if t.q == nil {
			continue
		}
		if t.err == nil && (drawn.Invalid || drawn.Token < 0 || int(drawn.Token) >= vocab) {
			t.err = ErrNumeric
		}
		tokens, details, err := &s.tokens[t.run], &s.details[t.run], &s.errs[t.run]
		switch {
		case *err != nil:
		case t.err != nil:
			*tokens, *err = append(*tokens, -1), t.err
		case t.draw:
			*tokens, *details = append(*tokens, drawn.Token), append(*details, detail{drawn.Logprob, drawn.Top})
		default:
			t.q.scores = append(t.q.scores, t.scored(drawn))
		}
	}
}

// scored returns what a row says about a token of the prompt.
func (t *target) scored(s *kernels.Sampled) PromptLogprob {
	p := PromptLogprob{Token: t.token, Logprob: s.Logprob, Rank: t.rank, Top: s.Top}
	// Only an infinite logit outdoes the bias. Infinite ones are alike, and
	// leave nothing to the others.
	if s.Token != t.token && t.rank > 1 {
		p.Logprob = float32(math.Inf(-1))
	}
	return p
}

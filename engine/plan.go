package engine

// Plan is what one step computes. The call of Next after the next one reuses it.
type Plan struct {
	Decode  []Run // with decode arithmetic; they stand first in the batch
	Prefill []Run // with prefill arithmetic
}

// Len returns the number of runs.
func (p *Plan) Len() int { return len(p.Decode) + len(p.Prefill) }

// Run returns run i, those of Decode first.
func (p *Plan) Run(i int) *Run {
	if n := len(p.Decode); i >= n {
		return &p.Prefill[i-n]
	}
	return &p.Decode[i]
}

// Rows returns the rows of all runs.
func (p *Plan) Rows() int {
	n := 0
	for i := range p.Len() {
		n += p.Run(i).Rows
	}
	return n
}

// Run is rows of one sequence at consecutive positions. A sequence has at most
// one run in a plan.
type Run struct {
	Seq      *Sequence
	Position int // of the first row
	Rows     int
	Logits   int  // the last so many rows have their logits computed
	Draw     bool // the last of them draws the next token
	// Drafts: the last so many rows hold tokens that the sequence has not drawn,
	// and perhaps will. Each row from the one before them on draws; what follows
	// a wrong draft counts for nothing.
	Drafts int
	// Set by Commit:
	Took  int  // tokens that the sequence got
	Ended bool // the last of them was its last, or it failed
}

// draws returns how many rows draw a token.
func (r *Run) draws() int {
	if !r.Draw {
		return 0
	}
	return 1 + r.Drafts
}

package engine

import "trona/kernels"

// Sequence is one request in the engine: its tokens, its blocks and how far it
// is. Once submitted, the engine's goroutine alone touches it.
type Sequence struct {
	priority int
	number   int64 // of arrival

	tokens    []int32 // the prompt, then what was drawn
	prompt    int     // tokens of the prompt
	maxTokens int     // most tokens to draw
	minTokens int     // tokens to draw before one of stops may be
	stops     []int32
	score     int // rows of the prompt whose logits are wanted: 0, or all but the last
	scored    int // how many of them were computed, or will be after the step

	state    state
	finish   FinishReason // once finished
	table    []int32      // blocks, covering at least computed positions
	computed int          // positions whose keys and values are in the cache, or will be after the step
	pending  int          // tokens behind the last that a step under way draws
	keys     []key        // of the root, then of each full block as far as known
	sealed   int          // blocks of the table whose content has its key
	uniform  bool         // the keys need not say which arithmetic computed a position
	block    int          // tokens of a block
	shelter  int          // no preemption before there are that many tokens
	seated   bool         // it takes part in the step being planned
	grant    int          // rows of a prompt in that step
	drafts   int          // tokens behind the last, not drawn, that the next step may try

	preempted int // times
	cached    int // positions that came from the cache when it first ran
	drafted   int // drafts that were computed
	accepted  int // of those, drawn as guessed

	stream       *Stream
	sample       kernels.SampleRow // as the request says; the runner adds tokens and position
	constraint   Constraint        // nil: none
	constrained  int               // drawn tokens that the constraint has accepted
	guess        guess
	reading      *reading // by a draft model; nil: none
	alternatives int      // to report of each prompt token
	scores       []PromptLogprob
	drawnBy      int32 // row of logits of the last step that draws the next token
}

// state is where a sequence stands.
type state uint8

const (
	waiting  state = iota // holds no blocks
	running               // holds blocks
	finished              // holds no blocks, and never will
)

// newSequence returns a sequence that waits, with the keys of its prompt.
func newSequence(prompt []int32, maxTokens, block int, salt string) *Sequence {
	const ahead = 1024 // tokens drawn before the first reallocation
	q := &Sequence{prompt: len(prompt), maxTokens: maxTokens, block: block}
	q.tokens = append(make([]int32, 0, len(prompt)+min(maxTokens, ahead)), prompt...)
	q.table = make([]int32, 0, q.blocks(cap(q.tokens)))
	q.keys = append(make([]key, 0, 1+cap(q.table)), rootKey(salt))
	q.hash(len(prompt) / block)
	return q
}

// before reports whether q is served before o: priority, then arrival.
func (q *Sequence) before(o *Sequence) bool {
	return q.priority < o.priority || q.priority == o.priority && q.number < o.number
}

// compare orders sequences as before does.
func (q *Sequence) compare(o *Sequence) int {
	switch {
	case q == o:
		return 0
	case q.before(o):
		return -1
	}
	return 1
}

// length returns how many tokens q has, those that a step under way draws too.
func (q *Sequence) length() int { return len(q.tokens) + q.pending }

// left returns the tokens whose keys and values are still to be computed.
func (q *Sequence) left() int { return min(q.length(), q.longest()) - q.computed }

// drawn returns the number of tokens that were drawn.
func (q *Sequence) drawn() int { return len(q.tokens) - q.prompt }

// decoding reports whether one row gives the next token.
func (q *Sequence) decoding() bool { return q.left() == 1 && q.computed >= q.prompt }

// sheltered reports whether q must not be preempted yet.
func (q *Sequence) sheltered() bool { return len(q.tokens) < q.shelter }

// blocks returns how many blocks n tokens fill, the last perhaps in part.
func (q *Sequence) blocks(n int) int { return (n + q.block - 1) / q.block }

// longest returns the most positions that q may ever need in the cache. The
// last token is never computed.
func (q *Sequence) longest() int { return q.prompt + q.maxTokens - 1 }

// reusable returns how many blocks may come from the cache: full ones, but not
// the last position, whose logits draw the next token, and nothing whose
// logits are still wanted for the prompt.
func (q *Sequence) reusable() int {
	if q.scored < q.score {
		return q.scored / q.block
	}
	return (len(q.tokens) - 1) / q.block
}

// blockKeys returns the keys of the first n blocks, which must be full.
func (q *Sequence) blockKeys(n int) []key {
	q.hash(n)
	return q.keys[1 : 1+n]
}

// hash computes the keys of the first n blocks, as far as they are missing.
func (q *Sequence) hash(n int) {
	for b := len(q.keys) - 1; b < n; b++ {
		from := b * q.block
		prefill := q.block
		if !q.uniform {
			prefill = min(max(q.prompt-from, 0), q.block)
		}
		q.keys = append(q.keys, q.keys[b].next(q.tokens[from:from+q.block], prefill))
	}
}

// wanted returns how many rows of a run that ends before position end have
// their logits computed: the last so many.
func (q *Sequence) wanted(from, end int) int {
	switch {
	case q.scored < q.score:
		return max(end-max(from, q.scored), 0)
	case end == len(q.tokens):
		return 1
	}
	return 0
}

// draft lets the next step try one more token. It stands where it would stand
// if it had been drawn. It must have fewer than mostDrafts.
func (q *Sequence) draft(token int32) {
	q.tokens = append(q.ahead(q.drafts), token)[:len(q.tokens)]
	q.drafts++
}

// mostDrafts returns how many tokens q may guess ahead where each may so many: the
// last that it may draw is never computed.
func (q *Sequence) mostDrafts(each int) int {
	return min(q.guess.next, q.maxTokens-q.drawn()-1, each)
}

// ahead returns the tokens of q with its first n drafts.
func (q *Sequence) ahead(n int) []int32 { return q.tokens[:len(q.tokens)+n] }

// take appends what a run drew, up to the first token that is not as drafted,
// and returns why q ends, if it does, and how many drafts were right.
func (q *Sequence) take(r *Run, drawn []int32) (why FinishReason, right int) {
	for i, token := range drawn {
		if token < 0 {
			why = FinishError
			break
		}
		asDrafted := i < r.Drafts && q.ahead(1)[len(q.tokens)] == token
		why = q.append(token)
		r.Took++
		if asDrafted {
			right++
		}
		if !asDrafted || why != FinishNone {
			break
		}
	}
	q.drafts = 0
	q.drafted += r.Drafts
	q.accepted += right
	q.guess.learn(r.Drafts, right, r.Took)
	return why, right
}

// append adds a drawn token and returns whether, and why, it was the last.
func (q *Sequence) append(token int32) FinishReason {
	q.tokens = append(q.tokens, token)
	for _, stop := range q.stops {
		if token == stop {
			return FinishStop
		}
	}
	if q.drawn() == q.maxTokens {
		return FinishLength
	}
	return FinishNone
}

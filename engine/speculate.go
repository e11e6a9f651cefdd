package engine

import "math/bits"

// guess is how a sequence guesses its next tokens, for one step to compute
// several: what followed the last time that the text was like now (prompt
// lookup; Saxena 2023, after LZ77), where no draft model does it. Right guesses
// cost less than a step each, wrong ones are rows for nothing, so it learns how
// many to make.
type guess struct {
	most   int // most tokens to guess in a step; 0: it never guesses
	next   int // how many in the next step
	misses int // steps in a row of which no guess was right
	pause  int // steps without guesses to come

	at    int     // where the next guess is copied from, if the text there is still like the end; 0: nowhere
	after []int32 // by hash of an ngram, the position behind where it was last; 0: nowhere
	known int     // ngrams that end before this position are in after
}

const (
	ngram      = 3  // tokens that must agree for what followed them to be a guess
	firstGuess = 2  // tokens guessed at first
	mostPause  = 64 // steps
)

// newGuess returns the state of a request that asks for so many tokens, on an
// engine that allows so many.
func newGuess(asked, allowed int) guess {
	switch {
	case asked < 0:
		return guess{}
	case asked > 0:
		allowed = min(allowed, asked)
	}
	return guess{most: allowed, next: min(firstGuess, allowed)}
}

// learn takes how many of the tokens guessed in a step were right, and how many
// were drawn.
func (g *guess) learn(guessed, right, drawn int) {
	if g.at > 0 {
		g.at += drawn // what goes on like a text does so for long
	}
	switch {
	case guessed == 0:
	case right == guessed:
		g.next, g.misses = min(2*g.next, g.most), 0
	case right > 0:
		g.next, g.misses = right, 0
	default:
		g.next, g.misses, g.at = 1, g.misses+1, 0
		g.pause = min(1<<min(g.misses, 30), mostPause)
	}
}

// ready reports whether the next step is to have guesses.
func (g *guess) ready() bool {
	if g.pause > 0 {
		g.pause--
		return false
	}
	return g.most > 0
}

// find returns the position behind a place where the tokens were as they are at
// their end: the place behind that of the last guess, else the last of all; 0 if
// there is none. Two calls must have tokens that begin alike.
func (g *guess) find(tokens []int32) int {
	if n := len(tokens); n < ngram || g.at > 0 && g.at < n && alike(tokens, g.at, n) {
		return g.at
	}
	g.at = g.last(tokens)
	return g.at
}

// alike reports whether the same ngram ends at two positions.
func alike(tokens []int32, a, b int) bool {
	return [ngram]int32(tokens[a-ngram:a]) == [ngram]int32(tokens[b-ngram:b])
}

// last returns the last position before the end behind the same ngram as there.
func (g *guess) last(tokens []int32) int {
	n := len(tokens)
	if len(g.after) < n {
		g.after, g.known = make([]int32, 2<<bits.Len(uint(n))), 0
	}
	for end := max(g.known, ngram); end < n; end++ {
		g.after[g.slot(tokens[end-ngram:end])] = int32(end)
	}
	g.known = n
	at := int(g.after[g.slot(tokens[n-ngram:])])
	if at == 0 || !alike(tokens, at, n) { // ngrams may share a slot
		return 0
	}
	return at
}

// slot returns where after has an ngram.
func (g *guess) slot(tokens []int32) uint32 {
	h := uint64(0)
	for _, t := range tokens {
		h = (h ^ uint64(uint32(t))) * 0x9e3779b97f4a7c15
	}
	return uint32(h>>32) & uint32(len(g.after)-1)
}

// lookUp guesses what q will draw next, by prompt lookup.
func (q *Sequence) lookUp() {
	at := q.guess.find(q.tokens)
	if at == 0 {
		return
	}
	for i := range q.mostDrafts(q.guess.most) { // what is copied may be a copy itself
		q.draft(q.ahead(q.drafts)[at+i])
	}
}

// draft lets all sequences that decode guess their next tokens.
func (e *Engine) draft() error {
	if e.speculate == 0 {
		return nil
	}
	e.guessing = e.guessing[:0]
	for _, q := range e.scheduler.running {
		if q.drafts = 0; q.decoding() && q.guess.ready() {
			e.guessing = append(e.guessing, q)
		}
	}
	if e.drafter != nil {
		if err := e.drafter.guess(e.guessing, e.scheduler.spare()); err != nil {
			return err
		}
	}
	for _, q := range e.guessing {
		if q.drafts == 0 {
			q.lookUp()
		}
	}
	return nil
}

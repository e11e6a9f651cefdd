package server

import (
	"maps"
	"slices"
	"strings"

	"trona/engine"
	"trona/tokenizer"
)

// thinkingBudget lets an answer reason for so many tokens. Then the reasoning
// ends with its line, or soon: its closing tag is the only thing that may come.
type thinkingBudget struct {
	text   func(int32) string
	limit  int     // tokens
	grace  int     // further ones to finish a line
	within []int32 // a line end, the closing tag and an empty line
	begun  []int32 // the same at the beginning of a line
	budgetPlace
}

type budgetPlace struct {
	split  reasoningSplitter
	used   int
	forced []int32 // what must come
}

// maxTagTokens is how long a tag that has begun may take to be complete.
const maxTagTokens = 8

// newThinkingBudget begins before an answer to the prompt. The grace is a tenth
// of the limit, as NIM has it.
func newThinkingBudget(m *Model, limit int, from *prompt) engine.Constraint {
	b := &thinkingBudget{text: m.tokenText(), limit: limit, grace: limit / 10}
	// Models know the tag with an empty line behind it, which may share a token
	// with it.
	encode := func(text string) []int32 { return m.Tokenizer.Encode(text, tokenizer.EncodeOptions{}) }
	b.begun, b.within = encode(thinkClose+"\n\n"), encode("\n"+thinkClose+"\n\n")
	tags := map[int32]string{}
	m.thinkTags(tags)
	for _, id := range slices.Sorted(maps.Keys(tags)) {
		if tags[id] == thinkClose { // of several that which the vocabulary had first
			b.begun = append([]int32{id}, encode("\n\n")...)
			b.within = append(encode("\n"), b.begun...)
			break
		}
	}
	b.split.state = from.begin
	if limit == 0 && b.split.thinking() {
		b.forced = b.begun
	}
	return b
}

// Mask sets the tokens that may come next.
func (b *thinkingBudget) Mask(dst []uint32) {
	if len(b.forced) > 0 {
		id := b.forced[0]
		dst[id>>5] |= 1 << (id & 31)
		return
	}
	for i := range dst {
		dst[i] = ^uint32(0)
	}
}

// Accept takes a token.
func (b *thinkingBudget) Accept(id int32) bool {
	text := b.text(id)
	if len(b.forced) > 0 {
		if id != b.forced[0] {
			return false
		}
		b.forced = b.forced[1:]
		b.split.write(text)
		return true
	}
	if b.split.thinking() {
		b.used++
	}
	b.split.write(text)
	if !b.split.thinking() || b.used < b.limit {
		return true
	}
	over := b.used - b.limit - b.grace
	line := strings.HasSuffix(text, "\n") || b.split.state == reasonOpened
	switch {
	case over < maxTagTokens && overlap(b.split.held, thinkClose) > 0: // it closes by itself
	case line:
		b.forced = b.begun
	case over >= 0:
		b.forced = b.within
	}
	return true
}

// Save returns the present place.
func (b *thinkingBudget) Save() any { return b.budgetPlace }

// Restore goes back to a place.
func (b *thinkingBudget) Restore(place any) { b.budgetPlace = place.(budgetPlace) }

// readBudget takes thinking_token_budget, or NIM's name for it.
func (p *params) readBudget(v *value) {
	if v == nil {
		return
	}
	if p.budget >= 0 {
		v.fail("is given twice")
	}
	p.budget, p.budgetField = int(v.integer(0, maxTokensAllowed)), v.path()
}

package server

import (
	"slices"
	"strings"

	"trona/engine"
	"trona/tokenizer/grammar"
)

// matching is a grammar as the engine wants it.
type matching struct {
	*grammar.Matcher
	vocabulary *grammar.Vocabulary
	// open is a tag that need not come: before it the text may end. "": none.
	open string
	ends []int32
	text func(int32) string
	free freeText
}

// freeText is the part of an answer before a tag, reasoning aside.
type freeText struct {
	split reasoningSplitter
	tail  string // the end of the text, in which the tag may begin
	over  bool   // the tag has come, or the end
}

type matchingPlace struct {
	state grammar.State
	free  freeText
}

// Mask sets the tokens that may come next.
func (g *matching) Mask(dst []uint32) {
	g.Matcher.Mask(dst[:g.vocabulary.Words()])
	if g.open == "" || g.free.over {
		return
	}
	for _, id := range g.ends {
		dst[id>>5] |= 1 << (id & 31)
	}
}

// Accept takes a token.
func (g *matching) Accept(id int32) bool {
	f := &g.free
	if g.open == "" || f.over {
		return g.Matcher.Accept(id)
	}
	if f.over = slices.Contains(g.ends, id); f.over {
		return true
	}
	_, text := f.split.write(g.text(id))
	text = f.tail + text
	f.over = strings.Contains(text, g.open)
	f.tail = text[len(text)-overlap(text, g.open):]
	return g.Matcher.Accept(id)
}

// Save returns the present place.
func (g *matching) Save() any { return matchingPlace{g.Matcher.Save(), g.free} }

// Restore goes back to a place.
func (g *matching) Restore(place any) {
	p := place.(matchingPlace)
	g.Matcher.Restore(p.state)
	g.free = p.free
}

// constraint returns what limits the tokens of an answer; nil: nothing.
func (p *params) constraint(m *Model, from *prompt) engine.Constraint {
	var all []engine.Constraint
	if p.grammar != nil {
		g := &matching{Matcher: p.grammar.NewMatcher(), vocabulary: p.grammar.Vocabulary(), ends: m.EOS, text: m.tokenText()}
		if p.openEnd {
			g.open, g.free.split.state = m.tools.form.open, from.begin
		}
		g.AcceptBytes([]byte(from.written)) // constrain has tried it
		all = append(all, g)
	}
	if p.budget >= 0 {
		all = append(all, newThinkingBudget(m, p.budget, from))
	}
	if p.allowed != nil {
		all = append(all, engine.AllowTokens(p.allowed))
	}
	if len(p.forbidden) > 0 {
		all = append(all, engine.ForbidSequences(p.forbidden...))
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return engine.AllOf(all...)
}

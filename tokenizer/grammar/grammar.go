package grammar

import "slices"

// Grammar is a compiled constraint. It does not change; any number of texts can
// be matched against it at once.
type Grammar struct {
	vocabulary *Vocabulary
	marks      *marks
	root       symbol
	maxDepth   int // frames of the stack
	bytes      int // of memory, about
	unread     []string
}

// Unread returns where the schema that the grammar was compiled from has
// keywords or formats that are unknown, and so say nothing: up to 32 JSON
// pointers such as "#/properties/a/maxLen". It is empty for composed grammars.
func (g *Grammar) Unread() []string { return g.unread }

// Vocabulary returns the vocabulary of the masks.
func (g *Grammar) Vocabulary() *Vocabulary { return g.vocabulary }

// Bytes returns about how much memory the grammar holds.
func (g *Grammar) Bytes() int { return g.bytes }

// marks are the punctuation of JSON, each after white space.
type marks struct {
	openArray, closeArray, openObject, closeObject, comma, colon *terminal
}

func newMarks(space int, budget *budget) (*marks, error) {
	m := new(marks)
	for _, mark := range []struct {
		text string
		to   **terminal
	}{
		{"[", &m.openArray}, {"]", &m.closeArray}, {"{", &m.openObject},
		{"}", &m.closeObject}, {",", &m.comma}, {":", &m.colon},
	} {
		d, err := spaced([]string{mark.text}, space, budget)
		if err != nil {
			return nil, err
		}
		*mark.to = newTerminal(d)
	}
	return m, nil
}

func newTerminal(d *dfa) *terminal { return &terminal{dfa: d, high: -1} }

// spaced recognises texts after white space: text i as i+1.
func spaced(texts []string, space int, budget *budget) (*dfa, error) {
	d, err := literals(texts, budget)
	if err != nil || space == 0 {
		return d, err
	}
	const white = " \t\n\r"
	// a: white space read so far, -1 once the text has begun; b: a state of d.
	a := automaton[pair]{
		start: pair{0, startState},
		step: func(s pair, x byte) (pair, bool) {
			if to := d.step(s.b, x); to != deadState {
				return pair{-1, to}, true
			}
			s.a++
			return s, s.a > 0 && int(s.a) <= space && slices.Contains([]byte(white), x)
		},
		accept: func(s pair) int32 { return d.accept[s.b] },
		same: func(x byte) byte {
			if slices.Contains([]byte(white), x) {
				return x
			}
			return d.first(d.class[x])
		},
	}
	return a.build(budget)
}

// first returns the first byte of a class that is no white space, else the first.
func (d *dfa) first(class uint8) byte {
	for b := range 256 {
		if d.class[b] == class && !slices.Contains([]byte(" \t\n\r"), byte(b)) {
			return byte(b)
		}
	}
	return byte(slices.Index(d.class[:], class))
}

// Matcher follows one text, token by token. It is used by one goroutine at a time.
type Matcher struct {
	masker
	now, next configs
	ended     bool
}

// NewMatcher returns a matcher before the first token.
func (g *Grammar) NewMatcher() *Matcher {
	m := &Matcher{masker: masker{machine: newMachine(g)}}
	m.begin(&m.now)
	return m
}

// Mask sets bit i%32 of word i/32 where token i may come next, and clears the
// others. dst has Vocabulary.Words words.
func (m *Matcher) Mask(dst []uint32) {
	if m.ended {
		clear(dst)
		return
	}
	m.fill(&m.now, dst)
}

// Accept reads a token. It returns false, and changes nothing, where the token
// may not come next.
func (m *Matcher) Accept(id int32) bool {
	v := m.g.vocabulary
	switch {
	case m.ended || id < 0 || int(id) >= v.size:
		return false
	case slices.Contains(v.end, id):
		m.ended = m.now.final
		return m.ended
	case len(v.tokens[id]) == 0:
		return false
	}
	return m.AcceptBytes(v.tokens[id])
}

// AcceptBytes reads text, however it is cut into tokens.
func (m *Matcher) AcceptBytes(text []byte) bool {
	before := m.Save()
	for _, b := range text {
		m.step(&m.now, b, &m.next)
		m.now, m.next = m.next, m.now
		if len(m.now.list) == 0 && !m.now.final {
			m.Restore(before)
			return false
		}
	}
	return true
}

// MayEnd reports whether the text so far satisfies the constraint.
func (m *Matcher) MayEnd() bool { return m.now.final }

// Complete reports whether the text satisfies the constraint and nothing can follow.
func (m *Matcher) Complete() bool { return m.ended || m.now.final && len(m.now.list) == 0 }

// State is a place in a text, to come back to.
type State struct {
	list         []config
	final, ended bool
}

// Save returns the present place.
func (m *Matcher) Save() State {
	return State{slices.Clone(m.now.list), m.now.final, m.ended}
}

// Restore goes back to a place of the same matcher.
func (m *Matcher) Restore(s State) {
	m.now.list = append(m.now.list[:0], s.list...)
	m.now.final, m.ended = s.final, s.ended
}

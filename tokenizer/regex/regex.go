// Package regex cuts text by the regular expressions of tokenizers, with which
// BPE splits text into words. It knows what those use of Oniguruma's syntax:
// classes, those of POSIX too, and their intersections, properties of Unicode, greedy, lazy and
// possessive repetition, groups that fold case, atomic ones, options, comments, and looking
// around, back at what has a greatest length. There are no captures and no back-references, so that the time of a search is
// proportional to the text, but for what atomic groups, looking around and \X read again.
package regex

import "unicode/utf8"

// Regex is a compiled expression. It never changes once made, and any number of
// goroutines may use it.
type Regex struct {
	source string
	program
}

// Classes says which runes a name in \p{...} stands for; \s is "Space", \w has
// its own name. It returns nil for a name that it does not know.
type Classes func(name string) func(r rune) bool

// New compiles an expression; an error is an *Error.
func New(source string, classes Classes) (*Regex, error) {
	p := &parser{source: source, classes: classes}
	n, err := p.parse()
	if err != nil {
		return nil, err
	}
	if n.size() > maxInstructions {
		return nil, &Error{Source: source, Message: "is too large"}
	}
	r := &Regex{source: source}
	r.compile(n)
	return r, nil
}

// String returns the expression.
func (r *Regex) String() string { return r.source }

// Split calls yield with the end of each match in text, and of what lies before
// one, in order: what ends there begins where the one before ended. An empty match
// is an end too. A byte that is not UTF-8 counts as U+FFFD.
func (r *Regex) Split(text string, yield func(end int)) {
	last := 0
	cut := func(at int) {
		if at > last {
			yield(at)
			last = at
		}
	}
	r.Matches(text, func(start, end int) {
		cut(start)
		cut(end)
	})
	cut(len(text))
}

// Matches calls yield with the matches in text, in order; none overlap. One may be
// empty, also at the end of a text, but not where the one before ended. An empty text
// has none.
func (r *Regex) Matches(text string, yield func(start, end int)) {
	m := newMachine(&r.program, text)
	last := -1
	for from := 0; text != "" && from <= len(text); {
		start, end, ok := m.find(from)
		if !ok {
			break
		}
		if start < end || end != last {
			yield(start, end)
			last = end
		}
		if from = end; start == end {
			_, n := utf8.DecodeRuneInString(text[end:])
			from += max(n, 1)
		}
	}
}

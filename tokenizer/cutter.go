package tokenizer

import (
	"fmt"
	"strings"

	"trona/tokenizer/regex"
)

// part is a part of a text on its way through a pre-tokenizer.
type part struct {
	text  string
	first bool // the input begins with it
}

// cutter is a step of a pre-tokenizer: it gives the parts of a part, which it may
// change.
type cutter func(p part, yield func(part))

// cutters are all steps. They do whatever tokenizer.json may ask for; what is usual
// has a splitter's loops or, for SentencePiece, none.
type cutters struct{ list []cutter }

// each calls yield with the words of a part.
func (c *cutters) each(p part, yield func(word string)) { cutAll(c.list, p, yield) }

func cutAll(list []cutter, p part, yield func(word string)) {
	switch {
	case p.text == "":
	case len(list) == 0:
		yield(p.text)
	default:
		list[0](p, func(p part) { cutAll(list[1:], p, yield) })
	}
}

// spanFinder calls yield with the matches of a pattern in a text, in order.
type spanFinder func(text string, yield func(start, end int))

// finder returns what finds a pattern.
func (p *pattern) finder(path string) (spanFinder, error) {
	switch {
	case p == nil || (p.Regex == nil) == (p.String == nil):
		return nil, fmt.Errorf("%s: neither a text nor a regular expression", path)
	case p.Regex != nil:
		r, err := regex.New(*p.Regex, runesOf)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return r.Matches, nil
	case *p.String == "":
		return nil, fmt.Errorf("%s: is empty", path)
	}
	literal := *p.String
	return func(text string, yield func(start, end int)) {
		for from := 0; ; {
			i := strings.Index(text[from:], literal)
			if i < 0 {
				return
			}
			yield(from+i, from+i+len(literal))
			from += i + len(literal)
		}
	}, nil
}

// span is a match, or what is between two.
type span struct {
	start, end int
	match      bool
}

// spans returns the matches in a text and what is between them; where they are
// inverted each counts as the other.
func spans(text string, find spanFinder, invert bool) []span {
	var all []span
	last := 0
	find(text, func(start, end int) {
		if start > last {
			all = append(all, span{last, start, invert})
		}
		all = append(all, span{start, end, !invert})
		last = end
	})
	if last < len(text) {
		all = append(all, span{last, len(text), invert})
	}
	return all
}

// behaviors say what becomes of matches, by their names in tokenizer.json.
func behaviors(name string) (func([]span) []span, bool) {
	switch name {
	case "Removed":
		return removed, true
	case "Isolated":
		return func(all []span) []span { return all }, true
	case "Contiguous":
		return func(all []span) []span {
			return joined(all, func(before, s span) bool { return before.match == s.match })
		}, true
	case "MergedWithPrevious":
		return func(all []span) []span {
			return joined(all, func(before, s span) bool { return s.match && !before.match })
		}, true
	case "MergedWithNext":
		return func(all []span) []span {
			return joined(all, func(before, s span) bool { return before.match && !s.match })
		}, true
	}
	return nil, false
}

// removed drops the matches.
func removed(all []span) []span {
	kept := all[:0]
	for _, s := range all {
		if !s.match {
			kept = append(kept, s)
		}
	}
	return kept
}

// joined makes one of neighbours for which join says so.
func joined(all []span, join func(before, s span) bool) []span {
	out := all[:0]
	var before span
	for i, s := range all {
		if i > 0 && join(before, s) {
			out[len(out)-1].end = s.end
		} else {
			out = append(out, s)
		}
		before = s
	}
	return out
}

// newSplit returns the step Split.
func newSplit(path string, p *pattern, behavior string, invert bool) (cutter, error) {
	find, err := p.finder(path + ".pattern")
	if err != nil {
		return nil, err
	}
	merge, ok := behaviors(behavior)
	if !ok {
		return nil, fmt.Errorf("%s.behavior: %.40q is not known", path, behavior)
	}
	return func(p part, yield func(part)) {
		for _, s := range merge(spans(p.text, find, invert)) {
			yield(part{p.text[s.start:s.end], p.first && s.start == 0})
		}
	}, nil
}

// newFixed returns the step FixedLength, whose parts have n runes.
func newFixed(n int) cutter {
	return func(p part, yield func(part)) {
		count, begin := 0, 0
		for i := range p.text {
			if count == n {
				yield(part{p.text[begin:i], p.first && begin == 0})
				count, begin = 0, i
			}
			count++
		}
		yield(part{p.text[begin:], p.first && begin == 0})
	}
}

// prefixSpace is the step of a ByteLevel that puts a space before what has none.
func prefixSpace(p part, yield func(part)) {
	if !strings.HasPrefix(p.text, " ") {
		p.text = " " + p.text
	}
	yield(p)
}

// spellBytes gives each byte the rune that stands for it in a vocabulary; unspellBytes
// undoes that.
func spellBytes(p part, yield func(part)) {
	spelled := make([]rune, len(p.text))
	for i := range len(p.text) {
		spelled[i] = byteRunes[p.text[i]]
	}
	yield(part{string(spelled), p.first})
}

func unspellBytes(p part, yield func(part)) {
	text, _ := appendBytes(nil, p.text)
	yield(part{string(text), p.first})
}

// newMetaspace returns the step Metaspace.
func newMetaspace(scheme prefix, split bool) cutter {
	return func(p part, yield func(part)) {
		text := strings.ReplaceAll(p.text, " ", spaceMark)
		if (scheme == prefixUnlessMarked || scheme == prefixFirst && p.first) && !strings.HasPrefix(text, spaceMark) {
			text = spaceMark + text
		}
		for split && text != "" {
			n := len(text)
			if i := strings.Index(text[1:], spaceMark); i >= 0 {
				n = 1 + i
			}
			yield(part{text[:n], p.first})
			text, p.first = text[n:], false
		}
		if text != "" {
			yield(part{text, p.first})
		}
	}
}

package tokenizer

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalizer is a step that changes a text before it is cut into words.
type normalizer struct {
	name  string // of its type in tokenizer.json
	apply func(text string) string

	growth int  // how many times as long texts may become; 0: once
	moves  bool // whether the input begins with what it leaves, or adds, is not known
}

// newNormalizer returns the step that a component describes.
func newNormalizer(path string, c *component) (normalizer, error) {
	n := normalizer{name: c.Type}
	switch c.Type {
	case "NFC":
		n.apply = form(norm.NFC)
	case "NFD":
		n.apply = form(norm.NFD)
	case "NFKC":
		n.apply = form(norm.NFKC)
	case "NFKD":
		n.apply = form(norm.NFKD)
	case "Lowercase":
		n.apply = lower
	case "StripAccents":
		n.apply, n.moves = func(text string) string { return strings.Map(withoutMark, text) }, true
	case "Strip":
		n.apply, n.moves = func(text string) string { return strip(text, c.StripLeft, c.StripRight) }, c.StripLeft
	case "Nmt":
		n.apply, n.moves = func(text string) string { return strings.Map(translationRune, text) }, true
	case "BertNormalizer":
		n.growth, n.apply, n.moves = 2, newBert(c), true
	case "Prepend":
		n.growth, n.moves = len(c.Prepend), true
		n.apply = func(text string) string {
			if text == "" {
				return ""
			}
			return c.Prepend + text
		}
	case "Replace":
		find, err := c.Pattern.finder(path + ".pattern")
		if err != nil {
			return n, err
		}
		n.growth, n.moves = len(c.Content), c.Content != " " && c.Content != spaceMark // no mark comes before these anyway
		n.apply = func(text string) string { return substitute(text, find, c.Content) }
	case "Precompiled":
		table, err := newCharsmap(c.Charsmap)
		if err != nil {
			return n, fmt.Errorf("%s.precompiled_charsmap: %w", path, err)
		}
		n.growth, n.apply = table.most, table.applyShort
	default:
		return n, c.unsupported(path)
	}
	return n, nil
}

// lower maps each rune to lower case, without regard to its neighbours.
func lower(text string) string {
	const dottedI = "\u0130" // the one rune whose lower case is two
	return strings.Map(newerCases.ToLower, strings.ReplaceAll(text, dottedI, "i\u0307"))
}

// newerCases are capitals of Unicode 16 and 17, which Go's tables do not have.
var newerCases = unicode.SpecialCase{
	{Lo: 0x1c89, Hi: 0x1c89, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 1}},
	{Lo: 0xa7cb, Hi: 0xa7cb, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 0x264 - 0xa7cb}},
	{Lo: 0xa7cc, Hi: 0xa7cc, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 1}},
	{Lo: 0xa7ce, Hi: 0xa7ce, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 1}},
	{Lo: 0xa7d2, Hi: 0xa7d2, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 1}},
	{Lo: 0xa7d4, Hi: 0xa7d4, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 1}},
	{Lo: 0xa7da, Hi: 0xa7da, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 1}},
	{Lo: 0xa7dc, Hi: 0xa7dc, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 0x19b - 0xa7dc}},
	{Lo: 0x10d50, Hi: 0x10d65, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 0x20}},
	{Lo: 0x16ea0, Hi: 0x16eb8, Delta: [unicode.MaxCase]rune{unicode.LowerCase: 0x1b}},
}

// withoutMark drops marks, those of Unicode 9, as form has it.
func withoutMark(r rune) rune {
	if unicode.Is(unicode.M, r) && !isAfterUnicode9(r) {
		return -1
	}
	return r
}

// strip drops white space at the ends of a text.
func strip(text string, left, right bool) string {
	if left {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	if right {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	}
	return text
}

// substitute puts content in place of each match.
func substitute(text string, find spanFinder, content string) string {
	var out strings.Builder
	last := 0
	find(text, func(start, end int) {
		out.WriteString(text[last:start])
		out.WriteString(content)
		last = end
	})
	out.WriteString(text[last:])
	return out.String()
}

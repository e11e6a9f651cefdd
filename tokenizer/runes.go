package tokenizer

import (
	"strings"
	"unicode"
)

// runesOf gives the expressions their classes: letters, numbers and white space of
// Unicode 16, other categories, scripts and properties of Go's version. A letter that
// is newer than that is in Lo. Case, spaces, - and _ do not count in a name.
func runesOf(name string) func(rune) bool {
	is := func(want class) func(rune) bool { return func(r rune) bool { return classOf(r) == want } }
	plain := plainName(name)
	switch plain {
	case "l", "letter":
		return is(letter)
	case "n", "number":
		return is(number)
	case "space", "whitespace":
		return is(space)
	case "lo", "otherletter":
		return func(r rune) bool { return unicode.Is(unicode.Lo, r) || classOf(r) == letter && !unicode.IsLetter(r) }
	case "alpha", "alphabetic":
		return isAlphabetic
	case "alnum":
		return func(r rune) bool { return isAlphabetic(r) || unicode.Is(unicode.Nd, r) }
	case `\w`:
		return func(r rune) bool { return isAlphabetic(r) || unicode.In(r, unicode.M, unicode.Nd, unicode.Pc) }
	case "upper", "uppercase":
		return func(r rune) bool { return unicode.In(r, unicode.Lu, unicode.Other_Uppercase) }
	case "lower", "lowercase":
		return func(r rune) bool { return unicode.In(r, unicode.Ll, unicode.Other_Lowercase) }
	case "any":
		return func(rune) bool { return true }
	case "ascii":
		return func(r rune) bool { return r <= unicode.MaxASCII }
	}
	if table := tableOf(name, plain); table != nil {
		return func(r rune) bool { return unicode.Is(table, r) }
	}
	return nil
}

// tableOf returns the category, or else the script, of a name, which is also given plain.
func tableOf(name, plain string) *unicode.RangeTable {
	for _, tables := range []map[string]*unicode.RangeTable{unicode.Categories, unicode.Scripts} {
		if table := tables[name]; table != nil { // as names are usually written
			return table
		}
	}
	for full, short := range unicode.CategoryAliases {
		if plainName(full) == plain {
			return unicode.Categories[short]
		}
	}
	for _, tables := range []map[string]*unicode.RangeTable{unicode.Categories, unicode.Scripts} {
		for known, table := range tables {
			if plainName(known) == plain {
				return table
			}
		}
	}
	return nil
}

// plainName returns a name without what does not count.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// isAlphabetic reports whether a rune has Unicode's property Alphabetic.
func isAlphabetic(r rune) bool {
	return classOf(r) == letter || unicode.In(r, unicode.Nl, unicode.Other_Alphabetic)
}

// isWord reports whether a rune belongs to a word by Unicode Technical Standard 18,
// annex C, as \w of Rust matches it.
func isWord(r rune) bool {
	return isAlphabetic(r) || unicode.In(r, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control)
}

package tokenizer

import (
	"math"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/rangetable"
)

// runesOf gives the expressions their classes, those of Unicode 16; scripts other than
// Han are of Go's version. Case, spaces, - and _ do not count in a name.
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
	case "alpha", "alphabetic":
		return isAlphabetic
	case "alnum":
		return func(r rune) bool { return isAlphabetic(r) || unicode.Is(decimals, r) }
	case `\w`:
		return func(r rune) bool { return isAlphabetic(r) || unicode.In(r, marks, decimals, unicode.Pc) }
	case "upper", "uppercase":
		table := category("Lu")
		return func(r rune) bool { return unicode.In(r, table, unicode.Other_Uppercase) }
	case "lower", "lowercase":
		table := category("Ll")
		return func(r rune) bool { return unicode.In(r, table, unicode.Other_Lowercase) }
	case "han":
		return func(r rune) bool { return unicode.Is(unicode.Han, r) || inRanges(r, newerHan) }
	case "punct":
		table := category("P")
		return func(r rune) bool { return unicode.Is(table, r) }
	case "posixpunct":
		table := rangetable.Merge(category("P"), category("S"))
		return func(r rune) bool { return unicode.Is(table, r) }
	case "blank":
		table := category("Zs")
		return func(r rune) bool { return r == '\t' || unicode.Is(table, r) }
	case "cntrl":
		return unicode.IsControl
	case "graph":
		return func(r rune) bool { return isText(r) && classOf(r) != space }
	case "print":
		return func(r rune) bool { return isText(r) && r != '\u2028' && r != '\u2029' }
	case "xdigit":
		return func(r rune) bool { return unicode.Is(unicode.ASCII_Hex_Digit, r) }
	case "assigned":
		return func(r rune) bool { return !isUnassigned(r) }
	case "any":
		return func(rune) bool { return true }
	case "ascii":
		return func(r rune) bool { return r <= unicode.MaxASCII }
	}
	switch short := categoryOf(name, plain); short {
	case "":
	case "C", "Cn":
		return func(r rune) bool { return unicode.Is(unicode.Categories[short], r) && !isNewer(r) }
	default:
		table := category(short)
		return func(r rune) bool { return unicode.Is(table, r) }
	}
	for known, table := range unicode.Scripts {
		if plainName(known) == plain {
			return func(r rune) bool { return unicode.Is(table, r) }
		}
	}
	return nil
}

// categoryOf returns the short name of the category of a name, which is also given
// plain; "" where it is none.
func categoryOf(name, plain string) string {
	if unicode.Categories[name] != nil { // as names are usually written
		return name
	}
	for full, short := range unicode.CategoryAliases {
		if plainName(full) == plain {
			return short
		}
	}
	for known := range unicode.Categories {
		if plainName(known) == plain {
			return known
		}
	}
	return ""
}

// categoryRange is runes of a category.
type categoryRange struct {
	low, high rune
	name      string
}

// category returns the runes of a category by its short name.
func category(name string) *unicode.RangeTable {
	var newer [][2]rune
	for _, c := range newerCategories {
		if strings.HasPrefix(c.name, name) || name == "LC" && strings.Contains("Lu Ll Lt", c.name) {
			newer = append(newer, [2]rune{c.low, c.high})
		}
	}
	return rangetable.Merge(unicode.Categories[name], tableOf(newer))
}

// tableOf makes a table of ranges in order.
func tableOf(list [][2]rune) *unicode.RangeTable {
	t := &unicode.RangeTable{}
	for _, r := range list {
		if r[1] <= math.MaxUint16 {
			t.R16 = append(t.R16, unicode.Range16{Lo: uint16(r[0]), Hi: uint16(r[1]), Stride: 1})
		} else {
			t.R32 = append(t.R32, unicode.Range32{Lo: uint32(r[0]), Hi: uint32(r[1]), Stride: 1})
		}
	}
	return t
}

// isUnassigned reports whether a rune has no category, isText whether it has one that is
// not of controls.
func isUnassigned(r rune) bool { return unicode.Is(unicode.Cn, r) && !isNewer(r) }

func isText(r rune) bool { return !isUnassigned(r) && !unicode.IsControl(r) }

// isNewer reports whether a rune that Go's tables do not know has a category.
func isNewer(r rune) bool {
	return slices.ContainsFunc(newerCategories, func(c categoryRange) bool { return c.low <= r && r <= c.high })
}

var marks, decimals = category("M"), category("Nd")

// inRanges reports whether a rune is in one of a few ranges.
func inRanges(r rune, list [][2]rune) bool {
	return slices.ContainsFunc(list, func(pair [2]rune) bool { return pair[0] <= r && r <= pair[1] })
}

// plainName returns a name without what does not count.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// isAlphabetic reports whether a rune has Unicode's property Alphabetic.
func isAlphabetic(r rune) bool {
	return classOf(r) == letter || unicode.In(r, unicode.Nl, unicode.Other_Alphabetic) || inRanges(r, newerOtherAlphabetic)
}

// isWord reports whether a rune belongs to a word by Unicode Technical Standard 18,
// annex C, as \w of Rust matches it.
func isWord(r rune) bool {
	return isAlphabetic(r) || unicode.In(r, marks, decimals, unicode.Pc, unicode.Join_Control)
}

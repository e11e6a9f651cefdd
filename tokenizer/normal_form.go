package tokenizer

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// form returns the function that brings a text into a normalization form of Unicode
// (Standard Annex 15), as of version 9, which the reference knows: marks and
// decompositions that are newer are plain characters.
func form(f norm.Form) func(text string) string {
	return func(text string) string {
		var out strings.Builder
		for {
			i := indexAfterUnicode9(text)
			if i < 0 {
				break
			}
			_, n := utf8.DecodeRuneInString(text[i:])
			out.WriteString(formOf(f, text[:i]))
			out.WriteString(text[i : i+n])
			text = text[i+n:]
		}
		if out.Len() == 0 {
			return formOf(f, text)
		}
		out.WriteString(formOf(f, text))
		return out.String()
	}
}

var tableAfterUnicode9 = tableOf(afterUnicode9)

func isAfterUnicode9(r rune) bool { return unicode.Is(tableAfterUnicode9, r) }

// indexAfterUnicode9 returns where the first of those runes is, or -1.
func indexAfterUnicode9(text string) int {
	const first = 0xdf // byte of U+07C0, below which none is
	for i := 0; i < len(text); {
		if text[i] < first {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if isAfterUnicode9(r) {
			return i
		}
		i += n
	}
	return -1
}

// formOf is form for all runes that the library knows. That breaks runs of more than 30
// marks with a joiner (annex 15, section 13); a text with such runs is brought into its
// form here.
func formOf(f norm.Form, text string) string {
	const joiner = "\u034f"
	out := f.String(text)
	if strings.Count(out, joiner) == strings.Count(text, joiner) {
		return out
	}
	return exactForm(f, text)
}

// exactForm decomposes rune by rune, orders the marks and, for NFC and NFKC,
// composes again.
func exactForm(f norm.Form, text string) string {
	split := map[norm.Form]norm.Form{norm.NFC: norm.NFD, norm.NFKC: norm.NFKD, norm.NFD: norm.NFD, norm.NFKD: norm.NFKD}[f]
	runes := make([]marked, 0, len(text))
	for _, r := range text {
		for _, d := range split.String(string(r)) {
			runes = append(runes, marked{d, split.PropertiesString(string(d)).CCC()})
		}
	}
	for i := 0; i < len(runes); i++ {
		end := i
		for end < len(runes) && runes[end].class != 0 {
			end++
		}
		slices.SortStableFunc(runes[i:end], func(a, b marked) int { return cmp.Compare(a.class, b.class) })
		i = end
	}
	if f == norm.NFC || f == norm.NFKC {
		runes = compose(runes)
	}
	out := make([]byte, 0, len(text))
	for _, r := range runes {
		out = utf8.AppendRune(out, r.r)
	}
	return string(out)
}

// marked is a rune with its canonical combining class; 0: it begins a character.
type marked struct {
	r     rune
	class uint8
}

// compose joins each rune with the last one of class 0, where the two are one rune
// and no other between them has its class or one that is higher.
func compose(runes []marked) []marked {
	out := runes[:0]
	starter := -1
	for _, next := range runes {
		if starter >= 0 {
			last := out[len(out)-1]
			if starter == len(out)-1 || last.class != 0 && last.class < next.class {
				pair := norm.NFC.String(string([]rune{out[starter].r, next.r}))
				if r, n := utf8.DecodeRuneInString(pair); n == len(pair) {
					out[starter].r = r
					continue
				}
			}
		}
		out = append(out, next)
		if next.class == 0 {
			starter = len(out) - 1
		}
	}
	return out
}

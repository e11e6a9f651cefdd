package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// IsSpace reports whether Python counts c as white space: as Unicode does, and
// the separators U+001C to U+001F.
func IsSpace(c rune) bool { return isSpace(c) }

func isSpace(c rune) bool { return 0x1C <= c && c <= 0x1F || unicode.IsSpace(c) }

// quote is Python's repr of a str.
func quote(s string) string {
	mark := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		mark = '"'
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte(mark)
	for _, c := range s {
		switch {
		case c == rune(mark) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case isPrintable(c):
			b.WriteRune(c)
		default:
			writeEscape(&b, c)
		}
	}
	b.WriteByte(mark)
	return b.String()
}

// writeEscape writes a character as Python's \x, \u or \U does.
func writeEscape(b *strings.Builder, c rune) {
	switch {
	case c < 0x100:
		fmt.Fprintf(b, `\x%02x`, c)
	case c < 0x10000:
		fmt.Fprintf(b, `\u%04x`, c)
	default:
		fmt.Fprintf(b, `\U%08x`, c)
	}
}

func isPrintable(c rune) bool { return unicode.IsPrint(c) }

// isASCII reports whether s has no other characters.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// upper and lower map whole strings, as in "ß" to "SS" and the final sigma.
func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

// titleRune maps one character to its title case.
func titleRune(c rune) string {
	if c < utf8.RuneSelf {
		return string(unicode.ToUpper(c))
	}
	return cases.Title(language.Und, cases.NoLower).String(string(c))
}

// foldCase is str.casefold. Cherokee folds to its capitals.
func foldCase(s string) string {
	var b strings.Builder
	fold := cases.Fold()
	for _, c := range s {
		switch {
		case c < utf8.RuneSelf:
			b.WriteRune(unicode.ToLower(c))
		case unicode.Is(unicode.Cherokee, c):
			b.WriteRune(unicode.ToUpper(c))
		default:
			b.WriteString(fold.String(string(c)))
		}
	}
	return b.String()
}

// capitalize maps the first character to its title case and the rest to lower.
func capitalize(s string) string {
	if s == "" {
		return ""
	}
	c, size := utf8.DecodeRuneInString(s)
	return titleRune(c) + lowerAfter(s, size)
}

// lowerAfter maps s from a position on to lower case; what comes before only
// decides about a final sigma.
func lowerAfter(s string, at int) string {
	return strings.TrimPrefix(lower(s), lower(s[:at]))
}

func isLower(c rune) bool { return unicode.In(c, unicode.Ll, unicode.Other_Lowercase) }
func isUpper(c rune) bool { return unicode.In(c, unicode.Lu, unicode.Other_Uppercase) }
func isTitle(c rune) bool { return unicode.Is(unicode.Lt, c) }
func isCased(c rune) bool { return isLower(c) || isUpper(c) || isTitle(c) }

// dottedI is the only letter that is two characters in lower case.
const dottedI = 'İ'

// lowerRunes maps each character of s to lower case, dottedI to a plain i.
func lowerRunes(s string) []rune { return []rune(lower(strings.ReplaceAll(s, string(dottedI), "I"))) }

func writeLower(b *strings.Builder, c, small rune) {
	b.WriteRune(small)
	if c == dottedI {
		b.WriteRune('\u0307')
	}
}

// titleCase is str.title: each letter after something that has no case is a
// capital, all others are small.
func titleCase(s string) string {
	small := lowerRunes(s)
	var b strings.Builder
	after := false
	for i, c := range []rune(s) {
		if after {
			writeLower(&b, c, small[i])
		} else {
			b.WriteString(titleRune(c))
		}
		after = isCased(c)
	}
	return b.String()
}

func swapCase(s string) string {
	small := lowerRunes(s)
	var b strings.Builder
	for i, c := range []rune(s) {
		switch {
		case isUpper(c):
			writeLower(&b, c, small[i])
		case isLower(c):
			b.WriteString(upper(string(c)))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// hasCase reports whether all cased characters of s, of which there is one at
// least, are in one case.
func hasCase(s string, in func(rune) bool) bool {
	found := false
	for _, c := range s {
		if isCased(c) {
			if !in(c) {
				return false
			}
			found = true
		}
	}
	return found
}

// isTitleCase is str.istitle.
func isTitleCase(s string) bool {
	found, after := false, false
	for _, c := range s {
		switch {
		case isUpper(c) || isTitle(c):
			if after {
				return false
			}
			found, after = true, true
		case isLower(c):
			if !after {
				return false
			}
			found, after = true, true
		default:
			after = false
		}
	}
	return found
}

func isAlpha(c rune) bool        { return unicode.IsLetter(c) }
func isAlphanumeric(c rune) bool { return unicode.In(c, unicode.L, unicode.N) }
func isDecimalRune(c rune) bool  { return unicode.Is(unicode.Nd, c) }

// otherDigits are the characters that are digits without being decimal, such as
// superscripts: pairs of first and last.
const otherDigits = "²³¹¹\u1369\u1371\u19da\u19da\u2070\u2070\u2074\u2079\u2080\u2089\u2460\u2468\u2474\u247c\u2488\u2490\u24ea\u24ea" +
	"\u24f5\u24fd\u24ff\u24ff\u2776\u277e\u2780\u2788\u278a\u2792\U00010a40\U00010a43\U00010e60\U00010e68\U00011052\U0001105a\U0001f100\U0001f10a"

func isDigitRune(c rune) bool {
	if isDecimalRune(c) {
		return true
	}
	first, i := rune(0), 0
	for _, bound := range otherDigits {
		if i%2 == 1 && first <= c && c <= bound {
			return true
		}
		first = bound
		i++
	}
	return false
}

// numerals are letters that stand for numbers.
const numerals = "㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零\uf96b\uf973\uf978\uf9b2\uf9d1\uf9d3\uf9fd\U00020001\U00020064\U000200e2\U00020121\U0002092a\U00020983\U0002098c\U0002099c\U00020aea\U00020afd\U00020b19\U00022390\U00022998\U00023b1b\U0002626d\U0002f890"

func isNumericRune(c rune) bool {
	return unicode.Is(unicode.N, c) || strings.ContainsRune(numerals, c)
}

// isLineEnd reports whether c ends a line for str.splitlines.
func isLineEnd(c rune) bool {
	switch c {
	case '\n', '\r', '\v', '\f', 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// nextLine returns the first line of s without and with its end, and what
// follows it.
func nextLine(s string) (line, whole, rest string) {
	end := strings.IndexFunc(s, isLineEnd)
	if end < 0 {
		return s, s, ""
	}
	_, size := utf8.DecodeRuneInString(s[end:])
	if strings.HasPrefix(s[end:], "\r\n") {
		size = 2
	}
	return s[:end], s[:end+size], s[end+size:]
}

// escape is what autoescaping does to a value.
func (r *render) escape(v Value) (markup, error) {
	if m, ok := v.(markup); ok {
		return m, nil
	}
	s, err := r.str(v)
	if err != nil {
		return "", err
	}
	if err := r.grow(5 * len(s)); err != nil {
		return "", err
	}
	return markup(htmlEscape(s)), nil
}

func htmlEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s)
}

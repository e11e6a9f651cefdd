package grammar

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// foldings returns the other characters that differ from c in case only.
func foldings(c rune) []rune {
	var list []rune
	for r := unicode.SimpleFold(c); r != c; r = unicode.SimpleFold(r) {
		list = append(list, r)
	}
	return list
}

// short are the escapes of JSON with a letter of their own (RFC 8259, section 7).
var short = []struct {
	r      rune
	letter byte
}{
	{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'},
}

// jsonRunes reads one character of [lo, hi] as it stands in a JSON string: by
// itself where that is allowed, with its short escape, or as \u00XX where it is
// a control character. States between characters are marked.
func (n *nfa) jsonRunes(from int32, lo, hi rune, to int32) {
	n.mark(from)
	n.mark(to)
	for _, part := range [...][2]rune{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, utf8.MaxRune}} {
		if a, b := max(lo, part[0]), min(hi, part[1]); a <= b {
			n.runes(from, a, b, to)
		}
	}
	for _, s := range short {
		if lo <= s.r && s.r <= hi {
			n.literal(from, `\`+string(rune(s.letter)), to)
		}
	}
	for r := max(lo, 0); r <= min(hi, 0x1f); r++ {
		n.literal(from, fmt.Sprintf(`\u%04x`, r), to)
		if upper := fmt.Sprintf(`\u%04X`, r); upper != fmt.Sprintf(`\u%04x`, r) {
			n.literal(from, upper, to)
		}
	}
}

// space reads up to limit white space characters.
func (n *nfa) space(from int32, limit int, to int32) {
	n.move(from, to)
	for range limit {
		next := n.state()
		for _, b := range []byte(" \t\n\r") {
			n.edge(from, b, b, next)
		}
		n.move(next, to)
		from = next
	}
}

// anyString is the expression of texts with low to high characters; high < 0:
// without bound.
func anyString(low, high int) *syntax.Regexp {
	any := &syntax.Regexp{Op: syntax.OpAnyChar}
	return &syntax.Regexp{Op: syntax.OpRepeat, Sub: []*syntax.Regexp{any}, Min: low, Max: high}
}

// stringDFA recognises a JSON string, after white space, whose text an
// expression matches: in one place, as in a schema, or from beginning to end.
// With a nil expression any text will do. Lengths are counted.
func stringDFA(re *syntax.Regexp, whole bool, space int, budget *budget) (*dfa, error) {
	n := newNFA(budget)
	start, quote, begin, end, closed := n.state(), n.state(), n.state(), n.state(), n.state()
	n.space(start, space, quote)
	n.edge(quote, '"', '"', begin)
	n.edge(end, '"', '"', closed)
	n.mark(begin)
	n.mark(end)
	if re == nil {
		n.anyText(begin)
		n.move(begin, end)
		return n.determinize(start, closed, true)
	}
	// The expression has a beginning and an end of its own inside the quotes,
	// so it is made deterministic by itself first.
	text, err := textDFA(re, whole, budget)
	if err != nil {
		return nil, err
	}
	n.embed(text, begin, end)
	return n.determinize(start, closed, true)
}

// expressionDFA recognises JSON strings whose text an expression matches.
func expressionDFA(text string, whole bool, budget *budget) (*dfa, error) {
	return looking(text, whole, budget, func(text string) (*dfa, error) {
		re, err := parseRegex(text)
		if err != nil {
			return nil, err
		}
		return stringDFA(re, whole, space, budget)
	})
}

// textDFA recognises the spelling of a text in JSON, without the quotes.
func textDFA(re *syntax.Regexp, whole bool, budget *budget) (*dfa, error) {
	n := newNFA(budget)
	r := &regex{nfa: n, spell: n.jsonRunes, labels: whole}
	begin, end := n.state(), n.state()
	from, to := begin, end
	if !whole {
		from, to = n.state(), n.state()
		n.move(begin, from)
		n.move(to, end)
		// What stands before and after is any text; where the expression
		// begins with ^ only the way around the first loop can be taken.
		before, after := n.state(), n.state()
		n.jsonRunes(begin, 0, utf8.MaxRune, before)
		n.jsonRunes(before, 0, utf8.MaxRune, before)
		n.move(before, from)
		n.jsonRunes(to, 0, utf8.MaxRune, after)
		n.jsonRunes(after, 0, utf8.MaxRune, after)
		n.move(after, end)
	}
	if err := r.add(re, from, to); err != nil {
		return nil, err
	}
	n.mark(begin)
	return n.determinize(begin, end, true)
}

// embed adds a dfa between two states.
func (n *nfa) embed(d *dfa, from, to int32) {
	first := int32(len(n.edges))
	for s := range d.states() {
		n.state()
		n.between[int(first)+s] = d.between != nil && d.between[s]
		if d.labels != nil {
			n.labels[int(first)+s] = d.labels[s]
		}
	}
	n.move(from, first+startState)
	for s := startState; s < d.states(); s++ {
		for b := range 256 {
			if next := d.step(int32(s), byte(b)); next != deadState {
				n.edge(first+int32(s), byte(b), byte(b), first+next)
			}
		}
		if d.accept[s] != 0 {
			n.move(first+int32(s), to)
		}
	}
}

// anyText reads any characters in any of their spellings, \uXXXX and pairs of
// surrogates included, and stays in the state at.
func (n *nfa) anyText(at int32) {
	for _, part := range [...][2]rune{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, utf8.MaxRune}} {
		n.runes(at, part[0], part[1], at)
	}
	escape := n.state()
	n.edge(at, '\\', '\\', escape)
	for _, s := range short {
		n.edge(escape, s.letter, s.letter, at)
	}
	code := n.state()
	n.edge(escape, 'u', 'u', code)
	last, last2, last3 := n.state(), n.state(), n.state() // one, two, three digits are left
	n.hex(code, "0123456789abcefABCEF", last3)
	n.hex(last3, anyHex, last2)
	n.hex(last2, anyHex, last)
	n.hex(last, anyHex, at)
	d := n.state() // D: then 0 to 7, or a pair
	n.hex(code, "dD", d)
	n.hex(d, "01234567", last2)
	high, high2, high3 := n.state(), n.state(), n.state()
	n.hex(d, "89abAB", high)
	n.hex(high, anyHex, high2)
	n.hex(high2, anyHex, high3)
	low, low2 := n.state(), n.state()
	n.literal(high3, `\u`, low)
	n.hex(low, "dD", low2)
	n.hex(low2, "cdefCDEF", last2)
}

const anyHex = "0123456789abcdefABCDEF"

func (n *nfa) hex(from int32, digits string, to int32) {
	for i := range len(digits) {
		n.edge(from, digits[i], digits[i], to)
	}
}

// quote spells a text as a JSON string, with as few escapes as possible.
func quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r < 0x20:
			out.WriteString(controlEscape(r))
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

func controlEscape(r rune) string {
	for _, s := range short {
		if s.r == r {
			return `\` + string(rune(s.letter))
		}
	}
	return fmt.Sprintf(`\u%04x`, r)
}

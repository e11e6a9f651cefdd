package grammar

import (
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// regex reads characters in some spelling.
type regex struct {
	*nfa
	// spell adds edges from a state to another that read one character of [lo, hi].
	spell  func(from int32, lo, hi rune, to int32)
	labels bool // the groups "label" and "sure" are those of labels.go
	depth  int
}

// parseRegex parses an expression of ECMA-262 with the flag u, as JSON Schema
// has it (2020-12 core, section 6.4). What has no automaton (back references,
// word boundaries, and look-around but for lookAheads) is refused.
func parseRegex(pattern string) (*syntax.Regexp, error) {
	translated, err := translateECMA(pattern)
	if err != nil {
		return nil, err
	}
	re, err := syntax.Parse(translated, syntax.Perl)
	if err != nil {
		return nil, failf("", "the expression %q: %s", pattern, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

// add adds what re matches between two states.
func (r *regex) add(re *syntax.Regexp, from, to int32) error {
	if r.err != nil {
		return r.err
	}
	if r.depth++; r.depth > 2*r.budget.depth {
		return &Error{Message: "the expression nests too deeply", Limit: true}
	}
	defer func() { r.depth-- }()
	switch re.Op {
	case syntax.OpNoMatch:
	case syntax.OpEmptyMatch:
		r.move(from, to)
	case syntax.OpLiteral:
		r.text(re, from, to)
	case syntax.OpCharClass:
		for i := 0; i < len(re.Rune); i += 2 {
			r.spell(from, re.Rune[i], re.Rune[i+1], to)
		}
	case syntax.OpAnyChar:
		r.spell(from, 0, utf8.MaxRune, to)
	case syntax.OpAnyCharNotNL:
		r.notNewline(from, to)
	case syntax.OpBeginText:
		r.moveWhen(from, to, atBegin)
	case syntax.OpEndText:
		r.moveWhen(from, to, atEnd)
	case syntax.OpCapture:
		return r.group(re, from, to)
	case syntax.OpConcat:
		return r.concat(re.Sub, from, to)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			if err := r.add(sub, from, to); err != nil {
				return err
			}
		}
	case syntax.OpStar:
		return r.repeat(re.Sub[0], 0, -1, from, to)
	case syntax.OpPlus:
		return r.repeat(re.Sub[0], 1, -1, from, to)
	case syntax.OpQuest:
		return r.repeat(re.Sub[0], 0, 1, from, to)
	case syntax.OpRepeat:
		return r.repeat(re.Sub[0], re.Min, re.Max, from, to)
	default:
		return failf("", "%s in a regular expression is not supported", describe(re.Op))
	}
	return r.err
}

// group reads what a group does, and marks its states where it is one of labels.
func (r *regex) group(re *syntax.Regexp, from, to int32) error {
	mark := map[string]labelMark{"label": openLabel, "sure": sureLabel}[re.Name]
	if !r.labels || mark == noLabel {
		return r.add(re.Sub[0], from, to)
	}
	end := r.state()
	if err := r.add(re.Sub[0], from, end); err != nil {
		return err
	}
	r.move(end, to)
	inside := r.nfa.labels[end:]
	for i := range inside {
		inside[i] = max(inside[i], mark)
	}
	return nil
}

func describe(op syntax.Op) string {
	if op == syntax.OpWordBoundary || op == syntax.OpNoWordBoundary {
		return `a word boundary (\b, \B)`
	}
	return op.String()
}

// notNewline reads any character but those that end a line in ECMA-262.
func (r *regex) notNewline(from, to int32) {
	for _, part := range [...][2]rune{{0, '\n' - 1}, {'\n' + 1, '\r' - 1}, {'\r' + 1, 0x2027}, {0x202a, utf8.MaxRune}} {
		r.spell(from, part[0], part[1], to)
	}
}

func (r *regex) text(re *syntax.Regexp, from, to int32) {
	for i, c := range re.Rune {
		next := to
		if i < len(re.Rune)-1 {
			next = r.state()
		}
		r.spell(from, c, c, next)
		if re.Flags&syntax.FoldCase != 0 {
			for _, other := range foldings(c) {
				r.spell(from, other, other, next)
			}
		}
		from = next
	}
}

func (r *regex) concat(list []*syntax.Regexp, from, to int32) error {
	for i, sub := range list {
		next := to
		if i < len(list)-1 {
			next = r.state()
		}
		if err := r.add(sub, from, next); err != nil {
			return err
		}
		from = next
	}
	if len(list) == 0 {
		r.move(from, to)
	}
	return nil
}

// repeat reads sub at least low times and at most high; -1: without bound.
func (r *regex) repeat(sub *syntax.Regexp, low, high int, from, to int32) error {
	for range low {
		next := r.state()
		if err := r.add(sub, from, next); err != nil {
			return err
		}
		from = next
	}
	if high < 0 {
		loop := r.state()
		r.move(from, loop)
		r.move(loop, to)
		return r.add(sub, loop, loop)
	}
	for range high - low {
		r.move(from, to)
		next := r.state()
		if err := r.add(sub, from, next); err != nil {
			return err
		}
		from = next
	}
	r.move(from, to)
	return nil
}

// regexDFA recognises texts, in UTF-8, that the expression matches from their
// beginning to their end.
func regexDFA(pattern string, budget *budget) (*dfa, error) {
	return looking(pattern, true, budget, func(text string) (*dfa, error) { return plainDFA(text, budget) })
}

// plainDFA is regexDFA without look-aheads.
func plainDFA(pattern string, budget *budget) (*dfa, error) {
	re, err := parseRegex(pattern)
	if err != nil {
		return nil, err
	}
	n := newNFA(budget)
	r := &regex{nfa: n, spell: n.runes}
	start, end := n.state(), n.state()
	if err := r.add(re, start, end); err != nil {
		return nil, err
	}
	return n.determinize(start, end, false)
}

// ecma holds the escapes that ECMA-262 and Go's syntax read differently, as
// what stands for them inside brackets.
var ecma = map[byte]string{
	's': `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`,
	'd': `0-9`,
	'w': `0-9A-Za-z_`,
	'/': `/`,
	'-': `\-`,
	'0': `\x{0}`,
}

// notSpace is ecma['s'] turned round.
const notSpace = `\x{0}-\x{8}\x{e}-\x{1f}!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`

// translateECMA rewrites an expression of ECMA-262 in Go's syntax.
func translateECMA(pattern string) (string, error) {
	if !utf8.ValidString(pattern) {
		return "", failf("", "the expression is not valid UTF-8")
	}
	var out strings.Builder
	class := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\':
			text, size, err := translateEscape(pattern[i:], class)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			i += size - 1
			continue
		case class && c == ']':
			class = false
		case class && c == '[':
			out.WriteByte('\\')
		case !class && c == '[':
			class = true
			switch rest := pattern[i:]; {
			case strings.HasPrefix(rest, "[]"): // nothing
				out.WriteString(`[^\x{0}-\x{10ffff}]`)
				class, i = false, i+1
				continue
			case strings.HasPrefix(rest, "[^]"): // anything
				out.WriteString(`[\x{0}-\x{10ffff}]`)
				class, i = false, i+2
				continue
			}
		case !class && c == '(' && strings.HasPrefix(pattern[i:], "(?"):
			if err := checkGroup(pattern[i:]); err != nil {
				return "", err
			}
		}
		out.WriteByte(c)
	}
	return out.String(), nil
}

// checkGroup refuses groups that ECMA-262 does not have or that no automaton
// can follow.
func checkGroup(rest string) error {
	for _, begin := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.HasPrefix(rest, begin) {
			return failf("", "look-around (%s...) in a regular expression is not supported", begin)
		}
	}
	for _, begin := range []string{"(?:", "(?<", "(?P<"} {
		if strings.HasPrefix(rest, begin) {
			return nil
		}
	}
	return failf("", "the group %.4q of a regular expression is not supported", rest)
}

// translateEscape rewrites the escape that text begins with, of size bytes.
func translateEscape(text string, class bool) (out string, size int, err error) {
	if len(text) < 2 {
		return "", 0, failf("", "the expression ends in a backslash")
	}
	bracket := func(s string) string {
		if class {
			return s
		}
		return "[" + s + "]"
	}
	c := text[1]
	switch {
	case c == 'S':
		return bracket(notSpace), 2, nil
	case c >= '1' && c <= '9', c == 'k':
		return "", 0, failf("", "back references (%s) in a regular expression are not supported", text[:2])
	case c == 'b' && class:
		return `\x{8}`, 2, nil
	case c == 'c' && len(text) > 2 && letter(text[2]):
		return bracket(`\x{` + strconv.FormatInt(int64(text[2]&31), 16) + `}`), 3, nil
	case c == 'u' || c == 'x':
		r, size, ok := codeEscape(text)
		if !ok {
			return "", 0, failf("", "%.8q in a regular expression is no escape", text)
		}
		return `\x{` + strconv.FormatInt(int64(r), 16) + `}`, size, nil
	}
	if s, ok := ecma[c]; ok {
		return bracket(s), 2, nil
	}
	return text[:2], 2, nil
}

func letter(b byte) bool { b |= 0x20; return b >= 'a' && b <= 'z' }

// codeEscape reads \xHH, \uHHHH (also as a pair of surrogates) or \u{H...}.
func codeEscape(text string) (r rune, size int, ok bool) {
	if strings.HasPrefix(text, `\u{`) || strings.HasPrefix(text, `\x{`) {
		digits, _, found := strings.Cut(text[3:], "}")
		v, err := strconv.ParseUint(digits, 16, 32)
		return rune(v), len(digits) + 4, found && err == nil && v <= utf8.MaxRune
	}
	n := 4
	if text[1] == 'x' {
		n = 2
	}
	if len(text) < 2+n {
		return 0, 0, false
	}
	v, err := strconv.ParseUint(text[2:2+n], 16, 32)
	if err != nil {
		return 0, 0, false
	}
	if v >= 0xd800 && v < 0xdc00 && len(text) >= 12 && text[6:8] == `\u` {
		if low, err := strconv.ParseUint(text[8:12], 16, 32); err == nil && low >= 0xdc00 && low < 0xe000 {
			return rune((v-0xd800)<<10 + (low - 0xdc00) + 0x10000), 12, true
		}
	}
	return rune(v), 2 + n, v < 0xd800 || v >= 0xe000
}

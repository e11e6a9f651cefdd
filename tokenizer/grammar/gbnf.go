package grammar

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// GBNF compiles a grammar in the notation of llama.cpp (grammars/README.md
// there): rules name ::= alternatives, of literals, classes of characters,
// names and groups with * + ? {m,n}. The text is what the rule root stands for.
func (c *Compiler) GBNF(text string) (*Grammar, error) {
	return c.compile("gbnf", text, func(b *budget) (symbol, error) {
		p := &gbnfParser{text: text, line: 1, rules: map[string]*gbnf{}, depth: b.depth}
		if err := p.parse(); err != nil {
			return nil, err
		}
		g := &gbnfCompiler{rules: p.rules, budget: b, made: map[string]*rule{}, terminals: map[*gbnf]*terminal{}}
		return g.compile()
	})
}

// gbnfKind is what a node of a grammar is.
type gbnfKind uint8

const (
	gbnfText gbnfKind = iota
	gbnfClass
	gbnfName
	gbnfSequence
	gbnfChoice
	gbnfRepeat
)

// gbnf is a node of a grammar.
type gbnf struct {
	kind      gbnfKind
	text      string    // literal or name
	ranges    [][2]rune // of a class
	list      []*gbnf   // of a sequence, choice or repetition (one)
	low, high int       // of a repetition; high < 0: no limit
	line      int
}

type gbnfParser struct {
	text  string
	at    int
	line  int
	depth int
	rules map[string]*gbnf
}

func (p *gbnfParser) fail(format string, args ...any) error {
	return failf("line "+strconv.Itoa(p.line), format, args...)
}

func (p *gbnfParser) parse() error {
	if !utf8.ValidString(p.text) {
		return failf("", "the grammar is not valid UTF-8")
	}
	for p.space(true); p.at < len(p.text); p.space(true) {
		name, line := p.name(), p.line
		if name == "" {
			return p.fail("want the name of a rule, not %q", p.next(8))
		}
		p.space(false)
		if !p.take("::=") {
			return p.fail("want ::= after the name %q", name)
		}
		if p.rules[name] != nil {
			return p.fail("the rule %q stands twice", name)
		}
		p.space(true)
		node, err := p.choice(p.depth, false)
		if err != nil {
			return err
		}
		if node.line = line; p.at < len(p.text) && p.text[p.at] != '\n' && p.text[p.at] != '\r' {
			return p.fail("%q does not belong here", p.next(8))
		}
		p.rules[name] = node
	}
	if p.rules["root"] == nil {
		return failf("", "the grammar has no rule named root")
	}
	return nil
}

// next returns up to n bytes of what follows, for a message.
func (p *gbnfParser) next(n int) string {
	rest := p.text[p.at:]
	return strings.ToValidUTF8(rest[:min(n, len(rest))], "")
}

func (p *gbnfParser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

// space skips blanks and comments, and line ends where they do not matter.
func (p *gbnfParser) space(lines bool) {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t':
		case c == '#':
			for p.at+1 < len(p.text) && p.text[p.at+1] != '\n' {
				p.at++
			}
		case lines && (c == '\n' || c == '\r'):
			if c == '\n' {
				p.line++
			}
		default:
			return
		}
	}
}

func (p *gbnfParser) name() string {
	from := p.at
	for p.at < len(p.text) && (letter(p.text[p.at]) || p.text[p.at] >= '0' && p.text[p.at] <= '9' || p.text[p.at] == '-' || p.text[p.at] == '_') {
		p.at++
	}
	return p.text[from:p.at]
}

// choice reads alternatives. Inside a group a line may end anywhere; outside
// only around |.
func (p *gbnfParser) choice(depth int, group bool) (*gbnf, error) {
	if depth == 0 {
		return nil, &Error{Where: "line " + strconv.Itoa(p.line), Message: "the grammar nests too deeply", Limit: true}
	}
	node := &gbnf{kind: gbnfChoice, line: p.line}
	for {
		s, err := p.sequence(depth, group)
		if err != nil {
			return nil, err
		}
		node.list = append(node.list, s)
		at, line := p.at, p.line
		p.space(true)
		if !p.take("|") {
			p.at, p.line = at, line
			break
		}
		p.space(true)
	}
	if len(node.list) == 1 {
		return node.list[0], nil
	}
	return node, nil
}

func (p *gbnfParser) sequence(depth int, group bool) (*gbnf, error) {
	node := &gbnf{kind: gbnfSequence, line: p.line}
	for {
		p.space(group)
		item, err := p.item(depth)
		if err != nil {
			return nil, err
		}
		if item == nil {
			return node, nil
		}
		for {
			p.space(group)
			repeated, err := p.repeat(item)
			if err != nil {
				return nil, err
			}
			if repeated == nil {
				break
			}
			item = repeated
		}
		node.list = append(node.list, item)
	}
}

// item reads one item; nil where there is none.
func (p *gbnfParser) item(depth int) (*gbnf, error) {
	if p.at == len(p.text) {
		return nil, nil
	}
	line := p.line
	switch c := p.text[p.at]; {
	case c == '"':
		return p.literal()
	case c == '[':
		return p.class()
	case c == '.':
		p.at++
		return &gbnf{kind: gbnfClass, ranges: [][2]rune{{0, utf8.MaxRune}}, line: line}, nil
	case c == '(':
		p.at++
		p.space(true)
		node, err := p.choice(depth-1, true)
		if err != nil {
			return nil, err
		}
		p.space(true)
		if !p.take(")") {
			return nil, p.fail("want ) for the ( of line %d", line)
		}
		return node, nil
	}
	if name := p.name(); name != "" {
		return &gbnf{kind: gbnfName, text: name, line: line}, nil
	}
	return nil, nil
}

func (p *gbnfParser) literal() (*gbnf, error) {
	node := &gbnf{kind: gbnfText, line: p.line}
	var text strings.Builder
	for p.at++; ; {
		if p.at == len(p.text) || p.text[p.at] == '\n' {
			return nil, p.fail("the literal has no end")
		}
		if p.take(`"`) {
			node.text = text.String()
			return node, nil
		}
		r, err := p.character()
		if err != nil {
			return nil, err
		}
		text.WriteRune(r)
	}
}

// character reads one character of a literal or a class, or its escape.
func (p *gbnfParser) character() (rune, error) {
	if p.text[p.at] != '\\' {
		r, size := utf8.DecodeRuneInString(p.text[p.at:])
		p.at += size
		return r, nil
	}
	if p.at++; p.at == len(p.text) {
		return 0, p.fail("an escape has no end")
	}
	c := p.text[p.at]
	p.at++
	digits := 0
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '"', '\\', '[', ']', '-', '^':
		return rune(c), nil
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return 0, p.fail("\\%c is no escape", c)
	}
	if len(p.text)-p.at < digits {
		return 0, p.fail("\\%c wants %d digits", c, digits)
	}
	v, err := strconv.ParseUint(p.text[p.at:p.at+digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(v)) {
		return 0, p.fail("\\%c%s is no character", c, p.text[p.at:p.at+digits])
	}
	p.at += digits
	return rune(v), nil
}

func (p *gbnfParser) class() (*gbnf, error) {
	node := &gbnf{kind: gbnfClass, line: p.line}
	p.at++
	negated := p.take("^")
	for !p.take("]") {
		if p.at == len(p.text) || p.text[p.at] == '\n' {
			return nil, p.fail("the class has no end")
		}
		lo, err := p.character()
		if err != nil {
			return nil, err
		}
		hi := lo
		if strings.HasPrefix(p.text[p.at:], "-") && !strings.HasPrefix(p.text[p.at:], "-]") && p.at+1 < len(p.text) {
			p.at++
			if hi, err = p.character(); err != nil {
				return nil, err
			}
		}
		if hi < lo {
			return nil, p.fail("the range %q-%q is empty", lo, hi)
		}
		node.ranges = append(node.ranges, [2]rune{lo, hi})
	}
	if negated {
		node.ranges = complement(node.ranges)
	}
	return node, nil
}

// complement returns the characters outside the ranges.
func complement(ranges [][2]rune) [][2]rune {
	slices.SortFunc(ranges, func(a, b [2]rune) int { return int(a[0] - b[0]) })
	var rest [][2]rune
	next := rune(0)
	for _, r := range ranges {
		if r[0] > next {
			rest = append(rest, [2]rune{next, r[0] - 1})
		}
		next = max(next, r[1]+1)
	}
	if next <= utf8.MaxRune {
		rest = append(rest, [2]rune{next, utf8.MaxRune})
	}
	return rest
}

// maxRepeat bounds the numbers in braces.
const maxRepeat = 10_000

// repeat reads what says how often the item before comes; nil where nothing does.
func (p *gbnfParser) repeat(item *gbnf) (*gbnf, error) {
	node := &gbnf{kind: gbnfRepeat, list: []*gbnf{item}, high: -1, line: p.line}
	switch {
	case p.take("*"):
	case p.take("+"):
		node.low = 1
	case p.take("?"):
		node.high = 1
	case p.take("{"):
		end := strings.IndexByte(p.text[p.at:], '}')
		if end < 0 {
			return nil, p.fail("want } for {")
		}
		low, high, two := strings.Cut(p.text[p.at:p.at+end], ",")
		p.at += end + 1
		var err error
		if node.low, err = strconv.Atoi(strings.TrimSpace(low)); err != nil || node.low < 0 || node.low > maxRepeat {
			return nil, p.fail("{%s} is no number from 0 to %d", low, maxRepeat)
		}
		if high = strings.TrimSpace(high); !two {
			node.high = node.low
		} else if high != "" {
			if node.high, err = strconv.Atoi(high); err != nil || node.high < node.low || node.high > maxRepeat {
				return nil, p.fail("{%s,%s}: the second must be a number from the first to %d", low, high, maxRepeat)
			}
		}
	default:
		return nil, nil
	}
	return node, nil
}

package regex

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is an expression that cannot be used.
type Error struct {
	Source  string
	Offset  int // in Source, in bytes
	Message string
}

func (e *Error) Error() string {
	return fmt.Sprintf("the expression %q, byte %d: %s", e.Source, e.Offset, e.Message)
}

const (
	maxDepth  = 100
	maxRepeat = 1000
)

// parser reads an expression, by recursive descent. An error ends it as a panic
// of *Error, which parse returns.
type parser struct {
	source  string
	at      int
	depth   int
	options options
	classes Classes
}

// options are what (?imx) sets.
type options struct {
	fold   bool // i: case does not count
	all    bool // m: . is a line end, too
	spaced bool // x: white space and comments do not count
}

func (p *parser) parse() (n *node, err error) {
	defer func() {
		if e := recover(); e != nil {
			failed, ok := e.(*Error)
			if !ok {
				panic(e)
			}
			err = failed
		}
	}()
	if !utf8.ValidString(p.source) {
		p.fail("is not UTF-8")
	}
	n = p.alternation()
	if p.at < len(p.source) {
		p.fail("a ) without a (")
	}
	return n, nil
}

func (p *parser) fail(format string, args ...any) {
	panic(&Error{Source: p.source, Offset: p.at, Message: fmt.Sprintf(format, args...)})
}

// accept skips a text if it comes next.
func (p *parser) accept(text string) bool {
	if !strings.HasPrefix(p.source[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

func (p *parser) need(text string) {
	if !p.accept(text) {
		p.fail("%s is missing", text)
	}
}

func (p *parser) next() rune {
	if p.at >= len(p.source) {
		p.fail("ends too early")
	}
	r, n := utf8.DecodeRuneInString(p.source[p.at:])
	p.at += n
	return r
}

// ends reports whether an alternative ends here.
func (p *parser) ends() bool {
	return p.at == len(p.source) || p.source[p.at] == '|' || p.source[p.at] == ')'
}

func (p *parser) alternation() *node {
	if p.depth++; p.depth > maxDepth {
		p.fail("is too deep")
	}
	defer func() { p.depth-- }()
	list := []*node{p.sequence()}
	for p.accept("|") {
		list = append(list, p.sequence())
	}
	return &node{kind: alternation, subs: list}
}

func (p *parser) sequence() *node {
	s := &node{kind: sequence}
	for p.skip(); !p.ends(); p.skip() {
		s.subs = append(s.subs, p.repeated())
	}
	return s
}

// skip passes over comments and, where it does not count, white space.
func (p *parser) skip() {
	for {
		switch {
		case p.accept("(?#"):
			p.comment()
		case p.options.spaced && p.accept("#"):
			line, _, _ := strings.Cut(p.source[p.at:], "\n")
			p.at += len(line)
		case p.options.spaced && p.at < len(p.source) && strings.IndexByte(" \t\n\v\f\r", p.source[p.at]) >= 0:
			p.at++
		default:
			return
		}
	}
}

// comment skips the rest of one and its end; a ) after a \ is none.
func (p *parser) comment() {
	for !p.accept(")") {
		if p.at == len(p.source) {
			p.fail(") is missing")
		}
		if p.accept(`\`) && p.at == len(p.source) {
			p.fail(") is missing")
		}
		p.at++
	}
}

// until skips a text and what comes before it, which it returns.
func (p *parser) until(text string) string {
	before, _, ok := strings.Cut(p.source[p.at:], text)
	if !ok {
		p.fail("%s is missing", text)
	}
	p.at += len(before) + len(text)
	return before
}

// repeated reads an atom and how often it comes.
func (p *parser) repeated() *node {
	n := p.atom()
	for p.skip(); p.at < len(p.source); p.skip() {
		least, most := 0, -1
		counted, fixed := false, false
		switch {
		case p.accept("*"):
		case p.accept("+"):
			least = 1
		case p.accept("?"):
			most = 1
		case counts.MatchString(p.source[p.at:]):
			from := p.at
			least, most = p.count()
			counted, fixed = true, !strings.Contains(p.source[from:p.at], ",")
		default:
			return n
		}
		n = &node{kind: repetition, subs: []*node{n}, least: least, most: most}
		switch {
		case !fixed && p.accept("?"): // of {n} it makes all optional
			n.mode = lazy
		case !counted && p.accept("+"): // of a count it repeats once more
			n.mode = possessive
		}
	}
	return n
}

// counts is how often something comes; any other { is text.
var counts = regexp.MustCompile(`^\{(\d+(,\d*)?|,\d+)\}`)

func (p *parser) count() (least, most int) {
	p.need("{")
	none := p.accept(",")
	if !none {
		least = p.number()
	}
	most = least
	if none || p.accept(",") {
		if most = -1; none || !p.accept("}") {
			most = p.number()
			p.need("}")
		}
	} else {
		p.need("}")
	}
	if most >= 0 && most < least {
		p.fail("repeats from %d to %d times", least, most)
	}
	return least, most
}

func (p *parser) number() int {
	n, from := 0, p.at
	for p.at < len(p.source) && p.source[p.at] >= '0' && p.source[p.at] <= '9' {
		if n = 10*n + int(p.source[p.at]-'0'); n > maxRepeat {
			p.fail("repeats more than %d times", maxRepeat)
		}
		p.at++
	}
	if p.at == from {
		p.fail("a number is missing")
	}
	return n
}

func (p *parser) atom() *node {
	switch r := p.next(); r {
	case '(':
		return p.group()
	case '[':
		return p.one(p.class())
	case '.':
		if p.options.all {
			return p.one(anything())
		}
		return p.one(noLineEnd())
	case '^':
		return &node{op: opLineBegin}
	case '$':
		return &node{op: opLineEnd}
	case '*', '+', '?':
		p.fail("%c has nothing to repeat", r)
	case '\\':
		return p.escaped()
	default:
		return p.one(&set{ranges: [][2]rune{{r, r}}})
	}
	return nil
}

// one is a rune of a set.
func (p *parser) one(s *set) *node {
	s.fold = s.fold || p.options.fold
	return &node{op: opSet, set: s.seal()}
}

// group reads what follows a (.
func (p *parser) group() *node {
	outer := p.options
	defer func() { p.options = outer }()
	n := &node{kind: sequence}
	switch {
	case p.accept("?=") || p.accept("?!"):
		n = &node{op: opLook, not: p.source[p.at-1] == '!'}
	case p.accept("?<=") || p.accept("?<!"):
		n = &node{op: opBehind, not: p.source[p.at-1] == '!'}
	case p.accept("?>"):
		n = &node{op: opAtomic}
	case p.accept("?:"):
	case p.accept("?<") || p.accept("?'"):
		p.name(p.source[p.at-1])
	case p.accept("?"):
		if p.set(); p.source[p.at-1] == ')' { // for the rest of the alternation
			n.subs = []*node{p.alternation()}
			return n
		}
	}
	body := p.alternation()
	p.need(")")
	n.subs = []*node{body}
	if n.op == opBehind && n.kind == single {
		if n.set = onlySet(body); n.set != nil {
			n.subs = nil
		} else if n.most = body.width(); n.most < 0 {
			p.fail("what is looked back at has no greatest length")
		}
	}
	return n
}

// name skips the name of a group and what ends it. Nothing can refer to the group.
func (p *parser) name(begin byte) {
	end := ">"
	if begin == '\'' {
		end = "'"
	}
	if p.until(end) == "" {
		p.fail("the name of a group is missing")
	}
}

// set reads options and the : or ) behind them.
func (p *parser) set() {
	for on := true; ; {
		switch p.next() {
		case '-':
			on = false
		case 'i':
			p.options.fold = on
		case 'm':
			p.options.all = on
		case 'x':
			p.options.spaced = on
		case ':', ')':
			return
		default:
			p.fail("this group is not supported")
		}
	}
}

// onlySet returns the set of a node that is one; nil: it is something else.
func onlySet(n *node) *set {
	for n.kind != single && len(n.subs) == 1 && n.kind != repetition {
		n = n.subs[0]
	}
	if n.kind == single && n.op == opSet {
		return n.set
	}
	return nil
}

// escaped reads what follows a \ outside a class.
func (p *parser) escaped() *node {
	for text, op := range map[string]op{"A": opTextBegin, "z": opTextEnd, "Z": opLastEnd, "X": opSeen} {
		if p.accept(text) {
			return &node{op: op}
		}
	}
	switch {
	case p.accept("b") || p.accept("B"):
		return &node{op: opWord, not: p.source[p.at-1] == 'B', set: p.property("word", false).seal()}
	case p.accept("R"):
		inner := parser{source: `(?>\r\n|[\n-\r\x85\x{2028}\x{2029}])`, classes: p.classes}
		return inner.alternation()
	case p.accept("N"):
		return p.one(noLineEnd())
	case p.accept("O"):
		return p.one(anything())
	}
	s := p.escape(false)
	if len(s.classes) > 0 { // outside of brackets a property does not fold
		return &node{op: opSet, set: s.seal()}
	}
	return p.one(s)
}

// escape reads what follows a \ as a set, within a class or not.
func (p *parser) escape(within bool) *set {
	r := p.next()
	switch r {
	case 'p', 'P':
		p.need("{")
		negate := p.accept("^")
		end := strings.IndexByte(p.source[p.at:], '}')
		if end < 0 {
			p.fail("} is missing")
		}
		s := p.property(p.source[p.at:p.at+end], within)
		p.at += end + 1
		s.negate = negate != (r == 'P')
		return s
	case 's', 'd', 'w', 'S', 'D', 'W':
		s := p.property(map[rune]string{'s': "Space", 'd': "Nd", 'w': "word"}[unicode.ToLower(r)], within)
		s.negate = unicode.IsUpper(r)
		return s
	case 'h', 'H':
		return &set{ranges: [][2]rune{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, negate: r == 'H'}
	case 'x', 'u':
		r = p.hex(r)
	default:
		plain := strings.IndexByte("nrtfvaeb", byte(min(r, 127)))
		switch {
		case plain >= 0:
			r = rune("\n\r\t\f\v\a\x1b\b"[plain]) // \b only in a class comes here
		case strings.ContainsRune("EFIJLQTUVijlmq", r): // these stand for themselves
		case r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			p.fail(`\%c is not supported`, r)
		}
	}
	return &set{ranges: [][2]rune{{r, r}}}
}

// property returns the set of a property. Numbers of Latin-1 (superscripts and fractions) are of
// words, but Oniguruma does not know them within a class.
func (p *parser) property(name string, within bool) *set {
	s := &set{}
	if strings.EqualFold(name, "word") {
		name = `\w`
		if !within {
			s.ranges = [][2]rune{{'²', '³'}, {'¹', '¹'}, {'¼', '¾'}}
		}
	}
	is := p.classes(name)
	if is == nil {
		p.fail("the property %q is not known", name)
	}
	s.classes = []func(rune) bool{is}
	return s
}

// hex reads \xHH, \x{H...} or \uHHHH.
func (p *parser) hex(kind rune) rune {
	digits := 2
	if kind == 'u' {
		digits = 4
	}
	open := kind == 'x' && p.accept("{")
	value, from := rune(0), p.at
	for p.at < len(p.source) && (open || p.at < from+digits) {
		d := strings.IndexByte("0123456789abcdef", p.source[p.at]|0x20)
		if d < 0 {
			break
		}
		if value = value<<4 | rune(d); value > unicode.MaxRune {
			p.fail("is no code point")
		}
		p.at++
	}
	if p.at == from {
		p.fail("a hexadecimal number is missing")
	}
	if open {
		p.need("}")
	}
	return value
}

// class reads what follows a [.
func (p *parser) class() *set {
	if p.depth++; p.depth > maxDepth {
		p.fail("is too deep")
	}
	defer func() { p.depth-- }()
	all := &set{negate: p.accept("^")}
	operand := &set{}
	for first := true; ; first = false {
		if !first && p.accept("]") {
			break
		}
		if p.accept("&&") {
			all.and = append(all.and, operand)
			operand = &set{}
			continue
		}
		p.member(operand)
	}
	if len(all.and) == 0 {
		operand.negate = all.negate
		operand.fold = p.options.fold
		return operand
	}
	all.and = append(all.and, operand)
	all.ranges = [][2]rune{{0, unicode.MaxRune}}
	return all
}

// posix reads what follows a [: within a class.
func (p *parser) posix() *set {
	negate := p.accept("^")
	name, _, _ := strings.Cut(p.source[p.at:], ":]")
	members, ok := map[string]string{
		"alnum": `\p{Alnum}`, "alpha": `\p{Alpha}`, "ascii": `\x00-\x7f`, "blank": `\t\p{Zs}`, "cntrl": `\p{Cc}`, "digit": `\p{Nd}`,
		"graph": `^\s\p{Cn}\p{Cc}`, "lower": `\p{Lower}`, "print": `^\p{Cn}\p{Cc}\p{Zl}\p{Zp}`, "punct": `\p{P}\p{S}`, "space": `\s`, "upper": `\p{Upper}`, "word": `\w`, "xdigit": `\h`,
	}[name]
	if !ok {
		p.fail("the class [:%.20s is not supported", name)
	}
	p.need(name)
	p.need(":]")
	inner := parser{source: members + "]", classes: p.classes}
	s := inner.class()
	s.negate = s.negate != negate
	return s
}

// member reads a rune, a range, an escape or a class within a class.
func (p *parser) member(s *set) {
	low, single := p.classRune(s)
	if !single || !strings.HasPrefix(p.source[p.at:], "-") || strings.HasPrefix(p.source[p.at:], "-]") {
		if single {
			s.ranges = append(s.ranges, [2]rune{low, low})
		}
		return
	}
	p.need("-")
	high, single := p.classRune(s)
	if !single || high < low {
		p.fail("is no range")
	}
	s.ranges = append(s.ranges, [2]rune{low, high})
}

// classRune reads a rune, or adds what stands for many to the set.
func (p *parser) classRune(s *set) (r rune, single bool) {
	switch r = p.next(); r {
	case '[':
		if p.accept(":") {
			s.parts = append(s.parts, p.posix())
			return 0, false
		}
		fold := p.options.fold
		p.options.fold = false // the outer class does
		s.parts = append(s.parts, p.class())
		p.options.fold = fold
		return 0, false
	case '\\':
		e := p.escape(true)
		if len(e.ranges) == 1 && !e.negate {
			return e.ranges[0][0], true
		}
		s.parts = append(s.parts, e)
		return 0, false
	}
	return r, true
}

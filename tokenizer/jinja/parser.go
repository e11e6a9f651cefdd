package jinja

import (
	"slices"
	"strings"
)

// Limits of the source, so that neither parsing nor walking the tree can
// exhaust the stack.
const (
	maxSource  = 1 << 20 // bytes
	maxNesting = 200     // expressions inside each other
	maxBodies  = 64      // statements inside each other
	maxChain   = 2000    // operators, filters and the like in one tag
)

// parser makes the tree. It fails by panicking with a parseError, which parse
// turns into an error.
type parser struct {
	tokens  []token
	pos     int
	tags    []string   // the open statements
	ends    [][]string // the tags that each open body waits for
	nesting int
	chain   int // links since the last tag
}

type parseError struct{ err error }

// catch, deferred, returns the error of a parseError that was the panic.
func catch(err *error) {
	if e := recover(); e != nil {
		failed, ok := e.(parseError)
		if !ok {
			panic(e)
		}
		*err = failed.err
	}
}

func parse(tokens []token) (body []stmt, err error) {
	defer catch(&err)
	p := &parser{tokens: tokens}
	p.check()
	return p.body(nil), nil
}

func (p *parser) current() *token { return &p.tokens[p.pos] }

// look returns the token after the current one.
func (p *parser) look() *token {
	next := &p.tokens[min(p.pos+1, len(p.tokens)-1)]
	if next.err != nil {
		panic(parseError{next.err})
	}
	return next
}

// check fails where the lexer did.
func (p *parser) check() {
	if err := p.current().err; err != nil {
		panic(parseError{err})
	}
}

// next goes to the next token and returns the one before it.
func (p *parser) next() *token {
	t := p.current()
	if t.typ != tokEOF {
		p.pos++
		p.check()
	}
	return t
}

func (p *parser) fail(line int, format string, args ...any) {
	panic(parseError{syntaxError(line, format, args...)})
}

// deeper notes that the parser goes into something; shallower ends it.
func (p *parser) deeper() {
	if p.nesting++; p.nesting > maxNesting {
		p.tooDeep()
	}
}

func (p *parser) shallower() { p.nesting-- }

// link notes that the tree gets deeper to the left.
func (p *parser) link() {
	if p.chain++; p.chain > maxChain {
		p.tooDeep()
	}
}

func (p *parser) tooDeep() {
	e := recursionError().(*Error)
	e.Phase, e.Line = PhaseCompile, p.current().line
	panic(parseError{e})
}

// is reports whether a token has a type, or is a name: "comma", "name:in".
func (t *token) is(what string) bool {
	if name, ok := strings.CutPrefix(what, "name:"); ok {
		return t.typ == tokName && t.text == name
	}
	return t.typ == what
}

func (p *parser) at(what ...string) bool { return slices.ContainsFunc(what, p.current().is) }

func (p *parser) skipIf(what string) bool {
	if !p.at(what) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(what string) *token {
	t := p.current()
	switch {
	case t.is(what):
		return p.next()
	case t.typ == tokEOF:
		p.fail(t.line, "unexpected end of template, expected %s.", quote(describe(what)))
	default:
		p.fail(t.line, "expected token %s, got %s", quote(describe(what)), quote(t.describe()))
	}
	return nil
}

func (t *token) describe() string {
	if t.typ == tokName {
		return t.text
	}
	return describe(t.typ)
}

// describe names a token type for a message.
func describe(what string) string {
	switch what {
	case tokBegin:
		return "begin of statement block"
	case tokEnd:
		return "end of statement block"
	case tokVarBegin:
		return "begin of print statement"
	case tokVarEnd:
		return "end of print statement"
	case tokData:
		return "template data / text"
	case tokEOF:
		return "end of template"
	}
	for _, op := range operatorNames {
		if op[1] == what {
			return op[0]
		}
	}
	return strings.TrimPrefix(what, "name:")
}

// body parses text and statements up to a tag of ends, or to the end of the
// template where ends is nil.
func (p *parser) body(ends []string) []stmt {
	if ends != nil {
		if p.ends = append(p.ends, ends); len(p.ends) > maxBodies {
			p.tooDeep()
		}
		defer func() { p.ends = p.ends[:len(p.ends)-1] }()
	}
	var list []stmt
	for p.current().typ != tokEOF {
		p.chain = 0
		t := p.current()
		switch t.typ {
		case tokData:
			list = append(list, &dataStmt{lineNo(t.line), t.text})
			p.next()
		case tokVarBegin:
			p.next()
			x := p.tuple(tupleRule{})
			list = append(list, &outputStmt{lineNo(x.line()), x})
			p.expect(tokVarEnd)
		default: // tokBegin: nothing else can come outside a tag
			p.next()
			if ends != nil && p.at(ends...) {
				return list
			}
			list = append(list, p.statement())
			p.expect(tokEnd)
		}
	}
	return list
}

// until parses the rest of a tag and the body up to one of the ends, which
// becomes the current token.
func (p *parser) until(ends ...string) []stmt {
	p.skipIf("colon")
	p.expect(tokEnd)
	list := p.body(ends)
	if p.current().typ == tokEOF {
		p.failTag("", append(slices.Clone(p.ends), ends))
	}
	return list
}

// untilEnd parses a body and its end tag.
func (p *parser) untilEnd(end string) []stmt {
	list := p.until("name:" + end)
	p.next()
	return list
}

// failTag says that a tag is unknown, or with "" that the template ends, and
// what was expected instead.
func (p *parser) failTag(name string, ends [][]string) {
	message := "Unexpected end of template."
	if name != "" {
		message = "Encountered unknown tag " + quote(name) + "."
	}
	if len(ends) > 0 {
		expected := false
		for _, list := range ends {
			expected = expected || slices.Contains(list, "name:"+name)
		}
		var looking []string
		for _, end := range ends[len(ends)-1] {
			looking = append(looking, quote(describe(end)))
		}
		if text := strings.Join(looking, " or "); expected {
			message += " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for " + text + "."
		} else {
			message += " Jinja was looking for the following tags: " + text + "."
		}
	}
	if len(p.tags) > 0 {
		message += " The innermost block that needs to be closed is " + quote(p.tags[len(p.tags)-1]) + "."
	}
	p.fail(p.current().line, "%s", message)
}

// statement parses a tag and what belongs to it, up to the end of its last tag.
func (p *parser) statement() stmt {
	t := p.current()
	if t.typ != tokName {
		p.fail(t.line, "tag name expected")
	}
	rule := statementRule(t.text)
	if rule == nil {
		p.failTag(t.text, p.ends)
	}
	p.tags = append(p.tags, t.text)
	p.next()
	s := rule(p, lineNo(t.line))
	p.tags = p.tags[:len(p.tags)-1]
	return s
}

// statementRule returns what parses a statement after its name.
func statementRule(name string) func(*parser, lineNo) stmt {
	switch name {
	case "for":
		return (*parser).forLoop
	case "if":
		return (*parser).ifElse
	case "set":
		return (*parser).set
	case "with":
		return (*parser).with
	case "macro":
		return (*parser).macro
	case "call":
		return (*parser).callBlock
	case "filter":
		return (*parser).filterBlock
	case "print":
		return (*parser).print
	case "block":
		return (*parser).block
	case "autoescape":
		return (*parser).autoescape
	case "generation":
		return (*parser).generation
	case "extends", "include":
		return func(p *parser, l lineNo) stmt { return p.load(l, name) }
	case "import":
		return (*parser).importAs
	case "from":
		return (*parser).importNames
	case "break":
		return func(_ *parser, l lineNo) stmt { return &breakStmt{l} }
	case "continue":
		return func(_ *parser, l lineNo) stmt { return &continueStmt{l} }
	}
	return nil
}

func (p *parser) forLoop(l lineNo) stmt {
	n := &forStmt{lineNo: l}
	n.target = p.target(tupleRule{}, roleStore)
	p.expect("name:in")
	n.iter = p.tuple(tupleRule{noCondition: true})
	if p.skipIf("name:if") {
		n.test = p.expression()
	}
	n.recursive = p.skipIf("name:recursive")
	n.body = p.until("name:endfor", "name:else")
	if p.next().text == "else" {
		n.orElse = p.untilEnd("endfor")
	}
	return n
}

func (p *parser) ifElse(l lineNo) stmt {
	n := &ifStmt{lineNo: l}
	for {
		n.tests = append(n.tests, p.tuple(tupleRule{noCondition: true}))
		n.bodies = append(n.bodies, p.until("name:elif", "name:else", "name:endif"))
		p.chain = 0
		switch p.next().text {
		case "elif":
			continue
		case "else":
			n.orElse = p.untilEnd("endif")
		}
		return n
	}
}

func (p *parser) set(l lineNo) stmt {
	target := p.target(tupleRule{namespaces: true}, roleStore)
	if p.skipIf("assign") {
		return &assignStmt{l, target, p.tuple(tupleRule{})}
	}
	n := &assignBlockStmt{lineNo: l, target: target, filter: p.filters(nil)}
	n.body = p.untilEnd("endset")
	return n
}

func (p *parser) with(l lineNo) stmt {
	n := &withStmt{lineNo: l}
	for !p.at(tokEnd) {
		if len(n.targets) > 0 {
			p.expect("comma")
		}
		n.targets = append(n.targets, p.target(tupleRule{}, roleParam))
		p.expect("assign")
		n.values = append(n.values, p.expression())
	}
	n.body = p.untilEnd("endwith")
	return n
}

func (p *parser) macro(l lineNo) stmt {
	n := &macroStmt{lineNo: l, name: p.name(roleStore).name}
	p.signature(&n.def)
	n.def.name = n.name
	n.def.body = p.untilEnd("endmacro")
	return n
}

// signature parses the arguments that a macro declares.
func (p *parser) signature(d *macroDef) {
	p.expect("lparen")
	for !p.at("rparen") {
		if len(d.args) > 0 {
			p.expect("comma")
		}
		arg := p.name(roleParam)
		if p.skipIf("assign") {
			d.defaults = append(d.defaults, p.expression())
		} else if len(d.defaults) > 0 {
			p.fail(p.current().line, "non-default argument follows default argument")
		}
		if slices.ContainsFunc(d.args, func(a *nameExpr) bool { return a.name == arg.name }) {
			p.failPython("duplicate argument " + quote(arg.name) + " in function definition")
		}
		d.args = append(d.args, arg)
	}
	p.expect("rparen")
}

func (p *parser) callBlock(l lineNo) stmt {
	n := &callBlockStmt{lineNo: l}
	if p.at("lparen") {
		p.signature(&n.def)
	}
	call, ok := p.expression().(*callExpr)
	if !ok {
		p.fail(int(l), "expected call")
	}
	n.call = call
	n.def.body = p.untilEnd("endcall")
	return n
}

func (p *parser) generation(l lineNo) stmt {
	n := &callBlockStmt{lineNo: l}
	n.def.body = p.untilEnd("endgeneration")
	return n
}

func (p *parser) filterBlock(l lineNo) stmt {
	n := &filterBlockStmt{lineNo: l, filter: p.filters(p.filter(nil))}
	n.body = p.untilEnd("endfilter")
	return n
}

func (p *parser) print(l lineNo) stmt {
	n := &printStmt{lineNo: l}
	for !p.at(tokEnd) {
		if len(n.items) > 0 {
			p.expect("comma")
		}
		n.items = append(n.items, p.expression())
	}
	return n
}

func (p *parser) block(l lineNo) stmt {
	n := &blockStmt{lineNo: l, name: p.expect(tokName).text}
	n.scoped = p.skipIf("name:scoped")
	n.required = p.skipIf("name:required")
	if p.at("sub") {
		p.fail(p.current().line, "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.")
	}
	n.body = p.untilEnd("endblock")
	for _, s := range n.body {
		data, ok := s.(*dataStmt)
		if n.required && (!ok || strings.TrimFunc(data.text, isSpace) != "") {
			p.fail(p.current().line, "Required blocks can only contain comments or whitespace")
		}
	}
	p.skipIf("name:" + n.name)
	return n
}

func (p *parser) autoescape(l lineNo) stmt {
	n := &autoescapeStmt{lineNo: l, on: p.expression()}
	n.body = p.untilEnd("endautoescape")
	return n
}

func (p *parser) load(l lineNo, tag string) stmt {
	n := &loaderStmt{lineNo: l, extends: tag == "extends", x: p.expression()}
	if tag == "include" {
		if p.at("name:ignore") && p.look().is("name:missing") {
			p.next()
			p.next()
		}
		p.context()
	}
	return n
}

// context parses "with context" and "without context".
func (p *parser) context() bool {
	if !p.at("name:with", "name:without") || !p.look().is("name:context") {
		return false
	}
	p.next()
	p.next()
	return true
}

func (p *parser) importAs(l lineNo) stmt {
	n := &loaderStmt{lineNo: l, x: p.expression()}
	p.expect("name:as")
	n.names = []string{p.name(roleStore).name}
	p.context()
	return n
}

func (p *parser) importNames(l lineNo) stmt {
	n := &loaderStmt{lineNo: l, x: p.expression()}
	p.expect("name:import")
	for {
		if len(n.names) > 0 {
			p.expect("comma")
		}
		if !p.at(tokName) {
			p.expect(tokName)
		}
		if p.context() {
			return n
		}
		name := p.name(roleStore)
		if strings.HasPrefix(name.name, "_") {
			panic(parseError{assertionError(name.line(), "names starting with an underline can not be imported")})
		}
		if p.skipIf("name:as") {
			name = p.name(roleStore)
		}
		n.names = append(n.names, name.name)
		if p.context() || !p.at("comma") {
			return n
		}
	}
}

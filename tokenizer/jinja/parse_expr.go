package jinja

import (
	"slices"
	"strings"
)

// tupleRule says what a list of expressions with commas may hold.
type tupleRule struct {
	targets     bool // names and literals only
	namespaces  bool // with targets: also ns.attr
	noCondition bool // no "a if b"
	inBrackets  bool // an empty tuple is allowed
}

// tuple parses an expression, or a tuple where there are commas.
func (p *parser) tuple(rule tupleRule) expr {
	line := p.current().line
	var items []expr
	isTuple := false
	for {
		if len(items) > 0 {
			p.expect("comma")
		}
		if p.at(tokVarEnd, tokEnd, "rparen") {
			break
		}
		switch {
		case rule.targets:
			items = append(items, p.primary(rule.namespaces))
		case rule.noCondition:
			items = append(items, p.or())
		default:
			items = append(items, p.expression())
		}
		if !p.at("comma") {
			break
		}
		isTuple = true
		line = p.current().line
	}
	if !isTuple && len(items) > 0 {
		return items[0]
	}
	if !isTuple && !rule.inBrackets {
		p.fail(p.current().line, "Expected an expression, got %s", quote(p.current().describe()))
	}
	return &tupleExpr{lineNo(line), items}
}

// target parses what can be assigned to.
func (p *parser) target(rule tupleRule, role nameRole) expr {
	rule.targets = true
	x := p.tuple(rule)
	if !assignable(x, role) {
		p.fail(x.line(), "can't assign to '%s'", nodeName(x))
	}
	return x
}

// name parses a name that is assigned to.
func (p *parser) name(role nameRole) *nameExpr {
	t := p.expect(tokName)
	if _, ok := constant(t.text); ok {
		p.fail(t.line, "can't assign to 'name'")
	}
	return &nameExpr{lineNo: lineNo(t.line), name: t.text, role: role}
}

// assignable gives the names in a target their role.
func assignable(x expr, role nameRole) bool {
	switch x := x.(type) {
	case *nameExpr:
		x.role = role
		return true
	case *nsRefExpr:
		return true
	case *tupleExpr:
		return !slices.ContainsFunc(x.items, func(item expr) bool { return !assignable(item, role) })
	}
	return false
}

// nodeName is what Jinja calls an expression that is no target.
func nodeName(x expr) string {
	switch x := x.(type) {
	case *constExpr:
		return "const"
	case *tupleExpr:
		return "tuple"
	case *listExpr:
		return "list"
	case *dictExpr:
		return "dict"
	case *condExpr:
		return "condexpr"
	case *logicExpr:
		if x.and {
			return "and"
		}
		return "or"
	case *notExpr:
		return "not"
	case *unaryExpr:
		return map[string]string{"-": "neg", "+": "pos"}[x.op]
	case *binaryExpr:
		return map[string]string{"+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floordiv", "%": "mod", "**": "pow"}[x.op]
	case *concatExpr:
		return "concat"
	case *compareExpr:
		return "compare"
	case *attrExpr:
		return "getattr"
	case *itemExpr, *sliceExpr:
		return "getitem"
	case *callExpr:
		return "call"
	case *filterExpr:
		return "filter"
	}
	return "test"
}

func constant(name string) (Value, bool) {
	switch name {
	case "true", "True":
		return Bool(true), true
	case "false", "False":
		return Bool(false), true
	case "none", "None":
		return None, true
	}
	return nil, false
}

func (p *parser) expression() expr {
	p.deeper()
	defer p.shallower()
	line := p.current().line
	x := p.or()
	for p.skipIf("name:if") {
		p.link()
		n := &condExpr{lineNo: lineNo(line), then: x, test: p.or()}
		if p.skipIf("name:else") {
			n.orElse = p.expression()
		}
		x, line = n, p.current().line
	}
	return x
}

func (p *parser) or() expr {
	line := p.current().line
	x := p.and()
	for p.skipIf("name:or") {
		p.link()
		x = &logicExpr{lineNo(line), false, x, p.and()}
		line = p.current().line
	}
	return x
}

func (p *parser) and() expr {
	line := p.current().line
	x := p.not()
	for p.skipIf("name:and") {
		p.link()
		x = &logicExpr{lineNo(line), true, x, p.not()}
		line = p.current().line
	}
	return x
}

func (p *parser) not() expr {
	if p.at("name:not") {
		p.deeper()
		defer p.shallower()
		return &notExpr{lineNo(p.next().line), p.not()}
	}
	return p.compare()
}

// compareOperator reads an operator that compares; "" is none.
func (p *parser) compareOperator() string {
	switch t := p.current(); {
	case slices.Contains([]string{"eq", "ne", "lt", "lteq", "gt", "gteq"}, t.typ):
		return p.next().text
	case p.skipIf("name:in"):
		return "in"
	case t.is("name:not") && p.look().is("name:in"):
		p.next()
		p.next()
		return "not in"
	}
	return ""
}

func (p *parser) compare() expr {
	n := &compareExpr{lineNo: lineNo(p.current().line), first: p.sum()}
	for op := p.compareOperator(); op != ""; op = p.compareOperator() {
		n.ops, n.rest = append(n.ops, op), append(n.rest, p.sum())
	}
	if len(n.ops) == 0 {
		return n.first
	}
	return n
}

// binary parses operands with operators of one precedence between them.
func (p *parser) binary(operand func(*parser) expr, operators ...string) expr {
	line := p.current().line
	x := operand(p)
	for p.at(operators...) {
		p.link()
		op := p.next().text
		x = &binaryExpr{lineNo(line), op, x, operand(p)}
		line = p.current().line
	}
	return x
}

func (p *parser) sum() expr     { return p.binary((*parser).concat, "add", "sub") }
func (p *parser) product() expr { return p.binary((*parser).power, "mul", "div", "floordiv", "mod") }
func (p *parser) power() expr   { return p.binary((*parser).filtered, "pow") }

func (p *parser) concat() expr {
	n := &concatExpr{lineNo: lineNo(p.current().line), items: []expr{p.product()}}
	for p.skipIf("tilde") {
		n.items = append(n.items, p.product())
	}
	if len(n.items) == 1 {
		return n.items[0]
	}
	return n
}

// filtered parses an operand with its filters, tests and calls.
func (p *parser) filtered() expr {
	x := p.unary()
	for {
		switch {
		case p.at("pipe"):
			x = p.filters(x)
		case p.at("name:is"):
			x = p.test(x)
		case p.at("lparen"):
			x = p.call(x)
		default:
			return x
		}
	}
}

func (p *parser) unary() expr {
	if !p.at("sub", "add") {
		return p.postfix(p.primary(false))
	}
	p.deeper()
	defer p.shallower()
	op := p.next()
	return p.postfix(&unaryExpr{lineNo(op.line), op.text, p.unary()})
}

func (p *parser) primary(namespaces bool) expr {
	t := p.current()
	line := lineNo(t.line)
	switch t.typ {
	case tokName:
		p.next()
		if v, ok := constant(t.text); ok {
			return &constExpr{line, v}
		}
		if namespaces && p.skipIf("dot") {
			return &nsRefExpr{lineNo: line, name: t.text, attr: p.expect(tokName).text}
		}
		return &nameExpr{lineNo: line, name: t.text}
	case tokString:
		var b strings.Builder
		for p.at(tokString) {
			s, _ := text(p.next().val)
			b.WriteString(s)
		}
		return &constExpr{line, String(b.String())}
	case tokInteger, tokFloat:
		return &constExpr{line, p.next().val}
	case "lparen":
		p.next()
		p.deeper()
		defer p.shallower()
		x := p.tuple(tupleRule{inBrackets: true})
		p.expect("rparen")
		return x
	case "lbracket":
		return p.list()
	case "lbrace":
		return p.dict()
	}
	p.fail(t.line, "unexpected %s", quote(t.describe()))
	return nil
}

func (p *parser) list() expr {
	n := &listExpr{lineNo: lineNo(p.next().line)}
	for !p.at("rbracket") {
		if len(n.items) > 0 {
			p.expect("comma")
			if p.at("rbracket") {
				break
			}
		}
		n.items = append(n.items, p.expression())
	}
	p.expect("rbracket")
	return n
}

func (p *parser) dict() expr {
	n := &dictExpr{lineNo: lineNo(p.next().line)}
	for !p.at("rbrace") {
		if len(n.keys) > 0 {
			p.expect("comma")
			if p.at("rbrace") {
				break
			}
		}
		n.keys = append(n.keys, p.expression())
		p.expect("colon")
		n.values = append(n.values, p.expression())
	}
	p.expect("rbrace")
	return n
}

func (p *parser) postfix(x expr) expr {
	for {
		switch {
		case p.at("dot"):
			x = p.attribute(x)
		case p.at("lbracket"):
			x = p.subscript(x)
		case p.at("lparen"):
			x = p.call(x)
		default:
			return x
		}
	}
}

func (p *parser) attribute(x expr) expr {
	p.link()
	line := lineNo(p.next().line)
	t := p.next()
	switch t.typ {
	case tokName:
		return &attrExpr{line, x, t.text}
	case tokInteger:
		return &itemExpr{line, x, &constExpr{lineNo(t.line), t.val}}
	}
	p.fail(t.line, "expected name or number")
	return nil
}

// subscript parses x[1], x[1:2] and x[1, 2].
func (p *parser) subscript(x expr) expr {
	p.link()
	line := lineNo(p.next().line)
	var args []expr
	for !p.at("rbracket") {
		if len(args) > 0 {
			p.expect("comma")
		}
		args = append(args, p.subscriptItem())
	}
	p.expect("rbracket")
	for _, arg := range args {
		s, ok := arg.(*sliceExpr)
		switch {
		case !ok || s.x != nil: // an ordinary expression
		case len(args) > 1:
			p.failPython("invalid syntax")
		default:
			s.x = x
			return s
		}
	}
	if len(args) == 1 {
		return &itemExpr{line, x, args[0]}
	}
	return &itemExpr{line, x, &tupleExpr{line, args}}
}

func (p *parser) subscriptItem() expr {
	n := &sliceExpr{lineNo: lineNo(p.current().line)}
	if !p.at("colon") {
		n.start = p.expression()
		if !p.at("colon") {
			return n.start
		}
	}
	p.next()
	if !p.at("colon", "rbracket", "comma") {
		n.stop = p.expression()
	}
	if p.skipIf("colon") && !p.at("rbracket", "comma") {
		n.step = p.expression()
	}
	return n
}

func (p *parser) call(fn expr) expr {
	p.link()
	line := p.current().line
	return &callExpr{lineNo(line), fn, p.arguments()}
}

// arguments parses those of a call, in parentheses.
func (p *parser) arguments() arguments {
	line := p.expect("lparen").line
	ensure := func(ok bool) {
		if !ok {
			p.fail(line, "invalid syntax for function call expression")
		}
	}
	var a arguments
	for first := true; !p.at("rparen"); first = false {
		if !first {
			p.expect("comma")
			if p.at("rparen") {
				break
			}
		}
		switch {
		case p.at("mul"):
			ensure(a.dynPos == nil && a.dynNamed == nil)
			p.next()
			a.dynPos = p.expression()
		case p.at("pow"):
			ensure(a.dynNamed == nil)
			p.next()
			a.dynNamed = p.expression()
		case p.at(tokName) && p.look().typ == "assign":
			ensure(a.dynNamed == nil)
			name := p.next().text
			p.next()
			if slices.Contains(a.names, name) {
				p.failPython("keyword argument repeated: " + name)
			}
			a.names, a.named = append(a.names, name), append(a.named, p.expression())
		default:
			ensure(a.dynPos == nil && a.dynNamed == nil && len(a.names) == 0)
			a.pos = append(a.pos, p.expression())
		}
	}
	p.expect("rparen")
	return a
}

// failPython fails as Python does on what Jinja generates.
func (p *parser) failPython(message string) {
	panic(parseError{&Error{Kind: "SyntaxError", Phase: PhaseCompile, Message: message, Line: p.current().line}})
}

// filters parses the filters after x, which is nil in a set block.
func (p *parser) filters(x expr) expr {
	for p.skipIf("pipe") {
		x = p.filter(x)
	}
	return x
}

func (p *parser) filter(x expr) expr {
	p.link()
	n := &filterExpr{lineNo: lineNo(p.current().line), x: x, name: p.dottedName()}
	if p.at("lparen") {
		n.args = p.arguments()
	}
	return n
}

func (p *parser) dottedName() string {
	name := p.expect(tokName).text
	for p.skipIf("dot") {
		name += "." + p.expect(tokName).text
	}
	return name
}

func (p *parser) test(x expr) expr {
	p.link()
	line := lineNo(p.next().line)
	negated := p.skipIf("name:not")
	n := &testExpr{lineNo: line, x: x, name: p.dottedName()}
	switch {
	case p.at("lparen"):
		n.args = p.arguments()
	case p.at("name:is"):
		p.fail(p.current().line, "You cannot chain multiple tests with is")
	case p.at(tokName, tokString, tokInteger, tokFloat, "lbracket", "lbrace") && !p.at("name:else", "name:or", "name:and"):
		n.args.pos = []expr{p.postfix(p.primary(false))}
	}
	if negated {
		return &notExpr{line, n}
	}
	return n
}

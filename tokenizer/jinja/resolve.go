package jinja

// place is where in the template a statement is.
type place struct {
	scope *frameScope
	fn    *function
	soft  bool // in an if: unknown filters and tests fail only when used
	top   bool // blocks see what is assigned here
	loop  bool // break and continue have a loop
}

func (p place) inner(scope *frameScope) place {
	return place{scope: scope, fn: scope.fn, loop: p.loop && scope.fn == p.fn}
}

// resolver gives names their slots, filters and tests their functions, and
// finds what Jinja refuses when it compiles. It panics with a parseError.
type resolver struct{ blocks map[string]*blockStmt }

// resolve prepares the whole tree.
func (t *Template) resolve() (err error) {
	defer catch(&err)
	r := &resolver{blocks: map[string]*blockStmt{}}
	var order []*blockStmt
	walk(stmtNodes(t.body), func(n node) {
		if b, ok := n.(*blockStmt); ok {
			if r.blocks[b.name] != nil {
				r.fail(b.line(), "block %s defined twice", quote(b.name))
			}
			r.blocks[b.name] = b
			order = append(order, b)
		}
	})
	t.fn = newFunction(nil)
	t.scope = newScope(nil, t.fn)
	if undeclared(stmtNodes(t.body), "self")["self"] {
		t.self = special(t.scope, "self")
	}
	t.scope.visitAll(stmtNodes(t.body))
	r.stmts(t.body, place{scope: t.scope, fn: t.fn, top: true})
	t.scope.finish()
	for _, b := range order {
		r.block(b)
	}
	t.blocks = r.blocks
	return nil
}

func (r *resolver) fail(line int, format string, args ...any) {
	panic(parseError{assertionError(line, format, args...)})
}

// special declares a name that the interpreter sets.
func special(s *frameScope, name string) *varRef {
	s.declare(name)
	ref := s.ref(name, s.fn)
	return &ref
}

func (r *resolver) block(b *blockStmt) {
	b.fn = newFunction(nil)
	b.scope = newScope(nil, b.fn)
	found := undeclared(stmtNodes(b.body), "self", "super")
	if found["self"] {
		b.self = special(b.scope, "self")
	}
	if found["super"] {
		b.super = special(b.scope, "super")
	}
	b.scope.visitAll(stmtNodes(b.body))
	r.stmts(b.body, place{scope: b.scope, fn: b.fn})
	b.scope.finish()
}

func (r *resolver) stmts(list []stmt, p place) {
	for _, s := range list {
		r.stmt(s, p)
	}
}

func (r *resolver) stmt(s stmt, p place) {
	switch s := s.(type) {
	case *ifStmt:
		soft := p
		soft.soft = true
		for i, test := range s.tests {
			r.expr(test, soft)
			r.stmts(s.bodies[i], soft)
		}
		r.stmts(s.orElse, soft)
	case *forStmt:
		r.forLoop(s, p)
	case *macroStmt:
		r.macro(&s.def, s.line(), p)
		s.ref, s.top = p.scope.ref(s.name, p.fn), p.top
	case *callBlockStmt:
		r.macro(&s.def, s.line(), p)
		if s.call != nil {
			r.expr(s.call, p)
		}
	case *assignBlockStmt:
		s.scope = newScope(p.scope, p.fn)
		s.scope.visitAll(stmtNodes(s.body))
		r.stmts(s.body, p.inner(s.scope))
		r.expr(s.target, p)
		if s.filter != nil {
			r.expr(s.filter, p.inner(s.scope))
		}
		s.scope.finish()
	case *filterBlockStmt:
		s.scope = newScope(p.scope, p.fn)
		s.scope.visitAll(s.children())
		r.stmts(s.body, p.inner(s.scope))
		r.expr(s.filter, p.inner(s.scope))
		s.scope.finish()
	case *withStmt:
		s.scope = newScope(p.scope, p.fn)
		s.scope.visitAll(exprNodes(s.targets))
		s.scope.visitAll(stmtNodes(s.body))
		for i := range s.targets {
			r.expr(s.targets[i], p.inner(s.scope))
			r.expr(s.values[i], p)
		}
		r.stmts(s.body, p.inner(s.scope))
		s.scope.finish()
	case *autoescapeStmt:
		s.scope = newScope(p.scope, p.fn)
		s.scope.visitAll(s.children())
		r.expr(s.on, p.inner(s.scope))
		r.stmts(s.body, p.inner(s.scope))
		s.scope.finish()
	default:
		r.simple(s, p)
	}
}

// simple resolves statements without a body of their own.
func (r *resolver) simple(s stmt, p place) {
	switch s := s.(type) {
	case *blockStmt:
		if s.scoped {
			s.locals = visible(p)
		}
	case *loaderStmt:
		if s.extends && !p.top {
			r.fail(s.line(), "cannot use extend from a non top-level scope")
		}
		r.expr(s.x, p)
	case *breakStmt:
		if !p.loop {
			panic(parseError{&Error{"SyntaxError", PhaseCompile, "'break' outside loop", s.line()}})
		}
	case *continueStmt:
		if !p.loop {
			panic(parseError{&Error{"SyntaxError", PhaseCompile, "'continue' not properly in loop", s.line()}})
		}
	default:
		for _, child := range s.children() {
			r.expr(child, p)
		}
	}
}

// visible lists the variables that a scoped block sees of its surroundings.
func visible(p place) []local {
	var out []local
	seen := map[string]bool{}
	for s := p.scope; s != nil; s = s.parent {
		for name := range s.stores {
			if !seen[name] {
				seen[name] = true
				out = append(out, local{name, p.scope.ref(name, p.fn)})
			}
		}
	}
	return out
}

func (r *resolver) forLoop(n *forStmt, p place) {
	fn := p.fn
	if n.recursive {
		n.fn = newFunction(p.fn)
		fn = n.fn
	}
	n.scope, n.elseScope = newScope(p.scope, fn), newScope(p.scope, fn)
	n.extended = n.recursive || undeclared(stmtNodes(n.body), "loop")["loop"]
	walk(n.children(), func(child node) {
		switch child := child.(type) {
		case *blockStmt:
			n.extended = n.extended || child.scoped
		case *nameExpr:
			if child.role == roleStore && child.name == "loop" {
				r.fail(child.line(), "Can't assign to special loop variable in for-loop target")
			}
		}
	})
	if n.extended {
		n.loopVar = *special(n.scope, "loop")
	}
	n.scope.visitTarget(n.target)
	n.scope.visitAll(stmtNodes(n.body))
	n.elseScope.visitAll(stmtNodes(n.orElse))
	in := place{scope: n.scope, fn: fn, loop: true}
	if n.test != nil {
		n.testScope = newScope(p.scope, fn)
		n.testScope.tag = "f" // the filter runs between the loop's iterations
		n.testScope.visitTarget(n.target)
		n.testScope.visit(n.test)
		walk([]node{n.target}, func(child node) {
			if name, ok := child.(*nameExpr); ok {
				name.filter = n.testScope.ref(name.name, fn)
			}
		})
		r.expr(n.test, place{scope: n.testScope, fn: fn})
		n.testScope.finish()
	}
	r.expr(n.iter, p)
	r.expr(n.target, in)
	r.stmts(n.body, in)
	n.scope.finish()
	out := p.inner(n.elseScope)
	r.stmts(n.orElse, out)
	n.elseScope.finish()
}

// macro resolves a macro or the body of a call block.
func (r *resolver) macro(d *macroDef, line int, p place) {
	d.fn = newFunction(p.fn)
	d.scope = newScope(p.scope, d.fn)
	d.scope.visitAll(d.children())
	found := undeclared(stmtNodes(d.body), "caller", "kwargs", "varargs")
	for i, arg := range d.args {
		if arg.name == "caller" && found["caller"] && len(d.args)-i > len(d.defaults) {
			r.fail(line, `When defining macros or call blocks the special "caller" argument must be omitted or be given a default.`)
		}
		delete(found, arg.name)
	}
	for name, ref := range map[string]**varRef{"caller": &d.caller, "kwargs": &d.kwargs, "varargs": &d.varargs} {
		if found[name] {
			*ref = special(d.scope, name)
		}
	}
	d.scope.visitAll(d.children())
	in := place{scope: d.scope, fn: d.fn}
	for _, arg := range d.args {
		r.expr(arg, in)
	}
	for _, value := range d.defaults {
		r.expr(value, in)
	}
	r.stmts(d.body, in)
	d.scope.finish()
}

// expr resolves an expression and all below it.
func (r *resolver) expr(n node, p place) {
	switch n := n.(type) {
	case *nameExpr:
		n.ref = p.scope.ref(n.name, p.fn)
		n.export = n.role == roleStore && p.top
		return
	case *nsRefExpr:
		n.ref = p.scope.ref(n.name, p.fn)
		return
	case *condExpr:
		p.soft = true
	case *filterExpr:
		if n.fn = filterFunc(n.name); n.fn == nil && !p.soft {
			r.fail(n.line(), "No filter named %s.", quote(n.name))
		}
	case *testExpr:
		if n.fn = testFunc(n.name); n.fn == nil && !p.soft {
			r.fail(n.line(), "No test named %s.", quote(n.name))
		}
	}
	for _, child := range n.children() {
		r.expr(child, p)
	}
}

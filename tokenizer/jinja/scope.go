package jinja

import (
	"maps"
	"slices"
	"strconv"
)

// function is a part of the template with variables of its own: the template
// itself, a block, a macro, the body of a recursive loop. Inside it variables
// live in numbered slots.
type function struct {
	parent *function // whose variables it sees
	slots  map[string]int
}

func newFunction(parent *function) *function {
	return &function{parent: parent, slots: map[string]int{}}
}

func (f *function) slot(key string) int {
	if _, ok := f.slots[key]; !ok {
		f.slots[key] = len(f.slots)
	}
	return f.slots[key]
}

// varRef is where a variable is: in a slot of the function that is up functions
// further out.
type varRef struct{ up, slot int }

// Ways in which a variable gets its first value on entry to a scope.
type loadKind int

const (
	loadParam     loadKind = iota // whoever enters sets it
	loadResolve                   // from the context
	loadAlias                     // from the variable of that name further out
	loadUndefined                 // none
)

// load is a variable of a scope, ready to be set on entry.
type load struct {
	kind loadKind
	name string
	slot int
	from varRef // of an alias
}

// frameScope holds the names of a part of the template in which an assignment
// stays: all of it, a block, a macro, the body of a loop and so on. It decides
// as Jinja does, by what is assigned anywhere in the scope.
type frameScope struct {
	parent *frameScope
	base   *frameScope // of a branch of an if: the scope it belongs to
	fn     *function
	level  int    // scopes around it
	tag    string // sets the slots of a loop's filter apart from the loop's
	names  map[string]loadKind
	stores map[string]bool
	loads  []load
}

func newScope(parent *frameScope, fn *function) *frameScope {
	s := &frameScope{parent: parent, fn: fn, names: map[string]loadKind{}, stores: map[string]bool{}}
	if parent != nil {
		s.level = parent.level + 1
	}
	return s
}

func (s *frameScope) own(name string) bool {
	for ; s != nil; s = s.base {
		if _, ok := s.names[name]; ok {
			return true
		}
	}
	return false
}

// find returns the innermost scope that knows a name, or nil.
func (s *frameScope) find(name string) *frameScope {
	for ; s != nil; s = s.parent {
		if s.own(name) {
			return s
		}
	}
	return nil
}

func (s *frameScope) stored(name string) bool {
	for ; s != nil; s = s.base {
		if s.stores[name] {
			return true
		}
	}
	return false
}

func (s *frameScope) declare(name string) {
	s.stores[name] = true
	s.names[name] = loadParam
}

func (s *frameScope) store(name string) {
	s.stores[name] = true
	if s.own(name) {
		return
	}
	s.names[name] = loadUndefined
	if s.parent.find(name) != nil {
		s.names[name] = loadAlias
	}
}

func (s *frameScope) load(name string) {
	if s.find(name) == nil {
		s.names[name] = loadResolve
	}
}

// visit notes the names that a part of the tree uses in this scope.
func (s *frameScope) visit(n node) {
	switch n := n.(type) {
	case *nameExpr:
		switch n.role {
		case roleLoad:
			s.load(n.name)
		case roleStore:
			s.store(n.name)
		case roleParam:
			s.declare(n.name)
		}
	case *nsRefExpr:
		s.load(n.name)
	case *ifStmt:
		s.visitIf(n)
	case *macroStmt:
		s.store(n.name)
	case *loaderStmt:
		s.visit(n.x)
		for _, name := range n.names {
			s.store(name)
		}
	case *assignStmt:
		s.visit(n.x)
		s.visit(n.target)
	case *assignBlockStmt:
		s.visit(n.target)
	case *forStmt:
		s.visit(n.iter)
	case *callBlockStmt:
		if n.call != nil {
			s.visit(n.call)
		}
	case *filterBlockStmt:
		s.visit(n.filter)
	case *withStmt:
		s.visitAll(exprNodes(n.values))
	case *autoescapeStmt, *blockStmt: // scopes of their own
	default:
		s.visitAll(n.children())
	}
}

func (s *frameScope) visitAll(list []node) {
	for _, n := range list {
		s.visit(n)
	}
}

// visitTarget notes the targets of a loop.
func (s *frameScope) visitTarget(n node) {
	if name, ok := n.(*nameExpr); ok {
		s.declare(name.name)
		return
	}
	for _, child := range n.children() {
		s.visitTarget(child)
	}
}

// visitIf takes the branches apart: what only one of them assigns may have been
// there before.
func (s *frameScope) visitIf(n *ifStmt) {
	s.visit(n.tests[0])
	branch := func(list []stmt) *frameScope {
		b := &frameScope{parent: s.parent, base: s, names: map[string]loadKind{}, stores: map[string]bool{}}
		b.visitAll(stmtNodes(list))
		return b
	}
	elseIfs := make([]stmt, 0, len(n.tests)-1)
	for i := 1; i < len(n.tests); i++ {
		elseIfs = append(elseIfs, &ifStmt{tests: n.tests[i : i+1], bodies: n.bodies[i : i+1]})
	}
	branches := []*frameScope{branch(n.bodies[0]), branch(elseIfs), branch(n.orElse)}
	fresh := map[string]bool{}
	for _, b := range branches {
		for name := range b.stores {
			if !s.stored(name) {
				fresh[name] = true
			}
		}
	}
	for _, b := range branches {
		maps.Copy(s.names, b.names)
		maps.Copy(s.stores, b.stores)
	}
	for name := range fresh {
		s.names[name] = loadResolve
		if s.parent.find(name) != nil {
			s.names[name] = loadAlias
		}
	}
}

func (s *frameScope) key(name string) string {
	return strconv.Itoa(s.level) + s.tag + " " + name
}

// ref returns where a name is, seen from a function.
func (s *frameScope) ref(name string, from *function) varRef {
	found := s.find(name)
	if found == nil {
		s.load(name)
		found = s
	}
	up := 0
	for f := from; f != found.fn; f = f.parent {
		up++
	}
	return varRef{up, found.fn.slot(found.key(name))}
}

// finish lists the variables to be set on entry.
func (s *frameScope) finish() {
	s.loads = s.loads[:0]
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		l := load{kind: s.names[name], name: name, slot: s.fn.slot(s.key(name))}
		if l.kind == loadAlias {
			l.from = s.parent.ref(name, s.fn)
		}
		s.loads = append(s.loads, l)
	}
}

// undeclared returns which of the names a part of the tree reads without
// assigning them before, as Jinja looks for special names.
func undeclared(list []node, names ...string) map[string]bool {
	looking, found := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		looking[name] = true
	}
	var visit func(node)
	visit = func(n node) {
		switch n := n.(type) {
		case *nameExpr:
			if n.role != roleLoad {
				delete(looking, n.name)
			} else if looking[n.name] {
				found[n.name] = true
			}
		case *blockStmt: // has its own
		default:
			for _, child := range n.children() {
				visit(child)
			}
		}
	}
	for _, n := range list {
		visit(n)
	}
	return found
}

// walk calls f for every node below a list.
func walk(list []node, f func(node)) {
	for _, n := range list {
		f(n)
		walk(n.children(), f)
	}
}

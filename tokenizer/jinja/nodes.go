package jinja

// node is a part of the tree. children lists the nodes below it in the order
// in which Jinja's own analysis meets them.
type node interface {
	children() []node
}

// expr is a node with a value.
type expr interface {
	node
	line() int
	eval(r *render) (Value, error)
}

// stmt is a node that is run for its effect.
type stmt interface {
	node
	line() int
	exec(r *render) (signal, error)
}

type lineNo int

func (l lineNo) line() int        { return int(l) }
func (l lineNo) children() []node { return nil }

// Roles of a name.
type nameRole int

const (
	roleLoad nameRole = iota
	roleStore
	roleParam
)

type (
	constExpr struct {
		lineNo
		val Value
	}
	nameExpr struct {
		lineNo
		name   string
		role   nameRole
		ref    varRef // filled in by scope.go
		filter varRef // of a loop target: its slot in the loop's filter
		export bool   // stored at the top level, so blocks see it
	}
	nsRefExpr struct { // ns.attr as a target
		lineNo
		name, attr string
		ref        varRef
	}
	tupleExpr struct {
		lineNo
		items []expr
	}
	listExpr struct {
		lineNo
		items []expr
	}
	dictExpr struct {
		lineNo
		keys, values []expr
	}
	condExpr struct {
		lineNo
		test, then, orElse expr // orElse may be nil
	}
	logicExpr struct {
		lineNo
		and         bool
		left, right expr
	}
	notExpr struct {
		lineNo
		x expr
	}
	unaryExpr struct {
		lineNo
		op string
		x  expr
	}
	binaryExpr struct {
		lineNo
		op          string
		left, right expr
	}
	concatExpr struct {
		lineNo
		items []expr
	}
	compareExpr struct {
		lineNo
		first expr
		ops   []string
		rest  []expr
	}
	attrExpr struct {
		lineNo
		x    expr
		attr string
	}
	itemExpr struct {
		lineNo
		x, arg expr
	}
	sliceExpr struct {
		lineNo
		x                 expr
		start, stop, step expr // each may be nil
	}
	callExpr struct {
		lineNo
		fn   expr
		args arguments
	}
	filterExpr struct {
		lineNo
		x    expr // nil: the text of the enclosing block
		name string
		args arguments
		fn   *builtin // nil where no such filter exists
	}
	testExpr struct {
		lineNo
		x    expr
		name string
		args arguments
		fn   *builtin
	}
)

// arguments are those of a call, a filter or a test.
type arguments struct {
	pos              []expr
	names            []string
	named            []expr
	dynPos, dynNamed expr // *x and **x, or nil
}

type (
	dataStmt struct {
		lineNo
		text string
	}
	outputStmt struct {
		lineNo
		x expr
	}
	printStmt struct {
		lineNo
		items []expr
	}
	assignStmt struct {
		lineNo
		target, x expr
	}
	assignBlockStmt struct {
		lineNo
		target expr
		filter expr // may be nil
		body   []stmt
		scope  *frameScope
	}
	ifStmt struct {
		lineNo
		tests  []expr
		bodies [][]stmt
		orElse []stmt
	}
	forStmt struct {
		lineNo
		target, iter, test expr // test may be nil
		body, orElse       []stmt
		recursive          bool

		extended                    bool // the body can see loop
		loopVar                     varRef
		scope, elseScope, testScope *frameScope
		fn                          *function // of a recursive loop
	}
	macroStmt struct {
		lineNo
		name string
		def  macroDef
		ref  varRef
		top  bool
	}
	callBlockStmt struct {
		lineNo
		call *callExpr // nil for the generation tag
		def  macroDef
	}
	filterBlockStmt struct {
		lineNo
		filter expr
		body   []stmt
		scope  *frameScope
	}
	withStmt struct {
		lineNo
		targets, values []expr
		body            []stmt
		scope           *frameScope
	}
	autoescapeStmt struct {
		lineNo
		on    expr
		body  []stmt
		scope *frameScope
	}
	blockStmt struct {
		lineNo
		name             string
		body             []stmt
		scoped, required bool
		locals           []local // what a scoped block sees of its surroundings
		fn               *function
		scope            *frameScope
		self, super      *varRef // slots, where the body uses them
	}
	loaderStmt struct { // include, import, extends: there is no loader
		lineNo
		x       expr
		names   []string // that the statement would define
		extends bool
	}
	breakStmt    struct{ lineNo }
	continueStmt struct{ lineNo }
)

// macroDef is a macro, or the body of a call block.
type macroDef struct {
	name     string
	args     []*nameExpr
	defaults []expr // of the last args
	body     []stmt

	fn                      *function
	scope                   *frameScope
	caller, kwargs, varargs *varRef // slots of the special names in use
}

type local struct {
	name string
	ref  varRef
}

func exprNodes(lists ...[]expr) []node {
	var out []node
	for _, list := range lists {
		for _, e := range list {
			if e != nil {
				out = append(out, e)
			}
		}
	}
	return out
}

func stmtNodes(list []stmt) []node {
	out := make([]node, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func (a *arguments) children() []node {
	return exprNodes(a.pos, a.named, []expr{a.dynPos, a.dynNamed})
}

func (n *tupleExpr) children() []node   { return exprNodes(n.items) }
func (n *listExpr) children() []node    { return exprNodes(n.items) }
func (n *dictExpr) children() []node    { return exprNodes(n.keys, n.values) }
func (n *condExpr) children() []node    { return exprNodes([]expr{n.test, n.then, n.orElse}) }
func (n *logicExpr) children() []node   { return exprNodes([]expr{n.left, n.right}) }
func (n *notExpr) children() []node     { return exprNodes([]expr{n.x}) }
func (n *unaryExpr) children() []node   { return exprNodes([]expr{n.x}) }
func (n *binaryExpr) children() []node  { return exprNodes([]expr{n.left, n.right}) }
func (n *concatExpr) children() []node  { return exprNodes(n.items) }
func (n *compareExpr) children() []node { return exprNodes([]expr{n.first}, n.rest) }
func (n *attrExpr) children() []node    { return exprNodes([]expr{n.x}) }
func (n *itemExpr) children() []node    { return exprNodes([]expr{n.x, n.arg}) }
func (n *sliceExpr) children() []node {
	return exprNodes([]expr{n.x, n.start, n.stop, n.step})
}
func (n *callExpr) children() []node { return append(exprNodes([]expr{n.fn}), n.args.children()...) }
func (n *filterExpr) children() []node {
	return append(exprNodes([]expr{n.x}), n.args.children()...)
}
func (n *testExpr) children() []node { return append(exprNodes([]expr{n.x}), n.args.children()...) }

func (n *outputStmt) children() []node { return exprNodes([]expr{n.x}) }
func (n *printStmt) children() []node  { return exprNodes(n.items) }
func (n *assignStmt) children() []node { return exprNodes([]expr{n.target, n.x}) }
func (n *assignBlockStmt) children() []node {
	return append(exprNodes([]expr{n.target, n.filter}), stmtNodes(n.body)...)
}
func (n *ifStmt) children() []node {
	var out []node
	for i, test := range n.tests {
		out = append(append(out, test), stmtNodes(n.bodies[i])...)
	}
	return append(out, stmtNodes(n.orElse)...)
}
func (n *forStmt) children() []node {
	out := exprNodes([]expr{n.target, n.iter})
	out = append(append(out, stmtNodes(n.body)...), stmtNodes(n.orElse)...)
	return append(out, exprNodes([]expr{n.test})...)
}
func (d *macroDef) children() []node {
	var out []node
	for _, arg := range d.args {
		out = append(out, arg)
	}
	return append(append(out, exprNodes(d.defaults)...), stmtNodes(d.body)...)
}
func (n *macroStmt) children() []node { return n.def.children() }
func (n *callBlockStmt) children() []node {
	if n.call == nil {
		return n.def.children()
	}
	return append([]node{n.call}, n.def.children()...)
}
func (n *filterBlockStmt) children() []node {
	return append(stmtNodes(n.body), exprNodes([]expr{n.filter})...)
}
func (n *withStmt) children() []node {
	return append(exprNodes(n.targets, n.values), stmtNodes(n.body)...)
}
func (n *autoescapeStmt) children() []node {
	return append(exprNodes([]expr{n.on}), stmtNodes(n.body)...)
}
func (n *blockStmt) children() []node  { return stmtNodes(n.body) }
func (n *loaderStmt) children() []node { return exprNodes([]expr{n.x}) }

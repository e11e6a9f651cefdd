package jinja

import "strings"

// eval returns the value of an expression. All evaluation goes through here and
// is counted.
func (r *render) eval(x expr) (Value, error) {
	if err := r.spend(1); err != nil {
		return nil, at(err, x.line())
	}
	switch x := x.(type) {
	case *constExpr:
		return x.val, nil
	case *nameExpr:
		if v := *r.slot(x.ref); v != nil {
			return v, nil
		}
		return &undefined{name: String(x.name)}, nil
	}
	if err := r.descend(); err != nil {
		return nil, at(err, x.line())
	}
	v, err := x.eval(r)
	r.ascend()
	return v, at(err, x.line())
}

// evalAll returns the values of expressions.
func (r *render) evalAll(list []expr) ([]Value, error) {
	if err := r.growItems(len(list)); err != nil {
		return nil, err
	}
	items := make([]Value, len(list))
	for i, x := range list {
		v, err := r.eval(x)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return items, nil
}

// evalOptional returns None for an expression that is not there.
func (r *render) evalOptional(x expr) (Value, error) {
	if x == nil {
		return None, nil
	}
	return r.eval(x)
}

func (n *constExpr) eval(r *render) (Value, error) { return r.eval(n) }
func (n *nameExpr) eval(r *render) (Value, error)  { return r.eval(n) }
func (n *nsRefExpr) eval(*render) (Value, error) {
	return nil, raise("TemplateRuntimeError", "cannot read an assignment target")
}

func (n *tupleExpr) eval(r *render) (Value, error) {
	items, err := r.evalAll(n.items)
	return newTuple(items...), err
}

func (n *listExpr) eval(r *render) (Value, error) {
	items, err := r.evalAll(n.items)
	return &List{items}, err
}

func (n *dictExpr) eval(r *render) (Value, error) {
	keys, values := make([]Value, len(n.keys)), make([]Value, len(n.keys))
	for i := range n.keys {
		var err error
		if keys[i], err = r.eval(n.keys[i]); err != nil {
			return nil, err
		}
		if values[i], err = r.eval(n.values[i]); err != nil {
			return nil, err
		}
	}
	d := NewDict()
	for i, key := range keys {
		if err := r.dictSet(d, key, values[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (n *condExpr) eval(r *render) (Value, error) {
	test, err := r.eval(n.test)
	switch {
	case err != nil:
		return nil, err
	case truth(test):
		return r.eval(n.then)
	case n.orElse != nil:
		return r.eval(n.orElse)
	}
	line, err := r.formatInt(Int(n.line()))
	return &undefined{hint: "the inline if-expression on line " + line + " evaluated to false and no else section was defined."}, err
}

func (n *logicExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.left)
	if err != nil || truth(v) != n.and {
		return v, err
	}
	return r.eval(n.right)
}

func (n *notExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return nil, err
	}
	return Bool(!truth(v)), nil
}

func (n *unaryExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return nil, err
	}
	return r.unary(n.op, v)
}

func (n *binaryExpr) eval(r *render) (Value, error) {
	a, err := r.eval(n.left)
	if err != nil {
		return nil, err
	}
	b, err := r.eval(n.right)
	if err != nil {
		return nil, err
	}
	return r.binary(n.op, a, b)
}

// eval joins the operands of ~ as text. Where everything is escaped, text next
// to a Markup is too.
func (n *concatExpr) eval(r *render) (Value, error) {
	parts, err := r.evalAll(n.items)
	if err != nil {
		return nil, err
	}
	escape := false
	for _, v := range parts {
		_, ok := v.(markup)
		escape = escape || ok && r.autoescape
	}
	var b strings.Builder
	for _, v := range parts {
		var s string
		if escape {
			m, err := r.escape(v)
			if err != nil {
				return nil, err
			}
			s = string(m)
		} else if s, err = r.str(v); err != nil {
			return nil, err
		}
		if err := r.grow(len(s)); err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	if escape {
		return markup(b.String()), nil
	}
	return String(b.String()), nil
}

func (n *compareExpr) eval(r *render) (Value, error) {
	left, err := r.eval(n.first)
	if err != nil {
		return nil, err
	}
	for i, op := range n.ops {
		right, err := r.eval(n.rest[i])
		if err != nil {
			return nil, err
		}
		ok, err := r.compare(op, left, right)
		if !ok || err != nil {
			return Bool(false), err
		}
		left = right
	}
	return Bool(true), nil
}

func (n *attrExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return nil, err
	}
	return r.getAttr(v, n.attr)
}

func (n *itemExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return nil, err
	}
	key, err := r.eval(n.arg)
	if err != nil {
		return nil, err
	}
	return r.getItem(v, key)
}

func (n *sliceExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return nil, err
	}
	var bounds [3]Value
	for i, x := range []expr{n.start, n.stop, n.step} {
		if bounds[i], err = r.evalOptional(x); err != nil {
			return nil, err
		}
	}
	return r.slice(v, bounds)
}

func (n *callExpr) eval(r *render) (Value, error) {
	fn, err := r.eval(n.fn)
	if err != nil {
		return nil, err
	}
	a, err := r.evalArgs(&n.args)
	if err != nil {
		return nil, err
	}
	return r.call(fn, a)
}

func (n *filterExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return nil, err
	}
	return r.filter(n, v)
}

// filter applies one filter to a value.
func (r *render) filter(n *filterExpr, v Value) (Value, error) {
	a, err := r.evalArgs(&n.args)
	if err != nil {
		return nil, err
	}
	if n.fn == nil {
		return nil, raise("TemplateRuntimeError", "No filter named %s found.", quote(n.name))
	}
	a.pos = append([]Value{v}, a.pos...)
	return r.callBuiltin(n.fn, nil, a)
}

// filterChain applies the filters of a set or filter block to its text.
func (r *render) filterChain(n *filterExpr, v Value) (Value, error) {
	if inner, ok := n.x.(*filterExpr); ok {
		var err error
		if v, err = r.filterChain(inner, v); err != nil {
			return nil, err
		}
	}
	return r.filter(n, v)
}

func (n *testExpr) eval(r *render) (Value, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return nil, err
	}
	a, err := r.evalArgs(&n.args)
	if err != nil {
		return nil, err
	}
	if n.fn == nil {
		return nil, raise("TemplateRuntimeError", "No test named %s found.", quote(n.name))
	}
	a.pos = append([]Value{v}, a.pos...)
	return r.callBuiltin(n.fn, nil, a)
}

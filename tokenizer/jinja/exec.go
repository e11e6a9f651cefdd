package jinja

// signal tells a loop how its body ended.
type signal int

const (
	signalNone signal = iota
	signalBreak
	signalContinue
)

// run executes statements up to the first that breaks or fails.
func (r *render) run(list []stmt) (signal, error) {
	for _, s := range list {
		if err := r.spend(1); err != nil {
			return signalNone, at(err, s.line())
		}
		sig, err := s.exec(r)
		if err != nil || sig != signalNone {
			return sig, at(err, s.line())
		}
	}
	return signalNone, nil
}

// runDeeper is run for a body inside another.
func (r *render) runDeeper(list []stmt) (signal, error) {
	if err := r.descend(); err != nil {
		return signalNone, err
	}
	defer r.ascend()
	return r.run(list)
}

func (n *dataStmt) exec(r *render) (signal, error) { return signalNone, r.write(n.text) }

func (n *outputStmt) exec(r *render) (signal, error) {
	v, err := r.eval(n.x)
	if err != nil {
		return signalNone, err
	}
	return signalNone, r.print(v)
}

func (n *printStmt) exec(r *render) (signal, error) {
	for _, x := range n.items {
		v, err := r.eval(x)
		if err != nil {
			return signalNone, err
		}
		if err := r.print(v); err != nil {
			return signalNone, err
		}
	}
	return signalNone, nil
}

// print writes a value as text.
func (r *render) print(v Value) error {
	if r.autoescape {
		m, err := r.escape(v)
		if err != nil {
			return err
		}
		return r.write(string(m))
	}
	s, err := r.str(v)
	if err != nil {
		return err
	}
	return r.write(s)
}

func (n *assignStmt) exec(r *render) (signal, error) {
	if err := r.checkNamespaces(n.target); err != nil {
		return signalNone, err
	}
	v, err := r.eval(n.x)
	if err != nil {
		return signalNone, err
	}
	return signalNone, r.assign(n.target, v)
}

// checkNamespaces fails where a target has a dot after what is no namespace.
func (r *render) checkNamespaces(target expr) error {
	switch target := target.(type) {
	case *nsRefExpr:
		if _, ok := (*r.slot(target.ref)).(*namespace); !ok {
			return raise("TemplateRuntimeError", "cannot assign attribute on non-namespace object")
		}
	case *tupleExpr:
		for _, item := range target.items {
			if err := r.checkNamespaces(item); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *render) assign(target expr, v Value) error {
	switch target := target.(type) {
	case *nameExpr:
		r.store(target.ref, v)
		if target.export {
			r.context.exported[target.name] = v
		}
	case *nsRefExpr:
		return r.assignAttr(*r.slot(target.ref), String(target.attr), v)
	case *tupleExpr:
		items, err := r.unpack(v, len(target.items))
		if err != nil {
			return err
		}
		for i, item := range target.items {
			if err := r.assign(item, items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// assignAttr is Python's object[name] = v, which a block assignment does to any
// object; others look whether it is a namespace before.
func (r *render) assignAttr(object Value, name String, v Value) error {
	switch object := object.(type) {
	case *namespace:
		return r.setAttr(object, name, v)
	case *Dict:
		return r.dictSet(object, name, v)
	case *List:
		return typeError("list indices must be integers or slices, not str")
	case nil:
		return typeError("'_MissingType' object does not support item assignment")
	default:
		return typeError("'%s' object does not support item assignment", object.typeName())
	}
}

// setAttr sets an attribute of a namespace.
func (r *render) setAttr(ns *namespace, name, v Value) error {
	if s, ok := text(name); ok && len(s) > 0 && s[0] == '_' {
		return raise("SecurityError", "Chat templates cannot store underscore-prefixed attributes on a namespace, but got %s. Please rename the attribute.", quote(s))
	}
	return r.dictSet(ns.attrs, name, v)
}

// unpack returns the n elements of v.
func (r *render) unpack(v Value, n int) ([]Value, error) {
	next, err := r.iterate(v)
	if err != nil {
		return nil, typeError("cannot unpack non-iterable %s object", v.typeName())
	}
	var items []Value
	for {
		item, err := next()
		if err != nil {
			return nil, err
		}
		switch {
		case item == nil && len(items) == n:
			return items, nil
		case item == nil:
			return nil, valueError("not enough values to unpack (expected %d, got %d)", n, len(items))
		case len(items) == n:
			return nil, valueError("too many values to unpack (expected %d)", n)
		}
		if err := r.growItems(1); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

func (n *assignBlockStmt) exec(r *render) (signal, error) {
	v, sig, err := r.captured(n.body, n.scope, n.filter)
	if err != nil || sig != signalNone {
		return sig, err
	}
	if r.autoescape {
		s, err := r.str(v)
		if err != nil {
			return signalNone, err
		}
		v = markup(s)
	}
	return signalNone, r.assign(n.target, v)
}

func (n *filterBlockStmt) exec(r *render) (signal, error) {
	v, sig, err := r.captured(n.body, n.scope, n.filter)
	if err != nil || sig != signalNone {
		return sig, err
	}
	return signalNone, r.writeText(v)
}

// writeText writes the result of a block, which must be text and is not
// escaped.
func (r *render) writeText(v Value) error {
	s, ok := text(v)
	if !ok {
		return typeError("sequence item 0: expected str instance, %s found", v.typeName())
	}
	return r.write(s)
}

// captured runs a body and returns what it writes, filtered if there is a
// filter. A break or continue throws it away.
func (r *render) captured(body []stmt, scope *frameScope, filter expr) (Value, signal, error) {
	r.enter(scope)
	defer r.leave(scope)
	var sig signal
	written, err := r.capture(func() (err error) {
		sig, err = r.runDeeper(body)
		return err
	})
	if err != nil || sig != signalNone {
		return nil, sig, err
	}
	v := r.markupIf(written)
	if filter != nil {
		v, err = r.filterChain(filter.(*filterExpr), v)
	}
	return v, signalNone, err
}

func (n *ifStmt) exec(r *render) (signal, error) {
	for i, test := range n.tests {
		v, err := r.eval(test)
		if err != nil {
			return signalNone, err
		}
		if truth(v) {
			return r.runDeeper(n.bodies[i])
		}
	}
	return r.runDeeper(n.orElse)
}

func (n *withStmt) exec(r *render) (signal, error) {
	r.enter(n.scope)
	for i, target := range n.targets {
		v, err := r.eval(n.values[i])
		if err != nil {
			return signalNone, err
		}
		if err := r.assign(target, v); err != nil {
			return signalNone, err
		}
	}
	sig, err := r.runDeeper(n.body)
	r.leave(n.scope)
	return sig, err
}

func (n *autoescapeStmt) exec(r *render) (signal, error) {
	r.enter(n.scope)
	on, err := r.eval(n.on)
	if err != nil {
		return signalNone, err
	}
	before := r.autoescape
	r.autoescape = truth(on)
	sig, err := r.runDeeper(n.body)
	r.autoescape = before
	r.leave(n.scope)
	return sig, err
}

func (n *macroStmt) exec(r *render) (signal, error) {
	m := r.newMacro(&n.def, String(n.name))
	if n.top {
		r.context.exported[n.name] = m
	}
	r.store(n.ref, m)
	return signalNone, nil
}

func (n *callBlockStmt) exec(r *render) (signal, error) {
	caller := r.newMacro(&n.def, None)
	if n.call == nil { // the generation tag
		v, err := r.invoke(caller, &callArgs{})
		if err != nil {
			return signalNone, err
		}
		return signalNone, r.writeText(v)
	}
	fn, err := r.eval(n.call.fn)
	if err != nil {
		return signalNone, err
	}
	args, err := r.evalArgs(&n.call.args)
	if err != nil {
		return signalNone, err
	}
	args.names, args.named = append(args.names, "caller"), append(args.named, caller)
	v, err := r.call(fn, args)
	if err != nil {
		return signalNone, err
	}
	return signalNone, r.writeText(v)
}

func (n *blockStmt) exec(r *render) (signal, error) {
	if n.required {
		return signalNone, raise("TemplateRuntimeError", "Required block %s not found", quote(n.name))
	}
	ctx := r.context
	if n.scoped {
		ctx = r.derived(n.locals)
	}
	return signalNone, r.runBlock(n, ctx)
}

// derived returns the context that a scoped block sees.
func (r *render) derived(locals []local) *context {
	outer, values := r.context, map[string]Value{}
	for _, l := range locals {
		if v := *r.slot(l.ref); v != nil {
			values[l.name] = v
		}
	}
	return &context{exported: map[string]Value{}, values: func(name string) Value {
		if v, ok := values[name]; ok {
			return v
		}
		return outer.resolve(name)
	}}
}

func (r *render) runBlock(n *blockStmt, ctx *context) error {
	if err := r.descend(); err != nil {
		return err
	}
	frame, context, autoescape := r.frame, r.context, r.autoescape
	r.frame, r.context, r.autoescape = newFrame(n.fn, nil), ctx, false // a block is compiled apart
	if n.self != nil {
		r.store(*n.self, &templateRef{})
	}
	if n.super != nil {
		r.store(*n.super, &undefined{hint: "there is no parent block called " + quote(n.name) + ".", name: String("super")})
	}
	r.enter(n.scope)
	_, err := r.run(n.body)
	r.frame, r.context, r.autoescape = frame, context, autoescape
	r.ascend()
	return err
}

func (n *loaderStmt) exec(r *render) (signal, error) {
	if _, err := r.eval(n.x); err != nil {
		return signalNone, err
	}
	return signalNone, typeError("no loader for this environment specified")
}

func (n *breakStmt) exec(*render) (signal, error)    { return signalBreak, nil }
func (n *continueStmt) exec(*render) (signal, error) { return signalContinue, nil }

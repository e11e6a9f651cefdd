package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// callArgs are the arguments of a call, evaluated.
type callArgs struct {
	pos   []Value
	names []string
	named []Value
}

// args are a call's arguments by the parameters of a builtin.
type args struct {
	recv  Value   // of a method
	v     []Value // one for each parameter, nil where not given
	rest  []Value // of *
	names []string
	named []Value // of **
}

// has reports whether the caller gave a parameter.
func (a *args) has(i int) bool { return a.v[i] != nil }

// or returns a parameter or its default.
func (a *args) or(i int, otherwise Value) Value {
	if a.v[i] == nil {
		return otherwise
	}
	return a.v[i]
}

// Kinds of builtins. They differ in the words with which Python refuses
// arguments, and in whether those may be named.
type builtinKind int

const (
	pythonKind  builtinKind = iota // written in Python
	nativeKind                     // in C: arguments by position
	parsedKind                     // in C, with an older way of reading arguments
	keywordKind                    // in C, arguments also by name
)

// builtin is a function, filter, test or method. Its parameters are names,
// with a ? after optional ones; * takes further arguments and ** named ones. A
// first parameter @ is one that Jinja passes itself and Python counts.
type builtin struct {
	name   string
	kind   builtinKind
	params []string
	fn     func(*render, *args) (Value, error)
}

func (b *builtin) typeName() string {
	if b.kind == pythonKind {
		return "function"
	}
	return "builtin_function_or_method"
}

func pythonFunc(name string, fn func(*render, *args) (Value, error), params ...string) *builtin {
	return &builtin{name, pythonKind, params, fn}
}

func nativeFunc(name string, fn func(*render, *args) (Value, error), params ...string) *builtin {
	return &builtin{name, nativeKind, params, fn}
}

// evalArgs evaluates the arguments of a call.
func (r *render) evalArgs(n *arguments) (*callArgs, error) {
	a := &callArgs{}
	if len(n.pos)+len(n.named) == 0 && n.dynPos == nil && n.dynNamed == nil {
		return a, nil
	}
	var err error
	if a.pos, err = r.evalAll(n.pos); err != nil {
		return nil, err
	}
	if a.named, err = r.evalAll(n.named); err != nil {
		return nil, err
	}
	a.names = slices.Clone(n.names)
	if n.dynPos != nil {
		if err := r.spread(n.dynPos, a); err != nil {
			return nil, err
		}
	}
	if n.dynNamed != nil {
		if err := r.spreadNamed(n.dynNamed, a); err != nil {
			return nil, err
		}
	}
	return a, nil
}

const sandboxCall = "jinja2.sandbox.SandboxedEnvironment.call()"

func (r *render) spread(x expr, a *callArgs) error {
	v, err := r.eval(x)
	if err != nil {
		return err
	}
	next, err := r.iterate(v)
	if err != nil {
		return typeError("Value after * must be an iterable, not %s", v.typeName())
	}
	more, err := r.drain(next)
	a.pos = append(a.pos, more...)
	return err
}

func (r *render) spreadNamed(x expr, a *callArgs) error {
	v, err := r.eval(x)
	if err != nil {
		return err
	}
	d, ok := v.(*Dict)
	if !ok {
		return typeError("%s argument after ** must be a mapping, not %s", sandboxCall, v.typeName())
	}
	if err := r.growItems(2*d.Len() + len(a.names)); err != nil {
		return err
	}
	explicit := map[string]bool{}
	for _, name := range a.names {
		explicit[name] = true
	}
	for i, key := range d.keys {
		name, ok := text(key)
		if !ok {
			return typeError("keywords must be strings")
		}
		if explicit[name] {
			return typeError("%s got multiple values for keyword argument '%s'", sandboxCall, name)
		}
		a.names, a.named = append(a.names, name), append(a.named, d.values[i])
	}
	return nil
}

// call is Python's call of any value.
func (r *render) call(fn Value, a *callArgs) (Value, error) {
	switch fn := fn.(type) {
	case *builtin:
		return r.callBuiltin(fn, nil, a)
	case *boundMethod:
		return r.callBuiltin(fn.fn, fn.recv, a)
	case *macro:
		return r.invoke(fn, a)
	case *loop:
		return r.callBuiltin(pythonFunc("LoopContext.__call__", loopCall, "iterable"), fn, a)
	case *joiner:
		return r.callBuiltin(pythonFunc("Joiner.__call__", joinerCall), fn, a)
	case *dictType:
		return r.callBuiltin(pythonFunc("dict", makeDict, "*", "**"), nil, a)
	case *blockRef:
		return r.callBuiltin(pythonFunc("BlockReference.__call__", blockRefCall), fn, a)
	case *undefined:
		return nil, fn.fail()
	}
	return nil, typeError("'%s' object is not callable", fn.typeName())
}

func (r *render) callBuiltin(b *builtin, recv Value, a *callArgs) (Value, error) {
	bound, err := b.bind(recv, a)
	if err != nil {
		return nil, err
	}
	return b.fn(r, bound)
}

// bind gives the arguments to the parameters.
func (b *builtin) bind(recv Value, a *callArgs) (*args, error) {
	params := b.params
	hidden, rest, named := 0, false, false
	if len(params) > 0 && params[0] == "@" {
		params, hidden = params[1:], 1
	}
	if n := len(params); n > 0 && params[n-1] == "**" {
		params, named = params[:n-1], true
	}
	if n := len(params); n > 0 && params[n-1] == "*" {
		params, rest = params[:n-1], true
	}
	if recv != nil && b.kind == pythonKind {
		hidden++
	}
	out := &args{recv: recv, v: make([]Value, len(params))}
	given := copy(out.v, a.pos)
	if more := a.pos[given:]; rest {
		out.rest = more
	} else if len(more) > 0 {
		return nil, b.wrongCount(params, hidden, len(a.pos))
	}
	for i, name := range a.names {
		at := slices.IndexFunc(params, func(p string) bool { return strings.TrimSuffix(p, "?") == name })
		switch {
		case b.kind == nativeKind || b.kind == parsedKind:
			return nil, typeError("%s() takes no keyword arguments", b.name)
		case at < 0 && named:
			out.names, out.named = append(out.names, name), append(out.named, a.named[i])
		case at < 0:
			return nil, b.unexpected(name)
		case out.v[at] != nil:
			return nil, typeError("%s() got multiple values for argument '%s'", b.name, name)
		default:
			out.v[at] = a.named[i]
		}
	}
	for i, p := range params {
		if out.v[i] == nil && !strings.HasSuffix(p, "?") {
			return nil, b.missing(params, out.v, hidden, len(a.pos))
		}
	}
	return out, nil
}

func (b *builtin) unexpected(name string) error {
	if b.kind == keywordKind {
		return typeError("'%s' is an invalid keyword argument for %s()", name, b.short())
	}
	return typeError("%s() got an unexpected keyword argument '%s'", b.name, name)
}

// short is the name without that of the type.
func (b *builtin) short() string { return b.name[strings.LastIndexByte(b.name, '.')+1:] }

// missing says that arguments are missing.
func (b *builtin) missing(params []string, v []Value, hidden, given int) error {
	if b.kind != pythonKind {
		return b.wrongCount(params, hidden, given)
	}
	var names []string
	for i, p := range params {
		if v[i] == nil && !strings.HasSuffix(p, "?") {
			names = append(names, "'"+p+"'")
		}
	}
	list := names[0]
	switch n := len(names); n {
	case 1:
		return typeError("%s() missing 1 required positional argument: %s", b.name, list)
	case 2:
		list = names[0] + " and " + names[1]
	default:
		list = strings.Join(names[:n-1], ", ") + ", and " + names[n-1]
	}
	return typeError("%s() missing %d required positional arguments: %s", b.name, len(names), list)
}

// wrongCount says that the number of arguments is wrong.
func (b *builtin) wrongCount(params []string, hidden, given int) error {
	most := len(params)
	least := most
	for _, p := range params {
		if strings.HasSuffix(p, "?") {
			least--
		}
	}
	bound, side := least, "least"
	if given > most {
		bound, side = most, "most"
	}
	switch {
	case b.kind == pythonKind:
		takes := plural(most+hidden, "positional argument")
		if least < most {
			takes = fmt.Sprintf("from %d to %s", least+hidden, plural(most+hidden, "positional argument"))
			if most+hidden == 1 {
				takes += "s"
			}
		}
		was := "were"
		if given+hidden == 1 {
			was = "was"
		}
		return typeError("%s() takes %s but %d %s given", b.name, takes, given+hidden, was)
	case most == 0:
		return typeError("%s() takes no arguments (%d given)", b.name, given)
	case least == 1 && most == 1:
		return typeError("%s() takes exactly one argument (%d given)", b.name, given)
	case b.kind == nativeKind && least == most:
		return typeError("%s expected %s, got %d", b.short(), plural(most, "argument"), given)
	case b.kind == nativeKind:
		return typeError("%s expected at %s %s, got %d", b.short(), side, plural(bound, "argument"), given)
	}
	return typeError("%s() takes at %s %s (%d given)", b.short(), side, plural(bound, "argument"), given)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// macro is a macro, or the body of a call block, with the variables around it.
type macro struct {
	def        *macroDef
	name       Value // None for the body of a call block
	outer      *frame
	context    *context
	autoescape bool // where it was defined
}

func (*macro) typeName() string { return "Macro" }

func (r *render) newMacro(def *macroDef, name Value) *macro {
	return &macro{def: def, name: name, outer: r.frame, context: r.context, autoescape: r.autoescape}
}

// invoke runs a macro and returns what it writes.
func (r *render) invoke(m *macro, a *callArgs) (Value, error) {
	if err := r.descend(); err != nil {
		return nil, err
	}
	defer r.ascend()
	callee := newFrame(m.def.fn, m.outer)
	if err := r.growItems(len(callee.slots)); err != nil {
		return nil, err
	}
	if err := m.bind(r, callee, a); err != nil {
		return nil, err
	}
	frame, context, autoescape := r.frame, r.context, r.autoescape
	r.frame, r.context, r.autoescape = callee, m.context, m.autoescape
	text, err := r.capture(func() error { return m.run(r) })
	r.frame, r.context, r.autoescape = frame, context, autoescape
	return r.markupIf(text), err
}

// run sets the parameters that were not given and runs the body.
func (m *macro) run(r *render) error {
	r.enter(m.def.scope)
	for i, arg := range m.def.args {
		if *r.slot(arg.ref) != nil {
			continue
		}
		var v Value = &undefined{hint: "parameter " + quote(arg.name) + " was not provided", name: String(arg.name)}
		if at := i - len(m.def.args) + len(m.def.defaults); at >= 0 {
			var err error
			if v, err = r.eval(m.def.defaults[at]); err != nil {
				return err
			}
		}
		r.store(arg.ref, v)
	}
	_, err := r.run(m.def.body)
	return err
}

// bind gives the arguments to the macro's parameters.
func (m *macro) bind(r *render, callee *frame, a *callArgs) error {
	given := min(len(a.pos), len(m.def.args))
	for i, v := range a.pos[:given] {
		callee.slots[m.def.args[i].ref.slot] = v
	}
	named := make(map[string]Value, len(a.names))
	for i, name := range a.names {
		named[name] = a.named[i]
	}
	for _, arg := range m.def.args[given:] {
		if v := named[arg.name]; v != nil {
			callee.slots[arg.ref.slot] = v
			delete(named, arg.name)
		}
	}
	if m.def.caller != nil {
		var caller Value = &undefined{hint: "No caller defined", name: String("caller")}
		if v := named["caller"]; v != nil && v != None {
			caller = v
		}
		delete(named, "caller")
		callee.slots[m.def.caller.slot] = caller
	}
	kwargs := NewDict()
	for i, name := range a.names {
		if named[name] == nil {
			continue
		}
		if err := r.dictSet(kwargs, String(name), a.named[i]); err != nil {
			return err
		}
	}
	if m.def.kwargs != nil {
		callee.slots[m.def.kwargs.slot] = kwargs
	} else if kwargs.Len() > 0 {
		return m.refuse(kwargs)
	}
	if m.def.varargs != nil {
		callee.slots[m.def.varargs.slot] = newTuple(a.pos[given:]...)
	} else if len(a.pos) > given {
		return typeError("macro %s takes not more than %d argument(s)", m.quoted(), len(m.def.args))
	}
	return nil
}

// quoted is the macro's name as error messages print it.
func (m *macro) quoted() string {
	if name, ok := text(m.name); ok {
		return quote(name)
	}
	return "None"
}

// refuse says that a macro does not take these named arguments.
func (m *macro) refuse(kwargs *Dict) error {
	if kwargs.Get("caller") != nil {
		return typeError("macro %s was invoked with two values for the special caller argument. This is most likely a bug.", m.quoted())
	}
	key, _ := text(kwargs.keys[0])
	return typeError("macro %s takes no keyword argument %s", m.quoted(), quote(key))
}

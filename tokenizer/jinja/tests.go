package jinja

// testFunc returns a test by its name, or nil.
func testFunc(name string) *builtin {
	if op, ok := comparison(name); ok {
		return nativeFunc(op, func(r *render, a *args) (Value, error) { return result(r.compare(symbol(op), a.v[0], a.v[1])) }, "a", "b")
	}
	switch name {
	case "defined":
		return is(name, func(v Value) bool { _, missing := v.(*undefined); return !missing })
	case "undefined":
		return is(name, func(v Value) bool { _, missing := v.(*undefined); return missing })
	case "none":
		return is(name, func(v Value) bool { return v == None })
	case "boolean":
		return is(name, func(v Value) bool { _, ok := v.(Bool); return ok })
	case "true":
		return is(name, func(v Value) bool { return v == Bool(true) })
	case "false":
		return is(name, func(v Value) bool { return v == Bool(false) })
	case "integer":
		return is(name, func(v Value) bool { _, isBool := v.(Bool); _, ok := integer(v); return ok && !isBool })
	case "float":
		return is(name, func(v Value) bool { _, ok := v.(Float); return ok })
	case "number":
		return is(name, isNumber)
	case "string":
		return is(name, func(v Value) bool { _, ok := text(v); return ok })
	case "mapping":
		return is(name, func(v Value) bool { _, ok := v.(*Dict); return ok })
	case "sequence":
		return is(name, isSequence)
	case "iterable":
		return is(name, isIterable)
	case "escaped":
		return is(name, func(v Value) bool { _, ok := v.(markup); return ok })
	case "callable":
		return nativeFunc("callable", func(_ *render, a *args) (Value, error) { return Bool(isCallable(a.v[0])), nil }, "obj")
	}
	return otherTest(name)
}

func otherTest(name string) *builtin {
	switch name {
	case "odd", "even":
		return pythonFunc("test_"+name, func(r *render, a *args) (Value, error) {
			return r.remainderIs(a.v[0], Int(2), map[string]Int{"odd": 1, "even": 0}[name])
		}, "value")
	case "divisibleby":
		return pythonFunc("test_divisibleby", func(r *render, a *args) (Value, error) {
			return r.remainderIs(a.v[0], a.v[1], 0)
		}, "value", "num")
	case "lower", "upper":
		return pythonFunc("test_"+name, func(r *render, a *args) (Value, error) {
			s, err := r.str(a.v[0])
			if err != nil {
				return nil, err
			}
			return predicateMethod("is"+name).fn(r, &args{recv: String(s)})
		}, "value")
	case "sameas":
		return pythonFunc("test_sameas", func(_ *render, a *args) (Value, error) { return Bool(a.v[0] == a.v[1]), nil }, "value", "other")
	case "in":
		return pythonFunc("test_in", func(r *render, a *args) (Value, error) { return result(r.contains(a.v[1], a.v[0])) }, "value", "seq")
	case "filter":
		return pythonFunc("test_filter", func(_ *render, a *args) (Value, error) { return exists(a.v[0], filterFunc) }, "@", "value")
	case "test":
		return pythonFunc("test_test", func(_ *render, a *args) (Value, error) { return exists(a.v[0], testFunc) }, "@", "value")
	}
	return nil
}

// comparison returns the operator's name that a test stands for.
func comparison(name string) (string, bool) {
	switch name {
	case "==", "eq", "equalto":
		return "eq", true
	case "!=", "ne":
		return "ne", true
	case ">", "gt", "greaterthan":
		return "gt", true
	case ">=", "ge":
		return "ge", true
	case "<", "lt", "lessthan":
		return "lt", true
	case "<=", "le":
		return "le", true
	}
	return "", false
}

// symbol is the operator of a comparison by its name.
func symbol(op string) string {
	return map[string]string{"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}[op]
}

func is(name string, f func(Value) bool) *builtin {
	return pythonFunc("test_"+name, func(_ *render, a *args) (Value, error) { return Bool(f(a.v[0])), nil }, "value")
}

// result makes a value of what a comparison returns.
func result(ok bool, err error) (Value, error) { return Bool(ok), err }

func exists(name Value, find func(string) *builtin) (Value, error) {
	if !hashable(name) {
		return nil, typeError("unhashable type: '%s'", name.typeName())
	}
	s, ok := text(name)
	return Bool(ok && find(s) != nil), nil
}

// isSequence reports whether v has a length and elements by index or key.
func isSequence(v Value) bool {
	_, isView := v.(*view)
	_, ok := length(v)
	return ok && !isView
}

func (r *render) remainderIs(v, divisor Value, want Int) (Value, error) {
	m, err := r.binary("%", v, divisor)
	if err != nil {
		return nil, err
	}
	return result(r.equal(m, want))
}

package jinja

// selectFilter returns the filters that apply another filter or a test to each
// element. They are generators: nothing happens before an element is asked for.
func selectFilter(name string) *builtin {
	switch name {
	case "map":
		return pythonFunc("sync_do_map", filterMap, "@", "value", "*", "**")
	case "select", "reject", "selectattr", "rejectattr":
		return pythonFunc("sync_do_"+name, func(r *render, a *args) (Value, error) {
			return r.choose(a, name == "select" || name == "selectattr", name == "selectattr" || name == "rejectattr")
		}, "@", "value", "*", "**")
	}
	return nil
}

// named finds the filter or test that an argument names.
func named(kind string, name Value, find func(string) *builtin) (*builtin, error) {
	if s, ok := text(name); ok {
		if fn := find(s); fn != nil {
			return fn, nil
		}
		return nil, raise("TemplateRuntimeError", "No %s named %s.", kind, quote(s))
	}
	if u, ok := name.(*undefined); ok {
		return nil, raise("TemplateRuntimeError", "No %s named Undefined. (%s; did you forget to quote the callable name?)", kind, u.message())
	}
	if !hashable(name) {
		return nil, typeError("unhashable type: '%s'", name.typeName())
	}
	return nil, raise("TemplateRuntimeError", "No %s named %s.", kind, shortRepr(name))
}

// apply calls a filter or test on an element with the arguments after its name.
func (r *render) apply(fn *builtin, v Value, a *args, skip int) (Value, error) {
	pos := append([]Value{v}, a.rest[skip:]...)
	return r.callBuiltin(fn, nil, &callArgs{pos, a.names, a.named})
}

func filterMap(r *render, a *args) (Value, error) {
	var next iterator
	var each func(Value) (Value, error)
	return newGenerator(func() (Value, error) {
		if next == nil {
			if !truth(a.v[0]) {
				return nil, nil
			}
			var err error
			if each, err = r.mapper(a); err != nil {
				return nil, err
			}
			if next, err = r.iterate(a.v[0]); err != nil {
				return nil, err
			}
		}
		v, err := next()
		if v == nil || err != nil {
			return nil, err
		}
		return each(v)
	}), nil
}

// mapper returns what map does to an element.
func (r *render) mapper(a *args) (func(Value) (Value, error), error) {
	var attribute, otherwise Value
	unexpected := ""
	for i, name := range a.names {
		switch {
		case name == "attribute":
			attribute = a.named[i]
		case name == "default":
			otherwise = a.named[i]
		case unexpected == "":
			unexpected = name
		}
	}
	switch {
	case len(a.rest) == 0 && attribute == nil:
		return nil, argError("map requires a filter argument")
	case len(a.rest) == 0 && unexpected != "":
		return nil, argError("Unexpected keyword argument %s", quote(unexpected))
	case len(a.rest) == 0:
		g := newGetter(attribute)
		if otherwise != None {
			g.withoutAny = otherwise
		}
		return func(v Value) (Value, error) { return g.get(r, v) }, nil
	}
	return func(v Value) (Value, error) {
		fn, err := named("filter", a.rest[0], filterFunc)
		if err != nil {
			return nil, err
		}
		return r.apply(fn, v, a, 1)
	}, nil
}

// choose returns the elements for which a test says keep, without a test those
// that are true.
func (r *render) choose(a *args, keep, byAttribute bool) (Value, error) {
	var next iterator
	g, skip := &getter{}, 0
	return newGenerator(func() (Value, error) {
		if next == nil {
			if !truth(a.v[0]) {
				return nil, nil
			}
			if byAttribute {
				if len(a.rest) == 0 {
					return nil, argError("Missing parameter for attribute name")
				}
				g, skip = newGetter(a.rest[0]), 1
			}
			var err error
			if next, err = r.iterate(a.v[0]); err != nil {
				return nil, err
			}
		}
		for {
			v, err := next()
			if v == nil || err != nil {
				return nil, err
			}
			x, err := g.get(r, v)
			if err != nil {
				return nil, err
			}
			if len(a.rest) > skip {
				fn, err := named("test", a.rest[skip], testFunc)
				if err != nil {
					return nil, err
				}
				if x, err = r.apply(fn, x, a, skip+1); err != nil {
					return nil, err
				}
			}
			if truth(x) == keep {
				return v, nil
			}
		}
	}), nil
}

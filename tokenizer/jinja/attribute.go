package jinja

import (
	"strings"
	"unicode/utf8"
)

// getAttr is a dot in a template: the attribute or, where there is none, the
// element of that name.
func (r *render) getAttr(v Value, name string) (Value, error) {
	attr, err := r.attribute(v, name)
	if attr != nil || err != nil {
		return attr, err
	}
	return r.element(v, String(name))
}

// getItem is brackets in a template: the element or, where there is none, the
// attribute of that name.
func (r *render) getItem(v, key Value) (Value, error) {
	item, err := r.element(v, key)
	if _, missing := item.(*undefined); !missing || err != nil {
		return item, err
	}
	if name, ok := text(key); ok {
		if attr, err := r.attribute(v, name); attr != nil || err != nil {
			return attr, err
		}
	}
	return item, nil
}

// element returns v[key], undefined where it is missing.
func (r *render) element(v, key Value) (Value, error) {
	none := &undefined{obj: v, name: key}
	switch x := v.(type) {
	case *Dict:
		if !hashable(key) {
			return none, nil
		}
		item, err := r.dictGet(x, key)
		if item == nil && err == nil {
			item = none
		}
		return item, err
	case *undefined:
		return nil, x.fail()
	case *templateRef:
		if name, ok := text(key); ok {
			if b := r.template.blocks[name]; b != nil {
				return &blockRef{block: b, context: r.context}, nil
			}
		}
		return none, nil
	}
	n, ok := length(v)
	i, isInt := smallInt(key)
	if !ok || !isInt {
		return none, nil
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return none, nil
	}
	switch x := v.(type) {
	case *List:
		return x.items[i], nil
	case *tuple:
		return x.items[i], nil
	case *rangeValue:
		return Int(x.start + i*x.step), nil
	case String, markup:
		s, _ := text(v)
		s, err := r.substring(s, i, i+1)
		return like(v, s), err
	}
	return none, nil
}

func hashable(v Value) bool {
	switch v := v.(type) {
	case *List, *Dict:
		return false
	case *view:
		return v.kind == "dict_values"
	case *tuple:
		for _, item := range v.items {
			switch item.(type) {
			case *List, *Dict, *view:
				return false
			}
		}
	}
	return true
}

// substring returns the characters from start to end of s, which has them.
func (r *render) substring(s string, start, end int) (string, error) {
	if err := r.scan(s); err != nil {
		return "", err
	}
	from := runeOffset(s, start)
	return s[from : from+runeOffset(s[from:], end-start)], nil
}

// runeOffset returns where the n-th character of s begins.
func runeOffset(s string, n int) int {
	at := 0
	for ; n > 0; n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

// attribute returns what Python's getattr finds and the sandbox allows: nil
// where there is nothing, undefined with SecurityError where it is forbidden.
func (r *render) attribute(v Value, name string) (Value, error) {
	attr, err := r.plainAttribute(v, name)
	if err != nil {
		return nil, err
	}
	if attr == nil && !forbidden(v, name) {
		return nil, nil
	}
	if strings.HasPrefix(name, "_") || attr == nil {
		return &undefined{
			hint: "access to attribute " + quote(name) + " of " + quote(v.typeName()) + " object is unsafe.",
			obj:  v, name: String(name), kind: "SecurityError",
		}, nil
	}
	return attr, nil
}

// forbidden reports whether v has an attribute that the sandbox hides.
func forbidden(v Value, name string) bool {
	if _, ok := v.(*namespace); ok {
		return name == "__class__"
	}
	if strings.HasPrefix(name, "__") {
		return hasDunder(v, name)
	}
	switch v.(type) {
	case *Dict:
		return oneOf(name, "clear", "pop", "popitem", "setdefault", "update")
	case *List:
		return oneOf(name, "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove")
	case *generator:
		return oneOf(name, "gi_frame", "gi_code")
	}
	return false
}

func oneOf(name string, names ...string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// hasDunder reports whether Python's type has a special attribute.
func hasDunder(v Value, name string) bool {
	switch name {
	case "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__", "__getstate__", "__gt__",
		"__hash__", "__init__", "__init_subclass__", "__le__", "__lt__", "__ne__", "__new__", "__reduce__", "__reduce_ex__", "__repr__",
		"__setattr__", "__sizeof__", "__str__", "__subclasshook__":
		return true
	case "__bool__":
		_, isUndefined := v.(*undefined)
		return isNumber(v) || v == None || isUndefined
	case "__len__", "__contains__", "__getitem__":
		_, ok := length(v)
		return ok
	case "__iter__":
		return isIterable(v)
	case "__call__":
		return isCallable(v)
	case "__html__":
		_, ok := v.(markup)
		return ok
	case "__add__", "__mul__", "__rmul__":
		_, isText := text(v)
		_, isList := v.(*List)
		_, isTuple := v.(*tuple)
		return isText || isList || isTuple || isNumber(v)
	case "__mod__", "__rmod__":
		_, isText := text(v)
		return isText || isNumber(v)
	case "__abs__", "__int__", "__float__", "__index__", "__neg__", "__sub__", "__truediv__":
		return isNumber(v)
	case "__dict__", "__module__":
		switch v := v.(type) {
		case *builtin:
			return v.kind == pythonKind
		case *macro, *loop, *cycler, *joiner, *dictType, *blockRef, *templateRef:
			return true
		}
	case "__name__", "__qualname__", "__self__":
		switch v.(type) {
		case *builtin, *boundMethod:
			return true
		}
	case "__globals__", "__code__":
		f, ok := v.(*builtin)
		return ok && f.kind == pythonKind
	}
	return false
}

func isIterable(v Value) bool {
	switch v.(type) {
	case *generator, *loop:
		return true
	}
	_, ok := length(v)
	return ok
}

// plainAttribute returns an attribute that the sandbox allows, nil for none.
func (r *render) plainAttribute(v Value, name string) (Value, error) {
	switch x := v.(type) {
	case String, markup:
		return bind(v, stringMethod(name)), nil
	case *Dict:
		return bind(v, dictMethod(name)), nil
	case *List:
		return bind(v, listMethod(name)), nil
	case *tuple:
		for i, field := range x.names {
			if field == name {
				return x.items[i], nil
			}
		}
		return bind(v, tupleMethod(name)), nil
	case Bool, Int, bigInt, Float:
		return numberAttribute(v, name), nil
	case *rangeValue:
		switch name {
		case "start":
			return Int(x.start), nil
		case "stop":
			return Int(x.stop), nil
		case "step":
			return Int(x.step), nil
		}
		return bind(v, sequenceMethod("range", name)), nil
	case *view:
		if name == "mapping" {
			return x.dict, nil
		}
		return nil, nil
	case *undefined:
		if hasDunder(v, name) || oneOf(name, "_undefined_hint", "_undefined_obj", "_undefined_name", "_undefined_exception", "_undefined_message", "_fail_with_undefined_error") {
			return v, nil
		}
		if strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") {
			return nil, nil
		}
		return nil, x.fail()
	case *namespace:
		return x.attrs.Get(name), nil
	}
	return r.objectAttribute(v, name)
}

// objectAttribute returns an attribute of Jinja's own objects.
func (r *render) objectAttribute(v Value, name string) (Value, error) {
	switch x := v.(type) {
	case *loop:
		return x.attr(name)
	case *macro:
		return x.attr(name), nil
	case *cycler:
		return x.attr(name), nil
	case *joiner:
		switch name {
		case "sep":
			return x.sep, nil
		case "used":
			return Bool(x.used), nil
		}
	case *dictType:
		if name == "fromkeys" {
			return nativeFunc("fromkeys", dictFromKeys, "iterable", "value?"), nil
		}
	case *blockRef:
		switch name {
		case "name":
			return String(x.block.name), nil
		case "super":
			return &undefined{hint: "there is no parent block called " + quote(x.block.name) + ".", name: String("super")}, nil
		}
	}
	return nil, nil
}

// bind returns a method with its receiver, nil for none.
func bind(v Value, fn *builtin) Value {
	if fn == nil {
		return nil
	}
	return &boundMethod{v, fn}
}

func (m *macro) attr(name string) Value {
	switch name {
	case "name":
		return m.name
	case "arguments":
		names := make([]Value, len(m.def.args))
		for i, arg := range m.def.args {
			names[i] = String(arg.name)
		}
		return newTuple(names...)
	case "catch_kwargs":
		return Bool(m.def.kwargs != nil)
	case "catch_varargs":
		return Bool(m.def.varargs != nil)
	case "caller":
		return Bool(m.def.caller != nil)
	}
	return nil
}

// slice is v[start:stop:step].
func (r *render) slice(v Value, bounds [3]Value) (Value, error) {
	switch x := v.(type) {
	case *undefined:
		return nil, x.fail()
	case *Dict:
		return nil, typeError("unhashable type: 'slice'")
	case String, markup, *List, *tuple, *rangeValue:
	default:
		return nil, typeError("'%s' object is not subscriptable", v.typeName())
	}
	size, _ := length(v)
	start, stop, step, n, err := sliceIndices(bounds, size)
	if err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case *List:
		items, err := r.sliceItems(x.items, start, step, n)
		return &List{items}, err
	case *tuple:
		items, err := r.sliceItems(x.items, start, step, n)
		return newTuple(items...), err
	case *rangeValue:
		return &rangeValue{x.start + start*x.step, x.start + stop*x.step, x.step * step, n}, nil
	}
	s, _ := text(v)
	if step == 1 {
		s, err = r.substring(s, start, start+n)
		return like(v, s), err
	}
	s, err = r.sliceRunes(s, start, step, n)
	return like(v, s), err
}

func (r *render) sliceItems(items []Value, start, step, n int) ([]Value, error) {
	if err := r.growItems(n); err != nil {
		return nil, err
	}
	out := make([]Value, n)
	for i := range out {
		out[i] = items[start+i*step]
	}
	return out, nil
}

func (r *render) sliceRunes(s string, start, step, n int) (string, error) {
	if err := r.grow(5 * len(s)); err != nil {
		return "", err
	}
	runes := []rune(s)
	out := make([]rune, n)
	for i := range out {
		out[i] = runes[start+i*step]
	}
	return string(out), nil
}

// sliceIndices returns the first index, the step and the number of elements of
// a slice, as Python's slice.indices.
func sliceIndices(bounds [3]Value, size int) (start, stop, step, n int, err error) {
	var b [3]int
	for i, v := range bounds {
		if v == None {
			continue
		}
		if _, ok := integer(v); !ok {
			return 0, 0, 0, 0, typeError("slice indices must be integers or None or have an __index__ method")
		}
		b[i] = clampInt(v, size+1)
	}
	step = 1
	if bounds[2] != None {
		if step = b[2]; step == 0 {
			return 0, 0, 0, 0, valueError("slice step cannot be zero")
		}
	}
	low, high := 0, size // the range of a bound
	if step < 0 {
		low, high = -1, size-1
	}
	bound := func(i, otherwise int) int {
		if bounds[i] == None {
			return otherwise
		}
		if b[i] < 0 {
			b[i] += size
		}
		return min(max(b[i], low), high)
	}
	if step > 0 {
		start, stop = bound(0, 0), bound(1, size)
		n = (stop - start + step - 1) / step
	} else {
		start, stop = bound(0, size-1), bound(1, -1)
		n = (start - stop - step - 1) / -step
	}
	return start, stop, step, max(n, 0), nil
}

// clampInt returns an int of at most this size either way.
func clampInt(v Value, size int) int {
	if n, ok := smallInt(v); ok {
		return min(max(n, -size), size)
	}
	return size * toBig(v).Sign()
}

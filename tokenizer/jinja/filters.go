package jinja

import (
	"math"
	"math/big"
	"strconv"
)

// filterFunc returns a filter by its name, or nil.
func filterFunc(name string) *builtin {
	for _, find := range []func(string) *builtin{valueFilter, sequenceFilter, selectFilter, textFilter, webFilter} {
		if b := find(name); b != nil {
			return b
		}
	}
	return nil
}

func valueFilter(name string) *builtin {
	switch name {
	case "abs":
		return nativeFunc("abs", filterAbs, "x")
	case "attr":
		return pythonFunc("do_attr", filterAttr, "@", "obj", "name")
	case "d", "default":
		return pythonFunc("do_default", filterDefault, "value", "default_value?", "boolean?")
	case "count", "length":
		return nativeFunc("len", filterLength, "obj")
	case "float":
		return pythonFunc("do_float", filterFloat, "value", "default?")
	case "int":
		return pythonFunc("do_int", filterInt, "value", "default?", "base?")
	case "round":
		return pythonFunc("do_round", filterRound, "value", "precision?", "method?")
	case "string":
		return pythonFunc("soft_str", func(r *render, a *args) (Value, error) { return r.softStr(a.v[0]) }, "s")
	case "items":
		return pythonFunc("do_items", filterItems, "value")
	case "tojson":
		return pythonFunc("_cached_compile_jinja_template.<locals>.tojson", filterToJSON, "x", "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	case "pprint":
		return pythonFunc("do_pprint", filterPretty, "value")
	case "filesizeformat":
		return pythonFunc("do_filesizeformat", filterFileSize, "value", "binary?")
	}
	return nil
}

// softStr returns a str or Markup as it is and anything else as str.
func (r *render) softStr(v Value) (Value, error) {
	if _, ok := text(v); ok {
		return v, nil
	}
	s, err := r.str(v)
	return String(s), err
}

// argError is for an argument that Jinja itself refuses.
func argError(format string, args ...any) error { return raise("FilterArgumentError", format, args...) }

func filterAbs(r *render, a *args) (Value, error) {
	v := a.v[0]
	switch {
	case !isNumber(v):
		return nil, typeError("bad operand type for abs(): '%s'", v.typeName())
	case compareNumbers(v, Int(0)) < 0:
		return r.unary("-", v)
	}
	if f, ok := v.(Float); ok {
		return Float(math.Abs(float64(f))), nil
	}
	return r.unary("+", v)
}

func filterAttr(r *render, a *args) (Value, error) {
	name, ok := text(a.v[1])
	if !hashable(a.v[1]) {
		return nil, typeError("unhashable type: '%s'", a.v[1].typeName())
	}
	if !ok {
		return nil, typeError("attribute name must be string, not '%s'", a.v[1].typeName())
	}
	v, err := r.attribute(a.v[0], name)
	if v == nil && err == nil {
		v = &undefined{obj: a.v[0], name: a.v[1]}
	}
	return v, err
}

func filterDefault(_ *render, a *args) (Value, error) {
	_, missing := a.v[0].(*undefined)
	if missing || truth(a.or(2, Bool(false))) && !truth(a.v[0]) {
		return a.or(1, String("")), nil
	}
	return a.v[0], nil
}

func filterLength(r *render, a *args) (Value, error) {
	if l, ok := a.v[0].(*loop); ok {
		n, err := l.count()
		return Int(n), err
	}
	if s, ok := text(a.v[0]); ok {
		if err := r.scan(s); err != nil {
			return nil, err
		}
	}
	n, ok := length(a.v[0])
	if !ok {
		return nil, typeError("object of type '%s' has no len()", a.v[0].typeName())
	}
	return Int(n), nil
}

// number converts v to a float as Python's float does; nil where it cannot.
func (r *render) number(v Value) (Value, error) {
	switch x := v.(type) {
	case *undefined:
		return nil, x.fail()
	case String, markup:
		s, _ := text(v)
		if err := r.scan(s); err != nil {
			return nil, err
		}
		if f, ok := parseFloat(s); ok {
			return Float(f), nil
		}
		return nil, nil
	}
	if !isNumber(v) {
		return nil, nil
	}
	f, err := toFloat(v)
	return Float(f), err
}

func filterFloat(r *render, a *args) (Value, error) {
	f, err := r.number(a.v[0])
	if f == nil && err == nil {
		f = a.or(1, Float(0))
	}
	return f, err
}

func filterInt(r *render, a *args) (Value, error) {
	v := a.v[0]
	if n, ok := integer(v); ok {
		return n, nil
	}
	if f, ok := v.(Float); ok && !math.IsNaN(float64(f)) {
		return truncated(float64(f))
	}
	if s, ok := text(v); ok {
		base, err := index(a.or(2, Int(10)))
		if err != nil {
			return nil, err
		}
		if err := r.scan(s); err != nil {
			return nil, err
		}
		if n := parseInt(s, base); n != nil {
			return n, nil
		}
	}
	x, err := r.number(v)
	if err != nil {
		return nil, err
	}
	f, ok := x.(Float)
	if !ok || math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return a.or(1, Int(0)), nil
	}
	return intFromFloat(float64(f)), nil
}

func filterRound(r *render, a *args) (Value, error) {
	method, _ := text(a.or(2, String("common")))
	if !oneOf(method, "common", "ceil", "floor") {
		return nil, argError("method must be common, ceil or floor")
	}
	precision := a.or(1, Int(0))
	if method == "common" {
		return r.round(a.v[0], precision)
	}
	scale, err := r.binary("**", Int(10), precision)
	if err != nil {
		return nil, err
	}
	v, err := r.binary("*", a.v[0], scale)
	if err != nil {
		return nil, err
	}
	if f, ok := v.(Float); ok {
		whole := math.Floor(float64(f))
		if method == "ceil" {
			whole = math.Ceil(float64(f))
		}
		if v, err = truncated(whole); err != nil {
			return nil, err
		}
	} else if !isNumber(v) {
		return nil, typeError("must be real number, not %s", v.typeName())
	}
	return r.binary("/", v, scale)
}

// round is Python's round(v, precision).
func (r *render) round(v, precision Value) (Value, error) {
	f, isFloat := v.(Float)
	n, isInt := integer(v)
	if !isFloat && !isInt {
		return nil, typeError("type %s doesn't define __round__ method", v.typeName())
	}
	if isInt && (precision == None || isNumber(precision) && compareNumbers(precision, Int(0)) >= 0) {
		if _, isFloat := precision.(Float); !isFloat {
			return n, nil
		}
	}
	whole := precision == None
	if whole {
		precision = Int(0)
	}
	digits, err := index(precision)
	switch {
	case err != nil:
		return nil, err
	case isFloat && (math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) || digits > 323):
		return v, nil
	case isFloat && digits >= 0:
		x, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'f', digits, 64), 64)
		if whole {
			return intFromFloat(x), nil
		}
		return Float(x), nil
	case isFloat && digits < -308:
		return Float(math.Copysign(0, float64(f))), nil
	}
	if digits < -maxDigits {
		return nil, limitError("steps")
	}
	exact := new(big.Rat)
	if isFloat {
		exact.SetFloat64(float64(f))
	} else {
		exact.SetInt(toBig(n))
	}
	if err := r.spend(exact.Num().BitLen()/8 - digits); err != nil {
		return nil, err
	}
	rounded := roundToPower(exact, -digits)
	if isInt {
		return fromBig(rounded), nil
	}
	x, _ := new(big.Float).SetInt(rounded).Float64()
	return Float(math.Copysign(x, float64(f))), nil
}

// roundToPower returns the multiple of 10**n next to x, the even one of two.
func roundToPower(x *big.Rat, n int) *big.Int {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	x = new(big.Rat).Quo(x, new(big.Rat).SetInt(unit))
	q, rest := new(big.Int).DivMod(x.Num(), x.Denom(), new(big.Int))
	switch rest.Lsh(rest, 1).Cmp(x.Denom()) {
	case 1:
		q.Add(q, big.NewInt(1))
	case 0:
		q.Add(q, big.NewInt(int64(q.Bit(0))))
	}
	return q.Mul(q, unit)
}

func filterItems(r *render, a *args) (Value, error) {
	var next iterator
	return newGenerator(func() (Value, error) {
		if next != nil {
			return next()
		}
		switch v := a.v[0].(type) {
		case *undefined:
			return nil, nil
		case *Dict:
			next = r.eachOf(&view{v, "dict_items"})
			return next()
		}
		return nil, typeError("Can only get item pairs from a mapping.")
	}), nil
}

func filterFileSize(r *render, a *args) (Value, error) {
	v, err := r.number(a.v[0])
	if err != nil {
		return nil, err
	}
	f, ok := v.(Float)
	if !ok {
		if _, isText := text(a.v[0]); isText {
			s, err := r.repr(a.v[0])
			if err != nil {
				return nil, err
			}
			return nil, valueError("could not convert string to float: %s", s)
		}
		return nil, typeError("float() argument must be a string or a real number, not '%s'", a.v[0].typeName())
	}
	base, binary, size := 1000.0, "", float64(f)
	if truth(a.or(1, Bool(false))) {
		base, binary = 1024, "i"
	}
	switch {
	case size == 1:
		return String("1 Byte"), nil
	case size < base:
		n, err := truncated(size)
		if err != nil {
			return nil, err
		}
		s, err := r.formatInt(n)
		return String(s + " Bytes"), err
	}
	prefixes := "kMGTPEZY"
	if binary != "" {
		prefixes = "KMGTPEZY"
	}
	for i := range len(prefixes) {
		unit, err := r.powInts(Int(base), Int(i+2))
		if err != nil {
			return nil, err
		}
		if i < len(prefixes)-1 && compareNumbers(v, unit) >= 0 {
			continue
		}
		scale, err := toFloat(unit)
		if err != nil {
			return nil, err
		}
		s, err := r.format(Float(base*size/scale), ".1f")
		return String(s + " " + prefixes[i:i+1] + binary + "B"), err
	}
	return nil, nil
}

package jinja

import (
	"math"
	"math/big"
	"strconv"
)

func dictMethod(name string) *builtin {
	switch name {
	case "items", "keys", "values":
		return nativeFunc("dict."+name, func(_ *render, a *args) (Value, error) {
			return &view{a.recv.(*Dict), "dict_" + name}, nil
		})
	case "get":
		return nativeFunc("dict.get", func(r *render, a *args) (Value, error) {
			v, err := r.dictGet(a.recv.(*Dict), a.v[0])
			if v == nil {
				v = a.or(1, None)
			}
			return v, err
		}, "key", "default?")
	case "copy":
		return nativeFunc("dict.copy", func(r *render, a *args) (Value, error) {
			d := a.recv.(*Dict)
			if err := r.growItems(4 * d.Len()); err != nil {
				return nil, err
			}
			return d.Clone(), nil
		})
	case "fromkeys":
		return nativeFunc("fromkeys", dictFromKeys, "iterable", "value?")
	}
	return nil
}

func dictFromKeys(r *render, a *args) (Value, error) {
	next, err := r.iterate(a.v[0])
	if err != nil {
		return nil, err
	}
	d := NewDict()
	for {
		key, err := next()
		if key == nil || err != nil {
			return d, err
		}
		if err := r.dictSet(d, key, a.or(1, None)); err != nil {
			return nil, err
		}
	}
}

func listMethod(name string) *builtin {
	if name == "copy" {
		return nativeFunc("list.copy", func(_ *render, a *args) (Value, error) { return &List{a.recv.(*List).items}, nil })
	}
	return sequenceMethod("list", name)
}

func tupleMethod(name string) *builtin { return sequenceMethod("tuple", name) }

func sequenceMethod(typ, name string) *builtin {
	switch name {
	case "count":
		return nativeFunc(typ+".count", sequenceCount, "value")
	case "index":
		if typ == "range" {
			return nativeFunc("range.index", sequenceIndex, "value")
		}
		return nativeFunc(typ+".index", sequenceIndex, "value", "start?", "stop?")
	}
	return nil
}

func sequenceCount(r *render, a *args) (Value, error) {
	items, err := r.items(a.recv)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, item := range items {
		same, err := r.equal(item, a.v[0])
		if err != nil {
			return nil, err
		}
		if same {
			n++
		}
	}
	return Int(n), nil
}

func sequenceIndex(r *render, a *args) (Value, error) {
	items, err := r.items(a.recv)
	if err != nil {
		return nil, err
	}
	start, n := 0, len(items)
	if len(a.v) > 1 {
		if start, _, _, n, err = sliceIndices([3]Value{a.or(1, None), a.or(2, None), None}, len(items)); err != nil {
			return nil, err
		}
	}
	for i := start; i < start+n; i++ {
		same, err := r.equal(items[i], a.v[0])
		if same || err != nil {
			return Int(i), err
		}
	}
	if _, ok := a.recv.(*tuple); ok {
		return nil, valueError("tuple.index(x): x not in tuple")
	}
	s, err := r.repr(a.v[0])
	if err != nil {
		return nil, err
	}
	if _, ok := a.recv.(*rangeValue); ok {
		return nil, valueError("%s is not in range", s)
	}
	return nil, valueError("%s is not in list", s)
}

// numberAttribute returns an attribute of an int or a float, nil for none.
func numberAttribute(v Value, name string) Value {
	f, isFloat := v.(Float)
	n, _ := integer(v)
	self := n
	if isFloat {
		self = f
	}
	method := func(f func(*render, *args) (Value, error)) Value {
		return bind(v, nativeFunc(v.typeName()+"."+name, f))
	}
	switch name {
	case "real":
		return self
	case "imag":
		if isFloat {
			return Float(0)
		}
		return Int(0)
	case "conjugate":
		return method(func(*render, *args) (Value, error) { return self, nil })
	case "as_integer_ratio":
		return method(func(*render, *args) (Value, error) { return integerRatio(self) })
	}
	if isFloat {
		switch name {
		case "is_integer":
			return method(func(*render, *args) (Value, error) {
				return Bool(float64(f) == math.Trunc(float64(f)) && !math.IsInf(float64(f), 0)), nil
			})
		case "hex":
			return method(func(*render, *args) (Value, error) { return String(floatHex(float64(f))), nil })
		}
		return nil
	}
	switch name {
	case "numerator":
		return n
	case "denominator":
		return Int(1)
	case "bit_length":
		return method(func(*render, *args) (Value, error) { return Int(toBig(n).BitLen()), nil })
	case "bit_count":
		return method(func(r *render, _ *args) (Value, error) {
			if err := r.grow(toBig(n).BitLen()); err != nil {
				return nil, err
			}
			ones := 0
			for _, c := range toBig(n).Text(2) {
				if c == '1' {
					ones++
				}
			}
			return Int(ones), nil
		})
	}
	return nil
}

// integerRatio returns the numerator and denominator of a number.
func integerRatio(v Value) (Value, error) {
	f, ok := v.(Float)
	if !ok {
		return newTuple(v, Int(1)), nil
	}
	switch {
	case math.IsNaN(float64(f)):
		return nil, valueError("cannot convert NaN to integer ratio")
	case math.IsInf(float64(f), 0):
		return nil, raise("OverflowError", "cannot convert Infinity to integer ratio")
	}
	ratio := new(big.Rat)
	ratio.SetFloat64(float64(f))
	return newTuple(fromBig(ratio.Num()), fromBig(ratio.Denom())), nil
}

// floatHex is float.hex.
func floatHex(f float64) string {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return formatFloat(f)
	case f == 0 && math.Signbit(f):
		return "-0x0.0p+0"
	case f == 0:
		return "0x0.0p+0"
	}
	bits := math.Float64bits(f)
	exp := int(bits>>52&0x7FF) - 1023
	lead := "1"
	if exp == -1023 { // subnormal
		lead, exp = "0", -1022
	}
	sign, plus := "", "+"
	if f < 0 {
		sign = "-"
	}
	if exp < 0 {
		plus = ""
	}
	mantissa := strconv.FormatUint(bits&(1<<52-1)|1<<52, 16)[1:]
	return sign + "0x" + lead + "." + mantissa + "p" + plus + strconv.Itoa(exp)
}

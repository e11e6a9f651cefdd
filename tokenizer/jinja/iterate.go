package jinja

import "unicode/utf8"

// iterator returns the next element, nil after the last one. Each costs a step.
type iterator func() (Value, error)

// iterate is Python's iter.
func (r *render) iterate(v Value) (iterator, error) {
	switch v := v.(type) {
	case String:
		return r.eachRune(string(v)), nil
	case markup:
		return r.eachRune(string(v)), nil
	case *List:
		return r.each(v.items), nil
	case *tuple:
		return r.each(v.items), nil
	case *Dict:
		return r.each(v.keys), nil
	case *view:
		return r.eachOf(v), nil
	case *rangeValue:
		i := 0
		return func() (Value, error) {
			if i == v.n {
				return nil, nil
			}
			i++
			return Int(v.start + (i-1)*v.step), r.spend(1)
		}, nil
	case *generator:
		return func() (Value, error) {
			if err := r.spend(1); err != nil {
				return nil, err
			}
			return v.advance(r)
		}, nil
	case *undefined:
		return r.each(nil), nil
	case *loop:
		return func() (Value, error) {
			item, err := v.advance()
			if item == nil || err != nil {
				return nil, err
			}
			return newTuple(item, v), r.spend(1)
		}, nil
	}
	return nil, typeError("'%s' object is not iterable", v.typeName())
}

// each iterates over a list.
func (r *render) each(items []Value) iterator {
	i := 0
	return func() (Value, error) {
		if i >= len(items) {
			return nil, nil
		}
		i++
		return items[i-1], r.spend(1)
	}
}

// eachRune iterates over the characters of a string.
func (r *render) eachRune(s string) iterator {
	return func() (Value, error) {
		if s == "" {
			return nil, nil
		}
		_, size := utf8.DecodeRuneInString(s)
		c := s[:size]
		s = s[size:]
		return String(c), r.spend(1)
	}
}

// eachOf iterates over what a dict's view shows.
func (r *render) eachOf(v *view) iterator {
	i := 0
	return func() (Value, error) {
		if i >= v.dict.Len() {
			return nil, nil
		}
		i++
		return v.at(i - 1), r.spend(1)
	}
}

// at returns an element of a view.
func (v *view) at(i int) Value {
	switch v.kind {
	case "dict_keys":
		return v.dict.keys[i]
	case "dict_values":
		return v.dict.values[i]
	}
	return newTuple(v.dict.keys[i], v.dict.values[i])
}

// advance returns the next element of a generator, which may itself draw from
// another one.
func (g *generator) advance(r *render) (Value, error) {
	if g.next == nil {
		return nil, nil
	}
	if err := r.descend(); err != nil {
		return nil, err
	}
	defer r.ascend()
	v, err := g.next()
	if v == nil || err != nil {
		g.next = nil // one that ended or failed stays at its end
	}
	return v, err
}

// items returns the elements of v, to be read only.
func (r *render) items(v Value) ([]Value, error) {
	switch v := v.(type) {
	case *List:
		return v.items, nil
	case *tuple:
		return v.items, nil
	}
	next, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	return r.drain(next)
}

// drain returns what an iterator still has.
func (r *render) drain(next iterator) ([]Value, error) {
	var items []Value
	for {
		v, err := next()
		if v == nil || err != nil {
			return items, err
		}
		if err := r.grow(bytesPerItem); err != nil {
			return nil, err
		}
		items = append(items, v)
	}
}

// newGenerator returns a generator as a function with yield makes one.
func newGenerator(next iterator) *generator { return &generator{kind: "generator", next: next} }

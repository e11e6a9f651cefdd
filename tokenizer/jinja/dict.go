package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Dict is Python's dict: it keeps the order of insertion, and keys that are
// equal in Python (1, 1.0 and True) are one key. Of a template only block assignments change one.
type Dict struct {
	keys, values []Value
	index        map[any]int
}

// NewDict returns an empty dict.
func NewDict() *Dict { return &Dict{} }

// Len returns the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Get returns the value of a string key, or nil.
func (d *Dict) Get(key string) Value {
	if i, ok := d.index[key]; ok {
		return d.values[i]
	}
	return nil
}

// Set gives a string key a value. It must not be called on a dict that a
// rendering may be reading.
func (d *Dict) Set(key string, v Value) { d.set(key, NewString(key), v) }

// All calls yield for each string key in order; it fits a range statement.
func (d *Dict) All(yield func(string, Value) bool) {
	for i, k := range d.keys {
		if s, ok := text(k); ok && !yield(s, d.values[i]) {
			return
		}
	}
}

// Clone returns a copy with the same values.
func (d *Dict) Clone() *Dict {
	c := &Dict{index: make(map[any]int, len(d.keys))}
	for i, k := range d.keys {
		c.keys, c.values = append(c.keys, k), append(c.values, d.values[i])
	}
	for h, i := range d.index {
		c.index[h] = i
	}
	return c
}

func (d *Dict) set(hash any, key, v Value) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = v
		return
	}
	if d.index == nil {
		d.index = map[any]int{}
	}
	d.index[hash] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
}

// dictGet looks any key up; nil where it is missing.
func (r *render) dictGet(d *Dict, key Value) (Value, error) {
	hash, err := r.hash(key)
	if err != nil {
		return nil, err
	}
	if i, ok := d.index[hash]; ok {
		return d.values[i], nil
	}
	return nil, nil
}

func (r *render) dictSet(d *Dict, key, v Value) error {
	hash, err := r.hash(key)
	if err != nil {
		return err
	}
	d.set(hash, key, v)
	return r.growItems(2)
}

// Forms that hash gives to keys that a Go string or int64 cannot stand for.
type (
	hashedTuple string
	hashedBig   string
	hashedNone  struct{}
)

// hash maps equal keys to one comparable Go value.
func (r *render) hash(v Value) (any, error) {
	switch v := v.(type) {
	case String:
		return string(v), r.scan(string(v))
	case markup:
		return string(v), r.scan(string(v))
	case noneType:
		return hashedNone{}, nil
	case Bool:
		return int64(boolInt(v)), nil
	case Int:
		return int64(v), nil
	case bigInt:
		return hashedBig(v.Text(16)), r.spend(v.BitLen() / 64)
	case Float:
		return hashFloat(float64(v)), nil
	case *tuple:
		return r.hashTuple(v)
	case *List, *Dict:
		return nil, typeError("unhashable type: '%s'", v.typeName())
	case *view:
		if v.kind != "dict_values" {
			return nil, typeError("unhashable type: '%s'", v.kind)
		}
	case *undefined:
		return (*undefined)(nil), nil
	}
	return v, nil
}

func hashFloat(f float64) any {
	if f != math.Trunc(f) || math.IsInf(f, 0) {
		return f
	}
	switch n := intFromFloat(f).(type) {
	case Int:
		return int64(n)
	case bigInt:
		return hashedBig(n.Text(16))
	}
	return f
}

func (r *render) hashTuple(t *tuple) (any, error) {
	if err := r.descend(); err != nil {
		return nil, err
	}
	defer r.ascend()
	var b strings.Builder
	for _, item := range t.items {
		hash, err := r.hash(item)
		if err != nil {
			return nil, err
		}
		part := hashKeyText(hash)
		b.WriteString(part)
		if err := r.grow(len(part)); err != nil {
			return nil, err
		}
	}
	return hashedTuple(b.String()), nil
}

// hashKeyText writes what hash returns so that different keys differ.
func hashKeyText(hash any) string {
	switch h := hash.(type) {
	case string:
		return "s" + strconv.Itoa(len(h)) + ":" + h
	case int64:
		return "i" + strconv.FormatInt(h, 16) + ";"
	case float64:
		return "f" + strconv.FormatUint(math.Float64bits(h), 16) + ";"
	case hashedBig:
		return "b" + string(h) + ";"
	case hashedTuple:
		return "t" + strconv.Itoa(len(h)) + ":" + string(h)
	case hashedNone:
		return "n"
	case *undefined:
		return "u"
	}
	return fmt.Sprintf("p%p;", hash)
}

package gguf

import (
	"cmp"
	"math"
	"slices"
)

// entry is a key with its value: a number, bool or string of the Go type that
// the file's type names, texts or a slice of one of the others, or of slices.
type entry struct {
	key   string
	value any
	at    int64 // offset of the value's type, for messages
}

// metadata is the key-value part of a file.
type metadata struct {
	entries []entry // in the order of the file
	sorted  []int32 // numbers of entries, by key
}

// index sorts the keys and returns one that is there twice, or nil.
func (m *metadata) index() *entry {
	m.sorted = make([]int32, len(m.entries))
	for i := range m.sorted {
		m.sorted[i] = int32(i)
	}
	slices.SortFunc(m.sorted, func(a, b int32) int { return cmp.Compare(m.entries[a].key, m.entries[b].key) })
	for i := 1; i < len(m.sorted); i++ {
		if e := &m.entries[m.sorted[i]]; e.key == m.entries[m.sorted[i-1]].key {
			return e
		}
	}
	return nil
}

func (m *metadata) find(key string) (*entry, bool) {
	i, ok := slices.BinarySearchFunc(m.sorted, key, func(n int32, key string) int { return cmp.Compare(m.entries[n].key, key) })
	if !ok {
		return nil, false
	}
	return &m.entries[m.sorted[i]], true
}

// Keys returns all keys in the order of the file.
func (m *metadata) Keys() []string {
	keys := make([]string, len(m.entries))
	for i := range keys {
		keys[i] = m.entries[i].key
	}
	return keys
}

// Has reports whether a key is there.
func (m *metadata) Has(key string) bool {
	_, ok := m.find(key)
	return ok
}

// Value returns a value as the Go type that the file's type names: uint8 to
// float64, bool, string, a slice of one of these, or []any of slices. Slices
// must not be changed.
func (m *metadata) Value(key string) (any, bool) {
	e, ok := m.find(key)
	if !ok {
		return nil, false
	}
	if t, ok := e.value.(*texts); ok {
		return t.list(), true
	}
	return e.value, true
}

// number returns the value of a key, where it may be one or more numbers.
func (m *metadata) number(key string) any {
	v, _ := get[any](m, key)
	return v
}

func get[T any](m *metadata, key string) (v T, ok bool) {
	if e, found := m.find(key); found {
		v, ok = e.value.(T)
	}
	return v, ok
}

// String returns a string. As with all getters of a type, ok is false where
// the key is absent or has another type.
func (m *metadata) String(key string) (s string, ok bool) { return get[string](m, key) }

// Texts returns an array of strings, one behind the other, and its bounds: where each begins,
// then where the last ends. They must not be changed.
func (m *metadata) Texts(key string) (all string, bounds []uint32, ok bool) {
	t, ok := get[*texts](m, key)
	if !ok {
		return "", nil, false
	}
	return t.all, t.bounds, true
}

// Bool returns a truth value.
func (m *metadata) Bool(key string) (v, ok bool) { return get[bool](m, key) }

// Int returns a whole number of any type that fits an int64.
func (m *metadata) Int(key string) (n int64, ok bool) {
	switch v := m.number(key).(type) {
	case uint8:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case int64:
		return v, true
	}
	return 0, false
}

// Float returns a number of any type.
func (m *metadata) Float(key string) (x float64, ok bool) {
	switch v := m.number(key).(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	case uint64:
		return float64(v), true
	}
	n, ok := m.Int(key)
	return float64(n), ok
}

// maxWidened bounds arrays of 8- and 16-bit numbers that Ints widens: an int64
// takes up to eight times as much memory.
const maxWidened = 1 << 16

// Ints returns an array of whole numbers of any type that fit an int64; of 8-
// and 16-bit numbers no longer ones than 65,536.
func (m *metadata) Ints(key string) (list []int64, ok bool) {
	switch v := m.number(key).(type) {
	case []uint8:
		return widen[int64](v, maxWidened)
	case []int8:
		return widen[int64](v, maxWidened)
	case []uint16:
		return widen[int64](v, maxWidened)
	case []int16:
		return widen[int64](v, maxWidened)
	case []uint32:
		return widen[int64](v, maxArray)
	case []int32:
		return widen[int64](v, maxArray)
	case []uint64:
		if len(v) > 0 && slices.Max(v) > math.MaxInt64 {
			return nil, false
		}
		return widen[int64](v, maxArray)
	case []int64:
		return widen[int64](v, maxArray)
	}
	return nil, false
}

// Floats returns an array of floating-point numbers of either type.
func (m *metadata) Floats(key string) (list []float64, ok bool) {
	switch v := m.number(key).(type) {
	case []float32:
		return widen[float64](v, maxArray)
	case []float64:
		return widen[float64](v, maxArray)
	}
	return nil, false
}

// widen converts the elements of an array, no more than `most`.
func widen[To int64 | float64, From uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 | float32 | float64](v []From, most int) ([]To, bool) {
	if len(v) > most {
		return nil, false
	}
	list := make([]To, len(v))
	for i, x := range v {
		list[i] = To(x)
	}
	return list, true
}

package jinja

import (
	"math/big"
	"strings"
	"unicode/utf8"
)

// Value is something a template can hold. The types are those of this package
// alone: no host object, and so none of its methods, is ever reachable.
type Value interface {
	typeName() string // as Python's type(x).__name__
}

type noneType struct{}

// None is Python's None.
var None Value = noneType{}

// Bool, Int, Float and String are Python's bool, int, float and str. Integers
// beyond 64 bits are held by a type of their own; String is valid UTF-8.
type (
	Bool   bool
	Int    int64
	Float  float64
	String string
)

type bigInt struct{ *big.Int } // only for what Int cannot hold

// markup is a string already escaped for HTML.
type markup string

// List is Python's list. Templates cannot change one.
type List struct{ items []Value }

type tuple struct {
	items []Value
	names []string // of a named tuple's fields, or nil
}

// rangeValue is start, start+step, ... n values.
type rangeValue struct{ start, stop, step, n int }

// generator is a lazy sequence that can be consumed once.
type generator struct {
	kind string // its type's name
	next iterator
}

// view is what a dict's keys, values and items methods return.
type view struct {
	dict *Dict
	kind string // "dict_keys", "dict_values" or "dict_items"
}

// undefined stands for a missing variable, attribute or element.
type undefined struct {
	hint string // the whole message, if any
	obj  Value  // whose attribute or element is missing, or nil
	name Value
	kind string // of the error that its use raises; "" for UndefinedError
}

type namespace struct{ attrs *Dict }

// boundMethod is a method together with its receiver, such as 'a'.upper.
type boundMethod struct {
	recv Value
	fn   *builtin
}

func (noneType) typeName() string     { return "NoneType" }
func (Bool) typeName() string         { return "bool" }
func (Int) typeName() string          { return "int" }
func (bigInt) typeName() string       { return "int" }
func (Float) typeName() string        { return "float" }
func (String) typeName() string       { return "str" }
func (markup) typeName() string       { return "Markup" }
func (*List) typeName() string        { return "list" }
func (*tuple) typeName() string       { return "tuple" }
func (*Dict) typeName() string        { return "dict" }
func (*rangeValue) typeName() string  { return "range" }
func (g *generator) typeName() string { return g.kind }
func (v *view) typeName() string      { return v.kind }
func (*undefined) typeName() string   { return "Undefined" }
func (*namespace) typeName() string   { return "TemplateNamespace" }
func (*boundMethod) typeName() string { return "builtin_function_or_method" }

// NewString returns s as a value; bytes that are not UTF-8 become U+FFFD.
func NewString(s string) String { return String(strings.ToValidUTF8(s, "\uFFFD")) }

// NewList returns a list of items, which it keeps.
func NewList(items []Value) *List { return &List{items} }

// Items returns the list's elements, to be read only.
func (l *List) Items() []Value { return l.items }

func newTuple(items ...Value) *tuple { return &tuple{items: items} }

// text returns what a str or Markup holds.
func text(v Value) (string, bool) {
	switch v := v.(type) {
	case String:
		return string(v), true
	case markup:
		return string(v), true
	}
	return "", false
}

// like returns s as a Markup where v is one, else as a str.
func like(v Value, s string) Value {
	if _, ok := v.(markup); ok {
		return markup(s)
	}
	return String(s)
}

func (u *undefined) message() string {
	switch name, isName := text(u.name); {
	case u.hint != "":
		return u.hint
	case u.obj == nil:
		return quote(name) + " is undefined"
	case !isName:
		return objectTypeRepr(u.obj) + " has no element " + shortRepr(u.name)
	default:
		if _, ok := u.name.(markup); ok {
			return quote(objectTypeRepr(u.obj)) + " has no attribute Markup(" + quote(name) + ")"
		}
		return quote(objectTypeRepr(u.obj)) + " has no attribute " + quote(name)
	}
}

func (u *undefined) fail() error {
	kind := u.kind
	if kind == "" {
		kind = "UndefinedError"
	}
	return raise(kind, "%s", u.message())
}

// shortRepr prints a key for an error message; one too deep or too large to
// print is named by its type.
func shortRepr(v Value) string {
	r := &render{steps: 1000, memory: 1 << 16, depth: 100}
	s, err := r.repr(v)
	if err != nil {
		return "<" + v.typeName() + ">"
	}
	return s
}

// objectTypeRepr names v's type for UndefinedError, with the module of types
// that are not builtins.
func objectTypeRepr(v Value) string {
	module := ""
	switch v.(type) {
	case noneType:
		return "None"
	case markup:
		module = "markupsafe."
	case *undefined, *macro, *loop, *templateRef, *blockRef:
		module = "jinja2.runtime."
	case *namespace, *dictType:
		module = "transformers.utils.chat_template_utils."
	case *cycler, *joiner:
		module = "jinja2.utils."
	}
	return module + v.typeName() + " object"
}

func truth(v Value) bool {
	switch v := v.(type) {
	case noneType, *undefined:
		return false
	case Bool:
		return bool(v)
	case Int:
		return v != 0
	case Float:
		return v != 0
	case String:
		return v != ""
	case markup:
		return v != ""
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}

// length is Python's len, for the types that have one.
func length(v Value) (int, bool) {
	switch v := v.(type) {
	case String:
		return utf8.RuneCountInString(string(v)), true
	case markup:
		return utf8.RuneCountInString(string(v)), true
	case *List:
		return len(v.items), true
	case *tuple:
		return len(v.items), true
	case *Dict:
		return v.Len(), true
	case *view:
		return v.dict.Len(), true
	case *rangeValue:
		return v.n, true
	case *undefined:
		return 0, true
	}
	return 0, false
}

// isCallable is Python's callable.
func isCallable(v Value) bool {
	switch v.(type) {
	case *builtin, *boundMethod, *macro, *loop, *joiner, *undefined, *dictType, *blockRef:
		return true
	}
	return false
}

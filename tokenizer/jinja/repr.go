package jinja

import (
	"fmt"
	"strings"
)

// Repr prints a value as Python's repr, for messages.
func Repr(v Value) string { return shortRepr(v) }

// TypeName is Python's type(v).__name__.
func TypeName(v Value) string { return v.typeName() }

// str is Python's str.
func (r *render) str(v Value) (string, error) {
	switch v := v.(type) {
	case String:
		return string(v), nil
	case markup:
		return string(v), nil
	case *undefined:
		return "", nil
	}
	return r.repr(v)
}

// repr is Python's repr.
func (r *render) repr(v Value) (string, error) {
	var b strings.Builder
	err := r.writeRepr(&b, v)
	return b.String(), err
}

func (r *render) writeRepr(b *strings.Builder, v Value) error {
	if err := r.spend(1); err != nil {
		return err
	}
	s, err := r.scalarRepr(v)
	if err != nil {
		return err
	}
	if s != "" {
		b.WriteString(s)
		return r.grow(len(s))
	}
	if err := r.descend(); err != nil {
		return err
	}
	defer r.ascend()
	switch v := v.(type) {
	case *List:
		return r.writeItems(b, "[", v.items, "]")
	case *tuple:
		if len(v.items) == 1 {
			return r.writeItems(b, "(", v.items, ",)")
		}
		return r.writeItems(b, "(", v.items, ")")
	case *Dict:
		return r.writeDict(b, v)
	case *view:
		items := make([]Value, 0, v.dict.Len())
		if err := r.growItems(v.dict.Len()); err != nil {
			return err
		}
		for i := range v.dict.Len() {
			items = append(items, v.at(i))
		}
		return r.writeItems(b, v.kind+"([", items, "])")
	case *namespace:
		b.WriteString("<Namespace ")
		err := r.writeDict(b, v.attrs)
		b.WriteString(">")
		return err
	case *loop:
		n, err := v.count()
		fmt.Fprintf(b, "<LoopContext %d/%d>", v.index0+1, n)
		return err
	}
	_, err = fmt.Fprintf(b, "<%s object at 0x7f0000000000>", strings.TrimSuffix(objectTypeRepr(v), " object"))
	return err
}

// scalarRepr prints a value without parts, "" for one that has some.
func (r *render) scalarRepr(v Value) (string, error) {
	switch v := v.(type) {
	case noneType:
		return "None", nil
	case Bool:
		if v {
			return "True", nil
		}
		return "False", nil
	case Int, bigInt:
		return r.formatInt(v)
	case Float:
		return formatFloat(float64(v)), nil
	case String:
		return quote(string(v)), r.grow(len(v))
	case markup:
		return "Markup(" + quote(string(v)) + ")", r.grow(len(v))
	case *undefined:
		return "Undefined", nil
	case *rangeValue:
		if v.step == 1 {
			return fmt.Sprintf("range(%d, %d)", v.start, v.stop), nil
		}
		return fmt.Sprintf("range(%d, %d, %d)", v.start, v.stop, v.step), nil
	case *macro:
		if name, ok := text(v.name); ok {
			return "<Macro " + quote(name) + ">", nil
		}
		return "<Macro anonymous>", nil
	case *builtin:
		return "<function " + v.name + " at 0x7f0000000000>", nil
	case *boundMethod:
		return "<built-in method " + v.fn.short() + " of " + v.recv.typeName() + " object at 0x7f0000000000>", nil
	case *templateRef:
		return "<TemplateReference None>", nil
	}
	return "", nil
}

func (r *render) writeItems(b *strings.Builder, open string, items []Value, end string) error {
	b.WriteString(open)
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := r.writeRepr(b, item); err != nil {
			return err
		}
	}
	b.WriteString(end)
	return r.grow(2 * len(items))
}

func (r *render) writeDict(b *strings.Builder, d *Dict) error {
	b.WriteByte('{')
	for i, key := range d.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := r.writeRepr(b, key); err != nil {
			return err
		}
		b.WriteString(": ")
		if err := r.writeRepr(b, d.values[i]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return r.grow(4 * d.Len())
}

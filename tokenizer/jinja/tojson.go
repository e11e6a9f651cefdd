package jinja

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonWriter is Python's json.dumps.
type jsonWriter struct {
	r                *render
	b                strings.Builder
	ascii, sort      bool
	indented         bool
	indent           string
	itemSep, nameSep string
}

func filterToJSON(r *render, a *args) (Value, error) {
	w := &jsonWriter{r: r, ascii: truth(a.or(1, Bool(false))), sort: truth(a.or(4, Bool(false))), itemSep: ", ", nameSep: ": "}
	var separators []Value
	if v := a.or(3, None); v != None {
		var err error
		if separators, err = r.unpack(v, 2); err != nil {
			return nil, err
		}
	}
	if s, ok := text(a.v[0]); ok {
		err := w.text(s)
		return String(w.b.String()), err
	}
	if err := w.setIndent(a.or(2, None)); err != nil {
		return nil, err
	}
	if separators != nil {
		var ok bool
		if w.nameSep, ok = text(separators[1]); !ok {
			return nil, typeError("make_encoder() argument 5 must be str, not %s", separators[1].typeName())
		}
		if w.itemSep, ok = text(separators[0]); !ok {
			return nil, typeError("make_encoder() argument 6 must be str, not %s", separators[0].typeName())
		}
	}
	err := w.write(a.v[0], 0)
	return String(w.b.String()), err
}

// setIndent takes text, or a number of spaces.
func (w *jsonWriter) setIndent(v Value) error {
	if v == None {
		return nil
	}
	w.indented, w.itemSep = true, ","
	if _, ok := text(v); !ok {
		spaces, err := w.r.binary("*", String(" "), v)
		if err != nil {
			return err
		}
		v = spaces
	}
	w.indent, _ = text(v)
	return nil
}

func (w *jsonWriter) write(v Value, level int) error {
	if err := w.r.spend(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case noneType:
		w.b.WriteString("null")
	case Bool:
		fmt.Fprintf(&w.b, "%t", bool(v))
	case Float:
		w.b.WriteString(jsonFloat(float64(v)))
	case Int, bigInt:
		s, err := w.r.formatInt(v)
		w.b.WriteString(s)
		return err
	case String, markup:
		s, _ := text(v)
		return w.text(s)
	case *List:
		return w.list(v.items, level)
	case *tuple:
		return w.list(v.items, level)
	case *Dict:
		return w.dict(v, level)
	default:
		return typeError("Object of type %s is not JSON serializable", v.typeName())
	}
	return nil
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return formatFloat(f)
}

// line begins a line of indented output.
func (w *jsonWriter) line(level int) error {
	if !w.indented {
		return nil
	}
	if err := w.r.spend(level); err != nil {
		return err
	}
	if err := w.r.grow(1 + level*len(w.indent)); err != nil {
		return err
	}
	w.b.WriteByte('\n')
	for range level {
		w.b.WriteString(w.indent)
	}
	return nil
}

// separate writes what comes before the i-th part.
func (w *jsonWriter) separate(i, level int) error {
	if i > 0 {
		w.b.WriteString(w.itemSep)
	}
	if err := w.r.grow(2 * len(w.itemSep)); err != nil {
		return err
	}
	return w.line(level)
}

func (w *jsonWriter) list(items []Value, level int) error {
	if len(items) == 0 {
		w.b.WriteString("[]")
		return nil
	}
	if err := w.r.descend(); err != nil {
		return err
	}
	defer w.r.ascend()
	w.b.WriteByte('[')
	for i, item := range items {
		if err := w.separate(i, level+1); err != nil {
			return err
		}
		if err := w.write(item, level+1); err != nil {
			return err
		}
	}
	err := w.line(level)
	w.b.WriteByte(']')
	return err
}

func (w *jsonWriter) dict(d *Dict, level int) error {
	if d.Len() == 0 {
		w.b.WriteString("{}")
		return nil
	}
	if err := w.r.descend(); err != nil {
		return err
	}
	defer w.r.ascend()
	keys, values := d.keys, d.values
	if w.sort {
		if err := w.r.growItems(2 * d.Len()); err != nil {
			return err
		}
		keys, values = append([]Value(nil), keys...), append([]Value(nil), values...)
		if err := w.r.sorted(values, keys, false); err != nil {
			return err
		}
	}
	w.b.WriteByte('{')
	for i, key := range keys {
		name, err := w.key(key)
		if err != nil {
			return err
		}
		if err := w.separate(i, level+1); err != nil {
			return err
		}
		if err := w.text(name); err != nil {
			return err
		}
		w.b.WriteString(w.nameSep)
		if err := w.write(values[i], level+1); err != nil {
			return err
		}
	}
	err := w.line(level)
	w.b.WriteByte('}')
	return err
}

// key returns the name that stands for a key.
func (w *jsonWriter) key(v Value) (string, error) {
	switch v := v.(type) {
	case noneType:
		return "null", nil
	case Bool:
		return fmt.Sprintf("%t", bool(v)), nil
	case Float:
		return jsonFloat(float64(v)), nil
	case Int, bigInt:
		return w.r.formatInt(v)
	case String, markup:
		s, _ := text(v)
		return s, nil
	}
	return "", typeError("keys must be str, int, float, bool or None, not %s", v.typeName())
}

func (w *jsonWriter) text(s string) error {
	if err := w.r.grow(2*len(s) + 2*len(w.nameSep)); err != nil {
		return err
	}
	const escapes = "\b\f\n\r\t"
	w.b.WriteByte('"')
	from := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' && (!w.ascii || c <= '~') {
			continue
		}
		w.b.WriteString(s[from:i])
		from = i + utf8.RuneLen(c)
		switch at := strings.IndexRune(escapes, c); {
		case c == '"' || c == '\\':
			w.b.WriteByte('\\')
			w.b.WriteRune(c)
		case at >= 0:
			w.b.WriteByte('\\')
			w.b.WriteByte("bfnrt"[at])
		case c < 0x10000:
			fmt.Fprintf(&w.b, `\u%04x`, c)
		default:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&w.b, `\u%04x\u%04x`, high, low)
		}
	}
	w.b.WriteString(s[from:])
	w.b.WriteByte('"')
	return nil
}

package jinja

import (
	"strings"
	"unicode/utf8"
)

func textFilter(name string) *builtin {
	switch name {
	case "upper", "lower", "capitalize":
		return pythonFunc("do_"+name, func(r *render, a *args) (Value, error) {
			s, err := r.softStr(a.v[0])
			if err != nil {
				return nil, err
			}
			return caseMethod(name).fn(r, &args{recv: s})
		}, "s")
	case "title":
		return pythonFunc("do_title", filterTitle, "s")
	case "trim":
		return pythonFunc("do_trim", filterTrim, "value", "chars?")
	case "center":
		return pythonFunc("do_center", filterCenter, "value", "width?")
	case "replace":
		return pythonFunc("do_replace", filterReplace, "@", "s", "old", "new", "count?")
	case "format":
		return pythonFunc("do_format", filterFormat, "value", "*", "**")
	case "indent":
		return pythonFunc("do_indent", filterIndent, "s", "width?", "first?", "blank?")
	case "truncate":
		return pythonFunc("do_truncate", filterTruncate, "@", "s", "length?", "killwords?", "end?", "leeway?")
	case "wordcount":
		return pythonFunc("do_wordcount", filterWordCount, "s")
	}
	return nil
}

// softText is softStr as a Go string too.
func (r *render) softText(v Value) (string, Value, error) {
	v, err := r.softStr(v)
	if err != nil {
		return "", nil, err
	}
	s, _ := text(v)
	return s, v, r.scan(s)
}

// filterTitle makes the first letter of each word large. Words begin after
// white space, a hyphen or an opening bracket.
func filterTitle(r *render, a *args) (Value, error) {
	s, _, err := r.softText(a.v[0])
	if err != nil {
		return nil, err
	}
	if err := r.grow(4 * len(s)); err != nil {
		return nil, err
	}
	between := func(c rune) bool { return isSpace(c) || strings.ContainsRune("-({[<", c) }
	var b strings.Builder
	for s != "" {
		end := strings.IndexFunc(s, between)
		if end < 0 {
			end = len(s)
		}
		if word := s[:end]; word != "" {
			_, size := utf8.DecodeRuneInString(word)
			b.WriteString(upper(word[:size]))
			b.WriteString(lower(word[size:]))
		}
		s = s[end:]
		rest := strings.TrimLeftFunc(s, between)
		b.WriteString(s[:len(s)-len(rest)])
		s = rest
	}
	return String(b.String()), nil
}

func filterTrim(r *render, a *args) (Value, error) {
	_, v, err := r.softText(a.v[0])
	if err != nil {
		return nil, err
	}
	s, err := r.strip(v, a.or(1, None), "strip")
	return like(v, s), err
}

func filterCenter(r *render, a *args) (Value, error) {
	_, v, err := r.softText(a.v[0])
	if err != nil {
		return nil, err
	}
	return strPad(r, &args{recv: v, v: []Value{a.or(1, Int(80)), nil}}, "center")
}

func filterReplace(r *render, a *args) (Value, error) {
	limit := a.or(3, None)
	if limit == None {
		limit = Int(-1)
	}
	var parts [3]Value
	escape := false
	if r.autoescape {
		_, subject := a.v[0].(markup)
		_, old := a.v[1].(markup)
		_, with := a.v[2].(markup)
		escape = old || with && !subject
	}
	for i := range parts {
		v, err := r.softStr(a.v[i])
		if err != nil {
			return nil, err
		}
		if s, _ := text(v); !r.autoescape {
			v = String(s)
		}
		if i == 0 && escape {
			if v, err = r.escape(v); err != nil {
				return nil, err
			}
		}
		parts[i] = v
	}
	return strReplace(r, &args{recv: parts[0], v: []Value{parts[1], parts[2], limit}})
}

func filterFormat(r *render, a *args) (Value, error) {
	_, v, err := r.softText(a.v[0])
	if err != nil {
		return nil, err
	}
	if len(a.rest) > 0 && len(a.names) > 0 {
		return nil, argError("can't handle positional and keyword arguments at the same time")
	}
	if len(a.names) == 0 {
		return r.printf(v, newTuple(a.rest...))
	}
	d := NewDict()
	for i, name := range a.names {
		d.Set(name, a.named[i])
	}
	return r.printf(v, d)
}

func filterIndent(r *render, a *args) (Value, error) {
	by, ok := text(a.or(1, String("    ")))
	if !ok {
		spaces, err := r.binary("*", String(" "), a.v[1])
		if err != nil {
			return nil, err
		}
		by, _ = text(spaces)
	}
	s, ok := text(a.v[0])
	if !ok {
		switch v := a.v[0].(type) {
		case *undefined:
			return nil, v.fail()
		case *List:
			return nil, raise("AttributeError", "'list' object has no attribute 'splitlines'")
		case *tuple:
			return r.binary("+", v, String(""))
		}
		return nil, operandError("+=", a.v[0], String(""))
	}
	if err := r.grow(len(s)); err != nil {
		return nil, err
	}
	lines, err := r.lines(s+"\n", false)
	if err != nil {
		return nil, err
	}
	blank, first := truth(a.or(3, Bool(false))), truth(a.or(2, Bool(false)))
	for i, line := range lines {
		if i == 0 && first || i > 0 && (blank || line != "") {
			if err := r.grow(len(by) + len(line)); err != nil {
				return nil, err
			}
			lines[i] = by + line
		}
	}
	s, err = r.joinText(lines, "\n")
	return like(a.v[0], s), err
}

func filterTruncate(r *render, a *args) (Value, error) {
	end, ok := text(a.or(3, String("...")))
	if !ok {
		return nil, typeError("object of type '%s' has no len()", a.v[3].typeName())
	}
	bounds := [2]int{255, 5} // the length, and by how much it may be exceeded
	least := [2]int{utf8.RuneCountInString(end), 0}
	for i, v := range []Value{a.or(1, Int(255)), a.or(4, None)} {
		if i == 1 && v == None {
			continue
		}
		enough, err := r.compare(">=", v, Int(least[i]))
		if err != nil {
			return nil, err
		}
		if !enough {
			s, err := r.str(v)
			if err != nil {
				return nil, err
			}
			return nil, raise("AssertionError", "expected %s >= %d, got %s", [2]string{"length", "leeway"}[i], least[i], s)
		}
		if _, ok := integer(v); !ok {
			return nil, typeError("slice indices must be integers or None or have an __index__ method")
		}
		bounds[i] = clampInt(v, 1<<40)
	}
	limit, endLen := bounds[0], least[0]
	n, ok := length(a.v[0])
	if !ok {
		return nil, typeError("object of type '%s' has no len()", a.v[0].typeName())
	}
	if n <= limit+bounds[1] {
		return a.v[0], nil
	}
	v, err := r.slice(a.v[0], [3]Value{None, Int(limit - endLen), None})
	if err != nil {
		return nil, err
	}
	s, isText := text(v)
	if !truth(a.or(2, Bool(false))) {
		if !isText {
			return nil, raise("AttributeError", "'%s' object has no attribute 'rsplit'", v.typeName())
		}
		if i := strings.LastIndexByte(s, ' '); i >= 0 {
			v = like(v, s[:i])
		}
	}
	return r.binary("+", v, a.or(3, String("...")))
}

func filterWordCount(r *render, a *args) (Value, error) {
	s, _, err := r.softText(a.v[0])
	n, inside := 0, false
	for _, c := range s {
		word := c == '_' || isAlphanumeric(c)
		if word && !inside {
			n++
		}
		inside = word
	}
	return Int(n), err
}

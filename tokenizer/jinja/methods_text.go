package jinja

import (
	"strings"
	"unicode/utf8"
)

// stringMethod returns a method of str, or nil.
func stringMethod(name string) *builtin {
	for _, find := range []func(string) *builtin{caseMethod, predicateMethod, searchMethod, cutMethod, padMethod} {
		if b := find(name); b != nil {
			b.name = "str." + name
			return b
		}
	}
	return nil
}

// mapping makes a method that returns the text changed.
func mapping(f func(string) string) *builtin {
	return nativeFunc("", func(r *render, a *args) (Value, error) {
		s, _ := text(a.recv)
		if err := r.grow(2 * len(s)); err != nil {
			return nil, err
		}
		return like(a.recv, f(s)), nil
	})
}

// predicate makes a method that tells something about the text.
func predicate(f func(string) bool) *builtin {
	return nativeFunc("", func(r *render, a *args) (Value, error) {
		s, _ := text(a.recv)
		return Bool(f(s)), r.scan(s)
	})
}

// all makes a predicate of one that every character must meet.
func all(f func(rune) bool) *builtin {
	return predicate(func(s string) bool {
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !f(c) }) < 0
	})
}

func caseMethod(name string) *builtin {
	switch name {
	case "upper":
		return mapping(upper)
	case "lower":
		return mapping(lower)
	case "title":
		return mapping(titleCase)
	case "capitalize":
		return mapping(capitalize)
	case "swapcase":
		return mapping(swapCase)
	case "casefold":
		return mapping(foldCase)
	}
	return nil
}

func predicateMethod(name string) *builtin {
	switch name {
	case "isalnum":
		return all(isAlphanumeric)
	case "isalpha":
		return all(isAlpha)
	case "isascii":
		return predicate(isASCII)
	case "isdecimal":
		return all(isDecimalRune)
	case "isdigit":
		return all(isDigitRune)
	case "isidentifier":
		return predicate(isIdentifier)
	case "islower":
		return predicate(func(s string) bool { return hasCase(s, isLower) })
	case "isnumeric":
		return all(isNumericRune)
	case "isprintable":
		return predicate(func(s string) bool { return strings.IndexFunc(s, func(c rune) bool { return !isPrintable(c) }) < 0 })
	case "isspace":
		return all(isSpace)
	case "istitle":
		return predicate(isTitleCase)
	case "isupper":
		return predicate(func(s string) bool { return hasCase(s, isUpper) })
	}
	return nil
}

func searchMethod(name string) *builtin {
	find := func(f func(*render, *args) (Value, error)) *builtin {
		return &builtin{"", parsedKind, []string{"sub", "start?", "end?"}, f}
	}
	switch name {
	case "startswith":
		return find(func(r *render, a *args) (Value, error) { return strAffix(r, a, name, strings.HasPrefix) })
	case "endswith":
		return find(func(r *render, a *args) (Value, error) { return strAffix(r, a, name, strings.HasSuffix) })
	case "find", "index":
		return find(func(r *render, a *args) (Value, error) { return strFind(r, a, name, strings.Index) })
	case "rfind", "rindex":
		return find(func(r *render, a *args) (Value, error) { return strFind(r, a, name, strings.LastIndex) })
	case "count":
		return find(strCount)
	}
	return nil
}

// window returns the part of the receiver that the optional arguments 1 and 2
// choose and the index of its first character; false where there is none.
func (r *render) window(a *args) (part string, start int, ok bool, err error) {
	s, _ := text(a.recv)
	if err := r.scan(s); err != nil {
		return "", 0, false, err
	}
	if !a.has(1) && !a.has(2) {
		return s, 0, true, nil
	}
	size := utf8.RuneCountInString(s)
	bounds := [2]int{0, size}
	for i := range bounds {
		v := a.or(i+1, None)
		if v == None {
			continue
		}
		if _, ok := integer(v); !ok {
			return "", 0, false, typeError("slice indices must be integers or None or have an __index__ method")
		}
		if bounds[i] = clampInt(v, size+1); bounds[i] < 0 {
			bounds[i] = max(bounds[i]+size, 0)
		}
	}
	start, end := bounds[0], min(bounds[1], size)
	if start > end {
		return "", start, false, nil
	}
	part, err = r.substring(s, start, end)
	return part, start, true, err
}

func strAffix(r *render, a *args, name string, match func(s, affix string) bool) (Value, error) {
	part, _, ok, err := r.window(a)
	if err != nil {
		return nil, err
	}
	affixes := []Value{a.v[0]}
	list, isTuple := a.v[0].(*tuple)
	if isTuple {
		affixes = list.items
	}
	for _, v := range affixes {
		affix, isText := text(v)
		switch {
		case !isText && isTuple:
			return nil, typeError("tuple for %s must only contain str, not %s", name, v.typeName())
		case !isText:
			return nil, typeError("%s first arg must be str or a tuple of str, not %s", name, v.typeName())
		case ok && match(part, affix):
			return Bool(true), nil
		}
		if err := r.spend(1 + len(affix)/64); err != nil {
			return nil, err
		}
	}
	return Bool(false), nil
}

func strFind(r *render, a *args, name string, find func(s, part string) int) (Value, error) {
	sub, isText := text(a.v[0])
	if !isText {
		return nil, typeError("must be str, not %s", a.v[0].typeName())
	}
	part, start, ok, err := r.window(a)
	if err != nil {
		return nil, err
	}
	if ok {
		if i := find(part, sub); i >= 0 {
			return Int(start + utf8.RuneCountInString(part[:i])), nil
		}
	}
	if strings.HasSuffix(name, "index") {
		return nil, valueError("substring not found")
	}
	return Int(-1), nil
}

func strCount(r *render, a *args) (Value, error) {
	sub, isText := text(a.v[0])
	if !isText {
		return nil, typeError("must be str, not %s", a.v[0].typeName())
	}
	part, _, ok, err := r.window(a)
	if !ok || err != nil {
		return Int(0), err
	}
	return Int(strings.Count(part, sub)), nil
}

func padMethod(name string) *builtin {
	switch name {
	case "center", "ljust", "rjust":
		return nativeFunc("", func(r *render, a *args) (Value, error) { return strPad(r, a, name) }, "width", "fill?")
	case "zfill":
		return nativeFunc("", strZeroFill, "width")
	case "expandtabs":
		return &builtin{"", keywordKind, []string{"tabsize?"}, strExpandTabs}
	case "format":
		return pythonFunc("", strFormat, "*", "**")
	case "format_map":
		return nativeFunc("", strFormatMap, "mapping")
	case "join":
		return nativeFunc("", strJoin, "iterable")
	case "translate":
		return nativeFunc("", strTranslate, "table")
	}
	return nil
}

// index returns an argument that must be an int.
func index(v Value) (int, error) {
	if _, ok := integer(v); !ok {
		return 0, typeError("'%s' object cannot be interpreted as an integer", v.typeName())
	}
	n, ok := smallInt(v)
	if !ok {
		return 0, raise("OverflowError", "Python int too large to convert to C ssize_t")
	}
	return n, nil
}

func strPad(r *render, a *args, name string) (Value, error) {
	s, _ := text(a.recv)
	width, err := index(a.v[0])
	if err != nil {
		return nil, err
	}
	fill, ok := text(a.or(1, String(" ")))
	if !ok {
		return nil, typeError("The fill character must be a unicode character, not %s", a.v[1].typeName())
	}
	if utf8.RuneCountInString(fill) != 1 {
		return nil, typeError("The fill character must be exactly one character long")
	}
	pad := max(width-utf8.RuneCountInString(s), 0)
	left := map[string]int{"center": pad/2 + pad&width&1, "ljust": 0, "rjust": pad}[name]
	s, err = r.pad(s, left, pad-left, fill)
	return like(a.recv, s), err
}

// pad returns s with fill repeated on both sides.
func (r *render) pad(s string, left, right int, fill string) (string, error) {
	before, err := r.repeatText(fill, left)
	if err != nil {
		return "", err
	}
	after, err := r.repeatText(fill, right)
	if err != nil {
		return "", err
	}
	if err := r.grow(len(before) + len(s) + len(after)); err != nil {
		return "", err
	}
	return before + s + after, nil
}

func strZeroFill(r *render, a *args) (Value, error) {
	s, _ := text(a.recv)
	width, err := index(a.v[0])
	if err != nil {
		return nil, err
	}
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign = s[:1]
	}
	digits, err := r.pad(s[len(sign):], max(width-utf8.RuneCountInString(s), 0), 0, "0")
	return like(a.recv, sign+digits), err
}

func strExpandTabs(r *render, a *args) (Value, error) {
	s, _ := text(a.recv)
	size, err := index(a.or(0, Int(8)))
	if err != nil {
		return nil, err
	}
	if err := r.grow(len(s)); err != nil {
		return nil, err
	}
	var b strings.Builder
	column := 0
	for _, c := range s {
		switch {
		case c == '\t' && size > 0:
			spaces, err := r.repeatText(" ", size-column%size)
			if err != nil {
				return nil, err
			}
			b.WriteString(spaces)
			column += len(spaces)
			continue
		case c == '\t':
			continue
		case c == '\n' || c == '\r':
			column = -1
		}
		column++
		b.WriteRune(c)
	}
	return like(a.recv, b.String()), nil
}

func strJoin(r *render, a *args) (Value, error) {
	sep, _ := text(a.recv)
	_, isMarkup := a.recv.(markup)
	next, err := r.iterate(a.v[0])
	if err != nil {
		return nil, typeError("can only join an iterable")
	}
	items, err := r.drain(next)
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(items))
	for i, v := range items {
		if isMarkup {
			m, err := r.escape(v)
			if err != nil {
				return nil, err
			}
			parts[i] = string(m)
			continue
		}
		s, ok := text(v)
		if !ok {
			return nil, typeError("sequence item %d: expected str instance, %s found", i, v.typeName())
		}
		parts[i] = s
	}
	s, err := r.joinText(parts, sep)
	return like(a.recv, s), err
}

// joinText is strings.Join within the limits.
func (r *render) joinText(parts []string, sep string) (string, error) {
	for _, s := range parts {
		if err := r.grow(len(s) + len(sep)); err != nil {
			return "", err
		}
	}
	return strings.Join(parts, sep), nil
}

func strTranslate(r *render, a *args) (Value, error) {
	s, _ := text(a.recv)
	table, ok := a.v[0].(*Dict)
	if !ok {
		return nil, typeError("'%s' object is not subscriptable", a.v[0].typeName())
	}
	var b strings.Builder
	for _, c := range s {
		to, err := r.dictGet(table, Int(c))
		if err != nil {
			return nil, err
		}
		mapped := string(c)
		if to != nil {
			if mapped, err = translated(to); err != nil {
				return nil, err
			}
		}
		if err := r.grow(len(mapped) + 1); err != nil {
			return nil, err
		}
		b.WriteString(mapped)
	}
	return like(a.recv, b.String()), nil
}

// translated returns what a table of str.translate maps a character to.
func translated(to Value) (string, error) {
	if to == None {
		return "", nil
	}
	if s, ok := text(to); ok {
		return s, nil
	}
	n, ok := smallInt(to)
	if !ok {
		return "", typeError("character mapping must return integer, None or str")
	}
	if n < 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return "", valueError("character mapping must be in range(0x110000)")
	}
	return string(rune(n)), nil
}

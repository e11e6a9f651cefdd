package jinja

import (
	"strings"
	"unicode/utf8"
)

// cutMethod returns a method of str that takes text apart, or nil.
func cutMethod(name string) *builtin {
	switch name {
	case "strip", "lstrip", "rstrip":
		return nativeFunc("", func(r *render, a *args) (Value, error) {
			s, err := r.strip(a.recv, a.or(0, None), name)
			return like(a.recv, s), err
		}, "chars?")
	case "split", "rsplit":
		return &builtin{"", keywordKind, []string{"sep?", "maxsplit?"}, func(r *render, a *args) (Value, error) {
			return strSplit(r, a, name == "rsplit")
		}}
	case "splitlines":
		return &builtin{"", keywordKind, []string{"keepends?"}, strSplitLines}
	case "partition", "rpartition":
		return nativeFunc("", func(r *render, a *args) (Value, error) { return strPartition(r, a, name) }, "sep")
	case "removeprefix", "removesuffix":
		return nativeFunc("", func(r *render, a *args) (Value, error) { return strRemove(r, a, name) }, "affix")
	case "replace":
		return nativeFunc("", strReplace, "old", "new", "count?")
	}
	return nil
}

// strip is the three methods of that name.
func (r *render) strip(v, chars Value, name string) (string, error) {
	s, _ := text(v)
	in := isSpace
	if chars != None {
		set, ok := text(chars)
		if !ok {
			return "", typeError("%s arg must be None or str", name)
		}
		if err := r.spend(len(s) / 64 * (1 + len(set)/64)); err != nil {
			return "", err
		}
		in = func(c rune) bool { return strings.ContainsRune(set, c) }
	}
	if name != "rstrip" {
		s = strings.TrimLeftFunc(s, in)
	}
	if name != "lstrip" {
		s = strings.TrimRightFunc(s, in)
	}
	return s, r.scan(s)
}

func strSplit(r *render, a *args, fromRight bool) (Value, error) {
	s, _ := text(a.recv)
	limit, err := index(a.or(1, Int(-1)))
	if err != nil {
		return nil, err
	}
	if err := r.scan(s); err != nil {
		return nil, err
	}
	if limit < 0 {
		limit = len(s) + 1
	}
	sep, ok := text(a.or(0, None))
	var parts []string
	switch {
	case !ok && a.or(0, None) != None:
		return nil, typeError("must be str or None, not %s", a.v[0].typeName())
	case ok && sep == "":
		return nil, valueError("empty separator")
	case ok && !fromRight:
		n := min(strings.Count(s, sep), limit) + 1
		if err := r.growItems(n); err != nil {
			return nil, err
		}
		parts = strings.SplitN(s, sep, n)
	case ok:
		parts, err = r.splitRight(s, limit, func(s string) (rest, part string, more bool) {
			i := strings.LastIndex(s, sep)
			if i < 0 {
				return s, "", false
			}
			return s[:i], s[i+len(sep):], true
		})
	default:
		parts, err = r.fields(s, limit, fromRight)
	}
	return textList(a.recv, parts), err
}

// splitRight cuts parts off the end of s and returns them in order.
func (r *render) splitRight(s string, limit int, cut func(string) (rest, part string, more bool)) ([]string, error) {
	var parts []string
	for ; limit > 0; limit-- {
		if err := r.growItems(1); err != nil {
			return nil, err
		}
		rest, part, more := cut(s)
		if !more {
			break
		}
		s, parts = rest, append(parts, part)
	}
	return reversed(append(parts, s)), nil
}

func reversed[T any](list []T) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[len(list)-1-i] = v
	}
	return out
}

// fields splits at white space, at most limit times.
func (r *render) fields(s string, limit int, fromRight bool) ([]string, error) {
	var parts []string
	for {
		if fromRight {
			s = strings.TrimRightFunc(s, isSpace)
		} else {
			s = strings.TrimLeftFunc(s, isSpace)
		}
		if s == "" {
			break
		}
		if err := r.growItems(1); err != nil {
			return nil, err
		}
		cut := len(s)
		if fromRight {
			cut = 0
		}
		if limit > 0 {
			limit--
			if i := strings.IndexFunc(s, isSpace); !fromRight && i >= 0 {
				cut = i
			}
			if i := strings.LastIndexFunc(s, isSpace); fromRight && i >= 0 {
				_, size := utf8.DecodeRuneInString(s[i:])
				cut = i + size
			}
		}
		if fromRight {
			s, parts = s[:cut], append(parts, s[cut:])
		} else {
			s, parts = s[cut:], append(parts, s[:cut])
		}
	}
	if fromRight {
		parts = reversed(parts)
	}
	return parts, nil
}

// textList returns a list of strings of the same type as v.
func textList(v Value, parts []string) *List {
	items := make([]Value, len(parts))
	for i, s := range parts {
		items[i] = like(v, s)
	}
	return &List{items}
}

func strSplitLines(r *render, a *args) (Value, error) {
	s, _ := text(a.recv)
	keep := truth(a.or(0, Bool(false)))
	lines, err := r.lines(s, keep)
	return textList(a.recv, lines), err
}

// lines is str.splitlines.
func (r *render) lines(s string, keep bool) ([]string, error) {
	if err := r.scan(s); err != nil {
		return nil, err
	}
	var lines []string
	for s != "" {
		if err := r.growItems(1); err != nil {
			return nil, err
		}
		line, whole, rest := nextLine(s)
		if keep {
			line = whole
		}
		lines, s = append(lines, line), rest
	}
	return lines, nil
}

func strPartition(r *render, a *args, name string) (Value, error) {
	s, _ := text(a.recv)
	sep, ok := text(a.v[0])
	switch {
	case !ok:
		return nil, typeError("must be str, not %s", a.v[0].typeName())
	case sep == "":
		return nil, valueError("empty separator")
	}
	i := strings.Index(s, sep)
	parts := [3]string{s, "", ""}
	if name == "rpartition" {
		i = strings.LastIndex(s, sep)
		parts = [3]string{"", "", s}
	}
	if i >= 0 {
		parts = [3]string{s[:i], sep, s[i+len(sep):]}
	}
	return newTuple(like(a.recv, parts[0]), like(a.recv, parts[1]), like(a.recv, parts[2])), r.scan(s)
}

func strRemove(r *render, a *args, name string) (Value, error) {
	s, _ := text(a.recv)
	affix, ok := text(a.v[0])
	if !ok {
		return nil, typeError("%s() argument must be str, not %s", name, argumentType(a.v[0]))
	}
	if name == "removeprefix" {
		s = strings.TrimPrefix(s, affix)
	} else {
		s = strings.TrimSuffix(s, affix)
	}
	return like(a.recv, s), r.scan(affix)
}

// argumentType names the type of a wrong argument as functions in C do.
func argumentType(v Value) string {
	if v == None {
		return "None"
	}
	return v.typeName()
}

func strReplace(r *render, a *args) (Value, error) {
	s, _ := text(a.recv)
	var parts [2]string
	for i := range parts {
		part, ok := text(a.v[i])
		if !ok {
			return nil, typeError("replace() argument %d must be str, not %s", i+1, argumentType(a.v[i]))
		}
		parts[i] = part
	}
	if _, ok := a.recv.(markup); ok {
		m, err := r.escape(a.v[1])
		if err != nil {
			return nil, err
		}
		parts[1] = string(m)
	}
	limit, err := index(a.or(2, Int(-1)))
	if err != nil {
		return nil, err
	}
	s, err = r.replace(s, parts[0], parts[1], limit)
	return like(a.recv, s), err
}

// replace is str.replace within the limits.
func (r *render) replace(s, old, with string, limit int) (string, error) {
	if err := r.scan(s); err != nil {
		return "", err
	}
	n := strings.Count(s, old)
	if limit >= 0 {
		n = min(n, limit)
	}
	if len(with) > 0 && n > r.memory/len(with) {
		return "", limitError("memory")
	}
	if err := r.grow(len(s) + n*len(with)); err != nil {
		return "", err
	}
	if err := r.spend(n); err != nil {
		return "", err
	}
	return strings.Replace(s, old, with, n), nil
}

package jinja

import (
	"html"
	"strings"
	"unicode/utf8"
)

// webFilter returns the filters for HTML and addresses.
func webFilter(name string) *builtin {
	switch name {
	case "e", "escape":
		return nativeFunc("escape", func(r *render, a *args) (Value, error) { return r.escape(a.v[0]) }, "s")
	case "forceescape":
		return pythonFunc("do_forceescape", filterForceEscape, "value")
	case "safe":
		return pythonFunc("do_mark_safe", filterSafe, "value")
	case "striptags":
		return pythonFunc("do_striptags", filterStripTags, "value")
	case "urlencode":
		return pythonFunc("do_urlencode", filterURLEncode, "value")
	case "xmlattr":
		return pythonFunc("do_xmlattr", filterXMLAttr, "@", "d", "autospace?")
	}
	return nil
}

func filterForceEscape(r *render, a *args) (Value, error) {
	s, err := r.str(a.v[0])
	if err != nil {
		return nil, err
	}
	return r.escape(String(s))
}

func filterSafe(r *render, a *args) (Value, error) {
	s, err := r.str(a.v[0])
	return markup(s), err
}

// filterStripTags removes tags and comments, joins white space and replaces
// character references.
func filterStripTags(r *render, a *args) (Value, error) {
	s, err := r.str(a.v[0])
	if err != nil {
		return nil, err
	}
	if err := r.grow(2 * len(s)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for {
		start := strings.IndexByte(s, '<')
		if start < 0 {
			break
		}
		from, mark := start, ">"
		if strings.HasPrefix(s[start:], "<!--") {
			from, mark = start+4, "-->"
		}
		end := strings.Index(s[from:], mark)
		if end < 0 {
			break
		}
		b.WriteString(s[:start])
		s = s[from+end+len(mark):]
	}
	b.WriteString(s)
	words, err := r.fields(b.String(), b.Len()+1, false)
	return String(html.UnescapeString(strings.Join(words, " "))), err
}

// quoteURL escapes what an address cannot hold. In a query spaces become plus
// signs and slashes are escaped.
func (r *render) quoteURL(v Value, query bool) (string, error) {
	s, err := r.str(v)
	if err != nil {
		return "", err
	}
	if err := r.grow(3 * len(s)); err != nil {
		return "", err
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c < utf8.RuneSelf && isAlphanumeric(rune(c)), strings.IndexByte("_.-~", c) >= 0, c == '/' && !query:
			b.WriteByte(c)
		case c == ' ' && query:
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String(), nil
}

func filterURLEncode(r *render, a *args) (Value, error) {
	v := a.v[0]
	if _, ok := text(v); ok || !isIterable(v) {
		s, err := r.quoteURL(v, false)
		return String(s), err
	}
	if d, ok := v.(*Dict); ok {
		v = &view{d, "dict_items"}
	}
	next, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	var parts []string
	for {
		item, err := next()
		if err != nil {
			return nil, err
		}
		if item == nil {
			break
		}
		pair, err := r.unpack(item, 2)
		if err != nil {
			return nil, err
		}
		key, err := r.quoteURL(pair[0], true)
		if err != nil {
			return nil, err
		}
		value, err := r.quoteURL(pair[1], true)
		if err != nil {
			return nil, err
		}
		parts = append(parts, key+"="+value)
	}
	s, err := r.joinText(parts, "&")
	return String(s), err
}

func filterXMLAttr(r *render, a *args) (Value, error) {
	d, ok := a.v[0].(*Dict)
	if !ok {
		if u, ok := a.v[0].(*undefined); ok {
			return nil, u.fail()
		}
		return nil, raise("AttributeError", "'%s' object has no attribute 'items'", a.v[0].typeName())
	}
	var parts []string
	for i, k := range d.keys {
		if _, missing := d.values[i].(*undefined); missing || d.values[i] == None {
			continue
		}
		name, ok := text(k)
		if !ok {
			return nil, typeError("expected string or bytes-like object, got '%s'", k.typeName())
		}
		if strings.ContainsAny(name, " \t\n\r\f\v/>=") {
			return nil, valueError("Invalid character in attribute name: %s", quote(name))
		}
		key, err := r.escape(k)
		if err != nil {
			return nil, err
		}
		value, err := r.escape(d.values[i])
		if err != nil {
			return nil, err
		}
		parts = append(parts, string(key)+`="`+string(value)+`"`)
	}
	s, err := r.joinText(parts, " ")
	if s != "" && truth(a.or(1, Bool(true))) {
		s = " " + s
	}
	return r.markupIf(s), err
}

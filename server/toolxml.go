package server

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer/grammar"
)

// The tags of calls that are XML.
const (
	functionTag, functionEnd   = "<function=", "</function>"
	parameterTag, parameterEnd = "<parameter=", "</parameter>"
)

// xmlCall reads <function=NAME>, <parameter=KEY>VALUE</parameter> for each argument and
// </function>, and passes the arguments on as JSON.
func (p *toolParser) xmlCall() bool {
	if !strings.HasSuffix(string(p.held), functionTag) && !p.word(functionTag) {
		return false
	}
	name := p.upTo('>')
	if !p.word(">") {
		return false
	}
	p.space()
	tag := p.oneOf(parameterTag, functionEnd)
	if tag == "" || !p.begin(name) {
		return false
	}
	seen := map[string]bool{}
	properties := p.known[name].arguments().member("properties")
	for ; tag == parameterTag; tag = p.oneOf(parameterTag, functionEnd) {
		key := p.upTo('>')
		if key == "" || seen[key] || !p.word(">") {
			return false
		}
		p.putKey(key, len(seen))
		seen[key] = true
		if !p.parameter(properties.member(key).kinds()) {
			return p.drop() // the answer has ended
		}
		p.space()
	}
	if tag == "" {
		return p.ended && p.drop()
	}
	p.putEnd(len(seen))
	return true
}

// parameter reads a value and its end tag. A line end on either side of it is the
// form's. Where the schema wants a text it is one, and passed on as it comes;
// else it is what it can be, as JSON or a literal of Python.
func (p *toolParser) parameter(kinds string) bool {
	p.drop()
	if p.peek() == '\n' {
		p.at++
	}
	if kinds == textKind {
		p.put(`"`)
		ok := p.textUpTo(parameterEnd, p.putText)
		if ok {
			p.put(`"`)
		}
		return ok
	}
	var text strings.Builder
	for more := true; more; {
		if !p.textUpTo(parameterEnd, func(piece string) { text.WriteString(piece) }) {
			return false
		}
		if more = withinString(text.String()); more {
			text.WriteString(parameterEnd)
		}
	}
	p.put(anyValue(text.String(), kinds))
	return true
}

// withinString reports whether a text is JSON that breaks off in a string of an object or a list, so
// that the tag behind it belongs to that string.
func withinString(text string) bool {
	text = strings.Trim(text, blank)
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return false
	}
	within, escaped := false, false
	for _, b := range []byte(text) {
		switch {
		case escaped:
			escaped = false
		case b == '"':
			within = !within
		default:
			escaped = within && b == '\\'
		}
	}
	d := jsontext.NewDecoder(strings.NewReader(text))
	var err error
	for err == nil {
		_, err = d.ReadToken()
	}
	return within && errors.Is(err, io.ErrUnexpectedEOF)
}

// textUpTo passes on what comes before a tag, but for a line end right before it.
func (p *toolParser) textUpTo(tag string, pass func(string)) bool {
	for b := p.peek(); b >= 0; b = p.peek() {
		p.take()
		if b == '\n' && p.peek() == '<' {
			p.take()
		}
		if last := len(p.held) - 1; p.held[last] == '<' && p.word(tag[1:]) {
			return p.drop()
		}
		if !p.ended {
			pass(string(p.held))
		}
		p.drop()
	}
	return false
}

// putText puts a part of a text as it stands between quotes.
func (p *toolParser) putText(text string) {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b == '"' || b == '\\' {
			p.putRune(rune(b))
		} else {
			p.put(text[i : i+1])
		}
	}
}

// anyValue returns a value as JSON: what stands there, if it is of the kinds that the
// schema speaks of, or a text.
func anyValue(text, kinds string) string {
	v := jsontext.Value(strings.Trim(text, blank))
	if !v.IsValid() {
		literal := toolParser{in: string(v), ended: true}
		if !literal.literal(0) || literal.at < len(v) {
			return string(quote(nil, text))
		}
		v = jsontext.Value(literal.pending[0].arguments)
	}
	if kind := kindOf(v); kind == textKind || kinds != "" && !strings.Contains(kinds, kind) {
		return string(quote(nil, text))
	}
	return string(v)
}

// xmlCall allows one call of a form that is XML.
func (b *builder) xmlCall(t tool, keep bool) *grammar.Grammar {
	fields, wrong := t.arguments().fields()
	if len(t.parameters) > maxConstraint {
		wrong = t.at
	}
	if wrong != "" && t.strict {
		b.must("", nil, invalid(shorten(wrong), notInXML))
	}
	gap := b.regex(`\n?`)
	open := b.sequence(b.regex(parameterTag+`[^>\n]+>`), b.until(parameterEnd))
	if b.err != nil {
		return nil
	}
	parts := []*grammar.Grammar{b.literal(functionTag + t.name + ">")}
	if !keep || fields == nil {
		parts = append(parts, gap, b.either(b.literal(functionEnd), b.sequence(grammar.List(open, gap), gap, b.literal(functionEnd))))
		return b.sequence(parts...)
	}
	for _, f := range fields {
		value := b.sequence(gap, b.literal(parameterTag+f.name+">"), b.xmlValue(f.schema, t.strict))
		if value != nil && !f.required {
			value = b.either(value, b.regex(""))
		}
		parts = append(parts, value)
	}
	return b.sequence(append(parts, gap, b.literal(functionEnd))...)
}

const notInXML = "is not supported for this model, whose calls are XML"

// lost reports whether a text between tags is read as another.
func lost(text string) bool {
	return strings.Contains(text, parameterEnd) || strings.HasPrefix(text, "\n") || strings.HasSuffix(text, "\n")
}

// xmlValue allows a value that satisfies a schema, and the end tag: texts as they are, all
// else as JSON.
func (b *builder) xmlValue(s schema, strict bool) *grammar.Grammar {
	list := s.alternatives()
	if len(list) == 1 {
		s = list[0]
	}
	gap, end := b.regex(`\n?`), b.literal(parameterEnd)
	if kinds := s.kinds(); kinds != "" && !strings.Contains(kinds, textKind) {
		g, err := b.JSONSchema(s.alone(), schemaOptions)
		if err != nil && !strict {
			return b.until(parameterEnd)
		}
		b.note(s.path, g)
		return b.sequence(gap, b.must(s.path, g, err), gap, end)
	}
	if texts := s.choices(); slices.ContainsFunc(texts, lost) {
		if strict {
			b.must("", nil, invalid(shorten(s.path), notInXML))
		}
		return b.until(parameterEnd)
	} else if len(texts) > 0 {
		g, err := b.Choice(texts)
		return b.sequence(gap, b.must(s.path, g, err), gap, end)
	}
	if len(list) < 2 {
		if wrong := s.beyond(); wrong != "" && strict {
			b.must("", nil, invalid(shorten(wrong), notInXML))
		}
		return b.until(parameterEnd)
	}
	one := make([]*grammar.Grammar, len(list))
	for i, part := range list {
		one[i] = b.xmlValue(part, strict)
	}
	if b.err != nil {
		return nil
	}
	return grammar.OneOf(one...)
}

package server

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonCall reads {"name": ..., "arguments": {...}} (or "parameters"). Arguments
// that come after the name are passed on as they come.
func (p *toolParser) jsonCall() bool {
	p.take()
	name, arguments, begun := "", "", false
	for p.space(); p.peek() != '}'; p.space() {
		key, ok := p.jsonText()
		if p.space(); !ok || !p.word(":") {
			return false
		}
		p.space()
		switch {
		case key == "name" && name == "":
			name, ok = p.jsonText()
		case (key == "arguments" || key == "parameters") && arguments == "" && !begun:
			if begun = name != "" && p.peek() == '{'; begun {
				ok = p.begin(name) && p.streamed()
			} else {
				arguments, ok = p.arguments()
			}
		default:
			ok = key != "name" && p.value(0)
		}
		if p.space(); !ok {
			return false
		}
		if b := p.peek(); b == ',' {
			p.take()
		} else if begun && b == ']' {
			return true // one template teaches models to leave out the brace
		} else if b != '}' {
			return begun && p.ended && p.drop()
		}
	}
	p.take()
	if begun {
		return true
	}
	if arguments == "" {
		arguments = "{}"
	}
	if !p.begin(name) {
		return false
	}
	p.put(arguments)
	p.whole++
	return true
}

// namedCall reads a name, perhaps an id, and the arguments, which it passes on
// as they come.
func (p *toolParser) namedCall() bool {
	name := p.name()
	read := p.oneOf(p.form.middle, p.form.id)
	if read != "" && read == p.form.id {
		p.upTo(p.form.middle[0])
		read = p.oneOf(p.form.middle)
	}
	if p.space(); read == "" || p.peek() != '{' || !p.begin(name) || !p.streamed() {
		return false
	}
	if p.single || p.form.finish == "" {
		return true
	}
	p.space()
	return p.word(p.form.finish)
}

// name reads the name of a call. Where only tools are called, what begins the name of
// none ends it, so that text passes on as it comes.
func (p *toolParser) name() string {
	if !p.form.strict {
		return p.upTo(p.form.middle[0])
	}
	from := len(p.held)
	for goesOn := true; goesOn; {
		if b := p.peek(); b < 0 || b == int(p.form.middle[0]) {
			break
		}
		p.take()
		goesOn = false
		for name := range p.known {
			goesOn = goesOn || strings.HasPrefix(name, string(p.held[from:]))
		}
	}
	return string(p.held[from:])
}

// upTo reads a name or an id that ends before a byte.
func (p *toolParser) upTo(end byte) string {
	from := len(p.held)
	for b := p.peek(); b >= 0 && b != int(end) && len(p.held)-from <= maxNameBytes; b = p.peek() {
		p.take()
	}
	return strings.Trim(string(p.held[from:]), blank)
}

// streamed reads an object and passes it on as it comes.
func (p *toolParser) streamed() bool {
	p.open = true
	ok := p.value(0)
	p.open = false
	if ok {
		p.whole++
	}
	return ok
}

// arguments reads an object, or a string that holds one.
func (p *toolParser) arguments() (string, bool) {
	from := len(p.held)
	switch p.peek() {
	case '{':
		ok := p.value(0)
		return escapeControls(p.held[from:]), ok
	case '"':
		text, ok := p.jsonText()
		text = strings.Trim(text, blank)
		return text, ok && wholeArguments(text) != nil
	}
	return "{}", p.word("null")
}

// jsonText reads a string and returns what it stands for.
func (p *toolParser) jsonText() (string, bool) {
	from := len(p.held)
	if p.peek() != '"' || !p.value(0) {
		return "", false
	}
	text, err := jsontext.AppendUnquote(nil, escapeControls(p.held[from:]))
	return string(text), err == nil
}

// value reads a JSON value (RFC 8259).
func (p *toolParser) value(depth int) bool {
	b := p.peek()
	switch {
	case b == '"':
		return p.quoted()
	case b == '-' || digit(b):
		return p.number()
	case b == 't':
		return p.word("true")
	case b == 'f':
		return p.word("false")
	case b == 'n':
		return p.word("null")
	case depth < maxToolDepth && b == '{':
		return p.nested('}', func() bool {
			if p.peek() != '"' || !p.quoted() {
				return false
			}
			p.space()
			if !p.word(":") {
				return false
			}
			p.space()
			return p.value(depth + 1)
		})
	case depth < maxToolDepth && b == '[':
		return p.nested(']', func() bool { return p.value(depth + 1) })
	}
	return false
}

// nested reads an opening bracket, elements between commas, and the end.
func (p *toolParser) nested(end int, element func() bool) bool {
	p.take()
	if p.space(); p.peek() == end {
		p.take()
		return true
	}
	for element() {
		p.space()
		switch p.peek() {
		case end:
			p.take()
			return true
		case ',':
			p.take()
			p.space()
		default:
			return false
		}
	}
	return false
}

// quoted reads a string. Control characters, which models leave as they are,
// are escaped where they become arguments; what is held stays as it came.
func (p *toolParser) quoted() bool {
	p.take()
	for {
		switch b := p.peek(); {
		case b == '"':
			p.take()
			return true
		case b == '\\':
			if !p.escape() {
				return false
			}
		case b < 0:
			return false
		case b < ' ':
			p.control()
		default:
			p.take()
		}
	}
}

// control reads a control character of a string.
func (p *toolParser) control() {
	if !p.open {
		p.take()
		return
	}
	p.put(fmt.Sprintf(`\u%04x`, p.peek()))
	p.at++
}

// escapeControls escapes control characters in the strings of a JSON value.
func escapeControls(value []byte) string {
	var out strings.Builder
	inside, escaped := false, false
	for _, b := range value {
		if inside && b < ' ' {
			fmt.Fprintf(&out, `\u%04x`, b)
		} else {
			out.WriteByte(b)
		}
		if b == '"' && !escaped {
			inside = !inside
		}
		escaped = inside && b == '\\' && !escaped
	}
	return out.String()
}

// escape reads an escape sequence. Half of one is never passed on.
func (p *toolParser) escape() bool {
	open, from := p.open, len(p.held)
	p.open = false
	p.take()
	b := p.peek()
	ok := among(b, `"\/bfnrtu`)
	if ok {
		p.take()
	}
	for range 4 {
		if ok && b == 'u' {
			if ok = among(p.peek(), "0123456789abcdefABCDEF"); ok {
				p.take()
			}
		}
	}
	if p.open = open; open && ok {
		p.put(string(p.held[from:]))
		p.held = p.held[:from]
	}
	return ok
}

// number reads a JSON number.
func (p *toolParser) number() bool {
	if p.peek() == '-' {
		p.take()
	}
	if p.peek() == '0' {
		p.take()
	} else if !p.digits() {
		return false
	}
	if p.peek() == '.' {
		if p.take(); !p.digits() {
			return false
		}
	}
	if b := p.peek(); b == 'e' || b == 'E' {
		p.take()
		if b = p.peek(); b == '+' || b == '-' {
			p.take()
		}
		return p.digits()
	}
	return true
}

// digits reads at least one digit.
func (p *toolParser) digits() bool {
	if !digit(p.peek()) {
		return false
	}
	for digit(p.peek()) {
		p.take()
	}
	return true
}

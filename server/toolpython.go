package server

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// pythonCall reads name(argument=value, ...), whose arguments are literals of
// Python, and passes them on as JSON.
func (p *toolParser) pythonCall() bool {
	name := p.identifier(".-")
	if p.space(); !p.word("(") {
		return false
	}
	if p.form.method {
		name = strings.TrimSuffix(name, ".call")
	}
	seen := map[string]bool{}
	for {
		p.space()
		if p.peek() == ')' {
			break
		}
		argument := p.identifier("")
		if p.space(); argument == "" || seen[argument] || !p.word("=") {
			return false
		}
		if len(seen) == 0 && !p.begin(name) {
			return false
		}
		p.putKey(argument, len(seen))
		seen[argument] = true
		if p.space(); !p.literal(0) {
			return false
		}
		if p.space(); p.peek() == ',' {
			p.take()
		} else if p.peek() != ')' {
			return false
		}
	}
	if len(seen) == 0 && !p.begin(name) {
		return false
	}
	p.take()
	p.putEnd(len(seen))
	return true
}

// identifier reads a name, in which further characters may stand.
func (p *toolParser) identifier(further string) string {
	from := len(p.held)
	for b := p.peek(); letter(b) || len(p.held) > from && (digit(b) || among(b, further)); b = p.peek() {
		p.take()
	}
	return string(p.held[from:])
}

// literal reads a literal of Python and puts it as JSON.
func (p *toolParser) literal(depth int) bool {
	p.drop() // what was read before is understood
	b := p.peek()
	switch {
	case b == '"' || b == '\'':
		return p.pythonText(b)
	case b == '-' || digit(b):
		p.open = true
		ok := p.number()
		p.open = false
		return ok && !letter(p.peek())
	case depth < maxToolDepth && b == '[':
		return p.pythonList(']', "[", "]", func() bool { return p.literal(depth + 1) })
	case depth < maxToolDepth && b == '(':
		return p.pythonList(')', "[", "]", func() bool { return p.literal(depth + 1) })
	case depth < maxToolDepth && b == '{':
		return p.pythonList('}', "{", "}", func() bool { return p.pythonMember(depth) })
	}
	word, ok := map[string]string{
		"True": "true", "true": "true", "False": "false", "false": "false", "None": "null", "null": "null",
	}[p.identifier("")]
	if ok {
		p.put(word)
	}
	return ok
}

// pythonMember reads a member of a dictionary, whose key must be a string.
func (p *toolParser) pythonMember(depth int) bool {
	b := p.peek()
	if b != '"' && b != '\'' || !p.pythonText(b) {
		return false
	}
	if p.space(); !p.word(":") {
		return false
	}
	p.put(": ")
	p.space()
	return p.literal(depth + 1)
}

// pythonList reads elements between commas, of which one may stand at the end.
func (p *toolParser) pythonList(end int, opening, closing string, element func() bool) bool {
	p.take()
	p.put(opening)
	for n := 0; ; n++ {
		p.space()
		if p.peek() == end {
			p.take()
			p.put(closing)
			return true
		}
		if n > 0 {
			p.put(", ")
		}
		if !element() {
			return false
		}
		if p.space(); p.peek() == ',' {
			p.take()
		} else if p.peek() != end {
			return false
		}
	}
}

// pythonText reads a string literal and puts it as JSON.
func (p *toolParser) pythonText(quote int) bool {
	p.take()
	p.put(`"`)
	for {
		p.drop()
		b := p.peek()
		if b < 0 {
			return false
		}
		p.take()
		switch {
		case b == quote:
			p.put(`"`)
			return true
		case b == '\\':
			if !p.pythonEscape() {
				return false
			}
		case b < ' ' || b == '"':
			p.putRune(rune(b))
		default:
			p.put(string([]byte{byte(b)}))
		}
	}
}

// putRune puts a character of a string.
func (p *toolParser) putRune(r rune) {
	text, _ := jsontext.AppendQuote(nil, string(r)) // never fails: string makes valid UTF-8
	p.put(string(text[1 : len(text)-1]))
}

// pythonEscape reads what follows a backslash (The Python Language Reference,
// section 2.4.1).
func (p *toolParser) pythonEscape() bool {
	b := p.peek()
	if b < 0 {
		return false
	}
	simple := map[int]rune{'\\': '\\', '\'': '\'', '"': '"', 'a': 7, 'b': 8, 'f': 12, 'n': 10, 'r': 13, 't': 9, 'v': 11, '0': 0}
	digits := map[int]int{'x': 2, 'u': 4, 'U': 8}
	if r, ok := simple[b]; ok {
		p.take()
		p.putRune(r)
		return true
	}
	n, ok := digits[b]
	if !ok { // Python keeps the backslash
		p.put(`\\`)
		return true
	}
	p.take()
	from := len(p.held)
	for range n {
		if !among(p.peek(), "0123456789abcdefABCDEF") {
			return false
		}
		p.take()
	}
	code, err := strconv.ParseUint(string(p.held[from:]), 16, 32)
	switch {
	case err != nil || code > 0x10ffff:
		return false
	case b == 'u': // also half of a pair, as JSON has it
		p.put(`\u` + string(p.held[from:]))
	default:
		p.putRune(rune(code))
	}
	return true
}

package jinja

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token types that are not operators; operators have the names in operators.
const (
	tokData     = "data"
	tokVarBegin = "variable_begin"
	tokVarEnd   = "variable_end"
	tokBegin    = "block_begin"
	tokEnd      = "block_end"
	tokName     = "name"
	tokString   = "string"
	tokInteger  = "integer"
	tokFloat    = "float"
	tokEOF      = "eof"
	tokError    = "error" // what the parser raises on reaching it
)

type token struct {
	typ  string
	text string
	val  Value // of string, integer and float
	err  error // of tokError
	line int
}

// operatorNames pairs each operator with its token type, longest first.
var operatorNames = [...][2]string{
	{"//", "floordiv"}, {"**", "pow"}, {"==", "eq"}, {"!=", "ne"}, {">=", "gteq"}, {"<=", "lteq"},
	{"+", "add"}, {"-", "sub"}, {"/", "div"}, {"*", "mul"}, {"%", "mod"}, {"~", "tilde"},
	{"[", "lbracket"}, {"]", "rbracket"}, {"(", "lparen"}, {")", "rparen"}, {"{", "lbrace"}, {"}", "rbrace"},
	{">", "gt"}, {"<", "lt"}, {"=", "assign"}, {".", "dot"}, {":", "colon"}, {"|", "pipe"}, {",", "comma"}, {";", "semicolon"},
}

// lexer cuts a template into tokens. An error becomes the last token, so that
// the parser meets it only after what comes before it.
type lexer struct {
	src          string
	pos          int
	line         int
	lineStarting bool // the last thing matched ended a line
	open         []byte
	tokens       []token
}

func lex(source string) []token {
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(source, "\n"), line: 1, lineStarting: true}
	if err := l.root(); err != nil {
		l.tokens = append(l.tokens, token{typ: tokError, err: err, line: l.line})
	}
	l.emit(tokEOF, "")
	return l.tokens
}

func (l *lexer) emit(typ, text string) {
	l.tokens = append(l.tokens, token{typ: typ, text: text, line: l.line})
}

func (l *lexer) fail(format string, args ...any) error {
	return syntaxError(l.line, format, args...)
}

func syntaxError(line int, format string, args ...any) error {
	return &Error{Kind: "TemplateSyntaxError", Phase: PhaseCompile, Message: fmt.Sprintf(format, args...), Line: line}
}

// advance moves to pos, counting lines.
func (l *lexer) advance(pos int) {
	l.line += strings.Count(l.src[l.pos:pos], "\n")
	l.lineStarting = pos > l.pos && l.src[pos-1] == '\n'
	l.pos = pos
}

// root lexes text and the tags between it.
func (l *lexer) root() error {
	for l.pos < len(l.src) {
		tag := nextTag(l.src[l.pos:])
		if tag < 0 {
			l.emit(tokData, l.src[l.pos:])
			l.advance(len(l.src))
			return nil
		}
		start := l.pos + tag
		kind, body := l.src[start+1], start+2
		sign := signAt(l.src, body)
		if sign != 0 {
			body++
		}
		l.data(start, sign, kind == '{')
		var err error
		if end := rawBegin(l.src[body:]); kind == '%' && end >= 0 {
			l.advance(body + end)
			err = l.raw()
		} else {
			l.advance(body)
			switch kind {
			case '#':
				err = l.comment()
			case '{':
				err = l.tag(tokVarBegin, tokVarEnd, "}}")
			default:
				err = l.tag(tokBegin, tokEnd, "%}")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nextTag returns where the next tag opens, or -1.
func nextTag(s string) int {
	for i := 0; ; i++ {
		n := strings.IndexByte(s[i:], '{')
		if n < 0 || i+n+1 >= len(s) {
			return -1
		}
		i += n
		if c := s[i+1]; c == '{' || c == '%' || c == '#' {
			return i
		}
	}
}

func signAt(s string, i int) byte {
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		return s[i]
	}
	return 0
}

// data emits the text up to a tag at end, stripped as the tag's sign and
// lstrip_blocks ask.
func (l *lexer) data(end int, sign byte, variable bool) {
	text := l.src[l.pos:end]
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case sign != '+' && !variable:
		line := strings.LastIndexByte(text, '\n') + 1
		if (line > 0 || l.lineStarting) && strings.TrimFunc(text[line:], isSpace) == "" {
			text = text[:line]
		}
	}
	if text != "" {
		l.emit(tokData, text)
	}
	l.advance(end)
}

// rawBegin returns the length of a raw tag's remainder ("raw %}"), or -1.
func rawBegin(s string) int {
	rest, ok := strings.CutPrefix(strings.TrimLeftFunc(s, isSpace), "raw")
	if !ok {
		return -1
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	if after, ok := strings.CutPrefix(rest, "-%}"); ok {
		return len(s) - len(strings.TrimLeftFunc(after, isSpace))
	}
	if after, ok := strings.CutPrefix(rest, "%}"); ok {
		return len(s) - len(after)
	}
	return -1
}

// raw emits everything up to the endraw tag as text.
func (l *lexer) raw() error {
	for start := l.pos; ; start += 2 {
		i := strings.Index(l.src[start:], "{%")
		if l.pos == len(l.src) {
			return nil // Jinja misses the end only where something is before it
		}
		if i < 0 {
			return l.fail("Missing end of raw directive")
		}
		start += i
		body := start + 2
		sign := signAt(l.src, body)
		if sign != 0 {
			body++
		}
		rest, ok := strings.CutPrefix(strings.TrimLeftFunc(l.src[body:], isSpace), "endraw")
		if !ok {
			continue
		}
		rest = strings.TrimLeftFunc(rest, isSpace)
		if n := tagEnd(rest, "%}"); n > 0 {
			l.data(start, sign, false)
			l.advance(len(l.src) - len(rest) + n)
			return nil
		}
	}
}

// tagEnd returns the length of a closing delimiter at the start of s with
// what it swallows: all white space after a minus, one line end after a block.
func tagEnd(s, delim string) int {
	sign := signAt(s, 0)
	if sign == '+' && delim == "}}" {
		return 0
	}
	rest, ok := strings.CutPrefix(s[min(int(sign), 1):], delim)
	switch {
	case !ok:
		return 0
	case sign == '-':
		rest = strings.TrimLeftFunc(rest, isSpace)
	case sign == 0 && delim != "}}":
		rest = strings.TrimPrefix(rest, "\n")
	}
	return len(s) - len(rest)
}

func (l *lexer) comment() error {
	i := strings.Index(l.src[l.pos:], "#}")
	if l.pos == len(l.src) {
		return nil
	}
	if i < 0 {
		return l.fail("Missing end of comment tag")
	}
	end := l.pos + i
	if end > l.pos && signAt(l.src, end-1) != 0 {
		end--
	}
	l.advance(end + tagEnd(l.src[end:], "#}"))
	return nil
}

// tag lexes the inside of a block or an expression.
func (l *lexer) tag(begin, end, delim string) error {
	l.emit(begin, "")
	l.open = l.open[:0]
	for l.pos < len(l.src) {
		if n := tagEnd(l.src[l.pos:], delim); n > 0 && len(l.open) == 0 {
			l.emit(end, "")
			l.advance(l.pos + n)
			return nil
		}
		if err := l.item(); err != nil {
			return err
		}
	}
	return nil
}

// item lexes one token inside a tag.
func (l *lexer) item() error {
	s := l.src[l.pos:]
	if rest := strings.TrimLeftFunc(s, isSpace); len(rest) < len(s) {
		l.advance(len(l.src) - len(rest))
		return nil
	}
	if n := floatLen(s); n > 0 && (l.pos == 0 || l.src[l.pos-1] != '.') {
		f, _ := strconv.ParseFloat(strings.ReplaceAll(s[:n], "_", ""), 64)
		return l.literal(tokFloat, Float(f), n)
	}
	if n := integerLen(s); n > 0 {
		if n > maxDigits {
			return l.fail("Exceeds the limit (%d digits) for integer string conversion", maxDigits)
		}
		v, ok := new(big.Int).SetString(s[:n], 0)
		if !ok {
			return l.fail("invalid integer literal")
		}
		return l.literal(tokInteger, fromBig(v), n)
	}
	if n := nameLen(s); n > 0 {
		if !isIdentifier(s[:n]) {
			return l.fail("Invalid character in identifier")
		}
		l.emit(tokName, s[:n])
		l.advance(l.pos + n)
		return nil
	}
	if n := stringLen(s); n > 0 {
		v, err := unescape(s[1 : n-1])
		if err != "" {
			return l.fail("%s", err)
		}
		return l.literal(tokString, String(v), n)
	}
	return l.operator(s)
}

func (l *lexer) literal(typ string, v Value, n int) error {
	l.tokens = append(l.tokens, token{typ: typ, text: l.src[l.pos : l.pos+n], val: v, line: l.line})
	l.advance(l.pos + n)
	return nil
}

func (l *lexer) operator(s string) error {
	for _, op := range operatorNames {
		if !strings.HasPrefix(s, op[0]) {
			continue
		}
		switch c := s[0]; op[0] {
		case "{", "(", "[":
			l.open = append(l.open, map[byte]byte{'{': '}', '(': ')', '[': ']'}[c])
		case "}", ")", "]":
			if len(l.open) == 0 {
				return l.fail("unexpected '%c'", c)
			}
			want := l.open[len(l.open)-1]
			l.open = l.open[:len(l.open)-1]
			if want != c {
				return l.fail("unexpected '%c', expected '%c'", c, want)
			}
		}
		l.emit(op[1], op[0])
		l.advance(l.pos + len(op[0]))
		return nil
	}
	c, _ := utf8.DecodeRuneInString(s)
	return l.fail("unexpected char %s at %d", quote(string(c)), utf8.RuneCountInString(l.src[:l.pos]))
}

// digitsLen returns the length of digits with single underscores inside.
func digitsLen(s string, ok func(byte) bool) int {
	n := 0
	for n < len(s) && (ok(s[n]) || n > 0 && s[n] == '_' && n+1 < len(s) && ok(s[n+1])) {
		n++
	}
	return n
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }

func floatLen(s string) int {
	n := digitsLen(s, isDecimal)
	if n == 0 {
		return 0
	}
	whole := n
	if n < len(s) && s[n] == '.' {
		if f := digitsLen(s[n+1:], isDecimal); f > 0 {
			n += 1 + f
		}
	}
	if e := n; e < len(s) && s[e]|0x20 == 'e' {
		e++
		if signAt(s, e) != 0 {
			e++
		}
		if d := digitsLen(s[e:], isDecimal); d > 0 {
			return e + d
		}
	}
	if n == whole {
		return 0
	}
	return n
}

func integerLen(s string) int {
	if len(s) > 2 && s[0] == '0' {
		var ok func(byte) bool
		switch s[1] | 0x20 {
		case 'b':
			ok = func(c byte) bool { return c == '0' || c == '1' }
		case 'o':
			ok = func(c byte) bool { return '0' <= c && c <= '7' }
		case 'x':
			ok = func(c byte) bool { return isDecimal(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
		}
		if ok != nil {
			skip := 2
			if s[2] == '_' {
				skip = 3
			}
			if n := digitsLen(s[skip:], ok); n > 0 {
				return skip + n
			}
		}
	}
	if s[0] == '0' {
		return digitsLen(s, func(c byte) bool { return c == '0' })
	}
	return digitsLen(s, isDecimal)
}

func nameLen(s string) int {
	for i, c := range s {
		if c != '_' && !unicode.In(c, unicode.L, unicode.N, unicode.Mn, unicode.Mc, unicode.Pc, unicode.Other_ID_Start, unicode.Other_ID_Continue) {
			return i
		}
	}
	return len(s)
}

// isIdentifier reports whether Python takes s as a name.
func isIdentifier(s string) bool {
	for i, c := range s {
		start := c == '_' || unicode.In(c, unicode.L, unicode.Nl, unicode.Other_ID_Start)
		if !start && (i == 0 || !unicode.In(c, unicode.Nd, unicode.Mn, unicode.Mc, unicode.Pc, unicode.Other_ID_Continue)) {
			return false
		}
	}
	return s != ""
}

// stringLen returns the length of a quoted string, or 0.
func stringLen(s string) int {
	if s[0] != '\'' && s[0] != '"' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return 0
}

// unescape decodes the escapes of a Python string; what is wrong comes back
// in Python's words.
func unescape(s string) (string, string) {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			b.WriteString(s)
			return b.String(), ""
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case '\n':
		case '\\', '\'', '"':
			b.WriteByte(c)
		case 'a', 'b', 'f', 'n', 'r', 't', 'v':
			b.WriteByte("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", c)])
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n := rune(c - '0')
			for k := 0; k < 2 && s != "" && '0' <= s[0] && s[0] <= '7'; k++ {
				n, s = n*8+rune(s[0]-'0'), s[1:]
			}
			b.WriteRune(n)
		case 'x', 'u', 'U':
			var err string
			if s, err = unescapeHex(&b, c, s); err != "" {
				return "", err
			}
		case 'N':
			return "", "unknown Unicode character name"
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
}

// unescapeHex decodes the digits of \x, \u and \U. Two escaped surrogates are
// read as the character they stand for; a lone one cannot be written as UTF-8.
func unescapeHex(b *strings.Builder, kind byte, s string) (rest, problem string) {
	n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[kind]
	c, ok := hexRune(s, n)
	if !ok {
		return "", "truncated \\" + string(kind) + strings.Repeat("X", n) + " escape"
	}
	s = s[n:]
	if c > unicode.MaxRune {
		return "", "illegal Unicode character"
	}
	if 0xD800 <= c && c < 0xE000 {
		low, ok := rune(0), false
		if strings.HasPrefix(s, "\\u") {
			low, ok = hexRune(s[2:], 4)
		}
		if !ok || c >= 0xDC00 || low < 0xDC00 || low >= 0xE000 {
			return "", "surrogates not allowed"
		}
		c, s = 0x10000+(c-0xD800)<<10+(low-0xDC00), s[6:]
	}
	b.WriteRune(c)
	return s, ""
}

func hexRune(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	v, err := strconv.ParseUint(s[:n], 16, 32)
	if err != nil {
		return 0, false
	}
	return rune(min(v, unicode.MaxRune+1)), true
}

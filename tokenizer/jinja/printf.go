package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printer is Python's formatting with %.
type printer struct {
	r      *render
	format string
	pos    int
	markup bool  // text is escaped
	args   Value // the right-hand side
	items  []Value
	used   int
	single bool // args is one value, not a tuple of values
	mapped bool // args can be looked up by name
	out    strings.Builder
}

// directive is one % with what follows it.
type directive struct {
	left, plus, space, alt, zero bool
	width, precision             int // precision -1: none
	verb                         rune
	at                           int // index of the verb, in characters
}

// printf is format % args.
func (r *render) printf(format, args Value) (Value, error) {
	s, _ := text(format)
	p := &printer{r: r, format: s, args: args}
	_, p.markup = format.(markup)
	if t, ok := args.(*tuple); ok {
		p.items = t.items
	} else {
		p.items, p.single = []Value{args}, true
		switch args.(type) {
		case *Dict, *List, *rangeValue, *undefined:
			p.mapped = true
		}
	}
	if err := r.grow(len(s)); err != nil {
		return nil, err
	}
	for p.pos < len(p.format) {
		i := strings.IndexByte(p.format[p.pos:], '%')
		if i < 0 {
			i = len(p.format) - p.pos
		}
		p.out.WriteString(p.format[p.pos : p.pos+i])
		if p.pos += i; p.pos == len(p.format) {
			break
		}
		p.pos++
		if err := p.directive(); err != nil {
			return nil, err
		}
	}
	if p.used < len(p.items) && !p.mapped {
		return nil, typeError("not all arguments converted during string formatting")
	}
	return like(format, p.out.String()), nil
}

func (p *printer) next() (Value, error) {
	if p.used >= len(p.items) {
		return nil, typeError("not enough arguments for format string")
	}
	p.used++
	return p.items[p.used-1], nil
}

// peek returns the next character of the format, 0 at its end.
func (p *printer) peek() rune {
	if p.pos >= len(p.format) {
		return 0
	}
	c, _ := utf8.DecodeRuneInString(p.format[p.pos:])
	return c
}

// directive reads and carries out what follows a %.
func (p *printer) directive() error {
	if p.peek() == '%' {
		p.pos++
		p.out.WriteByte('%')
		return nil
	}
	if p.peek() == '(' {
		if err := p.key(); err != nil {
			return err
		}
	}
	d := &directive{precision: -1}
	for flags := true; flags; {
		switch p.peek() {
		case '-':
			d.left = true
		case '+':
			d.plus = true
		case ' ':
			d.space = true
		case '#':
			d.alt = true
		case '0':
			d.zero = true
		default:
			flags = false
		}
		if flags {
			p.pos++
		}
	}
	var err error
	if d.width, err = p.number("width"); err != nil {
		return err
	}
	if d.width < 0 {
		d.left, d.width = true, -d.width
	}
	if p.peek() == '.' {
		p.pos++
		if d.precision, err = p.number("precision"); err != nil {
			return err
		}
		d.precision = max(d.precision, 0)
	}
	if c := p.peek(); c == 'h' || c == 'l' || c == 'L' {
		p.pos++
	}
	if p.pos >= len(p.format) {
		return valueError("incomplete format")
	}
	d.at = utf8.RuneCountInString(p.format[:p.pos])
	d.verb = p.peek()
	p.pos += utf8.RuneLen(d.verb)
	v, err := p.next()
	if err != nil {
		return err
	}
	return p.convert(d, v)
}

// key reads a name in parentheses and makes its value the next argument.
func (p *printer) key() error {
	if !p.mapped {
		return typeError("format requires a mapping")
	}
	start, depth := p.pos+1, 0
	for {
		switch c := p.peek(); {
		case p.pos >= len(p.format):
			return valueError("incomplete format key")
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		p.pos += utf8.RuneLen(p.peek())
		if depth == 0 {
			break
		}
	}
	name := p.format[start : p.pos-1]
	switch args := p.args.(type) {
	case *Dict:
		v := args.Get(name)
		if v == nil {
			return raise("KeyError", "%s", quote(name))
		}
		p.items, p.used = []Value{v}, 0
		return nil
	case *undefined:
		return args.fail()
	}
	return typeError("%s indices must be integers or slices, not str", p.args.typeName())
}

// number reads a width or precision; * takes it from the arguments.
func (p *printer) number(what string) (int, error) {
	if p.peek() == '*' {
		p.pos++
		v, err := p.next()
		if err != nil {
			return 0, err
		}
		if _, ok := integer(v); !ok {
			return 0, typeError("* wants int")
		}
		return index(v)
	}
	start := p.pos
	for '0' <= p.peek() && p.peek() <= '9' {
		p.pos++
	}
	if start == p.pos {
		return 0, nil
	}
	n, err := strconv.Atoi(p.format[start:p.pos])
	if err != nil || n > math.MaxInt32 {
		return 0, valueError("%s too big", what)
	}
	return n, nil
}

func (p *printer) convert(d *directive, v Value) error {
	switch d.verb {
	case 's', 'r', 'a', 'c':
		s, err := p.text(d, v)
		if err != nil {
			return err
		}
		return p.pad(d, "", s, false)
	case 'd', 'i', 'u', 'o', 'x', 'X':
		return p.integer(d, v)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		if u, ok := v.(*undefined); ok {
			return u.fail()
		}
		if !isNumber(v) {
			return typeError("must be real number, not %s", v.typeName())
		}
		f, err := toFloat(v)
		if err != nil {
			return err
		}
		if d.precision < 0 {
			d.precision = 6
		}
		s, err := p.r.floatDigits(math.Abs(f), d.verb, d.precision, d.alt)
		if err != nil {
			return err
		}
		return p.pad(d, d.sign(math.Signbit(f) && !math.IsNaN(f)), s, true)
	}
	return valueError("unsupported format character '%c' (0x%x) at index %d", d.verb, d.verb, d.at)
}

// text converts for s, r, a and c.
func (p *printer) text(d *directive, v Value) (s string, err error) {
	switch d.verb {
	case 's':
		if p.markup {
			return p.escaped(d, v)
		}
		s, err = p.r.str(v)
	case 'r', 'a':
		if s, err = p.r.repr(v); err == nil && p.markup {
			return p.escaped(d, String(s))
		}
		if err == nil && d.verb == 'a' {
			s, err = p.r.ascii(s)
		}
	default:
		return character(v)
	}
	return truncate(s, d.precision), err
}

// escaped is the text that a Markup puts in.
func (p *printer) escaped(d *directive, v Value) (string, error) {
	m, err := p.r.escape(v)
	return truncate(string(m), d.precision), err
}

// truncate returns at most n characters of s, all of it for a negative n.
func truncate(s string, n int) string {
	if n < 0 || n >= len(s) {
		return s
	}
	return s[:runeOffset(s, min(n, utf8.RuneCountInString(s)))]
}

// ascii escapes what is not ASCII.
func (r *render) ascii(s string) (string, error) {
	if err := r.grow(10 * len(s)); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, c := range s {
		if c < utf8.RuneSelf {
			b.WriteRune(c)
		} else {
			writeEscape(&b, c)
		}
	}
	return b.String(), nil
}

// character converts for c.
func character(v Value) (string, error) {
	if s, ok := text(v); ok && utf8.RuneCountInString(s) == 1 {
		return s, nil
	}
	if _, ok := integer(v); !ok {
		return "", typeError("%%c requires int or char")
	}
	n, ok := smallInt(v)
	if !ok || n < 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
		return "", raise("OverflowError", "%%c arg not in range(0x110000)")
	}
	return string(rune(n)), nil
}

func (d *directive) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case d.plus:
		return "+"
	case d.space:
		return " "
	}
	return ""
}

func (p *printer) integer(d *directive, v Value) error {
	decimal := d.verb == 'd' || d.verb == 'i' || d.verb == 'u'
	if u, ok := v.(*undefined); ok && decimal {
		return u.fail()
	}
	if f, ok := v.(Float); ok && decimal {
		whole, err := truncated(float64(f))
		if err != nil {
			return err
		}
		v = whole
	}
	n, ok := integer(v)
	switch {
	case !ok && decimal:
		return typeError("%%%c format: a real number is required, not %s", d.verb, v.typeName())
	case !ok:
		return typeError("%%%c format: an integer is required, not %s", d.verb, v.typeName())
	}
	digits, prefix, err := p.r.intDigits(n, d.verb)
	if err != nil {
		return err
	}
	if !d.alt {
		prefix = ""
	}
	if missing := d.precision - len(digits); missing > 0 {
		zeros, err := p.r.repeatText("0", missing)
		if err != nil {
			return err
		}
		digits = zeros + digits
	}
	return p.pad(d, d.sign(toBig(n).Sign() < 0)+prefix, digits, true)
}

// intDigits returns the digits of an int without its sign and the prefix of
// their base.
func (r *render) intDigits(n Value, verb rune) (digits, prefix string, err error) {
	base := 10
	switch verb {
	case 'o':
		base, prefix = 8, "0o"
	case 'x', 'X':
		base, prefix = 16, "0"+string(verb)
	case 'b':
		base, prefix = 2, "0b"
	default:
		digits, err = r.formatInt(n)
		return strings.TrimPrefix(digits, "-"), "", err
	}
	if err := r.grow(toBig(n).BitLen()); err != nil {
		return "", "", err
	}
	digits = strings.TrimPrefix(toBig(n).Text(base), "-")
	if verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	return digits, prefix, nil
}

// pad writes a converted value in its width.
func (p *printer) pad(d *directive, sign, s string, number bool) error {
	missing := max(d.width-utf8.RuneCountInString(sign)-utf8.RuneCountInString(s), 0)
	fill, left, right := " ", missing, 0
	switch {
	case d.left:
		left, right = 0, missing
	case d.zero && number:
		fill = "0"
	}
	if fill == " " {
		s, sign = sign+s, ""
	}
	s, err := p.r.pad(s, left, right, fill)
	if err != nil {
		return err
	}
	p.out.WriteString(sign)
	p.out.WriteString(s)
	return nil
}

// floatDigits formats a float that is not negative by one of the verbs e, f and
// g. Precision is the number of digits, as in C.
func (r *render) floatDigits(f float64, verb rune, precision int, alt bool) (string, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		s := formatFloat(f)
		if 'A' <= verb && verb <= 'Z' {
			s = strings.ToUpper(s)
		}
		return s, nil
	}
	if precision > math.MaxInt32-3 {
		return "", valueError("precision too big")
	}
	if err := r.grow(precision + 400); err != nil {
		return "", err
	}
	s := ""
	switch verb {
	case 'f', 'F':
		s = strconv.FormatFloat(f, 'f', precision, 64)
	case 'e', 'E':
		s = strconv.FormatFloat(f, 'e', precision, 64)
	default:
		s = general(f, max(precision, 1), alt)
	}
	if alt {
		s = pointed(s)
	}
	if verb == 'E' || verb == 'G' {
		s = strings.ToUpper(s)
	}
	return s, nil
}

// pointed puts a point behind the digits of a finite number that has none.
func pointed(s string) string {
	digits := strings.IndexByte(s+"e", 'e')
	if strings.Contains(s, ".") || strings.ContainsAny(s, "in") {
		return s
	}
	return s[:digits] + "." + s[digits:]
}

// general formats a float with a number of significant digits, without zeros at
// the end unless they are kept.
func general(f float64, precision int, keep bool) string {
	s := strconv.FormatFloat(f, 'e', precision-1, 64)
	at := strings.IndexByte(s, 'e')
	exp, _ := strconv.Atoi(s[at+1:])
	digits, suffix := s[:at], s[at:]
	if exp >= -4 && exp < precision {
		digits, suffix = strconv.FormatFloat(f, 'f', precision-1-exp, 64), ""
	}
	if !keep && strings.Contains(digits, ".") {
		digits = strings.TrimSuffix(strings.TrimRight(digits, "0"), ".")
	}
	return digits + suffix
}

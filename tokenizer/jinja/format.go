package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatter is str.format, with the sandbox's rules for attributes.
type formatter struct {
	r      *render
	markup bool // what is put in is escaped
	pos    []Value
	named  *Dict
	auto   int // next automatic number; -1: numbers are given
}

func strFormat(r *render, a *args) (Value, error) {
	d := NewDict()
	for i, name := range a.names {
		if err := r.dictSet(d, String(name), a.named[i]); err != nil {
			return nil, err
		}
	}
	return r.formatText(a.recv, a.rest, d)
}

func strFormatMap(r *render, a *args) (Value, error) {
	d, ok := a.v[0].(*Dict)
	if !ok {
		return nil, typeError("'%s' object is not subscriptable", a.v[0].typeName())
	}
	return r.formatText(a.recv, nil, d)
}

func (r *render) formatText(format Value, pos []Value, named *Dict) (Value, error) {
	s, _ := text(format)
	f := &formatter{r: r, pos: pos, named: named}
	_, f.markup = format.(markup)
	out, err := f.expand(s, 2)
	return like(format, out), err
}

// expand replaces the fields of s; depth limits fields within specifications.
func (f *formatter) expand(s string, depth int) (string, error) {
	if depth < 0 {
		return "", valueError("Max string recursion exceeded")
	}
	if err := f.r.grow(len(s)); err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		b.WriteString(s[:i])
		c := s[i]
		s = s[i+1:]
		if s != "" && s[0] == c {
			b.WriteByte(c)
			s = s[1:]
			continue
		}
		if c == '}' || s == "" {
			return "", valueError("Single '%c' encountered in format string", c)
		}
		field, rest, err := cutField(s)
		if err != nil {
			return "", err
		}
		s = rest
		value, err := f.field(field, depth)
		if err != nil {
			return "", err
		}
		if err := f.r.grow(len(value)); err != nil {
			return "", err
		}
		b.WriteString(value)
	}
}

// cutField splits what follows an opening brace at the closing one.
func cutField(s string) (field, rest string, err error) {
	depth := 1
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth--
		}
		if depth == 0 {
			return s[:i], s[i+1:], nil
		}
	}
	if strings.HasSuffix(s, "!") {
		return "", "", valueError("end of string while looking for conversion specifier")
	}
	if strings.ContainsAny(s, "!:") {
		return "", "", valueError("unmatched '{' in format spec")
	}
	return "", "", valueError("expected '}' before end of string")
}

// field returns the text of name!conversion:specification.
func (f *formatter) field(s string, depth int) (string, error) {
	end := 0
	for brackets := false; end < len(s); end++ {
		c := s[end]
		if c == '[' {
			brackets = true
		} else if c == ']' {
			brackets = false
		}
		if c == '{' {
			return "", valueError("unexpected '{' in field name")
		}
		if !brackets && (c == '!' || c == ':') {
			break
		}
	}
	name, rest := s[:end], s[end:]
	conversion := ""
	if strings.HasPrefix(rest, "!") {
		_, size := utf8.DecodeRuneInString(rest[1:])
		conversion, rest = rest[1:1+size], rest[1+size:]
		switch {
		case conversion == "":
			return "", valueError("unmatched '{' in format spec")
		case rest != "" && rest[0] != ':':
			return "", valueError("expected ':' after conversion specifier")
		}
	}
	v, err := f.lookUp(name)
	if err != nil {
		return "", err
	}
	if v, err = f.convert(v, conversion); err != nil {
		return "", err
	}
	spec, err := f.expand(strings.TrimPrefix(rest, ":"), depth-1)
	if err != nil {
		return "", err
	}
	out, err := f.r.format(v, spec)
	if err != nil || !f.markup {
		return out, err
	}
	if _, ok := v.(markup); ok {
		return out, nil
	}
	m, err := f.r.escape(String(out))
	return string(m), err
}

func (f *formatter) convert(v Value, conversion string) (Value, error) {
	switch conversion {
	case "":
		return v, nil
	case "s":
		return f.r.softStr(v)
	case "r", "a":
		s, err := f.r.repr(v)
		if err == nil && conversion == "a" {
			s, err = f.r.ascii(s)
		}
		return String(s), err
	}
	return nil, valueError("Unknown conversion specifier %s", conversion)
}

// lookUp finds the value of a field such as 0, name.attribute or name[key].
func (f *formatter) lookUp(name string) (Value, error) {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	v, err := f.first(name[:end])
	for rest := name[end:]; rest != "" && err == nil; {
		var part string
		if err := f.r.spend(1); err != nil {
			return nil, err
		}
		if rest[0] == '.' {
			part, rest = rest[1:], ""
			if i := strings.IndexAny(part, ".["); i >= 0 {
				part, rest = part[:i], part[i:]
			}
			if part == "" {
				return nil, valueError("Empty attribute in format string")
			}
			v, err = f.r.getAttr(v, part)
			continue
		}
		i := strings.IndexByte(rest, ']')
		switch {
		case i < 0:
			return nil, valueError("Missing ']' in format string")
		case i == 1:
			return nil, valueError("Empty attribute in format string")
		case i+1 < len(rest) && rest[i+1] != '.' && rest[i+1] != '[':
			return nil, valueError("Only '.' or '[' may follow ']' in format field specifier")
		}
		part, rest = rest[1:i], rest[i+1:]
		var key Value = String(part)
		if n, err := strconv.Atoi(part); err == nil && n >= 0 && part[0] != '+' {
			key = Int(n)
		}
		v, err = f.r.getItem(v, key)
	}
	return v, err
}

// first returns the argument that a field begins with.
func (f *formatter) first(name string) (Value, error) {
	n, err := strconv.Atoi(name)
	isNumber := err == nil && n >= 0 && name[0] != '+'
	switch {
	case name == "" && f.auto < 0, isNumber && f.auto > 0:
		return nil, valueError("cannot switch from manual field specification to automatic field numbering")
	case name == "":
		n, isNumber = f.auto, true
		f.auto++
	case isNumber:
		f.auto = -1
	}
	if isNumber {
		if n >= len(f.pos) {
			return nil, raise("IndexError", "tuple index out of range")
		}
		return f.pos[n], nil
	}
	v := f.named.Get(name)
	if v == nil {
		return nil, raise("KeyError", "%s", quote(name))
	}
	return v, nil
}

// formatSpec is a specification: [[fill]align][sign][z][#][0][width][,][.n][type].
type formatSpec struct {
	fill             string
	align, sign      byte // 0: not given
	positiveZero     bool // a negative zero loses its sign
	alt              bool
	width, precision int // precision -1: none
	group            string
	typ              rune // 0: none
}

// parseSpec reads a specification; typ is the type if none is given.
func parseSpec(s string, typ rune) (*formatSpec, error) {
	spec := &formatSpec{fill: " ", precision: -1, typ: typ}
	isAlign := func(i int) bool { return i < len(s) && strings.IndexByte("<>=^", s[i]) >= 0 }
	if _, size := utf8.DecodeRuneInString(s); s != "" && isAlign(size) {
		spec.fill, spec.align, s = s[:size], s[size], s[size+1:]
	} else if isAlign(0) {
		spec.align, s = s[0], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		spec.sign, s = s[0], s[1:]
	}
	if rest, ok := strings.CutPrefix(s, "z"); ok {
		spec.positiveZero, s = true, rest
	}
	if rest, ok := strings.CutPrefix(s, "#"); ok {
		spec.alt, s = true, rest
	}
	if strings.HasPrefix(s, "0") {
		if spec.align == 0 {
			spec.align = '='
		}
		if spec.fill == " " {
			spec.fill = "0"
		}
		s = s[1:]
	}
	var err error
	if spec.width, s, err = specNumber(s); err != nil {
		return nil, err
	}
	spec.width = max(spec.width, 0)
	if s != "" && (s[0] == ',' || s[0] == '_') {
		spec.group, s = s[:1], s[1:]
		if s != "" && (s[0] == ',' || s[0] == '_') {
			if s[0] == spec.group[0] {
				return nil, valueError("Cannot specify '%s' with '%s'.", spec.group, spec.group)
			}
			return nil, valueError("Cannot specify both ',' and '_'.")
		}
	}
	if rest, ok := strings.CutPrefix(s, "."); ok {
		if spec.precision, s, err = specNumber(rest); err != nil {
			return nil, err
		}
		if spec.precision < 0 {
			return nil, valueError("Format specifier missing precision")
		}
	}
	if s != "" {
		c, size := utf8.DecodeRuneInString(s)
		if size < len(s) {
			return nil, valueError("Invalid format specifier")
		}
		spec.typ = c
	}
	return spec, spec.checkGroup()
}

// specNumber reads digits; -1 where there are none.
func specNumber(s string) (n int, rest string, err error) {
	end := digitsLen(s, isDecimal)
	if i := strings.IndexByte(s[:end], '_'); i >= 0 {
		end = i
	}
	if end == 0 {
		return -1, s, nil
	}
	if n, err = strconv.Atoi(s[:end]); err != nil {
		return 0, "", valueError("Too many decimal digits in format string")
	}
	return n, s[end:], nil
}

func (spec *formatSpec) checkGroup() error {
	switch t := spec.typ; {
	case spec.group == "", t == 0, strings.ContainsRune("deEfFgG%", t), spec.group == "_" && strings.ContainsRune("boxX", t):
		return nil
	default:
		return valueError("Cannot specify '%s' with '%c'.", spec.group, t)
	}
}

// format is Python's format(v, spec).
func (r *render) format(v Value, s string) (string, error) {
	if s == "" {
		return r.str(v)
	}
	_, isText := text(v)
	if !isText && !isNumber(v) {
		return "", typeError("unsupported format string passed to %s.__format__", v.typeName())
	}
	typ := rune(0)
	if isText {
		typ = 's'
	}
	spec, err := parseSpec(s, typ)
	if err != nil {
		return "", err
	}
	if isText {
		return r.formatString(v, spec)
	}
	unknown := valueError("Unknown format code '%c' for object of type '%s'", spec.typ, v.typeName())
	n, isInt := integer(v)
	switch {
	case isInt && (spec.typ == 0 || strings.ContainsRune("bcdoxXn", spec.typ)):
		return r.formatInteger(n, spec)
	case strings.ContainsRune("eEfFgGn%", spec.typ) || !isInt && spec.typ == 0:
		f, err := toFloat(v)
		if err != nil {
			return "", err
		}
		return r.formatFloating(f, spec)
	}
	return "", unknown
}

func (r *render) formatString(v Value, spec *formatSpec) (string, error) {
	s, _ := text(v)
	switch {
	case spec.typ != 's':
		return "", valueError("Unknown format code '%c' for object of type '%s'", spec.typ, v.typeName())
	case spec.sign == ' ':
		return "", valueError("Space not allowed in string format specifier")
	case spec.sign != 0:
		return "", valueError("Sign not allowed in string format specifier")
	case spec.positiveZero:
		return "", valueError("Negative zero coercion (z) not allowed in string format specifier")
	case spec.alt:
		return "", valueError("Alternate form (#) not allowed in string format specifier")
	case spec.align == '=' && spec.fill == "0":
		spec.align = '<'
	case spec.align == '=':
		return "", valueError("'=' alignment not allowed in string format specifier")
	case spec.align == 0:
		spec.align = '<'
	}
	return spec.pad(r, "", truncate(s, spec.precision))
}

func (spec *formatSpec) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case spec.sign == '+' || spec.sign == ' ':
		return string(spec.sign)
	}
	return ""
}

func (r *render) formatInteger(n Value, spec *formatSpec) (string, error) {
	switch {
	case spec.precision >= 0:
		return "", valueError("Precision not allowed in integer format specifier")
	case spec.positiveZero:
		return "", valueError("Negative zero coercion (z) not allowed in integer format specifier")
	case spec.typ == 'c' && spec.sign != 0:
		return "", valueError("Sign not allowed with integer format specifier 'c'")
	case spec.typ == 'c' && spec.alt:
		return "", valueError("Alternate form (#) not allowed with integer format specifier 'c'")
	case spec.typ == 'c':
		if _, ok := smallInt(n); !ok {
			return "", raise("OverflowError", "Python int too large to convert to C long")
		}
		s, err := character(n)
		if err != nil {
			return "", err
		}
		return spec.pad(r, "", s)
	}
	digits, prefix, err := r.intDigits(n, spec.typ)
	if err != nil {
		return "", err
	}
	if !spec.alt {
		prefix = ""
	}
	size := 3
	if prefix != "" || strings.ContainsRune("boxX", spec.typ) && spec.typ != 0 {
		size = 4
	}
	sign := spec.signOf(toBig(n).Sign() < 0) + prefix
	digits, err = spec.grouped(r, digits, "", size, len(sign))
	if err != nil {
		return "", err
	}
	return spec.pad(r, sign, digits)
}

func (r *render) formatFloating(f float64, spec *formatSpec) (string, error) {
	sign := spec.signOf(math.Signbit(f) && !math.IsNaN(f))
	f = math.Abs(f)
	precision := spec.precision
	if precision < 0 {
		precision = 6
	}
	verb, suffix := spec.typ, ""
	switch spec.typ {
	case 0:
		verb = 'g'
	case 'n':
		verb = 'g'
	case '%':
		f, verb, suffix = f*100, 'f', "%"
	}
	s, err := r.floatDigits(f, verb, precision, spec.alt)
	if err != nil {
		return "", err
	}
	if spec.typ == 0 {
		if spec.precision >= 0 {
			s = withPoint(f, precision, s)
		} else if s = formatFloat(f); spec.alt {
			s = pointed(s)
		}
	}
	if spec.positiveZero && sign == "-" && !strings.ContainsAny(s, "123456789infa") {
		sign = spec.signOf(false)
	}
	whole, rest := s, ""
	if i := strings.IndexFunc(s, func(c rune) bool { return c < '0' || c > '9' }); i >= 0 {
		whole, rest = s[:i], s[i:]
	}
	rest += suffix
	if whole, err = spec.grouped(r, whole, rest, 3, len(sign)); err != nil {
		return "", err
	}
	return spec.pad(r, sign, whole+rest)
}

// withPoint is the format without a type: like g, but with a digit after the
// point and the exponent one digit earlier.
func withPoint(f float64, precision int, s string) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return s
	}
	precision = max(precision, 1)
	e := strconv.FormatFloat(f, 'e', precision-1, 64)
	at := strings.IndexByte(e, 'e')
	exp, _ := strconv.Atoi(e[at+1:])
	if exp == precision-1 {
		digits := e[:at]
		if strings.Contains(digits, ".") {
			digits = strings.TrimSuffix(strings.TrimRight(digits, "0"), ".")
		}
		return digits + e[at:]
	}
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// grouped puts separators between the digits of a whole number. With zeros as
// padding these are grouped too.
func (spec *formatSpec) grouped(r *render, digits, rest string, size, signLen int) (string, error) {
	if spec.group == "" || digits == "" {
		return digits, nil
	}
	if spec.fill == "0" && spec.align == '=' {
		room := spec.width - signLen - len(rest)
		n := len(digits)
		if room > n+(n-1)/size {
			n = room - room/(size+1)
			for n+(n-1)/size < room {
				n++
			}
		}
		zeros, err := r.repeatText("0", n-len(digits))
		if err != nil {
			return "", err
		}
		digits = zeros + digits
	}
	if err := r.grow(2 * len(digits)); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%size == 0 {
			b.WriteString(spec.group)
		}
		b.WriteByte(digits[i])
	}
	return b.String(), nil
}

// pad aligns a sign and what follows it in the width; numbers go to the right.
func (spec *formatSpec) pad(r *render, sign, s string) (string, error) {
	missing := max(spec.width-utf8.RuneCountInString(sign)-utf8.RuneCountInString(s), 0)
	left, right := missing, 0
	switch spec.align {
	case '<':
		left, right = 0, missing
	case '^':
		left = missing / 2
		right = missing - left
	case '=':
		s, err := r.pad(s, left, 0, spec.fill)
		return sign + s, err
	}
	return r.pad(sign+s, left, right, spec.fill)
}

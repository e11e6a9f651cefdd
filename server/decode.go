package server

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// decoding is one body being read. The first error stays; what is read after it
// is zero and has no consequence.
type decoding struct {
	err     *apiError
	ignored []string // paths of members that nobody asked for
}

// value is a JSON value and where it stands. The path is only spelled out when
// something is wrong.
type value struct {
	d      *decoding
	raw    jsontext.Value
	parent *value
	name   string // in an object
	index  int    // in a list
}

// object is a JSON object whose members are taken one by one.
type object struct {
	value
	members []value
	taken   []bool
}

// maxMembers bounds the members of an object that is taken apart.
const maxMembers = 1000

// decodeObject reads a body that must be one JSON object: UTF-8, no name twice,
// no unpaired surrogate.
func decodeObject(body []byte) (*object, *decoding) {
	d := &decoding{}
	top := &value{d: d, raw: body}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	raw, err := dec.ReadValue()
	if err == nil {
		end := int(dec.InputOffset())
		top.raw = body[end-len(raw) : end : end]
		if _, err = dec.ReadToken(); err == nil {
			err = errors.New("more than one JSON value")
		} else if err == io.EOF {
			err = nil
		}
	} else if err == io.EOF {
		err = errors.New("the body is empty")
	}
	if err != nil {
		d.err = syntaxError(err)
		return &object{value: *top}, d
	}
	return top.object(), d
}

// syntaxError says where a body is not JSON.
func syntaxError(err error) *apiError {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return invalid(pointerPath(syntax.JSONPointer), "the body is not valid JSON: %v at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return invalid("", "the body is not valid JSON: %v", err)
}

// pointerPath spells a JSON pointer as the path of a field.
func pointerPath(p jsontext.Pointer) string {
	var path strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			path.WriteString("[" + token + "]")
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(token)
	}
	return shorten(path.String())
}

// path returns where v stands, as in "messages[2].content".
func (v *value) path() string {
	switch {
	case v.parent == nil:
		return ""
	case v.name == "":
		return v.parent.path() + "[" + strconv.Itoa(v.index) + "]"
	case v.parent.parent == nil:
		return v.name
	}
	return v.parent.path() + "." + v.name
}

// fail records the first error.
func (v *value) fail(format string, args ...any) {
	if v.d.err == nil {
		v.d.err = invalid(shorten(v.path()), format, args...)
	}
}

// failAs records the first error, with a code that clients act on.
func (v *value) failAs(code, format string, args ...any) {
	if v.d.err == nil {
		v.fail(format, args...)
		v.d.err.code = code
	}
}

// must records what v should have been.
func (v *value) must(be string) { v.fail("must be %s, not %s", be, v.kind()) }

// kind names the type of v in messages.
func (v *value) kind() string {
	switch v.raw.Kind() {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	}
	return "null"
}

// text returns a string of at least least and at most most bytes.
func (v *value) text(least, most int) string {
	if v.raw.Kind() != '"' {
		v.must("a string")
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, v.raw)
	if err != nil {
		v.fail("is not a valid string: %v", err)
		return ""
	}
	switch {
	case len(text) < least && least == 1:
		v.fail("must not be empty")
	case len(text) < least, len(text) > most:
		v.fail("must have %d to %d bytes, not %d", least, most, len(text))
	}
	return string(text)
}

// label returns a short string without control characters.
func (v *value) label(most int) string {
	text := v.text(1, most)
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.fail("must not hold control characters")
	}
	return text
}

// oneOf returns a string that must be one of those listed.
func (v *value) oneOf(names ...string) string {
	want := strings.Join(names, ", ")
	if len(names) > 1 {
		want = "one of " + want
	}
	if v.raw.Kind() != '"' {
		v.must(want)
		return ""
	}
	text := v.text(0, math.MaxInt)
	if !slices.Contains(names, text) {
		v.fail("must be %s, not %.64q", want, text)
	}
	return text
}

// boolean returns true or false.
func (v *value) boolean() bool {
	if kind := v.raw.Kind(); kind != 't' && kind != 'f' {
		v.must("true or false")
	}
	return v.raw.Kind() == 't'
}

// number returns a number within [least, most].
func (v *value) number(least, most float64) float64 {
	if v.raw.Kind() != '0' {
		v.must("a number")
		return 0
	}
	x, err := strconv.ParseFloat(string(v.raw), 64)
	if err != nil || x < least || x > most {
		v.fail("must be between %v and %v, not %.32s", least, most, v.raw)
		return 0
	}
	return x
}

// above returns a number within (least, most], also once it is a float32.
func (v *value) above(least, most float64) float64 {
	x := v.number(least, most)
	if v.d.err == nil && float32(x) == float32(least) {
		v.fail("must be above %v", least)
	}
	return x
}

// integer returns a whole number within [least, most]. As with peers 2.0 and
// 1e2 are whole numbers.
func (v *value) integer(least, most int64) int64 {
	if v.raw.Kind() != '0' {
		v.must("a whole number")
		return 0
	}
	n, err := strconv.ParseInt(string(v.raw), 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		text, ok := wholeNumber(string(v.raw))
		if !ok {
			v.fail("must be a whole number, not %.32s", v.raw)
			return 0
		}
		n, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil || n < least || n > most {
		v.fail("must be between %d and %d, not %.32s", least, most, v.raw)
		return 0
	}
	return n
}

// wholeNumber writes a JSON number without point and exponent; false where it
// has a fraction, however small.
func wholeNumber(number string) (string, bool) {
	mantissa, power, _ := strings.Cut(strings.ToLower(number), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	fraction = strings.TrimRight(fraction, "0")
	digits := strings.TrimRight(whole+fraction, "0")
	if strings.Trim(digits, "-") == "" {
		return "0", true
	}
	exponent, err := strconv.Atoi(cmp.Or(power, "0"))
	if err != nil { // beyond all numbers
		return number, power[0] != '-'
	}
	// So many zeros follow the digits.
	zeros := len(whole) + exponent - len(digits)
	return digits + strings.Repeat("0", min(max(zeros, 0), 20)), zeros >= 0
}

// tokenID returns the id of a token of a vocabulary.
func (v *value) tokenID(vocabulary int) int32 { return int32(v.integer(0, int64(vocabulary)-1)) }

// list walks over the elements of a list of at least least, 0 or 1, and at most most.
func (v *value) list(least, most int) iter.Seq2[int, *value] {
	return func(yield func(int, *value) bool) {
		if v.raw.Kind() != '[' {
			v.must("a list")
			return
		}
		n := 0
		element := value{d: v.d, parent: v}
		for raw := range v.parts() {
			if n++; n > most {
				v.fail("must not have more than %d elements", most)
				return
			}
			element.raw, element.index = raw, n-1
			if !yield(n-1, &element) || v.d.err != nil {
				return
			}
		}
		if n < least {
			v.fail("must not be empty")
		}
	}
}

// parts walks over the elements of a list, or over the names and values of an
// object. The text was found valid before.
func (v *value) parts() iter.Seq[jsontext.Value] {
	return func(yield func(jsontext.Value) bool) {
		dec := jsontext.NewDecoder(bytes.NewBuffer(v.raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		if _, err := dec.ReadToken(); err != nil {
			return
		}
		for kind := dec.PeekKind(); kind != ']' && kind != '}'; kind = dec.PeekKind() {
			part, err := dec.ReadValue()
			if err != nil {
				return
			}
			// The decoder may reuse its own buffer, v.raw stays.
			end := int(dec.InputOffset())
			if !yield(v.raw[end-len(part) : end : end]) {
				return
			}
		}
	}
}

// object returns v, which must be an object, ready to be taken apart.
func (v *value) object() *object {
	o := &object{value: *v}
	if v.raw.Kind() != '{' {
		v.must("an object")
		return o
	}
	var name string
	isName := true
	for raw := range v.parts() {
		if isName {
			text, _ := jsontext.AppendUnquote(nil, raw)
			name = string(text)
		} else if len(o.members) == maxMembers {
			v.fail("must not have more than %d members", maxMembers)
			break
		} else {
			o.members = append(o.members, value{d: v.d, raw: raw, parent: &o.value, name: name})
		}
		isName = !isName
	}
	o.taken = make([]bool, len(o.members))
	return o
}

// take returns a member, nil where it is absent or null.
func (o *object) take(name string) *value {
	for i := range o.members {
		if o.members[i].name == name {
			o.taken[i] = true
			if o.members[i].raw.Kind() == 'n' {
				return nil
			}
			return &o.members[i]
		}
	}
	return nil
}

// need returns a member that must be there.
func (o *object) need(name string) *value {
	v := o.take(name)
	if v == nil {
		missing := value{d: o.d, parent: &o.value, name: name}
		missing.fail("is required")
		missing.raw = jsontext.Value("null")
		return &missing
	}
	return v
}

// unsupported refuses members that ask for what is not built.
func (o *object) unsupported(names ...string) {
	for _, name := range names {
		if v := o.take(name); v != nil {
			v.fail("is not supported by this server")
		}
	}
}

// refuseTrue takes a boolean that must not be true.
func (o *object) refuseTrue(name string) {
	if v := o.take(name); v != nil && v.boolean() {
		v.fail("is not supported by this server")
	}
}

// rest notes the members that were not taken as ignored.
func (o *object) rest() {
	for i := range o.members {
		if !o.taken[i] && o.members[i].raw.Kind() != 'n' {
			o.d.ignored = append(o.d.ignored, o.members[i].path())
		}
	}
}

// flag returns a boolean member, or what it is when absent.
func (o *object) flag(name string, absent bool) bool {
	if v := o.take(name); v != nil {
		return v.boolean()
	}
	return absent
}

// integer returns a member that is a whole number, or what it is when absent.
func (o *object) integer(name string, least, most, absent int64) int64 {
	if v := o.take(name); v != nil {
		return v.integer(least, most)
	}
	return absent
}

// number returns a member that is a number; nil where it is absent.
func (o *object) number(name string, least, most float64) *float64 {
	if v := o.take(name); v != nil {
		x := v.number(least, most)
		return &x
	}
	return nil
}

// text returns a string member of at most that many bytes, "" where it is absent.
func (o *object) text(name string, most int) string {
	if v := o.take(name); v != nil {
		return v.text(0, most)
	}
	return ""
}

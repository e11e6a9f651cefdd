package server

import (
	"bytes"
	"cmp"
	"errors"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// value is a JSON value and where it stands. The path is only spelled out when
// something is wrong.
type value struct {
	d      *decoding
	raw    jsontext.Value
	parent *value
	name   string // in an object
	index  int    // in a list
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

// text returns a string of `least` to `most` bytes.
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
	switch {
	case err == nil && x >= least && x <= most:
		return x
	case least == most:
		v.fail("must be %v, not %.32s", least, v.raw)
	default:
		v.fail("must be between %v and %v, not %.32s", least, most, v.raw)
	}
	return 0
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

// list walks over the elements of a list of `least` (0 or 1) to `most`.
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

// unquote returns the text of a string, "" for all else.
func unquote(raw jsontext.Value) string {
	if raw.Kind() != '"' {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}

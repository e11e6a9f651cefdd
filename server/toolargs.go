package server

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// wholeArguments returns the arguments of a call as an object that all readers take for the
// same: of values with one name the last stays, and half of a surrogate pair becomes U+FFFD. It
// is nil where the text is no object, as where it breaks off.
func wholeArguments(text string) jsontext.Value {
	v := jsontext.Value(text)
	if v.Kind() != '{' {
		return nil
	}
	if v.IsValid() {
		return v
	}
	if v.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil || !keepLast(v) {
		return nil
	}
	_ = v.Compact() // which finds nothing wrong any more
	return v
}

// keepLast makes blanks of the members of objects whose names come again, in a valid value
// whose names are spelled in one way. It returns false where the value is too deep.
func keepLast(v jsontext.Value) bool {
	type members struct {
		begin []int          // where each begins
		last  map[string]int // of each name
	}
	var open []members
	dec := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	for kind := dec.PeekKind(); kind != 0; kind = dec.PeekKind() {
		switch kind {
		case '{', '[':
			_, _ = dec.ReadToken()
			if open = append(open, members{last: map[string]int{}}); len(open) > maxToolDepth {
				return false
			}
			continue
		case '}', ']':
			_, _ = dec.ReadToken()
			open = open[:len(open)-1]
			continue
		}
		raw, _ := dec.ReadValue()
		if in, n := dec.StackIndex(dec.StackDepth()); in == '[' || n%2 == 0 {
			continue // no name
		}
		m := &open[len(open)-1]
		m.begin = append(m.begin, int(dec.InputOffset())-len(raw))
		if i, ok := m.last[string(raw)]; ok {
			for before := m.begin[i]; before < m.begin[i+1]; before++ {
				v[before] = ' '
			}
		}
		m.last[string(raw)] = len(m.begin) - 1
	}
	return true
}

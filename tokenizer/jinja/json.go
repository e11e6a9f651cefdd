package jinja

import (
	"bytes"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// FromJSON returns the value that Python's json.loads gives: objects keep the
// order of their names, and a number without point and exponent is an int of
// any size. An error names the offset.
func FromJSON(raw jsontext.Value) (Value, error) {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	v, err := readJSON(d)
	if err != nil {
		return nil, err
	}
	end := d.InputOffset()
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("JSON: more follows the value, at offset %d", end)
	}
	return v, nil
}

func readJSON(d *jsontext.Decoder) (Value, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case 'n':
		return None, nil
	case 't', 'f':
		return Bool(t.Bool()), nil
	case '"':
		return String(t.String()), nil
	case '0':
		v, err := readNumber(t.String())
		if err != nil {
			return nil, fmt.Errorf("JSON: %w, at offset %d", err, d.InputOffset())
		}
		return v, nil
	case '[':
		list := &List{}
		for d.PeekKind() != ']' {
			v, err := readJSON(d)
			if err != nil {
				return nil, err
			}
			list.items = append(list.items, v)
		}
		_, err := d.ReadToken()
		return list, err
	}
	object := NewDict()
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		v, err := readJSON(d)
		if err != nil {
			return nil, err
		}
		object.Set(key, v)
	}
	_, err = d.ReadToken()
	return object, err
}

func readNumber(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, _ := strconv.ParseFloat(s, 64) // too large is infinite
		return Float(f), nil
	}
	if len(s) > maxDigits+1 {
		return nil, fmt.Errorf("an integer of more than %d digits", maxDigits)
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("%q is no number", s)
	}
	return fromBig(n), nil
}

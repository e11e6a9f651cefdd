package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"trona/model/fault"

	"github.com/go-json-experiment/json/jsontext"
)

// parser takes JSON apart token by token. It keeps no names to find those that
// are there twice, for that would cost more memory than the JSON itself:
// who reads an object looks for them.
type parser struct {
	file string
	base int64 // offset of the JSON in the file
	json *jsontext.Decoder

	what, name string // the field that is read, for messages
}

func newParser(file string, base int64, text []byte) *parser {
	return &parser{file: file, base: base, json: jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))}
}

// field names what is read next. The two parts are joined only in messages.
func (p *parser) field(what, name string) { p.what, p.name = what, name }

func (p *parser) fail(format string, args ...any) error {
	return p.failed(nil, p.json.InputOffset(), format, args...)
}

// failed describes a problem at an offset in the JSON.
func (p *parser) failed(cause error, offset int64, format string, args ...any) error {
	field := p.what
	if p.name != "" {
		field += " " + fault.Name(p.name)
	}
	return &fault.Error{File: p.file, Field: field, Offset: p.base + offset, Message: fmt.Sprintf(format, args...), Err: cause}
}

// syntax describes an error of the decoder.
func (p *parser) syntax(err error) error {
	var s *jsontext.SyntacticError
	switch {
	case errors.As(err, &s):
		return p.failed(s.Err, s.ByteOffset, "no JSON")
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return p.failed(err, p.json.InputOffset(), "no JSON")
}

// value returns the next value of a kind as it stands in the text, valid until
// the next call.
func (p *parser) value(k jsontext.Kind, want string) ([]byte, error) {
	if got := p.json.PeekKind(); got != k && got != jsontext.KindInvalid {
		return nil, p.fail("must be %s", want)
	}
	v, err := p.json.ReadValue()
	if err != nil {
		return nil, p.syntax(err)
	}
	return v, nil
}

// text returns the next string, unquoted, valid until the next call.
func (p *parser) text() ([]byte, error) {
	v, err := p.value('"', "a string")
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1], nil
	}
	return jsontext.AppendUnquote(nil, v)
}

// size returns the next number, which must be whole and not negative.
func (p *parser) size() (int64, error) {
	v, err := p.value('0', "a whole number")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(string(v), 10, 63)
	if err != nil {
		return 0, p.fail("must be a whole number below 2^63, not %.40s", v)
	}
	return int64(n), nil
}

// open reads the beginning of an object or array, k being '{' or '['.
func (p *parser) open(k jsontext.Kind, want string) error {
	if got := p.json.PeekKind(); got != k && got != jsontext.KindInvalid {
		return p.fail("must be %s", want)
	}
	if _, err := p.json.ReadToken(); err != nil {
		return p.syntax(err)
	}
	return nil
}

// more reports whether an object or array goes on; where it does not, its end
// is read.
func (p *parser) more() (bool, error) {
	if k := p.json.PeekKind(); k != '}' && k != ']' && k != jsontext.KindInvalid {
		return true, nil
	}
	if _, err := p.json.ReadToken(); err != nil {
		return false, p.syntax(err)
	}
	return false, nil
}

// members calls each with every name of the next object; each reads the value.
func (p *parser) members(want string, each func(name []byte) error) error {
	if err := p.open('{', want); err != nil {
		return err
	}
	for {
		if more, err := p.more(); !more || err != nil {
			return err
		}
		name, err := p.text()
		if err != nil {
			return err
		}
		if err := each(name); err != nil {
			return err
		}
	}
}

package server

import (
	"bytes"
	"errors"
	"io"
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

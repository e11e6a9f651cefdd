package server

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer/grammar"
)

// structure is what the text of an answer must be; the zero value is any text.
type structure struct {
	at      string // the field that asks for it; "": none does
	compile func(*grammar.Compiler) (*grammar.Grammar, error)
}

// maxConstraint bounds the text of a constraint, and maxConstraintChoices a list of texts.
const (
	maxConstraint        = 256 << 10
	maxConstraintChoices = 10_000
)

// set notes what a field asks for. There can be one such field only.
func (s *structure) set(v *value, compile func(*grammar.Compiler) (*grammar.Grammar, error)) {
	if s.at != "" {
		v.fail("cannot be combined with %s", s.at)
	}
	s.at, s.compile = v.path(), compile
}

// setSchema wants JSON that satisfies a schema.
func (s *structure) setSchema(v *value, raw jsontext.Value) {
	s.set(v, func(c *grammar.Compiler) (*grammar.Grammar, error) { return c.JSONSchema(raw, schemaOptions) })
}

// read takes the fields of OpenAI, vLLM, NIM and llama.cpp for it.
func (s *structure) read(o *object) {
	if v := o.take("response_format"); v != nil {
		s.readFormat(v.object())
	}
	if v := o.take("json_schema"); v != nil {
		s.readSchema(v)
	}
	s.readGuided(o)
	s.readGrammar(o.take("grammar"))
	if v := o.take("structured_outputs"); v != nil {
		outputs := v.object()
		if v := outputs.take("json"); v != nil {
			s.readSchema(v)
		}
		if v := outputs.take("json_object"); v != nil && v.boolean() {
			s.set(v, (*grammar.Compiler).JSONObject)
		}
		s.readRegex(outputs.take("regex"))
		s.readChoice(outputs.take("choice"))
		s.readGrammar(outputs.take("grammar"))
		outputs.unsupported("structural_tag", "whitespace_pattern")
		outputs.rest()
	}
}

// readGuided takes the fields that stand at the top or in NIM's nvext.
func (s *structure) readGuided(o *object) {
	if v := o.take("guided_json"); v != nil {
		s.readSchema(v)
	}
	s.readRegex(o.take("guided_regex"))
	s.readChoice(o.take("guided_choice"))
	s.readGrammar(o.take("guided_grammar"))
	o.unsupported("guided_whitespace_pattern")
}

// readFormat takes OpenAI's response_format, with llama.cpp's schema and the names
// that Hugging Face's client and server have for it.
func (s *structure) readFormat(format *object) {
	switch kind := format.need("type"); kind.oneOf("text", "json_object", "json_schema", "json") {
	case "json_object", "json":
		open := true
		for _, name := range []string{"schema", "value"} {
			if v := format.take(name); v != nil {
				s.readSchema(v)
				open = false
			}
		}
		if open {
			s.set(kind, (*grammar.Compiler).JSONObject)
		}
	case "json_schema":
		named := format.need("json_schema").object()
		named.need("name").label(maxToolName)
		named.text("description", len(named.raw))
		named.flag("strict", false) // it is kept in any case
		if v := named.take("schema"); v != nil {
			s.readSchema(v)
		} else {
			s.set(kind, (*grammar.Compiler).JSONObject)
		}
		named.rest()
	}
	format.rest()
}

// readSchema takes a schema, or a string that holds one.
func (s *structure) readSchema(v *value) {
	raw := v.raw
	switch raw.Kind() {
	case '"':
		if raw = jsontext.Value(v.text(1, maxConstraint)); v.d.err == nil && !raw.IsValid() {
			v.fail("is a string without JSON in it")
		}
	case '{', 't', 'f':
	default:
		v.must("a schema")
	}
	s.setSchema(v, raw)
}

// readRegex takes a regular expression; nil is none.
func (s *structure) readRegex(v *value) {
	if v != nil {
		text := v.text(1, maxConstraint)
		s.set(v, func(c *grammar.Compiler) (*grammar.Grammar, error) { return c.Regex(text) })
	}
}

// readChoice takes a list of texts; nil is none.
func (s *structure) readChoice(v *value) {
	if v == nil {
		return
	}
	var texts []string
	for _, text := range v.list(1, maxConstraintChoices) {
		texts = append(texts, text.text(1, maxConstraint))
	}
	s.set(v, func(c *grammar.Compiler) (*grammar.Grammar, error) { return c.Choice(texts) })
}

// readGrammar takes a grammar in the notation of llama.cpp; nil is none.
func (s *structure) readGrammar(v *value) {
	if v != nil {
		text := v.text(1, maxConstraint)
		s.set(v, func(c *grammar.Compiler) (*grammar.Grammar, error) { return c.GBNF(text) })
	}
}

// constraintError says which field cannot be compiled, and where in it.
func constraintError(at string, err error) error {
	var wrong *grammar.Error
	if !errors.As(err, &wrong) {
		return err
	}
	message := wrong.Error()
	if strings.HasPrefix(wrong.Where, "#") {
		message = wrong.Message // the path says where
	}
	return invalid(shorten(schemaPath(at, wrong.Where)), "%s", message)
}

// schemaPath returns the path of a place, a JSON pointer after #, in a schema.
func schemaPath(at, where string) string {
	pointer, ok := strings.CutPrefix(where, "#")
	if !ok || pointer == "" {
		return at
	}
	place := pointerPath(jsontext.Pointer(pointer))
	if strings.HasPrefix(place, "[") {
		return at + place
	}
	return at + "." + place
}

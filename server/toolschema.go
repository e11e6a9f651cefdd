package server

import (
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// schema is a part of the schema of a tool's arguments, read as far as a form needs it
// whose values are no JSON.
type schema struct {
	of   tool
	raw  jsontext.Value // nil: anything
	path string         // in the request
}

// field is an argument that a schema names.
type field struct {
	name     string
	schema   schema
	required bool
}

// textKind is the kind of texts. Others are 0, t, n, { and [, with which values begin.
const textKind = `"`

// maxAlternatives bounds the schemas of which a value may satisfy one, and the references
// that lead from one to the next.
const maxAlternatives = 64

// kindOf returns the kind of a value.
func kindOf(v jsontext.Value) string {
	if v.Kind() == 'f' {
		return "t"
	}
	return string(rune(v.Kind()))
}

// arguments returns the schema of all arguments.
func (t tool) arguments() schema {
	if len(t.parameters) > maxConstraint {
		return schema{of: t, path: t.at}
	}
	return schema{of: t, raw: t.parameters, path: t.at}.whole()
}

// member returns what a keyword or a name stands for.
func (s schema) member(name string) schema {
	part := schema{of: s.of, path: s.path + "." + name}
	for _, member := range s.members() {
		if member.name == name {
			part.raw = member.raw
		}
	}
	return part
}

// members takes the schema apart; a boolean has no members.
func (s schema) members() []value {
	if s.raw.Kind() != '{' {
		return nil
	}
	v := value{d: &decoding{}, raw: s.raw}
	return v.object().members
}

// elements returns the elements of a list.
func (s schema) elements() (list []schema) {
	if s.raw.Kind() != '[' {
		return nil
	}
	v := value{raw: s.raw}
	for raw := range v.parts() {
		list = append(list, schema{of: s.of, raw: raw, path: s.path + "[" + strconv.Itoa(len(list)) + "]"})
	}
	return list
}

// text returns the text that stands here; "" where something else does.
func (s schema) text() string {
	if s.raw.Kind() != '"' {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, s.raw)
	return string(text)
}

// whole returns what a schema refers to, or itself.
func (s schema) whole() schema {
	for range maxAlternatives {
		pointer, ok := strings.CutPrefix(s.member("$ref").text(), "#")
		if !ok {
			break
		}
		to := schema{of: s.of, raw: s.of.parameters, path: s.of.at}
		for name := range jsontext.Pointer(pointer).Tokens() {
			to = to.member(name)
		}
		if to.raw == nil {
			break
		}
		s = to
	}
	return s
}

// alone returns the schema with what its references may point to.
func (s schema) alone() jsontext.Value {
	raw := s.raw
	for _, name := range []string{"$defs", "definitions"} {
		if defined := (schema{raw: s.of.parameters}).member(name).raw; defined != nil {
			raw = withMember(raw, name, defined)
		}
	}
	return raw
}

// alternatives returns the schemas of which a value must satisfy one: itself where it
// says more than that; nil where there are too many.
func (s schema) alternatives() []schema {
	list := []schema{s.whole()}
	for i, steps := 0, 0; i < len(list); steps++ {
		one := list[i]
		parts := append(one.member("anyOf").elements(), one.member("oneOf").elements()...)
		if len(parts) == 0 || one.member("type").raw != nil || one.beyond("anyOf", "oneOf") != "" {
			i++
			continue
		}
		if steps+len(list)+len(parts) > maxAlternatives {
			return nil
		}
		for j, part := range parts {
			parts[j] = part.whole()
		}
		list = slices.Replace(list, i, i+1, parts...)
	}
	return list
}

// choices returns the values that the schema lists, as they stand in XML.
func (s schema) choices() (texts []string) {
	for _, one := range append(s.member("enum").elements(), s.member("const")) {
		if kind := one.raw.Kind(); kind == '"' {
			texts = append(texts, one.text())
		} else if one.raw != nil {
			texts = append(texts, string(one.raw))
		}
	}
	return texts
}

// kinds returns the kinds of values that the schema speaks of; "" where it leaves it open.
func (s schema) kinds() (kinds string) {
	for _, one := range s.alternatives() {
		own := one.ownKinds()
		if own == "" {
			return ""
		}
		for i := range len(own) {
			if !strings.Contains(kinds, own[i:i+1]) {
				kinds += own[i : i+1]
			}
		}
	}
	return kinds
}

// ownKinds returns the kinds that type names, or else of the values in the schema's list.
func (s schema) ownKinds() (kinds string) {
	types := s.member("type")
	for _, named := range append(types.elements(), types) {
		kinds += map[string]string{"string": textKind, "integer": "0", "number": "0", "boolean": "t", "null": "n", "object": "{", "array": "["}[named.text()]
	}
	if kinds != "" {
		return kinds
	}
	for _, listed := range append(s.member("enum").elements(), s.member("const")) {
		if listed.raw != nil {
			kinds += kindOf(listed.raw)
		}
	}
	return kinds
}

// fields returns the arguments in the order of the schema; nil where any may come. wrong is
// the path of what it asks for and XML cannot keep.
func (s schema) fields() (list []field, wrong string) {
	if wrong = s.beyond("properties", "required"); wrong != "" {
		return nil, wrong
	}
	properties, more := s.member("properties"), s.member("additionalProperties")
	required := map[string]bool{}
	for _, name := range s.member("required").elements() {
		required[name.text()] = true
	}
	if more.raw == nil && properties.raw == nil && len(required) == 0 {
		return nil, ""
	} else if more.raw != nil && more.raw.Kind() != 'f' {
		return nil, more.path
	}
	list = []field{}
	for _, member := range properties.members() {
		one := schema{of: s.of, raw: member.raw, path: properties.path + "." + member.name}
		if strings.ContainsAny(member.name, ">\n") || member.name == "" {
			return nil, one.path
		}
		list = append(list, field{member.name, one, required[member.name]})
		delete(required, member.name)
	}
	if len(required) > 0 {
		return nil, s.path + ".required"
	}
	return list, ""
}

// binding are keywords that say more than XML can keep of texts and of all arguments.
var binding = [...]string{
	"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "enum", "const", "pattern", "format", "minLength", "maxLength",
	"properties", "required", "patternProperties", "propertyNames", "minProperties", "maxProperties", "dependentRequired",
	"dependentSchemas", "dependencies", "unevaluatedProperties",
}

// beyond returns the path of a keyword that binds, but for some; "": there is none.
func (s schema) beyond(kept ...string) string {
	for _, member := range s.members() {
		if slices.Contains(binding[:], member.name) && !slices.Contains(kept, member.name) {
			return s.path + "." + member.name
		}
	}
	return ""
}

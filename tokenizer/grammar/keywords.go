package grammar

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// keywords are those of JSON Schema that say something about instances and are
// kept: of 2020-12, and what drafts 4 to 2019-09 called differently.
var keywords = set(
	"$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependentRequired", "dependencies",
	"type", "const", "enum",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
	"minLength", "maxLength", "pattern", "format",
	"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains",
	"properties", "patternProperties", "additionalProperties", "propertyNames", "required", "minProperties", "maxProperties",
)

// annotations say nothing about instances. Other names do not either: JSON
// Schema lets anyone add them (2020-12 core, section 6.5).
var annotations = set(
	"$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$comment", "$defs", "definitions", "$vocabulary",
	"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
	"contentEncoding", "contentMediaType", "contentSchema", "discriminator",
)

// unsupported are keywords about instances that cannot be kept.
var unsupported = map[string]string{
	"$dynamicRef":           "is not supported",
	"$recursiveRef":         "is not supported",
	"unevaluatedProperties": "is not supported; additionalProperties is",
	"unevaluatedItems":      "is not supported; items is",
	"extends":               "is not supported; allOf is",
	"disallow":              "is not supported; not is",
	"divisibleBy":           "is not supported; multipleOf is",
}

func set(names ...string) map[string]bool {
	s := map[string]bool{}
	for _, name := range names {
		s[name] = true
	}
	return s
}

// check refuses what is not supported.
func (c *schemaCompiler) check(p place, schema map[string]any) error {
	if c.checked[p.where] {
		return nil
	}
	c.checked[p.where] = true
	if _, refers := schema["$ref"]; refers {
		if err := c.checkLoop(p); err != nil {
			return err
		}
		if c.doc.legacy {
			return nil
		}
	}
	for _, keyword := range sortedKeys(schema) {
		why, no := unsupported[keyword]
		if no && !(strings.HasPrefix(keyword, "unevaluated") && schema[keyword] == true) {
			return p.fail(keyword, "%s", why)
		}
		if !no && !keywords[keyword] && !annotations[keyword] && !strings.HasPrefix(keyword, "x-") {
			c.budget.skip(p.where + "/" + escapePointer(keyword))
		}
	}
	return nil
}

// checkLoop refuses a reference that leads back to its own schema by keywords
// that are about the same instance: there is no end to what it means (2020-12
// core, section 9.4.1).
func (c *schemaCompiler) checkLoop(from place) error {
	seen := map[string]bool{}
	for todo := []place{from}; len(todo) > 0; {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if err := c.budget.step(10); err != nil {
			return err
		}
		for _, next := range c.sameInstance(p) {
			if next.where == from.where {
				return from.fail("$ref", "leads back to its own schema")
			}
			if !seen[next.where] {
				seen[next.where] = true
				todo = append(todo, next)
			}
		}
	}
	return nil
}

// sameInstance returns the schemas that one applies to its own instance.
func (c *schemaCompiler) sameInstance(p place) (list []place) {
	schema, _ := p.schema.(map[string]any)
	if reference, ok := schema["$ref"].(string); ok {
		if to, err := c.doc.refer(p, reference); err == nil { // else it is refused where it is read
			list = append(list, to)
		}
		if c.doc.legacy {
			return list
		}
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		items, _ := schema[keyword].([]any)
		for i, item := range items {
			list = append(list, p.child(item, keyword, strconv.Itoa(i)))
		}
	}
	return list
}

// types is a set of the types of JSON.
type types uint8

const (
	typeNull types = 1 << iota
	typeBoolean
	typeNumber
	typeString
	typeArray
	typeObject
	typeAny = typeNull | typeBoolean | typeNumber | typeString | typeArray | typeObject
)

var typeNames = []struct {
	name string
	set  types
}{
	{"null", typeNull}, {"boolean", typeBoolean}, {"number", typeNumber}, {"integer", typeNumber},
	{"string", typeString}, {"array", typeArray}, {"object", typeObject},
}

// types reads the keyword type. integer: numbers must be whole.
func (p place) types(v any) (all types, integer bool, err error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	number := false
	for _, item := range list {
		name, _ := item.(string)
		known := false
		for _, t := range typeNames {
			if t.name == name {
				all, known = all|t.set, true
			}
		}
		if !known {
			return 0, false, p.fail("type", "%.40s is no type of JSON Schema", marshal(item))
		}
		number, integer = number || name == "number", integer || name == "integer"
	}
	if len(list) == 0 {
		return 0, false, p.fail("type", "is empty")
	}
	return all, integer && !number, nil
}

// count reads a keyword that holds a number of things.
func (p place) count(keyword string, v any) (int, error) {
	r, err := p.number(keyword, v)
	if err != nil {
		return 0, err
	}
	if !r.IsInt() || r.Sign() < 0 {
		return 0, p.fail(keyword, "must be a whole number, not negative")
	}
	if !r.Num().IsInt64() || r.Num().Int64() > math.MaxInt32/2 {
		return math.MaxInt32 / 2, nil // as good as without bound
	}
	return int(r.Num().Int64()), nil
}

func (p place) number(keyword string, v any) (*big.Rat, error) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, p.fail(keyword, "must be a number")
	}
	r, ok := rational(string(n))
	if !ok {
		return nil, p.fail(keyword, "%.40s is out of range", n)
	}
	return r, nil
}

// rational reads a number of JSON whose exponent is sane.
func rational(text string) (*big.Rat, bool) {
	if i := strings.IndexAny(text, "eE"); i >= 0 && len(strings.TrimLeft(text[i+1:], "+-0")) > 3 || len(text) > 2*maxDigits {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

func (p place) strings(keyword string, v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, p.fail(keyword, "must be a list of strings")
	}
	var names []string
	for _, item := range list {
		name, ok := item.(string)
		if !ok {
			return nil, p.fail(keyword, "must be a list of strings")
		}
		names = append(names, name)
	}
	return names, nil
}

func (p place) text(keyword string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", p.fail(keyword, "must be a string")
	}
	return s, nil
}

func (p place) object(keyword string, v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, p.fail(keyword, "must be an object")
	}
	return m, nil
}

func marshal(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(text)
}

func jsonNumber(n int) json.Number { return json.Number(itoa(n)) }

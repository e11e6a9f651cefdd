package grammar

import (
	"slices"
	"strconv"
)

// negate returns the branches in which a schema does not hold: one of its
// keywords does not.
func (c *schemaCompiler) negate(b *branch, a atom, schema map[string]any) ([]*branch, error) {
	if err := c.check(a.place, schema); err != nil {
		return nil, err
	}
	var branches []*branch
	for _, keyword := range sortedKeys(schema) {
		if annotations[keyword] || !keywords[keyword] {
			continue
		}
		options, err := c.negateKeyword(a, keyword, schema)
		if err != nil {
			return nil, err
		}
		for _, option := range options {
			after := b.fork()
			after.add(option...)
			branches = append(branches, after)
		}
		if keyword == "$ref" && c.doc.legacy {
			break
		}
	}
	return branches, nil
}

// typed returns a schema for a type with further keywords.
func typed(name string, more ...any) map[string]any {
	schema := map[string]any{"type": name}
	for i := 0; i < len(more); i += 2 {
		schema[more[i].(string)] = more[i+1]
	}
	return schema
}

// negateKeyword returns the ways in which one keyword does not hold.
func (c *schemaCompiler) negateKeyword(a atom, keyword string, schema map[string]any) ([][]atom, error) {
	v := schema[keyword]
	one := func(schema map[string]any) [][]atom {
		return [][]atom{{{place: a.made(schema, keyword, "not")}}}
	}
	switch keyword {
	case "$ref":
		text, _ := v.(string)
		to, err := c.doc.refer(a.place, text)
		return [][]atom{{{place: to, negated: true}}}, err
	case "not":
		return [][]atom{{{place: a.child(v, "not")}}}, nil
	case "allOf":
		list, err := a.list(keyword, v)
		for i := range list {
			list[i] = list[i].not()
		}
		return apart(list), err
	case "anyOf":
		list, err := a.list(keyword, v)
		for i := range list {
			list[i] = list[i].not()
		}
		return [][]atom{list}, err
	case "type":
		return c.negateType(a, v)
	case "const", "enum":
		if hasNested(schema, keyword) {
			return nil, a.fail(keyword, "cannot be negated where it holds an array or an object")
		}
		return [][]atom{{{place: a.place, negated: true, only: keyword}}}, nil
	case "required":
		var options [][]atom
		names, err := a.strings(keyword, v)
		for _, name := range names {
			options = append(options, one(typed("object", "properties", map[string]any{name: false}))...)
		}
		return options, err
	case "properties":
		members, _ := v.(map[string]any)
		var options [][]atom
		for _, name := range sortedKeys(members) {
			not := map[string]any{"not": members[name]}
			place := a.made(typed("object", "properties", map[string]any{name: not}, "required", []any{name}), keyword, name, "not")
			options = append(options, []atom{{place: place}})
		}
		return options, nil
	case "pattern", "format":
		return [][]atom{{{place: a.place, negated: true, only: keyword}}}, nil
	}
	if opposite, ok := opposites[keyword]; ok {
		return c.negateBound(a, keyword, opposite, v)
	}
	return nil, a.fail(keyword, "cannot be negated (by not, if, or oneOf with alternatives that may both hold)")
}

func hasNested(schema map[string]any, keyword string) bool {
	values, ok := schema[keyword].([]any)
	if keyword == "const" || !ok {
		values = []any{schema[keyword]}
	}
	return slices.ContainsFunc(values, func(v any) bool {
		switch v.(type) {
		case map[string]any, []any:
			return true
		}
		return false
	})
}

// negateType returns the types that are not meant.
func (c *schemaCompiler) negateType(a atom, v any) ([][]atom, error) {
	set, integer, err := a.types(v)
	if err != nil {
		return nil, err
	}
	var options [][]atom
	if integer {
		options = append(options, []atom{{place: a.place, negated: true, only: "type"}})
	}
	var rest []any
	for _, t := range typeNames {
		if t.set&set == 0 && t.name != "integer" {
			rest = append(rest, t.name)
		}
	}
	if rest != nil {
		options = append(options, []atom{{place: a.made(map[string]any{"type": rest}, "type", "not")}})
	}
	return options, nil
}

// opposites are the keywords that hold where one that bounds does not.
var opposites = map[string]struct {
	typ, keyword string
	add          int // to a count
}{
	"minimum":          {"number", "exclusiveMaximum", 0},
	"maximum":          {"number", "exclusiveMinimum", 0},
	"exclusiveMinimum": {"number", "maximum", 0},
	"exclusiveMaximum": {"number", "minimum", 0},
	"minLength":        {"string", "maxLength", -1},
	"maxLength":        {"string", "minLength", 1},
	"minItems":         {"array", "maxItems", -1},
	"maxItems":         {"array", "minItems", 1},
}

func (c *schemaCompiler) negateBound(a atom, keyword string, to struct {
	typ, keyword string
	add          int
}, v any) ([][]atom, error) {
	if _, ok := v.(bool); ok {
		return nil, a.fail(keyword, "cannot be negated")
	}
	if to.add != 0 {
		n, err := a.count(keyword, v)
		if err != nil {
			return nil, err
		}
		if n += to.add; n < 0 {
			return nil, nil
		}
		v = jsonNumber(n)
	}
	return [][]atom{{{place: a.made(typed(to.typ, to.keyword, v), keyword, "not")}}}, nil
}

func itoa(n int) string { return strconv.Itoa(n) }

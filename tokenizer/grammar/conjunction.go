package grammar

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// atom is a schema that must hold, or must not.
type atom struct {
	place
	negated bool
	// only is the keyword that alone counts, of a schema taken apart; "": all.
	only string
}

func (a atom) key() string {
	key := a.where + " " + a.only
	if a.negated {
		key += " not"
	}
	return key
}

// conjunction is atoms that must all hold, in the order of their keys.
type conjunction []atom

func (c conjunction) key() string {
	var key strings.Builder
	for _, a := range c {
		key.WriteString(a.key())
		key.WriteByte('\n')
	}
	return key.String()
}

// and returns the conjunction with more atoms.
func (c conjunction) and(more ...atom) conjunction {
	all := slices.Concat(c, more)
	slices.SortFunc(all, func(a, b atom) int { return strings.Compare(a.key(), b.key()) })
	return slices.CompactFunc(all, func(a, b atom) bool { return a.key() == b.key() })
}

// child returns the place of a schema below this one.
func (p place) child(schema any, path ...string) place {
	where := p.where
	for _, s := range path {
		where += "/" + escapePointer(s)
	}
	return place{schema, where, p.base, p.origin}
}

// made returns a place below this one whose schema this package made.
func (p place) made(schema any, path ...string) place {
	p = p.child(schema, path...)
	p.origin = "made"
	return p
}

func (p place) fail(keyword, format string, args ...any) *Error {
	return failf(p.where+"/"+keyword, format, args...)
}

// branch is a conjunction being read: atoms to come, what was read, and the
// keys of both, so that references in a circle end.
type branch struct {
	todo []atom
	done []atom
	seen map[string]bool
}

func (b *branch) fork() *branch {
	seen := make(map[string]bool, len(b.seen))
	for k := range b.seen {
		seen[k] = true
	}
	return &branch{slices.Clone(b.todo), slices.Clone(b.done), seen}
}

func (b *branch) add(atoms ...atom) {
	for _, a := range atoms {
		if key := a.key(); !b.seen[key] {
			b.seen[key] = true
			b.todo = append(b.todo, a)
		}
	}
}

// maxBranches bounds the branches of one place of a schema.
const maxBranches = 512

// expand returns the branches of a conjunction: one of them must hold.
func (c *schemaCompiler) expand(all conjunction) ([]*shape, error) {
	first := &branch{seen: map[string]bool{}}
	first.add(all...)
	open := []*branch{first}
	var shapes []*shape
	for len(open) > 0 {
		b := open[len(open)-1]
		open = open[:len(open)-1]
		if err := c.budget.step(1000); err != nil {
			return nil, err
		}
		if len(b.todo) == 0 {
			s, err := c.merge(b.done)
			if err != nil {
				return nil, err
			}
			if s.types != 0 {
				shapes = append(shapes, s)
			}
			continue
		}
		a := b.todo[0]
		b.todo = b.todo[1:]
		more, err := c.read(b, a)
		if err != nil {
			return nil, err
		}
		slices.Reverse(more)
		if open = append(open, more...); len(open)+len(shapes) > maxBranches {
			return nil, &Error{Where: a.where, Message: "too many combinations of alternatives", Limit: true}
		}
	}
	return shapes, nil
}

// read takes an atom apart and returns the branches that go on; none where it
// cannot hold.
func (c *schemaCompiler) read(b *branch, a atom) ([]*branch, error) {
	if holds, ok := a.schema.(bool); ok {
		if holds == a.negated {
			return nil, nil
		}
		return []*branch{b}, nil
	}
	schema, ok := a.schema.(map[string]any)
	if !ok {
		return nil, failf(a.where, "a schema must be an object or a boolean")
	}
	if a.origin == "" { // what this package made itself has keywords of all drafts
		schema = c.doc.known(schema)
		a.schema = schema
	}
	if a.negated && a.only == "" {
		return c.negate(b, a, schema)
	}
	if a.negated {
		b.done = append(b.done, a)
		return []*branch{b}, nil
	}
	if a.only == "" {
		if err := c.check(a.place, schema); err != nil {
			return nil, err
		}
	}
	keyword := func(name string) (any, bool) {
		v, ok := schema[name]
		return v, ok && (a.only == "" || a.only == name)
	}
	if reference, ok := keyword("$ref"); ok {
		text, ok := reference.(string)
		if !ok {
			return nil, a.fail("$ref", "must be a string")
		}
		to, err := c.doc.refer(a.place, text)
		if err != nil {
			return nil, err
		}
		b.add(atom{place: to})
		if c.doc.legacy {
			return []*branch{b}, nil
		}
	}
	b.done = append(b.done, a)
	if all, ok := keyword("allOf"); ok {
		list, err := a.list("allOf", all)
		if err != nil {
			return nil, err
		}
		b.add(list...)
	}
	if inner, ok := keyword("not"); ok {
		b.add(atom{place: a.child(inner, "not"), negated: true})
	}
	return c.choices(b, a, keyword)
}

// choices adds what offers alternatives.
func (c *schemaCompiler) choices(b *branch, a atom, keyword func(string) (any, bool)) ([]*branch, error) {
	branches := []*branch{b}
	choose := func(options [][]atom) {
		var next []*branch
		for _, before := range branches {
			for _, option := range options {
				after := before.fork()
				after.add(option...)
				next = append(next, after)
			}
		}
		branches = next
	}
	if v, ok := keyword("anyOf"); ok {
		list, err := a.list("anyOf", v)
		if err != nil {
			return nil, err
		}
		choose(apart(list))
	}
	if v, ok := keyword("oneOf"); ok {
		list, err := a.list("oneOf", v)
		if err != nil {
			return nil, err
		}
		options, err := c.exactlyOne(a, list)
		if err != nil {
			return nil, err
		}
		choose(options)
	}
	if v, ok := keyword("if"); ok {
		condition := atom{place: a.child(v, "if")}
		yes, no := []atom{condition}, []atom{condition.not()}
		then, hasThen := keyword("then")
		if hasThen {
			yes = append(yes, atom{place: a.child(then, "then")})
		}
		otherwise, hasElse := keyword("else")
		if hasElse {
			no = append(no, atom{place: a.child(otherwise, "else")})
		}
		if hasThen || hasElse {
			choose([][]atom{yes, no})
		}
	}
	options, err := c.nestedValues(a, keyword)
	if err != nil {
		return nil, err
	}
	if options != nil {
		choose(options)
	}
	for _, option := range dependentSchemas(a, keyword) {
		choose(option)
	}
	return branches, nil
}

func (a atom) not() atom { a.negated = !a.negated; return a }

func apart(list []atom) [][]atom {
	var options [][]atom
	for _, a := range list {
		options = append(options, []atom{a})
	}
	return options
}

// list returns the schemas of a keyword that holds several.
func (a atom) list(keyword string, v any) ([]atom, error) {
	items, ok := v.([]any)
	if !ok || len(items) == 0 {
		return nil, a.fail(keyword, "must be a list of schemas")
	}
	var atoms []atom
	for i, item := range items {
		atoms = append(atoms, atom{place: a.child(item, keyword, strconv.Itoa(i))})
	}
	return atoms, nil
}

// exactlyOne returns the options of oneOf: each schema, without those that could
// hold as well.
func (c *schemaCompiler) exactlyOne(a atom, list []atom) ([][]atom, error) {
	var options [][]atom
	for i, this := range list {
		option := []atom{this}
		for j, other := range list {
			if i == j {
				continue
			}
			disjoint, err := c.never(conjunction{}.and(this, other), 3)
			if err != nil {
				return nil, err
			}
			if !disjoint {
				option = append(option, other.not())
			}
		}
		options = append(options, option)
	}
	return options, nil
}

// dependentSchemas returns for each member with a schema of its own two options:
// it is not there, or the schema holds.
func dependentSchemas(a atom, keyword func(string) (any, bool)) [][][]atom {
	var all [][][]atom
	for _, name := range []string{"dependentSchemas", "dependencies"} {
		v, ok := keyword(name)
		members, isObject := v.(map[string]any)
		if !ok || !isObject {
			continue
		}
		for _, member := range sortedKeys(members) {
			if _, names := members[member].([]any); names {
				continue // as dependentRequired
			}
			absent := a.made(map[string]any{"properties": map[string]any{member: false}}, name, member, "absent")
			all = append(all, [][]atom{{{place: absent}}, {{place: a.child(members[member], name, member)}}})
		}
	}
	return all
}

// nestedValues returns an option for each array and object of enum or const, as
// a schema, and one for all the rest of them; nil where there are none.
func (c *schemaCompiler) nestedValues(a atom, keyword func(string) (any, bool)) ([][]atom, error) {
	name := "const"
	v, ok := keyword("const")
	values := []any{v}
	if !ok {
		if v, ok = keyword("enum"); !ok {
			return nil, nil
		}
		name = "enum"
		if values, ok = v.([]any); !ok || len(values) == 0 {
			return nil, a.fail(name, "must be a list of values")
		}
	}
	var options [][]atom
	plain := false
	for i, value := range values {
		switch value.(type) {
		case map[string]any, []any:
			schema := exactly(value)
			options = append(options, []atom{{place: a.made(schema, name, strconv.Itoa(i))}})
		default:
			plain = true
		}
	}
	if options != nil && plain {
		scalars := map[string]any{"type": []any{"null", "boolean", "number", "string"}}
		options = append(options, []atom{{place: a.made(scalars, name, "scalar")}})
	}
	return options, nil
}

// exactly returns a schema for one value.
func exactly(value any) map[string]any {
	switch v := value.(type) {
	case map[string]any:
		members, names := map[string]any{}, []any{}
		for _, name := range sortedKeys(v) {
			members[name] = exactly(v[name])
			names = append(names, name)
		}
		return map[string]any{"type": "object", "properties": members, "required": names, "additionalProperties": false}
	case []any:
		n := json.Number(strconv.Itoa(len(v)))
		if len(v) == 0 {
			return map[string]any{"type": "array", "maxItems": n}
		}
		var items []any
		for _, item := range v {
			items = append(items, exactly(item))
		}
		return map[string]any{"type": "array", "prefixItems": items, "minItems": n, "maxItems": n}
	}
	return map[string]any{"const": value}
}

package grammar

import (
	"encoding/json"
	"math/big"
	"slices"
)

// shape is what a branch asks of each type.
type shape struct {
	types   types
	scalars []any // the only null, boolean, number or string that may be; nil: any
	listed  bool  // scalars counts
	not     []any // scalars that may not be

	numbers  numbers
	fraction bool // numbers are not whole

	patterns    []pattern
	notPatterns []pattern
	low, high   int // of a string; high < 0: no limit

	lists    []listPart
	minItems int
	maxItems int // < 0: no limit
	unique   *place
	contains []containsPart

	parts    []objectPart
	required []string
	needs    map[string][]string
	names    []atom // of propertyNames
	minProps int
	maxProps int
}

// pattern is an expression that a text matches somewhere, or the name of a
// format that it has.
type pattern struct {
	place
	text   string
	format bool
}

// listPart is what one schema says of the elements of arrays.
type listPart struct {
	prefix []atom
	rest   *atom // nil: anything
}

type containsPart struct {
	atom
	low, high int
}

// objectPart is what one schema says of the members of objects: the members it
// knows, those whose names match, and all others.
type objectPart struct {
	members  map[string]atom
	named    bool // by the document
	patterns []patternMembers
	others   *atom // nil: anything
}

type patternMembers struct {
	pattern
	atom
}

// merge reads the keywords of all atoms of a branch that hold no alternatives.
func (c *schemaCompiler) merge(atoms []atom) (*shape, error) {
	s := &shape{types: typeAny, high: -1, maxItems: -1, maxProps: -1, needs: map[string][]string{}}
	for _, a := range atoms {
		schema, ok := a.schema.(map[string]any)
		if !ok {
			continue
		}
		if a.negated {
			if err := c.mergeNegated(s, a, schema); err != nil {
				return nil, err
			}
			continue
		}
		for _, merge := range []func(*shape, atom, map[string]any) error{
			c.mergeValues, c.mergeNumbers, c.mergeStrings, c.mergeArrays, c.mergeContains, c.mergeObjects, c.mergeCounts,
		} {
			if err := merge(s, a, schema); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// mergeNegated reads one keyword that must not hold.
func (c *schemaCompiler) mergeNegated(s *shape, a atom, schema map[string]any) error {
	switch v := schema[a.only]; a.only {
	case "type": // integer
		s.types &= typeNumber
		s.fraction = true
	case "const":
		s.not = append(s.not, v)
	case "enum":
		list, _ := v.([]any)
		s.not = append(s.not, list...)
	case "pattern", "format":
		p, ok, err := c.pattern(a.place, a.only, v)
		if err != nil {
			return err
		}
		s.types &= typeString
		if !ok { // a format that nothing is asked of holds always
			s.types = 0
		}
		s.notPatterns = append(s.notPatterns, p)
	}
	return nil
}

func (c *schemaCompiler) mergeValues(s *shape, a atom, schema map[string]any) error {
	if v, ok := schema["type"]; ok {
		set, integer, err := a.types(v)
		if err != nil {
			return err
		}
		s.types &= set
		s.numbers.integer = s.numbers.integer || integer
	}
	if values, ok := schema["enum"].([]any); ok {
		s.list(values)
	}
	if v, ok := schema["const"]; ok {
		s.list([]any{v})
	}
	return nil
}

// list leaves only values that are listed. Arrays and objects are compared elsewhere.
func (s *shape) list(values []any) {
	allowed := types(0)
	var scalars []any
	for _, v := range values {
		t := typeOf(v)
		if t&(typeArray|typeObject) == 0 && (!s.listed || containsValue(s.scalars, v)) {
			scalars = append(scalars, v)
			allowed |= t
		}
		allowed |= t & (typeArray | typeObject)
	}
	s.scalars, s.listed = scalars, true
	s.types &= allowed
}

func typeOf(v any) types {
	switch v.(type) {
	case nil:
		return typeNull
	case bool:
		return typeBoolean
	case json.Number:
		return typeNumber
	case string:
		return typeString
	case []any:
		return typeArray
	}
	return typeObject
}

// containsValue reports whether a list of scalars has one that equals v.
func containsValue(list []any, v any) bool {
	return slices.ContainsFunc(list, func(x any) bool { return equalScalars(x, v) })
}

// equalScalars compares as JSON Schema does: 1 and 1.0 are one number.
func equalScalars(a, b any) bool {
	x, ok := a.(json.Number)
	y, also := b.(json.Number)
	if !ok || !also {
		return typeOf(a) == typeOf(b) && typeOf(a)&(typeArray|typeObject) == 0 && a == b
	}
	p, ok := rational(string(x))
	q, also := rational(string(y))
	if !ok || !also {
		return x == y
	}
	return p.Cmp(q) == 0
}

func (c *schemaCompiler) mergeNumbers(s *shape, a atom, schema map[string]any) error {
	for _, bound := range []struct {
		keyword, exclusive string
		low                bool
	}{{"minimum", "exclusiveMinimum", true}, {"maximum", "exclusiveMaximum", false}} {
		if v, ok := schema[bound.keyword]; ok {
			r, err := a.number(bound.keyword, v)
			if err != nil {
				return err
			}
			s.numbers.bound(r, schema[bound.exclusive] == true, bound.low) // draft 4
		}
		if v, ok := schema[bound.exclusive].(json.Number); ok {
			r, err := a.number(bound.exclusive, v)
			if err != nil {
				return err
			}
			s.numbers.bound(r, true, bound.low)
		}
	}
	v, ok := schema["multipleOf"]
	if !ok {
		return nil
	}
	r, err := a.number("multipleOf", v)
	if err != nil {
		return err
	}
	if r.Sign() <= 0 {
		return a.fail("multipleOf", "must be above 0")
	}
	s.numbers.multiple = commonMultiple(s.numbers.multiple, r)
	return nil
}

// bound narrows a set of numbers.
func (n *numbers) bound(r *big.Rat, open, low bool) {
	if low {
		if n.low == nil || r.Cmp(n.low) > 0 || r.Cmp(n.low) == 0 && open {
			n.low, n.openLow = r, open
		}
	} else if n.high == nil || r.Cmp(n.high) < 0 || r.Cmp(n.high) == 0 && open {
		n.high, n.openTop = r, open
	}
}

// has reports whether a number is in the set.
func (n *numbers) has(r *big.Rat) bool {
	if n.integer && !r.IsInt() {
		return false
	}
	if n.low != nil && (r.Cmp(n.low) < 0 || r.Cmp(n.low) == 0 && n.openLow) {
		return false
	}
	if n.high != nil && (r.Cmp(n.high) > 0 || r.Cmp(n.high) == 0 && n.openTop) {
		return false
	}
	return n.multiple == nil || new(big.Rat).Quo(r, n.multiple).IsInt()
}

// commonMultiple returns the least number that is a multiple of both.
func commonMultiple(a, b *big.Rat) *big.Rat {
	if a == nil {
		return b
	}
	// lcm(p/q, r/s) = lcm(p, r) / gcd(q, s) in lowest terms
	gcd := new(big.Int).GCD(nil, nil, a.Num(), b.Num())
	lcm := new(big.Int).Quo(new(big.Int).Mul(a.Num(), b.Num()), gcd)
	return new(big.Rat).SetFrac(lcm, new(big.Int).GCD(nil, nil, a.Denom(), b.Denom()))
}

func (c *schemaCompiler) mergeStrings(s *shape, a atom, schema map[string]any) error {
	for _, keyword := range []string{"pattern", "format"} {
		v, ok := schema[keyword]
		if !ok {
			continue
		}
		p, ok, err := c.pattern(a.place, keyword, v)
		if err != nil {
			return err
		}
		if ok && !slices.ContainsFunc(s.patterns, func(q pattern) bool { return q.text == p.text && q.format == p.format }) {
			s.patterns = append(s.patterns, p)
		}
		if most := formats[p.text].most; p.format && most > 0 && (s.high < 0 || s.high > most) {
			s.high = most
		}
	}
	return nil
}

// pattern reads an expression or a format; false: a format of which nothing is asked.
func (c *schemaCompiler) pattern(p place, keyword string, v any) (pattern, bool, error) {
	text, err := p.text(keyword, v)
	if err != nil || keyword == "pattern" {
		return pattern{place: p.child(nil, keyword), text: text}, true, err
	}
	_, known := formats[text]
	if refusedFormats[text] && !c.options.AnnotateFormat {
		return pattern{}, false, p.fail(keyword, "%q is not supported", text)
	}
	if !known && !c.options.AnnotateFormat {
		c.budget.skip(p.where + "/" + keyword)
	}
	if !known || c.options.AnnotateFormat {
		return pattern{}, false, nil
	}
	return pattern{place: p.child(nil, keyword), text: text, format: true}, true, nil
}

func (c *schemaCompiler) mergeArrays(s *shape, a atom, schema map[string]any) error {
	var part listPart
	rest := "items"
	prefix, ok := schema["prefixItems"]
	if !ok {
		if list, isList := schema["items"].([]any); isList { // before 2020-12
			prefix, ok, rest = list, true, "additionalItems"
		}
	}
	if ok {
		keyword := "prefixItems"
		if rest == "additionalItems" {
			keyword = "items"
		}
		items, isList := prefix.([]any)
		if !isList {
			return a.fail(keyword, "must be a list of schemas")
		}
		for i, item := range items {
			part.prefix = append(part.prefix, atom{place: a.child(item, keyword, itoa(i))})
		}
	}
	if v, ok := schema[rest]; ok {
		part.rest = &atom{place: a.child(v, rest)}
	}
	if part.prefix != nil || part.rest != nil {
		s.lists = append(s.lists, part)
	}
	switch v := schema["uniqueItems"].(type) {
	case nil:
	case bool:
		if v && s.unique == nil {
			s.unique = &a.place
		}
	default:
		return a.fail("uniqueItems", "must be a boolean")
	}
	return nil
}

func (c *schemaCompiler) mergeContains(s *shape, a atom, schema map[string]any) error {
	v, ok := schema["contains"]
	if !ok {
		return nil
	}
	part := containsPart{atom: atom{place: a.child(v, "contains")}, low: 1, high: -1}
	var err error
	if n, ok := schema["minContains"]; ok {
		if part.low, err = a.count("minContains", n); err != nil {
			return err
		}
	}
	if n, ok := schema["maxContains"]; ok {
		if part.high, err = a.count("maxContains", n); err != nil {
			return err
		}
	}
	s.contains = append(s.contains, part)
	return nil
}

func (c *schemaCompiler) mergeObjects(s *shape, a atom, schema map[string]any) error {
	var part objectPart
	if v, ok := schema["properties"]; ok {
		members, err := a.object("properties", v)
		if err != nil {
			return err
		}
		part.members, part.named = map[string]atom{}, a.origin == ""
		for name, member := range members {
			part.members[name] = atom{place: a.child(member, "properties", name)}
		}
	}
	if v, ok := schema["patternProperties"]; ok {
		members, err := a.object("patternProperties", v)
		if err != nil {
			return err
		}
		for _, text := range sortedKeys(members) {
			at := a.child(members[text], "patternProperties", text)
			part.patterns = append(part.patterns, patternMembers{pattern{place: at, text: text}, atom{place: at}})
		}
	}
	if v, ok := schema["additionalProperties"]; ok {
		part.others = &atom{place: a.child(v, "additionalProperties")}
	} else if v, ok := schema["unevaluatedProperties"]; ok { // true, which lets any others come
		part.others = &atom{place: a.child(v, "unevaluatedProperties")}
	}
	if part.members != nil || part.patterns != nil || part.others != nil {
		s.parts = append(s.parts, part)
	}
	if v, ok := schema["propertyNames"]; ok {
		s.names = append(s.names, atom{place: a.child(v, "propertyNames")})
	}
	return c.mergeRequired(s, a, schema)
}

func (c *schemaCompiler) mergeRequired(s *shape, a atom, schema map[string]any) error {
	if v, ok := schema["required"]; ok {
		if _, draft3 := v.(bool); draft3 {
			return a.fail("required", "must be a list of strings")
		}
		names, err := a.strings("required", v)
		if err != nil {
			return err
		}
		s.required = append(s.required, names...)
	}
	for _, keyword := range []string{"dependentRequired", "dependencies"} {
		v, ok := schema[keyword]
		if !ok {
			continue
		}
		members, err := a.object(keyword, v)
		if err != nil {
			return err
		}
		for _, name := range sortedKeys(members) {
			if _, isList := members[name].([]any); !isList && keyword == "dependencies" {
				continue // a schema: an alternative
			}
			names, err := a.strings(keyword, members[name])
			if err != nil {
				return err
			}
			s.needs[name] = append(s.needs[name], names...)
		}
	}
	return nil
}

// mergeCounts reads all bounds that count something.
func (c *schemaCompiler) mergeCounts(s *shape, a atom, schema map[string]any) error {
	for _, bound := range []struct {
		least, most string
		low, high   *int
	}{
		{"minLength", "maxLength", &s.low, &s.high},
		{"minItems", "maxItems", &s.minItems, &s.maxItems},
		{"minProperties", "maxProperties", &s.minProps, &s.maxProps},
	} {
		if v, ok := schema[bound.least]; ok {
			n, err := a.count(bound.least, v)
			if err != nil {
				return err
			}
			*bound.low = max(*bound.low, n)
		}
		if v, ok := schema[bound.most]; ok {
			n, err := a.count(bound.most, v)
			if err != nil {
				return err
			}
			if *bound.high < 0 || n < *bound.high {
				*bound.high = n
			}
		}
	}
	return nil
}

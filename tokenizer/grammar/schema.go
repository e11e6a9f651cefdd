package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"
)

// SchemaOptions say how a JSON schema is read.
type SchemaOptions struct {
	// AnnotateFormat makes format say nothing, as 2020-12 has it by itself.
	// Otherwise the formats in formats.go are kept; others never say anything.
	AnnotateFormat bool
	// DigitsOnly writes integers with digits only. JSON Schema lets them be 1.0
	// and 1e3 too, which many programs cannot read into an integer.
	DigitsOnly bool
	// NamedOnly writes no other members into an object whose properties are named,
	// where nothing is said of others. JSON Schema lets any come, which the writers
	// of schemas seldom mean; "additionalProperties": true says that they do.
	NamedOnly bool
	// InOrder writes the members of an object in the order in which the document
	// names them, where no others can come and none depends on another: a writer
	// who wants reasons before a verdict says so by that order.
	InOrder bool
}

// JSONSchema compiles a JSON schema (drafts 4 to 2020-12). The text is JSON
// that satisfies it, with up to 40 white space characters in a row.
func (c *Compiler) JSONSchema(schema []byte, o SchemaOptions) (*Grammar, error) {
	return c.compile(fmt.Sprintf("schema %+v", o), string(schema), func(b *budget) (symbol, error) {
		doc, err := parseDocument(schema, b.depth)
		if err != nil {
			return nil, err
		}
		s := &schemaCompiler{doc: doc, budget: b, options: o, base: c.base, rules: map[string]*rule{}, checked: map[string]bool{}, strings: map[string]*dfa{}}
		if o.InOrder {
			s.order = positions(schema)
		}
		return s.compile()
	})
}

// JSONObject compiles the constraint that the text is any JSON object.
func (c *Compiler) JSONObject() (*Grammar, error) {
	return c.JSONSchema([]byte(`{"type":"object"}`), SchemaOptions{})
}

// schemaCompiler compiles one schema.
type schemaCompiler struct {
	doc     *document
	budget  *budget
	options SchemaOptions
	base    *base
	rules   map[string]*rule // by the key of the conjunction
	queue   []job
	checked map[string]bool // places whose keywords are known to be supported
	strings map[string]*dfa // that an expression matches
	objects []*objectJob
	order   map[string]int // of the places of the document; nil: none is kept
}

// job is a rule whose alternatives are still to be found.
type job struct {
	rule *rule
	all  conjunction
}

func (c *schemaCompiler) compile() (symbol, error) {
	root := c.rule(conjunction{atom{place: c.doc.whole()}})
	for len(c.queue) > 0 {
		j := c.queue[0]
		c.queue = c.queue[1:]
		shapes, err := c.expand(j.all)
		if err != nil {
			return nil, err
		}
		for _, s := range shapes {
			if err := c.alternatives(j.rule, s, j.all); err != nil {
				return nil, err
			}
		}
	}
	prune(c.rules, c.objects)
	if len(root.alts) == 0 {
		return nil, failf("#", "no instance can satisfy the schema")
	}
	for _, o := range c.objects {
		if err := o.finish(c); err != nil {
			return nil, err
		}
	}
	return root, nil
}

// rule returns the rule of a conjunction.
func (c *schemaCompiler) rule(all conjunction) *rule {
	all = conjunction{}.and(all...)
	key := all.key()
	if r, ok := c.rules[key]; ok {
		return r
	}
	r := &rule{name: key}
	c.rules[key] = r
	c.queue = append(c.queue, job{r, all})
	return r
}

// alternatives adds what a shape allows to a rule.
func (c *schemaCompiler) alternatives(r *rule, s *shape, all conjunction) error {
	add := func(x symbol, err error) error {
		if err != nil || x == nil {
			return err
		}
		r.alts = append(r.alts, []symbol{x})
		return nil
	}
	where := ""
	if len(all) > 0 {
		where = all[0].where
	}
	if err := c.budget.state(); err != nil {
		return err
	}
	for _, part := range []struct {
		types types
		make  func(*shape) (symbol, error)
	}{
		{typeNull | typeBoolean, c.words}, {typeNumber, c.number}, {typeString, c.text},
		{typeArray, c.array}, {typeObject, c.object},
	} {
		if s.types&part.types == 0 {
			continue
		}
		if err := add(part.make(s)); err != nil {
			var e *Error
			if errors.As(err, &e) && e.Where == "" {
				e.Where = where
			}
			return err
		}
	}
	return nil
}

// words makes null, true and false.
func (c *schemaCompiler) words(s *shape) (symbol, error) {
	var words []string
	for _, v := range []any{nil, true, false} {
		if s.types&typeOf(v) != 0 && s.allows(v) {
			words = append(words, marshal(v))
		}
	}
	return c.literals(words)
}

// allows reports whether a scalar is among those listed and not excluded.
func (s *shape) allows(v any) bool {
	return (!s.listed || containsValue(s.scalars, v)) && !containsValue(s.not, v)
}

// literals returns a terminal of JSON texts; nil where there are none.
func (c *schemaCompiler) literals(texts []string) (symbol, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	d, err := spaced(texts, space, c.budget)
	if err != nil {
		return nil, err
	}
	return newTerminal(d), nil
}

func (c *schemaCompiler) number(s *shape) (symbol, error) {
	if s.listed {
		var texts []string
		for _, v := range s.scalars {
			n, ok := v.(json.Number)
			if !ok || !s.allows(v) {
				continue
			}
			if r, ok := rational(string(n)); ok && s.numbers.has(r) && !(s.fraction && r.IsInt()) {
				texts = append(texts, c.spellings(string(n), r)...)
			}
		}
		return c.literals(texts)
	}
	set := s.numbers
	set.digitsOnly = set.integer && c.options.DigitsOnly
	if set.integer && set.multiple != nil && new(big.Rat).Inv(set.multiple).IsInt() {
		set.multiple = nil // all whole numbers are multiples of it
	}
	excluded := numbersIn(s.not)
	if set.plain() && len(excluded) == 0 && !s.fraction {
		switch {
		case set.digitsOnly:
			return c.base.digits, nil
		case set.integer:
			return c.base.integer, nil
		}
		return c.base.number, nil
	}
	if set.plain() { // no exponent, so that spellings are few
		set.low = new(big.Rat).SetInt(new(big.Int).Neg(new(big.Int).Exp(big.NewInt(10), big.NewInt(30), nil)))
	}
	if set.low != nil && set.high != nil && set.low.Cmp(set.high) > 0 {
		return nil, nil
	}
	d, err := set.dfa(space, c.budget)
	if err != nil {
		return nil, err
	}
	var taken []numbers
	if s.fraction {
		taken = append(taken, numbers{multiple: big.NewRat(1, 1)})
	}
	for _, r := range excluded {
		taken = append(taken, numbers{low: r, high: r})
	}
	for i := range taken {
		other, err := taken[i].dfa(space, c.budget)
		if err != nil {
			return nil, err
		}
		if d, err = without(d, other, c.budget); err != nil {
			return nil, err
		}
	}
	if d.empty() {
		return nil, nil
	}
	return newTerminal(d), nil
}

func numbersIn(list []any) []*big.Rat {
	var found []*big.Rat
	for _, v := range list {
		if n, ok := v.(json.Number); ok {
			if r, ok := rational(string(n)); ok {
				found = append(found, r)
			}
		}
	}
	return found
}

// spellings returns how a number of enum or const may be written: as it stands
// there, and as a whole number if it is one.
func (c *schemaCompiler) spellings(text string, r *big.Rat) []string {
	list := []string{text}
	if r.IsInt() && len(r.Num().String()) <= 20 {
		list = append(list, r.Num().String())
		if !c.options.DigitsOnly {
			list = append(list, r.Num().String()+".0")
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *schemaCompiler) text(s *shape) (symbol, error) {
	if s.listed {
		return c.listedTexts(s)
	}
	excluded := textsIn(s.not)
	if len(s.patterns)+len(s.notPatterns)+len(excluded) == 0 {
		if s.high >= 0 && s.low > s.high {
			return nil, nil
		}
		t := &terminal{dfa: c.base.text.dfa, low: int32(s.low), high: int32(s.high)}
		if !t.counted() {
			return c.base.text, nil
		}
		return t, nil
	}
	d, err := c.textDFA(s)
	if err != nil {
		return nil, err
	}
	if excluded != nil {
		names, err := spaced(excluded, space, c.budget)
		if err != nil {
			return nil, err
		}
		if d, err = without(d, names, c.budget); err != nil {
			return nil, err
		}
	}
	if d.empty() {
		return nil, nil
	}
	t := &terminal{dfa: d, high: int32(s.high)}
	return t, nil
}

func textsIn(list []any) []string {
	var found []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			found = append(found, quote(s))
		}
	}
	return found
}

// maxProduct is the longest length that is multiplied out with an expression.
const maxProduct = 256

// textDFA recognises the strings that match all expressions and have the least
// length. The greatest is left to the terminal, which counts.
func (c *schemaCompiler) textDFA(s *shape) (*dfa, error) {
	var d *dfa
	and := func(other *dfa, err error) error {
		if err == nil && d != nil {
			other, err = intersect(d, other, c.budget)
		}
		d = other
		return err
	}
	for _, p := range s.patterns {
		if err := and(c.patternDFA(p)); err != nil {
			return nil, p.wrap(err)
		}
	}
	if s.low > maxProduct {
		return nil, failf("", "minLength above %d together with a pattern is not supported", maxProduct)
	}
	if s.low > 0 {
		if err := and(stringDFA(anyString(s.low, -1), true, space, c.budget)); err != nil {
			return nil, err
		}
	}
	if d == nil {
		var err error
		if d, err = stringDFA(anyString(0, -1), true, space, c.budget); err != nil {
			return nil, err
		}
	}
	for _, p := range s.notPatterns {
		other, err := c.patternDFA(p)
		if err != nil {
			return nil, p.wrap(err)
		}
		if d, err = without(d, other, c.budget); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (c *schemaCompiler) patternDFA(p pattern) (*dfa, error) {
	if p.format {
		return c.base.formats.dfa(p.text)
	}
	d, known := c.strings[p.text]
	if known {
		return d, nil
	}
	d, err := expressionDFA(p.text, false, c.budget)
	if err == nil {
		c.strings[p.text] = d
	}
	return d, err
}

// wrap says where an expression stands that cannot be compiled.
func (p place) wrap(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Where == "" {
		e.Where = p.where
	}
	return err
}

// listedTexts makes the strings of enum or const that satisfy the rest.
func (c *schemaCompiler) listedTexts(s *shape) (symbol, error) {
	var filter *dfa
	if len(s.patterns)+len(s.notPatterns) > 0 {
		any := *s
		any.low = 0
		var err error
		if filter, err = c.textDFA(&any); err != nil {
			return nil, err
		}
	}
	var texts []string
	for _, v := range s.scalars {
		text, ok := v.(string)
		n := utf8.RuneCountInString(text)
		if !ok || !s.allows(v) || n < s.low || s.high >= 0 && n > s.high {
			continue
		}
		if filter == nil || filter.recognise(quote(text)) != 0 {
			texts = append(texts, quote(text))
		}
	}
	return c.literals(texts)
}

// never reports whether no instance satisfies a conjunction, as far as types,
// listed values and required members tell down to some depth.
func (c *schemaCompiler) never(all conjunction, depth int) (bool, error) {
	shapes, err := c.expand(all)
	if err != nil {
		return false, err
	}
	for _, s := range shapes {
		empty, err := c.emptyShape(s, depth)
		if err != nil || !empty {
			return false, err
		}
	}
	return true, nil
}

func (c *schemaCompiler) emptyShape(s *shape, depth int) (bool, error) {
	for _, t := range typeNames {
		if s.types&t.set == 0 || t.name == "integer" {
			continue
		}
		if t.set == typeObject {
			empty, err := c.emptyObject(s, depth)
			if err != nil || !empty {
				return false, err
			}
			continue
		}
		if t.set == typeArray || !c.emptyScalars(s, t.set) {
			return false, nil
		}
	}
	return true, nil
}

func (c *schemaCompiler) emptyScalars(s *shape, t types) bool {
	if s.listed {
		return !slices.ContainsFunc(s.scalars, func(v any) bool { return typeOf(v) == t && s.allows(v) })
	}
	n := &s.numbers
	return t == typeNumber && n.low != nil && n.high != nil &&
		(n.low.Cmp(n.high) > 0 || n.low.Cmp(n.high) == 0 && (n.openLow || n.openTop)) ||
		t == typeString && s.high >= 0 && s.low > s.high
}

// emptyObject reports whether some member is required that can have no value.
func (c *schemaCompiler) emptyObject(s *shape, depth int) (bool, error) {
	if depth == 0 {
		return false, nil
	}
	for _, name := range s.required {
		member, err := c.member(s, name)
		if err != nil {
			return false, err
		}
		if never, err := c.never(member, depth-1); err != nil || never {
			return never, err
		}
	}
	return false, nil
}

package grammar

import (
	"cmp"
	"slices"
)

// array makes arrays.
func (c *schemaCompiler) array(s *shape) (symbol, error) {
	if s.maxItems >= 0 && s.minItems > s.maxItems {
		return nil, nil
	}
	a := &array{low: int32(s.minItems), high: int32(s.maxItems)}
	longest := 0
	for _, p := range s.lists {
		longest = max(longest, len(p.prefix))
	}
	if longest > maxPrefix {
		return nil, failf("", "more than %d items of their own", maxPrefix)
	}
	if err := c.contain(a, s, longest); err != nil {
		return nil, err
	}
	for i := range longest {
		a.prefix = append(a.prefix, c.rule(s.item(i)))
	}
	rest := s.item(longest)
	a.items = c.rule(rest)
	if s.unique != nil && s.maxItems != 0 && s.maxItems != 1 {
		if err := c.distinct(a, s, rest); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// maxPrefix bounds the elements that have a schema of their own.
const maxPrefix = 1024

// item returns what element i must satisfy.
func (s *shape) item(i int) conjunction {
	var all conjunction
	for _, p := range s.lists {
		switch {
		case i < len(p.prefix):
			all = all.and(p.prefix[i])
		case p.rest != nil:
			all = all.and(*p.rest)
		}
	}
	return all
}

// contain makes elements that count for contains a kind of their own.
func (c *schemaCompiler) contain(a *array, s *shape, prefix int) error {
	var parts []containsPart
	for _, p := range s.contains {
		if p.low > 0 || p.high >= 0 {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	if len(parts) > 1 {
		return parts[1].fail("", "more than one contains for one array is not supported")
	}
	p := parts[0]
	a.contain = &contain{low: int32(p.low), high: int32(p.high)}
	for i := range prefix + 1 {
		a.contain.yes = append(a.contain.yes, c.rule(s.item(i).and(p.atom)))
		if p.high >= 0 {
			a.contain.no = append(a.contain.no, c.rule(s.item(i).and(p.atom.not())))
		} else {
			a.contain.no = append(a.contain.no, c.rule(s.item(i)))
		}
	}
	return nil
}

// distinct keeps uniqueItems where the elements are scalars: where all are
// listed, each comes once at the most; else the elements before are remembered.
func (c *schemaCompiler) distinct(a *array, s *shape, items conjunction) error {
	if len(a.prefix) > 0 || a.contain != nil {
		return s.unique.fail("uniqueItems", "together with prefixItems or contains is not supported")
	}
	shapes, err := c.expand(items)
	if err != nil {
		return err
	}
	listed := true
	for _, shape := range shapes {
		if shape.types&(typeArray|typeObject) != 0 {
			return s.unique.fail("uniqueItems", "is supported only where items are null, booleans, numbers or strings")
		}
		listed = listed && (shape.listed || shape.types&(typeNumber|typeString) == 0)
	}
	if listed {
		return c.once(a, shapes)
	}
	name := "distinct " + items.key()
	elements, known := c.rules[name]
	if !known {
		elements = &rule{name: name}
		for _, shape := range shapes {
			if err := c.spellOnce(elements, shape, s.unique); err != nil {
				return err
			}
		}
		c.rules[name] = elements
	}
	a.distinct, a.items = true, elements
	return nil
}

// spellOnce adds the elements of a shape to a rule, in one spelling each.
func (c *schemaCompiler) spellOnce(r *rule, s *shape, unique *place) error {
	if n := &s.numbers; s.types&typeNumber != 0 && !s.listed && n.low != nil && n.high != nil {
		return unique.fail("uniqueItems", "with numbers between two limits is not supported")
	}
	if s.types&typeString != 0 && !s.listed && s.high >= 0 && s.high < 4 {
		return unique.fail("uniqueItems", "with strings of at most %d characters is not supported", s.high)
	}
	for _, t := range []types{typeNull, typeBoolean, typeNumber, typeString} {
		if s.types&t == 0 {
			continue
		}
		one := *s
		one.types = t
		x, err := c.scalar(&one)
		if err != nil {
			return err
		}
		term, _ := x.(*terminal)
		if term == nil {
			continue
		}
		spelling, err := c.spelling(t)
		if err == nil && spelling != nil {
			canonical := *term
			canonical.dfa, err = intersect(term.dfa, spelling, c.budget)
			term = &canonical
		}
		if err != nil {
			return err
		}
		r.alts = append(r.alts, []symbol{term})
	}
	return nil
}

// spelling recognises one spelling of each number or string; nil: there is only one.
func (c *schemaCompiler) spelling(t types) (*dfa, error) {
	expression := ""
	switch t {
	case typeNumber:
		expression = `-?(0|[1-9][0-9]*)\.[0-9]*[1-9]|-?[1-9][0-9]*|0`
	case typeString:
		expression = `"([^\x00-\x1f"\\]|\\["\\bfnrt]|\\u00(0[0-7bef]|1[0-9a-f]))*"`
	default:
		return nil, nil
	}
	return regexDFA(`[ \t\n\r]*(`+expression+`)`, c.budget)
}

// once makes listed scalars, each of which comes once at the most.
func (c *schemaCompiler) once(a *array, shapes []*shape) error {
	var texts []string
	for _, shape := range shapes {
		list := shape.scalars
		if !shape.listed {
			list = []any{nil, true, false}
		}
		for _, v := range list {
			if shape.types&typeOf(v) == 0 || !shape.allows(v) {
				continue
			}
			one := *shape
			one.scalars, one.listed, one.types = []any{v}, true, typeOf(v)
			part, err := c.scalar(&one)
			if err != nil {
				return err
			}
			if text := marshalScalar(v); part != nil && !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
	}
	a.items = nil
	if len(texts) == 0 {
		a.high = 0
		return nil
	}
	d, err := spaced(texts, space, c.budget)
	if err != nil {
		return err
	}
	a.once = &terminal{dfa: d, high: -1, names: newNameSet(d)}
	a.choices = len(texts)
	if a.high < 0 || int(a.high) > len(texts) {
		a.high = int32(len(texts))
	}
	return nil
}

func (c *schemaCompiler) scalar(s *shape) (symbol, error) {
	switch s.types {
	case typeNumber:
		return c.number(s)
	case typeString:
		return c.text(s)
	}
	return c.words(s)
}

func marshalScalar(v any) string {
	if s, ok := v.(string); ok {
		return quote(s)
	}
	return marshal(v)
}

// objectJob is an object whose names are not compiled yet: which members can
// have a value is known only when all rules are made.
type objectJob struct {
	o      *object
	others *dfa // names that are not declared, by the patterns that they match
	listed bool // propertyNames lists all names, which is no order
	dead   bool
}

// member returns what the member of that name must satisfy.
func (c *schemaCompiler) member(s *shape, name string) (conjunction, error) {
	var all conjunction
	for _, p := range s.parts {
		a, known := p.members[name]
		if known {
			all = all.and(a)
		}
		for _, q := range p.patterns {
			d, err := c.patternDFA(q.pattern)
			if err != nil {
				return nil, q.pattern.wrap(err)
			}
			if d.recognise(quote(name)) != 0 {
				all, known = all.and(q.atom), true
			}
		}
		if !known && p.others != nil {
			all = all.and(*p.others)
		}
	}
	return all, nil
}

// object makes objects.
func (c *schemaCompiler) object(s *shape) (symbol, error) {
	o := &object{low: int32(s.minProps), high: int32(s.maxProps), values: map[int32]symbol{}, needs: map[int]bitset{}}
	job := &objectJob{o: o}
	nameFilter, nameShapes, err := c.nameFilter(s)
	if err != nil {
		return nil, err
	}
	names, err := s.declared(nameShapes)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(c.rank(s, a), c.rank(s, b)) })
	number := map[string]int{}
	for i, name := range names {
		number[name] = i
		member := member{name: name}
		if nameFilter == nil || nameFilter.recognise(quote(name)) != 0 {
			all, err := c.member(s, name)
			if err != nil {
				return nil, err
			}
			member.value = c.rule(all)
		}
		o.members = append(o.members, member)
	}
	for _, name := range s.required {
		o.required = o.required.with(number[name])
	}
	for name, wanted := range s.needs {
		for _, other := range wanted {
			o.needs[number[name]] = o.needs[number[name]].with(number[other])
		}
	}
	if err := c.otherMembers(s, job, nameFilter, names); err != nil {
		return nil, err
	}
	c.objects = append(c.objects, job)
	return o, nil
}

// rank is where a document names a member; those that it only requires are last.
func (c *schemaCompiler) rank(s *shape, name string) int {
	first := len(c.order)
	for _, p := range s.parts {
		if at, ok := c.order[p.members[name].where]; ok && p.named {
			first = min(first, at)
		}
	}
	return first
}

// declared lists the names that the shape spells out.
func (s *shape) declared(listed []string) ([]string, error) {
	known := map[string]bool{}
	for _, name := range slices.Concat(s.required, listed) {
		known[name] = true
	}
	for _, p := range s.parts {
		for name := range p.members {
			known[name] = true
		}
	}
	for name, wanted := range s.needs {
		known[name] = true
		for _, other := range wanted {
			known[other] = true
		}
	}
	if len(known) > maxMembers {
		return nil, &Error{Message: "an object has too many members", Limit: true}
	}
	return sortedKeys(known), nil
}

const maxMembers = 4096

// nameFilter recognises the names that propertyNames allows; nil: all. Where it
// lists them, they are returned too.
func (c *schemaCompiler) nameFilter(s *shape) (*dfa, []string, error) {
	if len(s.names) == 0 {
		return nil, nil, nil
	}
	shapes, err := c.expand(conjunction{}.and(s.names...))
	if err != nil {
		return nil, nil, err
	}
	filter, err := literals(nil, c.budget)
	if err != nil {
		return nil, nil, err
	}
	var listed []string
	for _, shape := range shapes {
		if shape.types&typeString == 0 {
			continue
		}
		symbol, err := c.text(shape)
		if err != nil {
			return nil, nil, err
		}
		t, _ := symbol.(*terminal)
		if t == nil {
			continue
		}
		d, err := c.uncounted(t)
		if err != nil {
			return nil, nil, s.names[0].wrap(err)
		}
		if shape.listed {
			for _, v := range shape.scalars {
				if text, ok := v.(string); ok {
					listed = append(listed, text)
				}
			}
		}
		if filter, err = union(filter, d, c.budget); err != nil {
			return nil, nil, err
		}
	}
	return filter, listed, nil
}

// uncounted returns the dfa of a terminal with its length multiplied out.
func (c *schemaCompiler) uncounted(t *terminal) (*dfa, error) {
	if !t.counted() {
		return t.dfa, nil
	}
	if t.low > maxProduct || t.high > maxProduct {
		return nil, failf("", "the length of names above %d is not supported", maxProduct)
	}
	if t.high >= 0 && t.low > t.high {
		return literals(nil, c.budget)
	}
	lengths, err := stringDFA(anyString(int(t.low), int(t.high)), true, space, c.budget)
	if err != nil {
		return nil, err
	}
	return intersect(lengths, t.dfa, c.budget)
}

// namesAll reports whether the shape says which members there are, and nothing
// of others.
func (s *shape) namesAll() bool {
	named := false
	for _, p := range s.parts {
		if p.patterns != nil || p.others != nil {
			return false
		}
		named = named || p.named
	}
	return named && len(s.names) == 0
}

// otherMembers makes the names that are not declared and their values.
func (c *schemaCompiler) otherMembers(s *shape, job *objectJob, filter *dfa, names []string) error {
	if c.options.NamedOnly && s.namesAll() && s.minProps <= len(names) {
		return nil
	}
	text := c.base.text.dfa
	var patterns []pattern
	for _, p := range s.parts {
		for _, q := range p.patterns {
			patterns = append(patterns, q.pattern)
		}
	}
	if len(patterns) > maxPatterns {
		return failf("", "more than %d patterns for the names of one object are not supported", maxPatterns)
	}
	if filter != nil {
		left, err := c.unlisted(filter, names)
		if err != nil {
			return err
		}
		if job.listed = left.empty(); job.listed {
			return nil
		}
		text = filter
	}
	if len(patterns) > 0 && filter == nil {
		// As patterns have it, without \uXXXX where it is not needed.
		var err error
		if text, err = stringDFA(anyString(0, -1), true, space, c.budget); err != nil {
			return err
		}
	}
	list := []*dfa{text}
	for _, p := range patterns {
		d, err := c.patternDFA(p)
		if err != nil {
			return p.wrap(err)
		}
		list = append(list, d)
	}
	d, err := tagged(list, c.budget)
	if err != nil {
		return err
	}
	if len(list) == 1 && filter == nil {
		d = text
	}
	if d.empty() {
		return nil
	}
	for _, tag := range d.accept {
		if tag != 0 && job.o.values[tag] == nil {
			job.o.values[tag] = c.rule(s.other(tag - 1))
		}
	}
	job.others = d
	return nil
}

// unlisted recognises the names that are not listed.
func (c *schemaCompiler) unlisted(d *dfa, names []string) (*dfa, error) {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, quote(name))
	}
	listed, err := spaced(quoted, space, c.budget)
	if err != nil {
		return nil, err
	}
	return without(d, listed, c.budget)
}

const maxPatterns = 16

// other returns what a member must satisfy whose name is not declared and
// matches the patterns in the set.
func (s *shape) other(matched int32) conjunction {
	var all conjunction
	bit := int32(1)
	for _, p := range s.parts {
		known := false
		for _, q := range p.patterns {
			if matched&bit != 0 {
				all, known = all.and(q.atom), true
			}
			bit <<= 1
		}
		if !known && p.others != nil {
			all = all.and(*p.others)
		}
	}
	return all
}

// finish compiles the names of members that can have a value.
func (j *objectJob) finish(c *schemaCompiler) error {
	o := j.o
	if j.dead {
		return nil
	}
	var all []string
	for _, m := range o.members {
		all = append(all, quote(m.name))
	}
	if len(all) > 0 {
		d, err := spaced(all, space, c.budget)
		if err != nil {
			return err
		}
		for s, tag := range d.accept {
			if tag != 0 && o.members[tag-1].value == nil {
				d.accept[s] = 0 // no such member may come
			}
		}
		if d.trim(); !d.empty() {
			o.names = &terminal{dfa: d, high: -1, names: newNameSet(d)}
		}
	}
	if j.others == nil {
		o.ordered = c.order != nil && !j.listed && len(o.needs) == 0 && int(o.low) <= o.required.missing("")
		return nil
	}
	if o.low > 1 {
		return failf("", "minProperties above 1 with names that are not listed is not supported")
	}
	o.others = newTerminal(j.others)
	if len(all) == 0 {
		return nil
	}
	var err error
	if o.others.except, err = spaced(all, space, c.budget); err != nil {
		return err
	}
	return nil
}

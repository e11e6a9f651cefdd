package jinja

import (
	"slices"
	"sort"
	"strings"
)

func sequenceFilter(name string) *builtin {
	switch name {
	case "batch":
		return pythonFunc("do_batch", filterBatch, "value", "linecount", "fill_with?")
	case "slice":
		return pythonFunc("sync_do_slice", filterSlice, "value", "slices", "fill_with?")
	case "dictsort":
		return pythonFunc("do_dictsort", filterDictSort, "value", "case_sensitive?", "by?", "reverse?")
	case "first":
		return pythonFunc("sync_do_first", filterFirst, "@", "seq")
	case "last":
		return pythonFunc("do_last", filterLast, "@", "seq")
	case "random":
		return pythonFunc("do_random", filterRandom, "@", "seq")
	case "groupby":
		return pythonFunc("sync_do_groupby", filterGroupBy, "@", "value", "attribute", "default?", "case_sensitive?")
	case "join":
		return pythonFunc("sync_do_join", filterJoin, "@", "value", "d?", "attribute?")
	case "list":
		return pythonFunc("sync_do_list", filterList, "value")
	case "max":
		return pythonFunc("do_max", func(r *render, a *args) (Value, error) { return filterExtreme(r, a, ">") }, "@", "value", "case_sensitive?", "attribute?")
	case "min":
		return pythonFunc("do_min", func(r *render, a *args) (Value, error) { return filterExtreme(r, a, "<") }, "@", "value", "case_sensitive?", "attribute?")
	case "reverse":
		return pythonFunc("do_reverse", filterReverse, "value")
	case "sort":
		return pythonFunc("do_sort", filterSort, "@", "value", "reverse?", "case_sensitive?", "attribute?")
	case "sum":
		return pythonFunc("sync_do_sum", filterSum, "@", "iterable", "attribute?", "start?")
	case "unique":
		return pythonFunc("sync_do_unique", filterUnique, "@", "value", "case_sensitive?", "attribute?")
	}
	return nil
}

// getter looks an attribute up, with dots for those of attributes.
type getter struct {
	parts      []Value
	foldCase   bool  // text in lower case
	withoutAny Value // for what is missing, or nil
}

func newGetter(attribute Value) *getter {
	g := &getter{}
	s, ok := text(attribute)
	if !ok {
		if attribute != None {
			g.parts = []Value{attribute}
		}
		return g
	}
	for part := range strings.SplitSeq(s, ".") {
		g.parts = append(g.parts, String(part))
		if part != "" && strings.IndexFunc(part, func(c rune) bool { return !isDigitRune(c) }) < 0 {
			if n := parseInt(part, 10); n != nil {
				g.parts[len(g.parts)-1] = n
			}
		}
	}
	return g
}

func (g *getter) get(r *render, v Value) (Value, error) {
	for _, part := range g.parts {
		var err error
		if v, err = r.getItem(v, part); err != nil {
			return nil, err
		}
		if _, missing := v.(*undefined); missing && g.withoutAny != nil {
			v = g.withoutAny
		}
	}
	if s, ok := text(v); ok && g.foldCase {
		if err := r.grow(len(s)); err != nil {
			return nil, err
		}
		return like(v, lower(s)), nil
	}
	return v, nil
}

// list returns the elements of an argument as a new slice.
func (r *render) list(v Value) ([]Value, error) {
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	return slices.Clone(items), r.growItems(len(items))
}

func filterList(r *render, a *args) (Value, error) {
	items, err := r.list(a.v[0])
	return &List{items}, err
}

func filterBatch(r *render, a *args) (Value, error) {
	var next iterator
	var row []Value
	return newGenerator(func() (_ Value, err error) {
		if next == nil {
			if next, err = r.iterate(a.v[0]); err != nil {
				return nil, err
			}
		}
		for {
			item, err := next()
			if err != nil {
				return nil, err
			}
			if item == nil {
				last := row
				row = nil
				return r.fillRow(last, a.v[1], a.or(2, None))
			}
			if err := r.growItems(1); err != nil {
				return nil, err
			}
			if isNumber(a.v[1]) && compareNumbers(Int(len(row)), a.v[1]) == 0 {
				full := row
				row = []Value{item}
				return &List{full}, nil
			}
			row = append(row, item)
		}
	}), nil
}

// fillRow returns the last row of a batch, filled up; nil where it is empty.
func (r *render) fillRow(row []Value, size, fill Value) (Value, error) {
	if len(row) == 0 {
		return nil, nil
	}
	if n, ok := smallInt(size); ok && fill != None && n > len(row) {
		more, err := r.repeatItems([]Value{fill}, n-len(row))
		if err != nil {
			return nil, err
		}
		row = append(row, more...)
	}
	return &List{row}, nil
}

func filterSlice(r *render, a *args) (Value, error) {
	i, offset := 0, 0
	var items []Value
	var count int
	return newGenerator(func() (Value, error) {
		if i == 0 {
			var err error
			if items, err = r.items(a.v[0]); err != nil {
				return nil, err
			}
			if _, err = r.binary("//", Int(len(items)), a.v[1]); err != nil {
				return nil, err
			}
			if count, err = index(a.v[1]); err != nil {
				return nil, err
			}
		}
		if i >= count {
			return nil, nil
		}
		each, extra := len(items)/count, len(items)%count
		start := offset + i*each
		if i < extra {
			offset++
		}
		end := offset + (i+1)*each
		part := slices.Clone(items[start:end])
		if fill := a.or(2, None); fill != None && i >= extra {
			part = append(part, fill)
		}
		i++
		return &List{part}, r.growItems(len(part) + 1)
	}), nil
}

func filterFirst(r *render, a *args) (Value, error) {
	next, err := r.iterate(a.v[0])
	if err != nil {
		return nil, err
	}
	v, err := next()
	if v == nil && err == nil {
		v = &undefined{hint: "No first item, sequence was empty."}
	}
	return v, err
}

// backwards returns the elements from the last to the first, and the name of
// Python's iterator over them; false where Python cannot go backwards.
func (r *render) backwards(v Value) (items []Value, kind string, ok bool, err error) {
	switch v := v.(type) {
	case *List:
		kind = "list_reverseiterator"
	case *Dict:
		kind = "dict_reversekeyiterator"
	case *view:
		kind = map[string]string{"dict_keys": "dict_reversekeyiterator", "dict_values": "dict_reversevalueiterator", "dict_items": "dict_reverseitemiterator"}[v.kind]
	case *rangeValue:
		kind = "range_iterator"
	case String, markup, *tuple, *undefined:
		kind = "reversed"
	default:
		return nil, "", false, nil
	}
	items, err = r.list(v)
	slices.Reverse(items)
	return items, kind, true, err
}

func filterLast(r *render, a *args) (Value, error) {
	v := a.v[0]
	if n, ok := length(v); ok && n > 0 {
		switch v.(type) {
		case String, markup, *List, *tuple, *rangeValue:
			return r.element(v, Int(-1))
		}
	}
	items, _, ok, err := r.backwards(v)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, typeError("'%s' object is not reversible", v.typeName())
	case len(items) == 0:
		return &undefined{hint: "No last item, sequence was empty."}, nil
	}
	return items[0], nil
}

func filterReverse(r *render, a *args) (Value, error) {
	v := a.v[0]
	if _, ok := text(v); ok {
		return r.slice(v, [3]Value{None, None, Int(-1)})
	}
	items, kind, ok, err := r.backwards(v)
	if err != nil {
		return nil, err
	}
	if ok {
		return &generator{kind: kind, next: r.each(items)}, nil
	}
	if items, err = r.list(v); err != nil {
		if e, ok := err.(*Error); ok && e.Kind == "TypeError" {
			return nil, argError("argument must be iterable")
		}
		return nil, err
	}
	slices.Reverse(items)
	return &List{items}, nil
}

// filterRandom chooses by a sequence that is the same in each rendering.
func filterRandom(r *render, a *args) (Value, error) {
	n, ok := length(a.v[0])
	if !ok {
		return nil, typeError("object of type '%s' has no len()", a.v[0].typeName())
	}
	if n == 0 {
		return &undefined{hint: "No random item, sequence was empty."}, nil
	}
	r.random = r.random*6364136223846793005 + 1442695040888963407
	return r.element(a.v[0], Int(r.random>>33%uint64(n)))
}

func filterJoin(r *render, a *args) (Value, error) {
	g := newGetter(a.or(2, None))
	sep := a.or(1, String(""))
	next, err := r.iterate(a.v[0])
	if err != nil {
		return nil, err
	}
	var items []Value
	escape := false
	for {
		v, err := next()
		if err != nil {
			return nil, err
		}
		if v == nil {
			break
		}
		if v, err = g.get(r, v); err != nil {
			return nil, err
		}
		_, isMarkup := v.(markup)
		escape = escape || isMarkup
		items = append(items, v)
	}
	_, sepMarkup := sep.(markup)
	escape = r.autoescape && (escape || sepMarkup)
	parts := make([]string, len(items)+1)
	for i, v := range append(items, sep) {
		if escape {
			m, err := r.escape(v)
			if err != nil {
				return nil, err
			}
			parts[i] = string(m)
		} else if parts[i], err = r.str(v); err != nil {
			return nil, err
		}
	}
	s, err := r.joinText(parts[:len(items)], parts[len(items)])
	if escape {
		return markup(s), err
	}
	return String(s), err
}

// filterExtreme is max with > and min with <.
func filterExtreme(r *render, a *args, op string) (Value, error) {
	g := newGetter(a.or(2, None))
	g.foldCase = !truth(a.or(1, Bool(false)))
	next, err := r.iterate(a.v[0])
	if err != nil {
		return nil, err
	}
	var best, bestKey Value
	for {
		v, err := next()
		if err != nil {
			return nil, err
		}
		if v == nil {
			break
		}
		key, err := g.get(r, v)
		if err != nil {
			return nil, err
		}
		better := best == nil
		if !better {
			if better, err = r.compare(op, key, bestKey); err != nil {
				return nil, err
			}
		}
		if better {
			best, bestKey = v, key
		}
	}
	if best == nil {
		best = &undefined{hint: "No aggregated item, sequence was empty."}
	}
	return best, nil
}

// sorted sorts items by their keys as Python does: stably, also backwards.
func (r *render) sorted(items, keys []Value, reverse bool) error {
	s := &sorter{r: r, items: items, keys: keys}
	if reverse {
		slices.Reverse(items)
		slices.Reverse(keys)
	}
	sort.Stable(s)
	if reverse {
		slices.Reverse(items)
		slices.Reverse(keys)
	}
	return s.err
}

// sorter sorts until an order fails; then it only comes to an end.
type sorter struct {
	r           *render
	items, keys []Value
	err         error
}

func (s *sorter) Len() int { return len(s.items) }

func (s *sorter) Swap(i, j int) {
	s.items[i], s.items[j] = s.items[j], s.items[i]
	s.keys[i], s.keys[j] = s.keys[j], s.keys[i]
}

func (s *sorter) Less(i, j int) bool {
	if s.err == nil {
		s.err = s.r.spend(1)
	}
	if s.err != nil {
		return false
	}
	less, err := s.r.compare("<", s.keys[i], s.keys[j])
	s.err = err
	return less
}

func filterSort(r *render, a *args) (Value, error) {
	foldCase := !truth(a.or(2, Bool(false)))
	var getters []*getter
	if s, ok := text(a.or(3, None)); ok {
		for attribute := range strings.SplitSeq(s, ",") {
			getters = append(getters, newGetter(String(attribute)))
		}
	} else {
		getters = []*getter{newGetter(a.or(3, None))}
	}
	items, err := r.list(a.v[0])
	if err != nil {
		return nil, err
	}
	keys := make([]Value, len(items))
	for i, item := range items {
		key := make([]Value, len(getters))
		if err := r.growItems(len(key) + 1); err != nil {
			return nil, err
		}
		for k, g := range getters {
			g.foldCase = foldCase
			if key[k], err = g.get(r, item); err != nil {
				return nil, err
			}
		}
		keys[i] = &List{key}
	}
	return &List{items}, r.sorted(items, keys, truth(a.or(1, Bool(false))))
}

func filterDictSort(r *render, a *args) (Value, error) {
	by, _ := text(a.or(2, String("key")))
	if !oneOf(by, "key", "value") {
		return nil, argError(`You can only sort by either "key" or "value"`)
	}
	d, ok := a.v[0].(*Dict)
	if !ok {
		if u, ok := a.v[0].(*undefined); ok {
			return nil, u.fail()
		}
		return nil, raise("AttributeError", "'%s' object has no attribute 'items'", a.v[0].typeName())
	}
	if err := r.growItems(4 * d.Len()); err != nil {
		return nil, err
	}
	g := &getter{foldCase: !truth(a.or(1, Bool(false)))}
	items, keys := make([]Value, d.Len()), make([]Value, d.Len())
	for i := range items {
		items[i] = newTuple(d.keys[i], d.values[i])
		key := d.keys[i]
		if by == "value" {
			key = d.values[i]
		}
		var err error
		if keys[i], err = g.get(r, key); err != nil {
			return nil, err
		}
	}
	return &List{items}, r.sorted(items, keys, truth(a.or(3, Bool(false))))
}

func filterGroupBy(r *render, a *args) (Value, error) {
	g := newGetter(a.v[1])
	g.foldCase = !truth(a.or(3, Bool(false)))
	if v := a.or(2, None); v != None {
		g.withoutAny = v
	}
	items, err := r.list(a.v[0])
	if err != nil {
		return nil, err
	}
	keys := make([]Value, len(items))
	for i, item := range items {
		if keys[i], err = g.get(r, item); err != nil {
			return nil, err
		}
	}
	if err := r.sorted(items, keys, false); err != nil {
		return nil, err
	}
	g.foldCase = false
	var groups []Value
	for start := 0; start < len(items); {
		end := start + 1
		for ; end < len(items); end++ {
			same, err := r.equal(keys[start], keys[end])
			if err != nil {
				return nil, err
			}
			if !same {
				break
			}
		}
		name, err := g.get(r, items[start])
		if err != nil {
			return nil, err
		}
		if err := r.growItems(4); err != nil {
			return nil, err
		}
		groups = append(groups, &tuple{[]Value{name, &List{items[start:end:end]}}, []string{"grouper", "list"}})
		start = end
	}
	return &List{groups}, nil
}

func filterSum(r *render, a *args) (Value, error) {
	g := newGetter(a.or(1, None))
	total := a.or(2, Int(0))
	next, err := r.iterate(a.v[0])
	if err != nil {
		return nil, err
	}
	if _, ok := text(total); ok {
		return nil, typeError("sum() can't sum strings [use ''.join(seq) instead]")
	}
	for {
		v, err := next()
		if v == nil || err != nil {
			return total, err
		}
		if v, err = g.get(r, v); err != nil {
			return nil, err
		}
		if total, err = r.binary("+", total, v); err != nil {
			return nil, err
		}
	}
}

func filterUnique(r *render, a *args) (Value, error) {
	g := newGetter(a.or(2, None))
	g.foldCase = !truth(a.or(1, Bool(false)))
	seen := NewDict()
	var next iterator
	return newGenerator(func() (v Value, err error) {
		if next == nil {
			if next, err = r.iterate(a.v[0]); err != nil {
				return nil, err
			}
		}
		for {
			v, err := next()
			if v == nil || err != nil {
				return nil, err
			}
			key, err := g.get(r, v)
			if err != nil {
				return nil, err
			}
			found, err := r.dictGet(seen, key)
			if err != nil {
				return nil, err
			}
			if found == nil {
				return v, r.dictSet(seen, key, None)
			}
		}
	}), nil
}

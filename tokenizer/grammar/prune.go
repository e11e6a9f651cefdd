package grammar

import "slices"

// prune removes what can never be completed: alternatives, elements and
// members, so that no text leads to a dead end.
func prune(rules map[string]*rule, objects []*objectJob) {
	p := &pruner{good: map[symbol]bool{}}
	for changed := true; changed; {
		changed = false
		for _, r := range rules {
			if !p.good[r] && slices.ContainsFunc(r.alts, p.sequence) {
				p.good[r], changed = true, true
			}
		}
	}
	for _, r := range rules {
		r.alts = slices.DeleteFunc(r.alts, func(alt []symbol) bool { return !p.sequence(alt) })
		for _, alt := range r.alts {
			for _, s := range alt {
				if a, ok := s.(*array); ok {
					p.cutArray(a)
				}
			}
		}
	}
	for _, j := range objects {
		j.dead = !p.symbol(j.o)
		p.cutObject(j)
	}
}

// pruner knows which rules can be completed.
type pruner struct{ good map[symbol]bool }

func (p *pruner) sequence(alt []symbol) bool {
	return !slices.ContainsFunc(alt, func(s symbol) bool { return !p.symbol(s) })
}

func (p *pruner) symbol(s symbol) bool {
	switch s := s.(type) {
	case nil:
		return false
	case *terminal:
		return !s.dfa.empty() && (!s.counted() || s.possible(startState, -1))
	case *array:
		return p.array(s)
	case *object:
		return p.object(s)
	}
	return p.good[s]
}

// array reports whether as many elements as must be there can be.
func (p *pruner) array(a *array) bool {
	if a.once != nil {
		return int(a.low) <= a.choices
	}
	if a.contain != nil {
		return p.kinds(a).completes(0, 0)
	}
	for i := range min(int(a.low), len(a.prefix)+1) {
		if !p.symbol(a.item(int32(i))) {
			return false
		}
	}
	return true
}

// kinds returns an array with contains without kinds of elements that cannot be.
func (p *pruner) kinds(a *array) *array {
	only := func(kinds []symbol) []symbol {
		kinds = slices.Clone(kinds)
		for i, s := range kinds {
			if s != nil && !p.symbol(s) {
				kinds[i] = nil
			}
		}
		return kinds
	}
	cut := *a
	cut.contain = &contain{yes: only(a.contain.yes), no: only(a.contain.no), low: a.contain.low, high: a.contain.high}
	return &cut
}

func (p *pruner) object(o *object) bool {
	count := 0
	for i, m := range o.members {
		if m.value != nil && p.symbol(m.value) {
			count++
		} else if o.wanted("").has(i) {
			return false
		}
	}
	if o.high >= 0 && int32(o.required.missing("")) > o.high || o.high >= 0 && o.low > o.high {
		return false
	}
	for _, v := range o.values {
		if p.symbol(v) {
			return true // at least one name is free
		}
	}
	return int32(count) >= o.low
}

// cutArray ends an array before an element that cannot be.
func (p *pruner) cutArray(a *array) {
	if a.contain != nil {
		*a = *p.kinds(a)
	}
	if a.once != nil || a.contain != nil {
		return
	}
	for i, s := range a.prefix {
		if !p.symbol(s) {
			a.prefix, a.items, a.high = a.prefix[:i], nil, int32(i)
			return
		}
	}
	if a.items != nil && !p.symbol(a.items) {
		a.items = nil
	}
}

// cutObject takes away the members that can have no value, and those that need
// one of them.
func (p *pruner) cutObject(j *objectJob) {
	o := j.o
	for changed := true; changed; {
		changed = false
		for i := range o.members {
			m := &o.members[i]
			if m.value != nil && (!p.symbol(m.value) || o.lacks(o.needs[i])) {
				m.value, changed = nil, true
			}
		}
	}
	if j.others == nil {
		return
	}
	cut := false
	for tag, v := range o.values {
		if !p.symbol(v) {
			delete(o.values, tag)
			cut = true
		}
	}
	if !cut {
		return
	}
	if len(o.values) == 0 {
		j.others = nil
		return
	}
	d := j.others.clone()
	for s, tag := range d.accept {
		if o.values[tag] == nil {
			d.accept[s] = 0
		}
	}
	d.trim()
	j.others = d
}

// lacks reports whether a member of the set can have no value.
func (o *object) lacks(wanted bitset) bool {
	for i, m := range o.members {
		if wanted.has(i) && m.value == nil {
			return true
		}
	}
	return false
}

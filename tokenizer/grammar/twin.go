package grammar

import (
	"slices"
	"sync"
)

// Automata that count have many states that few tokens tell apart: a name of 10
// characters goes on as one of 20 does where 63 are allowed. Such states share
// most of a mask, which takes long to make.

const (
	// shortToken is up to how many bytes no token must tell two such states apart.
	// Longer ones are looked at one by one.
	shortToken = 24
	// maxTwins is how many states are tried.
	maxTwins = 8
)

// twins are states with masks of their own, the last ones made.
type twins struct {
	mu     sync.Mutex
	states []int32
}

func (t *twins) add(state int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.states = append(t.states[max(0, len(t.states)+1-maxTwins):], state)
}

func (t *twins) list() []int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.states)
}

// twinMask returns the mask of a state after that of another one; nil where no
// other has the parts that are wanted.
func (v *Vocabulary) twinMask(d *dfa, state int32, want parts) *stateMask {
	others := d.twins.list()
	if len(others) == 0 || want&partCosts != 0 {
		return nil
	}
	long, ok := v.longInside(d, state)
	if !ok {
		return nil
	}
	for _, other := range others {
		m := d.masks[other].Load()
		if m.parts&want != want || !d.alike(other, state) {
			continue
		}
		if _, ok := v.longInside(d, other); ok {
			return m.withLong(v, long)
		}
	}
	return nil
}

// withLong returns a mask without costs in which other long tokens stay inside.
func (m *stateMask) withLong(v *Vocabulary, inside []bool) *stateMask {
	twin := *m
	twin.parts &^= partCosts
	twin.costs, twin.inside = nil, slices.Clone(m.inside)
	for i, id := range v.long {
		twin.inside[id>>5] &^= 1 << (id & 31)
		if inside[i] {
			twin.inside[id>>5] |= 1 << (id & 31)
		}
	}
	return &twin
}

// longInside tells which long tokens stay inside; false where one leaves late,
// after more bytes than a short token has.
func (v *Vocabulary) longInside(d *dfa, state int32) (inside []bool, ok bool) {
	inside = make([]bool, len(v.long))
	for i, id := range v.long {
		s := state
		inside[i] = true
		for k, b := range v.tokens[id] {
			from := s
			s = d.step(s, b)
			ends := s == deadState || d.leavesLabel(from, s) || d.final(s)
			if s != deadState && k >= shortToken && (ends || d.accept[s] != 0) {
				return nil, false
			}
			if ends {
				inside[i] = false
				break
			}
		}
	}
	return inside, true
}

// alike reports whether two states do the same with all short strings.
func (d *dfa) alike(a, b int32) bool {
	now := []pair{{a, b}}
	seen := map[pair]bool{now[0]: true}
	for depth := 0; depth <= shortToken && len(now) > 0; depth++ {
		var next []pair
		for _, p := range now {
			if d.accept[p.a] != d.accept[p.b] || d.ends[p.a] != d.ends[p.b] || d.weight(p.a) != d.weight(p.b) || d.labels != nil && d.labels[p.a] != d.labels[p.b] {
				return false
			}
			for c := range d.classes {
				to := pair{d.next[int(p.a)*d.classes+c], d.next[int(p.b)*d.classes+c]}
				if depth < shortToken && (to.a == deadState) != (to.b == deadState) {
					return false
				}
				if to.a != to.b && !seen[to] {
					seen[to] = true
					next = append(next, to)
				}
			}
		}
		now = next
	}
	return true
}

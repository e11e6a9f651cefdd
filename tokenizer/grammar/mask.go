package grammar

import (
	"bytes"
	"cmp"
	"maps"
	"math/bits"
	"slices"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// stateMask is what the tokens of the vocabulary do from one state of a
// terminal, whatever the stack below it.
type stateMask struct {
	inside []uint32 // bit i: token i stays inside; nil where few do
	few    []int32  // those tokens, where they are few
	// costs are, for the tokens inside in their order, the characters that they
	// complete and that are needed after them; up to 255. Counted terminals only.
	costs []uint8
	exits []exit
	ends  []int32 // tokens that complete the terminal, so that nothing can follow inside
	// walk: too many tokens leave for them to be kept; walk the trie instead.
	walk bool
}

// exit is the tokens that leave a terminal which they complete as one thing.
type exit struct {
	state int32      // one in which the terminal is complete as that
	rests trie       // of what such tokens hold after it; ids are numbers of groups
	whole int32      // the group of tokens that hold nothing after it; -1: none
	group [][]leaver // tokens with the same rest
}

// leaver is a token that leaves.
type leaver struct {
	id    int32
	chars uint8 // characters completed before
	size  uint8 // bytes of it inside
	more  bool  // a comma follows in it
}

const (
	fewTokens  = 512
	manyLeaves = 1 << 16
)

// stateMask returns the mask of a state, made at the first call. It may be
// called from several goroutines.
func (v *Vocabulary) stateMask(d *dfa, state int32) *stateMask {
	if m := d.masks[state].Load(); m != nil {
		return m
	}
	b := &maskBuilder{v: v, d: d, exits: map[int32]map[string][]leaver{}, states: map[int32]int32{}}
	b.run(state)
	m := b.finish()
	d.masks[state].Store(m)
	return m
}

type maskBuilder struct {
	v      *Vocabulary
	d      *dfa
	inside []int32
	costs  []uint8
	ends   []int32
	exits  map[int32]map[string][]leaver // by tag and rest
	states map[int32]int32               // by tag: one state in which it is accepted
	leaves int
}

// run walks the trie from a state.
func (b *maskBuilder) run(state int32) {
	t, d := &b.v.trie, b.d
	states := make([]int32, t.depth+1)
	chars := make([]int32, t.depth+1)
	states[0] = state
	for i := 0; i < len(t.nodes); {
		n := &t.nodes[i]
		s := d.step(states[n.depth-1], n.b)
		if s == deadState {
			i = int(n.skip)
			continue
		}
		states[n.depth], chars[n.depth] = s, chars[n.depth-1]+d.weight(s)
		if tag := d.accept[s]; tag != 0 {
			b.states[tag] = s
			b.leaveAt(i, tag, chars[n.depth])
		}
		if d.final(s) {
			b.ends = append(b.ends, t.ids[n.first:n.last]...)
			i = int(n.skip)
			continue
		}
		for _, id := range t.ids[n.first:n.last] {
			b.inside = append(b.inside, id)
			if d.need != nil {
				b.costs = append(b.costs, uint8(min(chars[n.depth]+d.need[s], 255)))
			}
		}
		i++
	}
}

// leaveAt notes the tokens at and below a node, where the terminal is complete.
func (b *maskBuilder) leaveAt(node int, tag, chars int32) {
	t := &b.v.trie
	if b.leaves > manyLeaves {
		return
	}
	at := &t.nodes[node]
	byRest := b.exits[tag]
	if byRest == nil {
		byRest = map[string][]leaver{}
		b.exits[tag] = byRest
	}
	last := t.nodes[node:at.skip]
	for i := range last {
		n := &last[i]
		for _, id := range t.ids[n.first:n.last] {
			rest := b.v.tokens[id][at.depth:]
			byRest[string(rest)] = append(byRest[string(rest)], leaver{id, uint8(min(chars, 255)), uint8(min(at.depth, 255)), bytes.IndexByte(rest, ',') >= 0})
			b.leaves++
		}
	}
}

func (b *maskBuilder) finish() *stateMask {
	m := &stateMask{ends: b.ends, walk: b.leaves > manyLeaves}
	if len(b.inside) <= fewTokens {
		m.few, m.costs = b.inside, b.costs
	} else {
		b.spread(m)
	}
	if m.walk {
		return m
	}
	for _, tag := range sortedKeys(b.exits) {
		m.exits = append(m.exits, b.exit(tag))
	}
	return m
}

// spread makes a bit mask of the tokens inside, and puts costs in its order.
func (b *maskBuilder) spread(m *stateMask) {
	m.inside = make([]uint32, b.v.Words())
	for _, id := range b.inside {
		m.inside[id>>5] |= 1 << (id & 31)
	}
	if b.costs == nil {
		return
	}
	order := make([]int, len(b.inside))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return int(b.inside[x] - b.inside[y]) })
	for _, i := range order {
		m.costs = append(m.costs, b.costs[i])
	}
}

func (b *maskBuilder) exit(tag int32) exit {
	e := exit{state: b.states[tag], whole: -1}
	rests := sortedKeys(b.exits[tag])
	var ids []int32
	for i, rest := range rests {
		e.group = append(e.group, b.exits[tag][rest])
		if rest == "" {
			e.whole = int32(i)
		}
		ids = append(ids, int32(i))
	}
	e.rests = newTrie(ids, func(i int32) []byte { return []byte(rests[i]) })
	return e
}

// masker fills masks for one machine.
type masker struct {
	*machine
	dst    []uint32
	levels []configs // by depth of a walk
	walked configs   // configurations for which the whole trie is walked
	after  configs
}

// fill sets the bits of the tokens that may come next.
func (m *masker) fill(in *configs, dst []uint32) {
	clear(dst)
	m.dst = dst
	v := m.g.vocabulary
	if in.final {
		for _, id := range v.end {
			m.set(id)
		}
	}
	m.walked.reset()
	for i := range in.list {
		c := &in.list[i]
		if c.term.names != nil {
			m.walked.list = append(m.walked.list, *c)
			continue
		}
		s := v.stateMask(c.term.dfa, c.state)
		switch alone := c.top == nil && !c.term.counted() && c.term.except == nil; {
		case alone: // only the end can follow
			m.stay(c, s)
			for _, id := range s.ends {
				m.set(id)
			}
		case s.walk:
			m.walked.list = append(m.walked.list, *c)
		default:
			m.stay(c, s)
			for j := range s.exits {
				m.exit(c, &s.exits[j])
			}
		}
	}
	if len(m.walked.list) > 0 {
		m.walk(&v.trie, &m.walked, func(ids []int32) {
			for _, id := range ids {
				m.set(id)
			}
		})
	}
}

func (m *masker) set(id int32) { m.dst[id>>5] |= 1 << (id & 31) }

// stay allows the tokens inside the terminal of c.
func (m *masker) stay(c *config, s *stateMask) {
	left := int32(255)
	if c.term.high >= 0 {
		left = c.term.high - c.count
	}
	if left >= 255 {
		for i, w := range s.inside {
			m.dst[i] |= w
		}
		for _, id := range s.few {
			m.set(id)
		}
		return
	}
	for i, id := range s.few {
		if int32(s.costs[i]) <= left {
			m.set(id)
		}
	}
	next := 0
	for i, w := range s.inside {
		for ; w != 0; w &= w - 1 {
			if int32(s.costs[next]) <= left {
				m.dst[i] |= w & -w
			}
			next++
		}
	}
}

// exit allows the tokens that complete the terminal of c and go on from there.
func (m *masker) exit(c *config, e *exit) {
	m.after.reset()
	clear(m.entered)
	left := *c
	left.state = e.state
	m.leave(&m.after, c.top, &left)
	if len(m.after.list) == 0 && !m.after.final {
		return
	}
	if e.whole >= 0 {
		m.allow(c, e.group[e.whole])
	}
	if len(m.after.list) == 0 || len(e.rests.nodes) == 0 {
		return
	}
	var apart []leaver
	m.walk(&e.rests, &m.after, func(groups []int32) {
		for _, g := range groups {
			if c.differs() && e.group[g][0].more {
				apart = append(apart, e.group[g]...)
				continue
			}
			m.allow(c, e.group[g])
		}
	})
	m.each(c, apart)
}

// each tries tokens by themselves. After an element that must differ from
// others they may hold a whole next one, which must differ from it as well.
func (m *masker) each(c *config, tokens []leaver) {
	now, next := new(configs), new(configs)
	for _, l := range tokens {
		now.list, now.final = append(now.list[:0], *c), false
		for _, b := range m.g.vocabulary.tokens[l.id] {
			m.step(now, b, next)
			if now, next = next, now; len(now.list) == 0 {
				break
			}
		}
		if len(now.list) > 0 || now.final {
			m.set(l.id)
		}
	}
}

// allow allows tokens that leave the terminal of c, as far as what it holds then
// is right.
func (m *masker) allow(c *config, tokens []leaver) {
	t := c.term
	guarded := t.except != nil && c.except != deadState
	for i := range tokens {
		l := &tokens[i]
		if t.counted() {
			n := c.count + int32(l.chars)
			if n < t.low && l.chars < 255 || t.high >= 0 && n > t.high {
				continue
			}
		}
		if c.differs() && c.top.past.has(c.hashOf(m.g.vocabulary.tokens[l.id][:l.size])) {
			continue
		}
		if guarded && t.except.accept[t.except.run(c.except, m.g.vocabulary.tokens[l.id][:l.size])] != 0 {
			continue
		}
		m.set(l.id)
	}
}

// hashOf returns the hash of an element that goes on with some bytes and ends.
func (c *config) hashOf(text []byte) uint64 {
	hash := c.hash
	for _, b := range text {
		hash = hashByte(hash, b)
	}
	return hash
}

// run returns the state after some bytes.
func (d *dfa) run(state int32, text []byte) int32 {
	for _, b := range text {
		state = d.step(state, b)
	}
	return state
}

// walk visits the nodes of a trie that can be read from some configurations.
func (m *masker) walk(t *trie, from *configs, found func(ids []int32)) {
	for len(m.levels) <= t.depth {
		m.levels = append(m.levels, configs{})
	}
	m.levels[0].list = append(m.levels[0].list[:0], from.list...)
	for i := 0; i < len(t.nodes); {
		n := &t.nodes[i]
		now := &m.levels[n.depth]
		m.step(&m.levels[n.depth-1], n.b, now)
		if len(now.list) == 0 {
			if now.final {
				found(t.ids[n.first:n.last])
			}
			i = int(n.skip)
			continue
		}
		found(t.ids[n.first:n.last])
		i++
	}
}

// Count returns the number of tokens that a mask allows.
func Count(mask []uint32) int {
	n := 0
	for _, w := range mask {
		n += bits.OnesCount32(w)
	}
	return n
}

package grammar

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"strings"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// stateMask is what the tokens of the vocabulary do from one state of a
// terminal, whatever the stack below it. It has the parts that were asked for,
// and does not change.
type stateMask struct {
	parts  parts
	inside []uint32 // bit i: token i stays inside; nil where few do
	few    []int32  // those tokens in their order, where they are few
	ends   []int32  // tokens that complete the terminal, so that nothing can follow inside
	// gates are the nodes of the vocabulary's trie at which an encoded label ends:
	// what it means decides on the tokens at and below them.
	gates []int32
	// costs are, for the tokens inside in their order, the characters that they
	// complete and that are needed after them; up to 255. Counted terminals only.
	costs []uint8
	exits []exit
	// walk: too many tokens leave for them to be kept; walk the trie instead.
	walk bool
}

// parts of a stateMask: those inside, what they cost, and those that leave.
type parts uint8

const (
	partInside parts = 1 << iota
	partCosts
	partExits
)

// exit is the tokens that leave a terminal which they complete as one thing.
type exit struct {
	state int32      // one in which the terminal is complete as that
	rests trie       // of what such tokens hold after it; ids are numbers of groups
	whole int32      // the group of tokens that hold nothing after it; -1: none
	group [][]leaver // tokens with the same rest
	// holds marks the groups whose rest may hold a whole next element of an array,
	// and holders are their tokens. Where elements must differ, that one must differ
	// from the one that ends as well.
	holds   []bool
	holders []leaver
}

// leaver is a token that leaves.
type leaver struct {
	id    int32
	chars uint8 // characters completed before
	size  uint8 // bytes of it inside
}

const (
	fewTokens  = 512
	manyLeaves = 1 << 16
)

// stateMask returns the mask of a state, with parts that are made at the first
// call which asks for them. It may be called from several goroutines.
func (v *Vocabulary) stateMask(d *dfa, state int32, want parts) *stateMask {
	m := d.masks[state].Load()
	if m != nil && m.parts&want == want {
		return m
	}
	if m == nil {
		if twin := v.twinMask(d, state, want); twin != nil {
			d.masks[state].Store(twin)
			return twin
		}
		m = new(stateMask)
	}
	b := &maskBuilder{v: v, d: d, want: want &^ m.parts, loops: make([]*byteSet, d.states()), exits: map[int32]map[string][]leaver{}, states: map[int32]int32{}}
	if b.want&partInside != 0 {
		b.inside = make([]int32, 0, 4*fewTokens) // most states keep few tokens inside
	}
	if b.want&partCosts != 0 {
		b.costs = make([]uint8, v.size)
	}
	b.run(state)
	m = b.finish(*m)
	d.masks[state].Store(m)
	if m.inside != nil && !m.walk { // the others take little time
		d.twins.add(state)
	}
	return m
}

type maskBuilder struct {
	v      *Vocabulary
	d      *dfa
	want   parts
	inside []int32
	costs  []uint8 // by token
	ends   []int32
	gates  []int32
	exits  map[int32]map[string][]leaver // by tag and rest
	states map[int32]int32               // by tag: one state in which it is accepted
	leaves int
	loops  []*byteSet // by state: the bytes with which it goes on as itself
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
		if d.leavesLabel(states[n.depth-1], s) {
			b.gates = append(b.gates, int32(i))
			i = int(n.skip)
			continue
		}
		states[n.depth], chars[n.depth] = s, chars[n.depth-1]+d.weight(s)
		if tag := d.accept[s]; tag != 0 && b.want&partExits != 0 {
			b.states[tag] = s
			b.leaveAt(i, tag, chars[n.depth])
		}
		if d.final(s) {
			b.ends = append(b.ends, t.ids[n.first:n.last]...)
			i = int(n.skip)
			continue
		}
		if n.below > 0 && (d.accept[s] == 0 || b.want&partExits == 0) && b.stays(s, &t.below[n.below]) {
			b.keep(t.ids[n.first:t.end(n)], int(n.depth), s, chars[n.depth])
			i = int(n.skip)
			continue
		}
		if n.first < n.last {
			b.keep(t.ids[n.first:n.last], int(n.depth), s, chars[n.depth])
		}
		i++
	}
}

// stays reports whether a state goes on as itself with all bytes of a set.
func (b *maskBuilder) stays(s int32, with *byteSet) bool {
	if b.loops[s] == nil {
		b.loops[s] = b.d.loops(s)
	}
	return with.within(b.loops[s])
}

// loops returns the bytes with which a state goes on as itself.
func (d *dfa) loops(state int32) *byteSet {
	set := new(byteSet)
	for x := range 256 {
		if d.step(state, byte(x)) == state {
			set.add(byte(x))
		}
	}
	return set
}

// keep notes tokens that stay inside; after depth bytes of them the state is s,
// and remains so.
func (b *maskBuilder) keep(ids []int32, depth int, s, chars int32) {
	if b.want&partInside != 0 {
		b.inside = append(b.inside, ids...)
	}
	if b.costs == nil {
		return
	}
	weight, base := b.d.weight(s), chars+b.d.need[s]
	for _, id := range ids {
		b.costs[id] = uint8(min(base+weight*int32(len(b.v.tokens[id])-depth), 255))
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
	for _, id := range t.ids[at.first:t.end(at)] {
		rest := b.v.tokens[id][at.depth:]
		byRest[string(rest)] = append(byRest[string(rest)], leaver{id, uint8(min(chars, 255)), uint8(min(at.depth, 255))})
		b.leaves++
	}
}

// holdsElement reports whether what follows an element of an array may hold all
// of another one: not where that is only begun, as a string or a number.
func holdsElement(rest string) bool {
	_, next, comma := strings.Cut(rest, ",")
	next = strings.TrimLeft(next, " \t\n\r")
	if !comma || next == "" {
		return false
	}
	switch next[0] {
	case '"':
		return strings.IndexByte(next[1:], '"') >= 0
	case 't', 'f', 'n':
		return true
	}
	number := strings.TrimLeft(next, "-+.eE0123456789")
	return number != "" && number != next
}

// finish returns a mask with the parts of another and those that were wanted.
func (b *maskBuilder) finish(m stateMask) *stateMask {
	if b.want&partInside != 0 {
		m.ends, m.gates = b.ends, b.gates
		if len(b.inside) <= fewTokens {
			slices.Sort(b.inside)
			m.few = slices.Clone(b.inside)
		} else {
			m.inside = make([]uint32, b.v.Words())
			for _, id := range b.inside {
				m.inside[id>>5] |= 1 << (id & 31)
			}
		}
	}
	if b.want&partCosts != 0 {
		m.costs = b.ordered(&m)
	}
	if b.want&partExits != 0 {
		if m.walk = b.leaves > manyLeaves; !m.walk {
			for _, tag := range sortedKeys(b.exits) {
				m.exits = append(m.exits, b.exit(tag))
			}
		}
	}
	m.parts |= b.want
	return &m
}

// ordered returns the costs of the tokens inside, in their order.
func (b *maskBuilder) ordered(m *stateMask) []uint8 {
	var costs []uint8
	for _, id := range m.few {
		costs = append(costs, b.costs[id])
	}
	for i, w := range m.inside {
		for ; w != 0; w &= w - 1 {
			costs = append(costs, b.costs[i<<5+bits.TrailingZeros32(w)])
		}
	}
	return costs
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
		e.holds = append(e.holds, holdsElement(rest))
		if e.holds[i] {
			e.holders = append(e.holders, b.exits[tag][rest]...)
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
		alone := c.top == nil && !c.term.counted() && c.term.except == nil // only the end can follow
		want := partInside
		if !alone {
			want |= partExits
		}
		if c.near(v) {
			want |= partCosts
		}
		s := v.stateMask(c.term.dfa, c.state, want)
		if s.walk && !alone {
			m.walked.list = append(m.walked.list, *c)
			continue
		}
		m.stay(c, s)
		if alone {
			m.setAll(s.ends)
		} else {
			for j := range s.exits {
				m.exit(c, &s.exits[j])
			}
		}
		for _, node := range s.gates {
			m.gate(c, node)
		}
	}
	if len(m.walked.list) > 0 {
		m.walk(&v.trie, &m.walked, m.setAll)
	}
}

// gate allows the tokens at and below a node at which a label ends.
func (m *masker) gate(c *config, node int32) {
	t := &m.g.vocabulary.trie
	n := &t.nodes[node]
	m.makeLevels(t)
	now := &m.levels[0]
	now.list, now.final = append(now.list[:0], *c), false
	for i, b := range m.g.vocabulary.tokens[t.ids[n.first]][:n.depth] {
		next := &m.levels[i+1]
		m.step(now, b, next)
		now = next
	}
	if len(now.list) > 0 || now.final {
		m.setAll(t.ids[n.first:n.last])
		m.walkBelow(t, int(node)+1, int(n.skip), m.setAll)
	}
}

// makeLevels makes room for a walk.
func (m *masker) makeLevels(t *trie) {
	for len(m.levels) <= t.depth {
		m.levels = append(m.levels, configs{})
	}
}

// near reports whether some token may have more characters than may follow.
// Costs count up to 255.
func (c *config) near(v *Vocabulary) bool {
	return c.term.high >= 0 && c.left() < min(255, int32(v.trie.depth)+c.term.dfa.most)
}

// left returns how many characters may follow in a text of limited length.
func (c *config) left() int32 { return c.term.high - c.count }

func (m *masker) set(id int32) { m.dst[id>>5] |= 1 << (id & 31) }

func (m *masker) setAll(ids []int32) {
	for _, id := range ids {
		m.set(id)
	}
}

// stay allows the tokens inside the terminal of c.
func (m *masker) stay(c *config, s *stateMask) {
	if !c.near(m.g.vocabulary) {
		for i, w := range s.inside {
			m.dst[i] |= w
		}
		for _, id := range s.few {
			m.set(id)
		}
		return
	}
	left := c.left()
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
	m.walk(&e.rests, &m.after, func(groups []int32) {
		for _, g := range groups {
			if !e.holds[g] || !c.differs() {
				m.allow(c, e.group[g])
			}
		}
	})
	if c.differs() {
		m.each(c, e.holders)
	}
}

// each tries tokens by themselves.
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
	m.makeLevels(t)
	m.levels[0].list = append(m.levels[0].list[:0], from.list...)
	m.walkBelow(t, 0, len(t.nodes), found)
}

// walkBelow is walk for the nodes from one to another, whose parents were
// visited before.
func (m *masker) walkBelow(t *trie, from, to int, found func(ids []int32)) {
	for i := from; i < to; {
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

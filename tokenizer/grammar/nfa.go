package grammar

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// nfa is a nondeterministic automaton over bytes, under construction. Its
// states are numbers; each has edges that read a byte and moves that read none.
type nfa struct {
	edges   [][]nfaEdge
	moves   [][]nfaMove
	between []bool
	labels  []labelMark
	budget  *budget
	err     error // the first; it sticks
	suffix  map[suffixKey]int32
}

type nfaEdge struct {
	lo, hi byte
	to     int32
}

// assertion says where a move is possible.
type assertion uint8

const (
	anywhere assertion = iota
	atBegin            // of the text
	atEnd
)

type nfaMove struct {
	to   int32
	when assertion
}

// suffixKey finds the state that reads a range of the last bytes of a character.
type suffixKey struct {
	lo, hi string
	to     int32
}

func newNFA(budget *budget) *nfa { return &nfa{budget: budget, suffix: map[suffixKey]int32{}} }

func (n *nfa) state() int32 {
	if n.err == nil {
		n.err = n.budget.step(20)
	}
	n.edges, n.moves = append(n.edges, nil), append(n.moves, nil)
	n.between, n.labels = append(n.between, false), append(n.labels, noLabel)
	return int32(len(n.edges) - 1)
}

// mark notes that state s lies between two characters.
func (n *nfa) mark(s int32) { n.between[s] = true }

func (n *nfa) edge(from int32, lo, hi byte, to int32) {
	n.edges[from] = append(n.edges[from], nfaEdge{lo, hi, to})
}

func (n *nfa) move(from, to int32) { n.moves[from] = append(n.moves[from], nfaMove{to: to}) }

func (n *nfa) moveWhen(from, to int32, when assertion) {
	n.moves[from] = append(n.moves[from], nfaMove{to, when})
}

// literal reads exactly the bytes of text.
func (n *nfa) literal(from int32, text string, to int32) {
	for i := range len(text) {
		next := to
		if i < len(text)-1 {
			next = n.state()
		}
		n.edge(from, text[i], text[i], next)
		from = next
	}
	if text == "" {
		n.move(from, to)
	}
}

// runes reads one character of [lo, hi] in UTF-8, surrogates left out.
func (n *nfa) runes(from int32, lo, hi rune, to int32) {
	for _, part := range [...][2]rune{{0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, utf8.MaxRune}} {
		a, b := max(lo, part[0]), min(hi, part[1])
		if a <= b {
			n.sequence(from, string(a), string(b), to)
		}
	}
}

// sequence reads the byte strings from lo to hi, which have the same length and
// are the first and the last of whole characters: continuation bytes in between
// are 80 to BF.
func (n *nfa) sequence(from int32, lo, hi string, to int32) {
	if len(lo) == 1 {
		n.edge(from, lo[0], hi[0], to)
		return
	}
	const first, last = "\x80\x80\x80", "\xbf\xbf\xbf"
	rest := len(lo) - 1
	a, b := lo[0], hi[0]
	if a == b {
		n.edge(from, a, a, n.tail(lo[1:], hi[1:], to))
		return
	}
	if lo[1:] != first[:rest] {
		n.edge(from, a, a, n.tail(lo[1:], last[:rest], to))
		a++
	}
	if hi[1:] != last[:rest] {
		n.edge(from, b, b, n.tail(first[:rest], hi[1:], to))
		b--
	}
	if a <= b {
		n.edge(from, a, b, n.tail(first[:rest], last[:rest], to))
	}
}

// tail returns the state that reads what sequence reads; equal tails share it.
func (n *nfa) tail(lo, hi string, to int32) int32 {
	key := suffixKey{lo, hi, to}
	if s, ok := n.suffix[key]; ok {
		return s
	}
	s := n.state()
	n.suffix[key] = s
	n.sequence(s, lo, hi, to)
	return s
}

// determinize returns the dfa that begins in state start and accepts in state end.
func (n *nfa) determinize(start, end int32, counted bool) (*dfa, error) {
	if n.err != nil {
		return nil, n.err
	}
	d := &determinizer{nfa: n, end: end, sets: map[string][]int32{}, seen: make([]uint32, len(n.edges))}
	a := automaton[string]{start: d.closure([]int32{start}, true), step: d.step, accept: d.accept, same: n.classes()}
	if counted {
		a.between = func(s string) bool {
			return slices.ContainsFunc(d.sets[s], func(state int32) bool { return n.between[state] })
		}
	}
	if slices.Max(n.labels) != noLabel {
		a.label = func(s string) labelMark {
			mark := noLabel
			for _, state := range d.sets[s] {
				mark = max(mark, n.labels[state])
			}
			return mark
		}
	}
	dfa, err := a.build(n.budget)
	if n.err != nil {
		return nil, n.err
	}
	return dfa, err
}

// classes maps each byte to the first that all edges treat alike.
func (n *nfa) classes() func(byte) byte {
	var begins [257]bool
	begins[0] = true
	for _, edges := range n.edges {
		for _, e := range edges {
			begins[e.lo], begins[int(e.hi)+1] = true, true
		}
	}
	var same [256]byte
	for b := range 256 {
		if begins[b] {
			same[b] = byte(b)
		} else {
			same[b] = same[b-1]
		}
	}
	return func(b byte) byte { return same[b] }
}

// determinizer makes sets of states into states. A set is known by the bytes
// of its numbers in order.
type determinizer struct {
	*nfa
	end   int32
	sets  map[string][]int32
	seen  []uint32 // by state: the last closure that met it
	round uint32
	work  []int32
}

// closure returns the key of all states that are reached without reading. The
// states that only moves leave do not count.
func (d *determinizer) closure(from []int32, begin bool) string {
	reached := d.reach(from, begin, false)
	var kept []int32
	for _, s := range reached {
		ends := slices.ContainsFunc(d.moves[s], func(m nfaMove) bool { return m.when == atEnd })
		if len(d.edges[s]) > 0 || s == d.end || ends || d.labels[s] != noLabel {
			kept = append(kept, s)
		}
	}
	slices.Sort(kept)
	key := make([]byte, 0, 4*len(kept))
	for _, s := range kept {
		key = binary.LittleEndian.AppendUint32(key, uint32(s))
	}
	if d.err == nil {
		d.err = d.budget.step(8 * len(reached))
	}
	d.sets[string(key)] = kept
	return string(key)
}

// reach follows moves. The result is valid until the next call.
func (d *determinizer) reach(from []int32, begin, end bool) []int32 {
	d.round++
	d.work = d.work[:0]
	visit := func(s int32) {
		if d.seen[s] != d.round {
			d.seen[s] = d.round
			d.work = append(d.work, s)
		}
	}
	for _, s := range from {
		visit(s)
	}
	for i := 0; i < len(d.work); i++ {
		for _, m := range d.moves[d.work[i]] {
			if m.when == anywhere || m.when == atBegin && begin || m.when == atEnd && end {
				visit(m.to)
			}
		}
	}
	return d.work
}

func (d *determinizer) step(key string, b byte) (string, bool) {
	var next []int32
	for _, s := range d.sets[key] {
		for _, e := range d.edges[s] {
			if e.lo <= b && b <= e.hi {
				next = append(next, e.to)
			}
		}
	}
	if d.err == nil {
		d.err = d.budget.step(len(d.sets[key]))
	}
	if len(next) == 0 || d.err != nil {
		return "", false
	}
	key = d.closure(next, false)
	return key, key != ""
}

func (d *determinizer) accept(key string) int32 {
	if slices.Contains(d.reach(d.sets[key], false, true), d.end) {
		return 1
	}
	return 0
}

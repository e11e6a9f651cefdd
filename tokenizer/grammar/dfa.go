package grammar

import (
	"slices"
	"sync/atomic"
)

const (
	deadState  = 0
	startState = 1
)

// dfa recognises byte strings. From each state but the dead one some accepting
// state can be reached.
type dfa struct {
	class   [256]uint8
	classes int
	next    []int32 // [states * classes]
	accept  []int32 // by state: what was recognised; 0: nothing yet
	// between marks the states between two characters of a JSON string, where
	// its length is known; nil where nobody counts.
	between []bool
	need    []int32     // by state: how many more characters it takes at least; nil likewise
	most    int32       // of them
	labels  []labelMark // by state; nil: there are none
	ends    []bool      // by state: nothing can follow
	masks   []atomic.Pointer[stateMask]
	twins   twins
}

func (d *dfa) step(state int32, b byte) int32 {
	return d.next[int(state)*d.classes+int(d.class[b])]
}

func (d *dfa) states() int { return len(d.accept) }

// final reports whether nothing can follow in a state.
func (d *dfa) final(state int32) bool { return d.ends[state] }

// automaton describes a dfa by its states S before they are numbered.
type automaton[S comparable] struct {
	start   S
	step    func(s S, b byte) (next S, ok bool)
	accept  func(s S) int32
	between func(s S) bool      // nil: not counted
	label   func(s S) labelMark // nil: there are none
	// same reports which byte stands for b: bytes that act alike everywhere
	// give the same. nil: each stands for itself.
	same func(b byte) byte
}

// build numbers the states that can be reached and can still accept.
func (a *automaton[S]) build(budget *budget) (*dfa, error) {
	d := &dfa{}
	representatives := d.classify(a.same)
	number := map[S]int32{a.start: startState}
	order := []S{a.start, a.start} // number 0 is the dead state
	d.next = make([]int32, d.classes)
	for at := startState; at < len(order); at++ {
		if err := budget.state(); err != nil {
			return nil, err
		}
		if err := budget.step(4 * d.classes); err != nil {
			return nil, err
		}
		s := order[at]
		for _, b := range representatives {
			to := int32(deadState)
			if next, ok := a.step(s, b); ok {
				var known bool
				if to, known = number[next]; !known {
					to = int32(len(order))
					number[next] = to
					order = append(order, next)
				}
			}
			d.next = append(d.next, to)
		}
	}
	d.accept = make([]int32, len(order))
	for i, s := range order[startState:] {
		d.accept[i+startState] = a.accept(s)
	}
	d.between, d.labels = byState(order, a.between), byState(order, a.label)
	d.trim()
	return d, nil
}

// byState returns what holds in each state but the dead one; nil where nobody asks.
func byState[S comparable, V any](order []S, of func(S) V) []V {
	if of == nil {
		return nil
	}
	list := make([]V, len(order))
	for i, s := range order[startState:] {
		list[i+startState] = of(s)
	}
	return list
}

// classify numbers the classes of bytes and returns one byte of each.
func (d *dfa) classify(same func(byte) byte) []byte {
	var representatives []byte
	numbers := map[byte]uint8{}
	for i := range 256 {
		b := byte(i)
		of := b
		if same != nil {
			of = same(b)
		}
		n, known := numbers[of]
		if !known {
			n = uint8(len(representatives))
			numbers[of] = n
			representatives = append(representatives, b)
		}
		d.class[b] = n
	}
	d.classes = len(representatives)
	return representatives
}

// trim makes the states dead that cannot accept any more, and numbers the rest
// anew. Where nothing is left, the start is dead: empty reports it. A label that
// must be looked at may have no end that is right, so none counts.
func (d *dfa) trim() {
	n := len(d.accept)
	before := make([][]int32, n)
	var queue []int32
	live := make([]bool, n)
	for s := startState; s < n; s++ {
		for _, to := range d.next[s*d.classes:][:d.classes] {
			if to != deadState && !d.leavesLabel(int32(s), to) {
				before[to] = append(before[to], int32(s))
			}
		}
		if d.accept[s] != 0 {
			live[s] = true
			queue = append(queue, int32(s))
		}
	}
	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, from := range before[s] {
			if !live[from] {
				live[from] = true
				queue = append(queue, from)
			}
		}
	}
	live[startState] = true // it keeps its number
	renumber := make([]int32, n)
	count := int32(startState)
	for s := startState; s < n; s++ {
		if live[s] {
			renumber[s] = count
			count++
		}
	}
	next := make([]int32, int(count)*d.classes)
	for s := startState; s < n; s++ {
		if !live[s] {
			continue
		}
		to := int(renumber[s])
		for c, target := range d.next[s*d.classes:][:d.classes] {
			next[to*d.classes+c] = renumber[target]
		}
	}
	d.next, d.accept = next, renumbered(d.accept, renumber, count)
	d.between, d.labels = renumbered(d.between, renumber, count), renumbered(d.labels, renumber, count)
	d.ends = make([]bool, count)
	for s := range d.ends {
		row := next[s*d.classes:][:d.classes]
		d.ends[s] = !slices.ContainsFunc(row, func(to int32) bool { return to != deadState })
	}
	d.masks = make([]atomic.Pointer[stateMask], count)
	if d.between != nil {
		d.setNeed()
	}
}

// renumbered returns what belongs to each state under its new number; 0: it is gone.
func renumbered[V any](list []V, number []int32, count int32) []V {
	if list == nil {
		return nil
	}
	moved := make([]V, count)
	for s, to := range number {
		if to != deadState {
			moved[to] = list[s]
		}
	}
	return moved
}

// setNeed fills in need and most.
func (d *dfa) setNeed() {
	const far = 1 << 30
	d.need = slices.Repeat([]int32{far}, d.states())
	for changed := true; changed; {
		changed = false
		for s := d.states() - 1; s >= startState; s-- {
			least := d.need[s]
			if d.accept[s] != 0 {
				least = 0
			}
			for _, to := range d.next[s*d.classes:][:d.classes] {
				if to != deadState && !d.leavesLabel(int32(s), to) {
					least = min(least, d.need[to]+d.weight(to))
				}
			}
			if least < d.need[s] {
				d.need[s], changed = least, true
			}
		}
	}
	d.most = 0
	for _, n := range d.need {
		if n < far {
			d.most = max(d.most, n)
		}
	}
}

// weight returns what entering a state adds to the number of characters. The
// opening quote adds one too, so counts begin at -1.
func (d *dfa) weight(to int32) int32 {
	if d.between != nil && d.between[to] {
		return 1
	}
	return 0
}

// empty reports whether no string is recognised.
func (d *dfa) empty() bool { return d.accept[startState] == 0 && d.final(startState) }

// recognise returns what a whole string is recognised as; 0: nothing.
func (d *dfa) recognise(text string) int32 {
	s, label := int32(startState), ""
	for i := range len(text) {
		to, right := d.step(s, text[i]), true
		if d.labels != nil {
			label, right = d.label(label, s, to, text[i])
		}
		if s = to; s == deadState || !right {
			return 0
		}
	}
	return d.accept[s]
}

// pair is a state of two automata that run side by side.
type pair struct{ a, b int32 }

// intersect recognises what both do, as a does.
func intersect(a, b *dfa, budget *budget) (*dfa, error) {
	both := automaton[pair]{
		start: pair{startState, startState},
		step: func(s pair, x byte) (pair, bool) {
			s = pair{a.step(s.a, x), b.step(s.b, x)}
			return s, s.a != deadState && s.b != deadState
		},
		accept: func(s pair) int32 {
			if b.accept[s.b] == 0 {
				return 0
			}
			return a.accept[s.a]
		},
		same: jointClasses(a, b),
	}
	if a.between != nil {
		both.between = func(s pair) bool { return a.between[s.a] }
	}
	both.label = jointLabels(a, b)
	return both.build(budget)
}

// jointLabels returns the labels of two automata that run side by side; nil
// where neither has any.
func jointLabels(a, b *dfa) func(pair) labelMark {
	if a.labels == nil && b.labels == nil {
		return nil
	}
	in := func(d *dfa, s int32) labelMark {
		if d.labels == nil {
			return noLabel
		}
		return d.labels[s]
	}
	return func(s pair) labelMark { return max(in(a, s.a), in(b, s.b)) }
}

// tagged runs automata side by side. A string is recognised where the first
// does; the result is 1 plus bit i-1 for each other automaton i that does too,
// whatever its labels.
func tagged(list []*dfa, budget *budget) (*dfa, error) {
	sum, bit := list[0], int32(1)
	for _, d := range list[1:] {
		both := automaton[pair]{
			start: pair{startState, startState},
			step: func(s pair, x byte) (pair, bool) {
				s.a = sum.step(s.a, x)
				if s.b != deadState {
					s.b = d.step(s.b, x)
				}
				return s, s.a != deadState
			},
			accept: func(s pair) int32 {
				if sum.accept[s.a] != 0 && d.accept[s.b] != 0 {
					return sum.accept[s.a] + bit
				}
				return sum.accept[s.a]
			},
			same: jointClasses(sum, d),
		}
		if between := sum.between; between != nil {
			both.between = func(s pair) bool { return between[s.a] }
		}
		if labels := sum.labels; labels != nil {
			both.label = func(s pair) labelMark { return labels[s.a] }
		}
		var err error
		if sum, err = both.build(budget); err != nil {
			return nil, err
		}
		bit <<= 1
	}
	return sum, nil
}

// without recognises what a does and b does not.
func without(a, b *dfa, budget *budget) (*dfa, error) {
	d, err := tagged([]*dfa{a, b}, budget)
	if err != nil {
		return nil, err
	}
	for s, tag := range d.accept {
		if tag > 1 {
			d.accept[s] = 0
		}
	}
	d.trim()
	return d, nil
}

// union recognises what either does, as 1.
func union(a, b *dfa, budget *budget) (*dfa, error) {
	both := automaton[pair]{
		start: pair{startState, startState},
		step: func(s pair, x byte) (pair, bool) {
			if s.a != deadState {
				s.a = a.step(s.a, x)
			}
			if s.b != deadState {
				s.b = b.step(s.b, x)
			}
			return s, s.a != deadState || s.b != deadState
		},
		accept: func(s pair) int32 { return min(1, a.accept[s.a]|b.accept[s.b]) },
		same:   jointClasses(a, b),
		label:  jointLabels(a, b),
	}
	return both.build(budget)
}

// clone returns a copy whose results may be changed.
func (d *dfa) clone() *dfa {
	return &dfa{class: d.class, classes: d.classes, next: slices.Clone(d.next), accept: slices.Clone(d.accept), between: slices.Clone(d.between), labels: slices.Clone(d.labels)}
}

// jointClasses maps each byte to the first that both automata treat alike.
func jointClasses(a, b *dfa) func(byte) byte {
	first := map[[2]uint8]byte{}
	var same [256]byte
	for i := range 256 {
		x := byte(i)
		key := [2]uint8{a.class[x], b.class[x]}
		if _, ok := first[key]; !ok {
			first[key] = x
		}
		same[x] = first[key]
	}
	return func(x byte) byte { return same[x] }
}

// literals recognises the given strings: text i as i+1.
func literals(texts []string, budget *budget) (*dfa, error) {
	type node struct {
		next map[byte]int32
		tag  int32
	}
	nodes := []node{{next: map[byte]int32{}}}
	for i, text := range texts {
		at := int32(0)
		for j := range len(text) {
			to, ok := nodes[at].next[text[j]]
			if !ok {
				to = int32(len(nodes))
				nodes[at].next[text[j]] = to
				nodes = append(nodes, node{next: map[byte]int32{}})
			}
			at = to
		}
		if nodes[at].tag == 0 {
			nodes[at].tag = int32(i + 1)
		}
	}
	var used [256]bool
	for _, n := range nodes {
		for b := range n.next {
			used[b] = true
		}
	}
	unused := byte(slices.Index(used[:], false)) // -1, as 255, where all are used
	a := automaton[int32]{
		step:   func(s int32, b byte) (int32, bool) { to, ok := nodes[s].next[b]; return to, ok },
		accept: func(s int32) int32 { return nodes[s].tag },
		same: func(b byte) byte {
			if used[b] {
				return b
			}
			return unused
		},
	}
	return a.build(budget)
}

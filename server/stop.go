package server

// stopTable finds any of several strings in a stream: the automaton of Aho and
// Corasick (Communications of the ACM 18(6), 1975), whose cost does not depend
// on how many strings there are. It never changes once made.
type stopTable struct {
	nodes []stopNode
	stops []string
}

// stopNode stands for the longest end of the text that begins a stop string.
type stopNode struct {
	next  map[byte]int32
	fail  int32
	depth int32 // bytes of that end
	stop  int32 // longest stop string that ends here; -1: none
}

// newStopTable returns the automaton of non-empty strings, nil for none.
func newStopTable(stops []string) *stopTable {
	if len(stops) == 0 {
		return nil
	}
	t := &stopTable{nodes: []stopNode{{stop: -1}}, stops: stops}
	for i, stop := range stops {
		node := int32(0)
		for j := range len(stop) {
			next, ok := t.nodes[node].next[stop[j]]
			if !ok {
				next = int32(len(t.nodes))
				if t.nodes[node].next == nil {
					t.nodes[node].next = map[byte]int32{}
				}
				t.nodes[node].next[stop[j]] = next
				t.nodes = append(t.nodes, stopNode{depth: int32(j + 1), stop: -1})
			}
			node = next
		}
		if t.nodes[node].stop < 0 {
			t.nodes[node].stop = int32(i)
		}
	}
	t.link()
	return t
}

// link sets where each node goes on when the next byte does not fit, nearest
// nodes first.
func (t *stopTable) link() {
	queue := []int32{0}
	for len(queue) > 0 {
		node := queue[0]
		queue = queue[1:]
		for b, next := range t.nodes[node].next {
			n := &t.nodes[next]
			if node != 0 {
				n.fail = t.step(t.nodes[node].fail, b)
			}
			if n.stop < 0 {
				n.stop = t.nodes[n.fail].stop
			}
			queue = append(queue, next)
		}
	}
}

// step returns the node after one more byte.
func (t *stopTable) step(node int32, b byte) int32 {
	for {
		if next, ok := t.nodes[node].next[b]; ok {
			return next
		}
		if node == 0 {
			return 0
		}
		node = t.nodes[node].fail
	}
}

// stopMatcher passes on a text up to the first stop string: the one that ends
// first, and of those the longest. How the text is cut into pieces makes no
// difference. The zero value passes everything.
type stopMatcher struct {
	table *stopTable
	node  int32
	held  string // the end of the text so far that may begin a stop string
}

// write takes a piece and returns what is certain by now. Once stop is not
// empty the text is over; text ends before it.
func (m *stopMatcher) write(piece string) (text, stop string) {
	if m.table == nil {
		return piece, ""
	}
	all := m.held + piece
	for i := len(m.held); i < len(all); i++ {
		m.node = m.table.step(m.node, all[i])
		if found := m.table.nodes[m.node].stop; found >= 0 {
			stop = m.table.stops[found]
			m.held = ""
			return all[:i+1-len(stop)], stop
		}
	}
	safe := len(all) - int(m.table.nodes[m.node].depth)
	m.held = all[safe:]
	return all[:safe], ""
}

// end returns what was held back, where the text ends.
func (m *stopMatcher) end() string {
	held := m.held
	m.held, m.node = "", 0
	return held
}

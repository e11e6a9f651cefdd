package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// noRank is the rank of a pair that does not merge.
const noRank = -1

// pairTable holds the merges: for two adjacent symbols the symbol they become
// and the rank of the merge. The multiplier is random so that no file can make its
// merges collide.
type pairTable struct {
	table
	multiplier uint64
	pairs      []pair
}

// pair is a merge.
type pair struct {
	key  uint64 // left symbol, right symbol
	rank int32
	to   int32
}

// newPairTable makes the table of pairs, which must differ.
func newPairTable(pairs []pair) (*pairTable, error) {
	p := &pairTable{table: newTable(len(pairs)), multiplier: rand.Uint64() | 1, pairs: pairs}
	for i := range pairs {
		slot, mark := p.place(pairs[i].key * p.multiplier)
		for {
			other, at, found := p.next(slot, mark)
			if !found {
				p.put(at, mark, int32(i))
				break
			}
			if pairs[other].key == pairs[i].key {
				return nil, fmt.Errorf("merges[%d] repeats the pair of merges[%d]", i, other)
			}
			slot = at + 1
		}
	}
	return p, nil
}

func pairKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// find returns the merge of two symbols, or noRank.
func (p *pairTable) find(left, right int32) (rank, to int32) {
	key := pairKey(left, right)
	slot, mark := p.place(key * p.multiplier)
	for {
		i, at, found := p.next(slot, mark)
		if !found {
			return noRank, 0
		}
		if q := &p.pairs[i]; q.key == key {
			return q.rank, q.to
		}
		slot = at + 1
	}
}

// merges is the list of merges. It is kept as lines, which a large vocabulary has hundreds
// of thousands of.
type merges struct {
	lines   texts   // each two texts with a space between them
	middles []int32 // where the space is; nil: there is no other
}

// at returns merge i; false: it is not of two texts.
func (m *merges) at(i int) (left, right string, ok bool) {
	line := m.lines.at(i)
	middle := 0
	if m.middles != nil {
		middle = int(m.middles[i])
	} else if middle, ok = splitMerge(line); !ok {
		return "", "", false
	}
	return line[:middle], line[middle+1:], true
}

// splitMerge returns where the space of a line like "a b" is.
func splitMerge(line string) (middle int, ok bool) {
	middle = strings.IndexByte(line, ' ')
	return middle, middle > 0 && middle < len(line)-1 && strings.IndexByte(line[middle+1:], ' ') < 0
}

// resolve makes the table of a list of merges. one returns the two symbols of a merge and
// what they become, given what the merge before it became; it runs on all cores, for a
// large vocabulary needs most of the time in which a model starts.
func (m *merges) resolve(one func(left, right string, near int32) (pair, bool)) (*pairTable, error) {
	pairs := make([]pair, m.lines.len())
	var group sync.WaitGroup
	chunk := max(1<<12, len(pairs)/runtime.GOMAXPROCS(0)+1)
	for start := 0; start < len(pairs); start += chunk {
		group.Go(func() {
			near := int32(0)
			for i := start; i < min(start+chunk, len(pairs)); i++ {
				left, right, ok := m.at(i)
				if ok {
					pairs[i], ok = one(left, right, near)
				}
				if !ok {
					pairs[i].to = -1
					return
				}
				pairs[i].rank = int32(i)
				near = pairs[i].to
			}
		})
	}
	group.Wait()
	if i := slices.IndexFunc(pairs, func(p pair) bool { return p.to < 0 }); i >= 0 {
		return nil, m.problem(i)
	}
	return newPairTable(pairs)
}

// problem says why a merge was not resolved.
func (m *merges) problem(i int) error {
	left, right, ok := m.at(i)
	if !ok {
		return fmt.Errorf("merges[%d]: %.40q is not two tokens", i, m.lines.at(i))
	}
	return fmt.Errorf("merges[%d]: %.40q, %.40q or both together are not in the vocabulary", i, left, right)
}

// symbol is a stretch of the word being merged; the symbols are a linked list
// by their indices, -1 at its ends.
type symbol struct {
	id         int32 // -1: merges with nothing
	start      int32 // offset of its first byte in the word
	prev, next int32
	rank, to   int32 // the merge with the next symbol
}

// merger merges one word at a time, O(n log n) in its symbols. It is scratch
// space that encoders keep in a pool.
type merger struct {
	symbols []symbol
	queue   []uint64 // a heap of rank<<32 | index of the left symbol
	steps   int      // merges looked at, to test that the work is bounded
}

// maxScratch is the number of symbols above which a merger is not kept.
const maxScratch = 1 << 16

// reset begins a word of at most n symbols.
func (m *merger) reset(n int) {
	m.symbols = slices.Grow(m.symbols[:0], n)
	m.queue = slices.Grow(m.queue[:0], n)
}

// append adds a symbol to the word.
func (m *merger) append(id int32, start int) {
	i := int32(len(m.symbols))
	if i > 0 {
		m.symbols[i-1].next = i
	}
	m.symbols = append(m.symbols, symbol{id: id, start: int32(start), prev: i - 1, next: -1, rank: noRank})
}

// merge applies the merges in order of rank, then from left to right. After it
// the symbols from index 0 along next are the result.
func (m *merger) merge(pairs *pairTable) {
	for i := range len(m.symbols) - 1 {
		if m.look(pairs, int32(i)) {
			m.queue = append(m.queue, m.entry(int32(i)))
		}
	}
	for i := len(m.queue)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	for len(m.queue) > 0 {
		m.steps++
		entry := m.queue[0]
		i := int32(uint32(entry))
		left := &m.symbols[i]
		if left.rank != int32(entry>>32) { // the pair has changed since
			m.pop()
			continue
		}
		right := &m.symbols[left.next]
		left.id, left.next = left.to, right.next
		right.rank = noRank
		if left.next >= 0 {
			m.symbols[left.next].prev = i
		}
		if m.look(pairs, i) {
			m.queue[0] = m.entry(i)
			m.sink(0)
		} else {
			m.pop()
		}
		if left.prev >= 0 && m.look(pairs, left.prev) {
			m.push(m.entry(left.prev))
		}
	}
}

// look finds the merge of symbol i with the next one; false: there is none.
func (m *merger) look(pairs *pairTable, i int32) bool {
	s := &m.symbols[i]
	s.rank = noRank
	if s.next < 0 || s.id < 0 {
		return false
	}
	right := m.symbols[s.next].id
	if right < 0 {
		return false
	}
	s.rank, s.to = pairs.find(s.id, right)
	return s.rank != noRank
}

func (m *merger) entry(i int32) uint64 {
	return uint64(m.symbols[i].rank)<<32 | uint64(i)
}

func (m *merger) push(entry uint64) {
	m.queue = append(m.queue, entry)
	q := m.queue
	i := len(q) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if q[parent] <= entry {
			break
		}
		q[i] = q[parent]
		i = parent
	}
	q[i] = entry
}

func (m *merger) pop() {
	last := len(m.queue) - 1
	m.queue[0] = m.queue[last]
	m.queue = m.queue[:last]
	if last > 0 {
		m.sink(0)
	}
}

// sink moves entry i down to where it belongs.
func (m *merger) sink(i int) {
	q := m.queue
	entry := q[i]
	for {
		child := 2*i + 1
		if child >= len(q) {
			break
		}
		if child+1 < len(q) && q[child+1] < q[child] {
			child++
		}
		if q[child] >= entry {
			break
		}
		q[i] = q[child]
		i = child
	}
	q[i] = entry
}

package tokenizer

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// noRank is the rank of a pair that does not merge.
const noRank = -1

// pairTable holds the merges: for two adjacent symbols the symbol they become
// and the rank of the merge. It is an open hash table; the multiplier is random
// so that no file can make its merges collide.
type pairTable struct {
	slots      []pair
	multiplier uint64
	shift      uint
}

// pair is a slot of the table.
type pair struct {
	key  uint64 // left symbol + 1, right symbol; 0: free
	rank int32
	to   int32
}

// newPairTable returns a table for at most n merges.
func newPairTable(n int) *pairTable {
	size := bits.Len(uint(n + n/2 + 1)) // at most two thirds full
	return &pairTable{
		slots:      make([]pair, 1<<size),
		multiplier: rand.Uint64() | 1,
		shift:      uint(64 - size),
	}
}

func pairKey(left, right int32) uint64 {
	return (uint64(uint32(left))+1)<<32 | uint64(uint32(right))
}

// slot returns the slot that holds key, or the free one where it belongs.
func (p *pairTable) slot(key uint64) *pair {
	mask := uint64(len(p.slots) - 1)
	for i := key * p.multiplier >> p.shift; ; i++ {
		if s := &p.slots[i&mask]; s.key == key || s.key == 0 {
			return s
		}
	}
}

// add records a merge; the pair must be new.
func (p *pairTable) add(left, right, to, rank int32) error {
	key := pairKey(left, right)
	s := p.slot(key)
	if s.key != 0 {
		return fmt.Errorf("merge %d repeats the pair of merge %d", rank, s.rank)
	}
	*s = pair{key: key, rank: rank, to: to}
	return nil
}

// find returns the merge of two symbols, or noRank.
func (p *pairTable) find(left, right int32) (rank, to int32) {
	if s := p.slot(pairKey(left, right)); s.key != 0 {
		return s.rank, s.to
	}
	return noRank, 0
}

// resolvePairs makes the table of a list of merges. resolve returns the two
// symbols of a merge and what they become; it runs on all cores, for a large
// vocabulary needs most of the time in which a model starts.
func resolvePairs(merges []merge, resolve func(merge) (left, right, to int32, ok bool)) (*pairTable, error) {
	type resolved struct{ left, right, to int32 }
	all := make([]resolved, len(merges))
	var group sync.WaitGroup
	chunk := max(1<<12, len(merges)/runtime.GOMAXPROCS(0)+1)
	for start := 0; start < len(merges); start += chunk {
		group.Go(func() {
			for i := start; i < min(start+chunk, len(merges)); i++ {
				left, right, to, ok := resolve(merges[i])
				if !ok {
					to = -1
				}
				all[i] = resolved{left, right, to}
			}
		})
	}
	group.Wait()
	pairs := newPairTable(len(merges))
	for rank, r := range all {
		if r.to < 0 {
			m := merges[rank]
			return nil, fmt.Errorf("merge %d: %.40q, %.40q or both together are not in the vocabulary", rank, m.left, m.right)
		}
		if err := pairs.add(r.left, r.right, r.to, int32(rank)); err != nil {
			return nil, err
		}
	}
	return pairs, nil
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

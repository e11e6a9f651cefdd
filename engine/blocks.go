package engine

import "fmt"

// BlockManager knows who holds which block of the KV cache. It deals in
// numbers only; the memory is the device's. A block is
//
//	free    it holds nothing
//	held    by one sequence, or by several that begin alike
//	cached  by none, but it is sealed: its content has a key and may be wanted
//	        again; the one that was let go longest ago is reused first
type BlockManager struct {
	blocks []block // one more than there are: the last links the ends of the list of cached blocks
	index  map[key]int32
	free   []int32 // a stack
	cached int     // length of the list
}

type block struct {
	holders    int32
	prev, next int32 // of the list of cached blocks, while in it
	sealed     bool
	key        key
}

// NewBlockManager returns a manager of n free blocks.
func NewBlockManager(n int) *BlockManager {
	m := &BlockManager{blocks: make([]block, n+1), index: make(map[key]int32, n), free: make([]int32, n)}
	for i := range m.free {
		m.free[i] = int32(n - 1 - i) // block 0 is on top
	}
	m.blocks[n] = block{prev: int32(n), next: int32(n)}
	return m
}

// Total returns the number of blocks.
func (m *BlockManager) Total() int { return len(m.blocks) - 1 }

// Available returns how many blocks Grow could hand out.
func (m *BlockManager) Available() int { return len(m.free) + m.cached }

// Used returns how many blocks are held, Cached how many are kept for reuse.
func (m *BlockManager) Used() int   { return m.Total() - m.Available() }
func (m *BlockManager) Cached() int { return m.cached }

// Match appends to a table the sealed blocks with these keys, up to the first
// that is missing. They are held as if Grow had handed them out, but must not
// be written to.
func (m *BlockManager) Match(table []int32, keys []key) []int32 {
	for _, k := range keys {
		b, ok := m.index[k]
		if !ok {
			break
		}
		if m.blocks[b].holders == 0 {
			m.unlink(b)
		}
		m.blocks[b].holders++
		table = append(table, b)
	}
	return table
}

// Grow appends n blocks without content to a table, or none if there are not
// as many.
func (m *BlockManager) Grow(table []int32, n int) ([]int32, bool) {
	if n > m.Available() {
		return table, false
	}
	for range n {
		b := m.take()
		m.blocks[b].holders = 1
		table = append(table, b)
	}
	return table, true
}

// take returns a free block, at the expense of the cache if need be.
func (m *BlockManager) take() int32 {
	if last := len(m.free) - 1; last >= 0 {
		b := m.free[last]
		m.free = m.free[:last]
		return b
	}
	b := m.blocks[m.Total()].next
	m.unlink(b)
	m.unseal(b)
	return b
}

// Seal gives a held block the key of its content. Where another block has that
// key, this one stays private.
func (m *BlockManager) Seal(b int32, k key) {
	if m.blocks[b].holders == 0 || m.blocks[b].sealed {
		panic(fmt.Sprintf("engine: sealing block %d: %d holders, sealed %v", b, m.blocks[b].holders, m.blocks[b].sealed))
	}
	if _, ok := m.index[k]; ok {
		return
	}
	m.blocks[b].sealed, m.blocks[b].key = true, k
	m.index[k] = b
}

// Forget takes the keys of held blocks away: nobody else will get them.
func (m *BlockManager) Forget(table []int32) {
	for _, b := range table {
		if m.blocks[b].sealed {
			m.unseal(b)
		}
	}
}

// Release lets go of the blocks of a table. The last are reused first, so that
// the beginnings of prompts stay longest.
func (m *BlockManager) Release(table []int32) {
	for i := len(table) - 1; i >= 0; i-- {
		b := table[i]
		if m.blocks[b].holders == 0 {
			panic(fmt.Sprintf("engine: releasing block %d, which nobody holds", b))
		}
		if m.blocks[b].holders--; m.blocks[b].holders > 0 {
			continue
		}
		if m.blocks[b].sealed {
			m.link(b)
		} else {
			m.free = append(m.free, b)
		}
	}
}

// unseal takes a block's key away.
func (m *BlockManager) unseal(b int32) {
	delete(m.index, m.blocks[b].key)
	m.blocks[b].sealed = false
}

// link puts a block at the end of the list of cached blocks.
func (m *BlockManager) link(b int32) {
	end := int32(m.Total())
	last := m.blocks[end].prev
	m.blocks[b].prev, m.blocks[b].next = last, end
	m.blocks[last].next, m.blocks[end].prev = b, b
	m.cached++
}

// unlink takes a block out of the list.
func (m *BlockManager) unlink(b int32) {
	prev, next := m.blocks[b].prev, m.blocks[b].next
	m.blocks[prev].next, m.blocks[next].prev = next, prev
	m.cached--
}

// Check returns which of the manager's invariants does not hold, given the
// tables of all holders: each block is free, cached, or held exactly as often
// as it stands in a table; and the index has the sealed blocks and no others.
func (m *BlockManager) Check(tables ...[]int32) error {
	holders := make([]int32, m.Total())
	for _, table := range tables {
		for _, b := range table {
			if b < 0 || int(b) >= len(holders) {
				return fmt.Errorf("block %d of %d is in a table", b, len(holders))
			}
			holders[b]++
		}
	}
	idle := make([]int, m.Total()) // times in the list or on the stack
	for _, b := range m.free {
		idle[b]++
		if m.blocks[b].sealed {
			return fmt.Errorf("block %d is free and sealed", b)
		}
	}
	listed, end := 0, int32(m.Total())
	for b := m.blocks[end].next; b != end; b = m.blocks[b].next {
		idle[b]++
		if listed++; listed > m.Total() {
			return fmt.Errorf("the list of cached blocks has no end")
		}
		if !m.blocks[b].sealed || m.blocks[m.blocks[b].next].prev != b {
			return fmt.Errorf("block %d is cached: sealed %v, or its links are broken", b, m.blocks[b].sealed)
		}
	}
	if listed != m.cached {
		return fmt.Errorf("%d blocks are cached, %d counted", listed, m.cached)
	}
	return m.checkBlocks(holders, idle)
}

// checkBlocks compares each block with how often it is held and idle.
func (m *BlockManager) checkBlocks(holders []int32, idle []int) error {
	sealed := 0
	for b := range m.Total() {
		at := &m.blocks[b]
		if at.holders != holders[b] {
			return fmt.Errorf("block %d has %d holders, %d counted", b, holders[b], at.holders)
		}
		if held := holders[b] > 0; held && idle[b] != 0 || !held && idle[b] != 1 {
			return fmt.Errorf("block %d has %d holders and is idle %d times", b, holders[b], idle[b])
		}
		if !at.sealed {
			continue
		}
		sealed++
		if got, ok := m.index[at.key]; !ok || int(got) != b {
			return fmt.Errorf("block %d is sealed, its key leads to %d (%v)", b, got, ok)
		}
	}
	if sealed != len(m.index) {
		return fmt.Errorf("%d blocks are sealed, %d keys known", sealed, len(m.index))
	}
	return nil
}

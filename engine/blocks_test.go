package engine

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func keyOf(n int) key { return sha256.Sum256([]byte{byte(n)}) }

func TestBlocks(t *testing.T) {
	m := NewBlockManager(4)
	a, ok := m.Grow(nil, 3)
	require.True(t, ok)
	require.Equal(t, []int32{0, 1, 2}, a)
	_, ok = m.Grow(a, 2)
	require.False(t, ok, "one is left")
	require.Equal(t, 1, m.Available())

	m.Seal(a[0], keyOf(0))
	m.Seal(a[1], keyOf(1))
	b := m.Match(nil, []key{keyOf(0), keyOf(1), keyOf(2)})
	require.Equal(t, []int32{0, 1}, b)
	require.Empty(t, m.Match(nil, []key{keyOf(2), keyOf(0)}), "a chain ends at the first that is missing")
	require.NoError(t, m.Check(a, b))

	m.Release(a)
	require.NoError(t, m.Check(b))
	require.Equal(t, 2, m.Used())
	m.Release(b)
	require.NoError(t, m.Check())
	require.Equal(t, 2, m.Cached())
	require.Equal(t, 4, m.Available())

	// The free ones go first, then the end of the chain, then its beginning.
	c, ok := m.Grow(nil, 3)
	require.True(t, ok)
	require.ElementsMatch(t, []int32{2, 3, 1}, c)
	require.Equal(t, []int32{0}, m.Match(nil, []key{keyOf(0), keyOf(1)}))
}

func TestBlocksSealedTwice(t *testing.T) {
	m := NewBlockManager(2)
	a, _ := m.Grow(nil, 1)
	b, _ := m.Grow(nil, 1)
	m.Seal(a[0], keyOf(1))
	m.Seal(b[0], keyOf(1)) // stays private
	require.NoError(t, m.Check(a, b))
	m.Release(b)
	require.Zero(t, m.Cached())
	m.Forget(a)
	require.Empty(t, m.Match(nil, []key{keyOf(1)}))
	m.Release(a)
	require.NoError(t, m.Check())
	require.Zero(t, m.Cached())
	require.Panics(t, func() { m.Release(a) }, "released twice")
	require.Panics(t, func() { m.Seal(a[0], keyOf(1)) }, "nobody holds it")
}

// Check must find what it is there to find.
func TestBlocksCheck(t *testing.T) {
	for name, spoil := range map[string]func(m *BlockManager, table []int32) []int32{
		"leaked":        func(_ *BlockManager, table []int32) []int32 { return table[:1] },
		"held unknown":  func(_ *BlockManager, table []int32) []int32 { return append(table, 3) },
		"no such block": func(_ *BlockManager, table []int32) []int32 { return append(table, 9) },
		"freed twice":   func(m *BlockManager, table []int32) []int32 { m.free = append(m.free, m.free[0]); return table },
		"free and held": func(m *BlockManager, table []int32) []int32 { m.free = append(m.free, table[0]); return table },
		"free, sealed":  func(m *BlockManager, table []int32) []int32 { m.blocks[3].sealed = true; return table },
		"key of none":   func(m *BlockManager, table []int32) []int32 { m.index[keyOf(9)] = 2; return table },
		"key lost":      func(m *BlockManager, table []int32) []int32 { clear(m.index); return table },
		"miscounted":    func(m *BlockManager, table []int32) []int32 { m.cached++; return table },
		"broken list":   func(m *BlockManager, table []int32) []int32 { m.blocks[4].next = 0; return table },
	} {
		t.Run(name, func(t *testing.T) {
			m := NewBlockManager(4)
			table, _ := m.Grow(nil, 3)
			for i, b := range table {
				m.Seal(b, keyOf(i))
			}
			m.Release(table[2:])
			table = table[:2]
			require.NoError(t, m.Check(table))
			require.Error(t, m.Check(spoil(m, slices.Clone(table))))
		})
	}
}

// Keys differ wherever the bits of a block may differ.
func TestKeys(t *testing.T) {
	seen := map[key]string{}
	add := func(name string, k key) {
		require.NotContains(t, seen, k, "%s has the key of %s", name, seen[k])
		seen[k] = name
	}
	for _, salt := range []string{"", "a", "b", "ab", "\x00"} {
		root := rootKey(salt)
		add(fmt.Sprintf("root %q", salt), root)
		for prefill := range 3 {
			add(fmt.Sprintf("%q %d", salt, prefill), root.next([]int32{1, 2}, prefill))
		}
		add(salt+" shorter", root.next([]int32{1}, 1))
		add(salt+" zero", root.next([]int32{1, 2, 0}, 2))
		add(salt+" second", root.next([]int32{1, 2}, 2).next([]int32{1, 2}, 2))
	}
	require.Equal(t, rootKey("a").next([]int32{7, 1 << 30}, 2), rootKey("a").next([]int32{7, 1 << 30}, 2))

	// A block that drawn tokens complete is not that of a prompt of equal tokens.
	tokens := []int32{1, 2, 3, 4, 5, 6, 7, 8}
	drawn := newSequence(tokens[:5], 9, 4, "")
	drawn.tokens = append(drawn.tokens, tokens[5:]...)
	prompt := newSequence(tokens, 9, 4, "")
	require.Equal(t, prompt.blockKeys(1), drawn.blockKeys(1))
	require.NotEqual(t, prompt.blockKeys(2)[1], drawn.blockKeys(2)[1])
}

// Random holders come and go; each byte is an action and what it concerns.
func FuzzBlocks(f *testing.F) {
	f.Add(uint8(4), []byte("\x00\x01\x02\x13\x24\x35\x46\x57\x00\x11\x22\x33"))
	f.Add(uint8(1), []byte{0x00, 0x20, 0x40, 0x00, 0x60, 0x40})
	f.Fuzz(func(t *testing.T, blocks uint8, actions []byte) {
		m := NewBlockManager(1 + int(blocks)%16)
		var tables [4][]int32
		for i, action := range actions {
			table := &tables[action&3]
			n := int(action >> 2 & 7)
			switch action >> 5 {
			case 0, 1:
				before, free := len(*table), m.Available()
				var ok bool
				*table, ok = m.Grow(*table, n)
				require.Equal(t, n <= free, ok)
				if ok {
					before += n
				}
				require.Len(t, *table, before)
			case 2, 3:
				if n < len(*table) && !m.blocks[(*table)[n]].sealed {
					m.Seal((*table)[n], keyOf(i%8))
				}
			case 4, 5:
				keys := []key{keyOf(n), keyOf(n + 1), keyOf(n + 2)}
				*table = m.Match(*table, keys[:1+action>>5&1])
			case 6:
				n = min(n, len(*table))
				m.Release((*table)[n:])
				*table = (*table)[:n]
			case 7:
				m.Forget((*table)[:min(n, len(*table))])
			}
			require.NoError(t, m.Check(tables[:]...))
		}
		for _, table := range tables {
			m.Release(table)
		}
		require.NoError(t, m.Check())
		require.Equal(t, m.Total(), m.Available())
	})
}

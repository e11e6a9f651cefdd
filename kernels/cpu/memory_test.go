package cpu

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMemory: what is given out is zero, begins at a page and is nobody else's, large and
// small, whatever was freed meanwhile; in the end all is given back.
func TestMemory(t *testing.T) {
	var m memory
	rng := rand.New(rand.NewPCG(1, 2))
	type part struct {
		addr uintptr
		n    int64
		mark byte
	}
	var parts []part
	drop := func(i int) {
		p := parts[i]
		require.Equal(t, bytes.Repeat([]byte{p.mark}, int(p.n)), bytesOf(p.addr, p.n))
		require.NoError(t, m.free(p.addr))
		parts = slices.Delete(parts, i, i+1)
	}
	for i := range 300 {
		p := part{n: 1 + rng.Int64N(1<<(4+rng.IntN(18))), mark: byte(i)}
		if i%100 == 50 {
			p.n += 8 << 20
		}
		var err error
		p.addr, err = m.alloc(p.n)
		require.NoError(t, err)
		require.Zero(t, p.addr%uintptr(os.Getpagesize()))
		require.Equal(t, make([]byte, p.n), bytesOf(p.addr, p.n))
		for k := range bytesOf(p.addr, p.n) {
			bytesOf(p.addr, p.n)[k] = p.mark
		}
		if parts = append(parts, p); rng.IntN(3) == 0 {
			drop(rng.IntN(len(parts)))
		}
	}
	for len(parts) > 0 {
		drop(0)
	}
	require.Zero(t, m.mapped)
	require.Panics(t, func() { _ = m.free(1) })
	_, err := m.alloc(0)
	require.Error(t, err)
}

// TestMemoryIsShared: small allocations stand side by side, on the same huge pages; one that
// would take much of a region gets its own.
func TestMemoryIsShared(t *testing.T) {
	var m memory
	var addrs []uintptr
	for _, n := range []int64{40, 1 << 20, 40, 64 << 20, 40} {
		addr, err := m.alloc(n)
		require.NoError(t, err)
		addrs = append(addrs, addr)
	}
	page := uintptr(os.Getpagesize())
	require.Zero(t, addrs[0]%hugePage)
	require.Equal(t, addrs[0]+page, addrs[1])
	require.Equal(t, addrs[1]+1<<20, addrs[2])
	require.Zero(t, addrs[3]%hugePage)
	require.Equal(t, addrs[2]+page, addrs[4])
	require.NoError(t, m.freeAll())
	require.Zero(t, m.mapped)
}

package grammar

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// walk reads random tokens that the masks allow, and returns them.
func walk(g *Grammar, words int, seed uint64) (ids []int32) {
	rng := rand.New(rand.NewPCG(seed, 1))
	mask := make([]uint32, words)
	m := g.NewMatcher()
	for range 30 {
		m.Mask(mask)
		n := count(mask)
		if n == 0 {
			break
		}
		for skip, id := rng.IntN(n), int32(0); ; id++ {
			if mask[id>>5]>>(id&31)&1 == 0 {
				continue
			}
			if skip == 0 {
				m.Accept(id)
				ids = append(ids, id)
				break
			}
			skip--
		}
	}
	return ids
}

// Several goroutines ask for the same grammars at once, in a cache that holds
// only some of them, and read the same texts as one alone.
func TestConcurrent(t *testing.T) {
	alone := newTestCompiler(t)
	want := map[string][]int32{}
	for name, g := range constraints(t, alone) {
		want[name] = walk(g, alone.Vocabulary().Words(), 3)
	}
	c, err := NewCompiler(byteVocabulary(t), DefaultLimits(), 100_000)
	require.NoError(t, err)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for name, g := range constraints(t, c) {
				if got := walk(g, c.Vocabulary().Words(), 3); !slices.Equal(got, want[name]) {
					t.Errorf("%s: %v, alone %v", name, got, want[name])
				}
			}
		})
	}
	wait.Wait()
}

package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTextTable: a table finds what a map does, though as many texts as these share marks.
func TestTextTable(t *testing.T) {
	const n = 1 << 17
	for _, repeats := range []bool{false, true} {
		texts, first := newTextTable(n, 0), map[string]int32{}
		for i := range int32(n) {
			text := fmt.Sprint(i)
			switch {
			case i%7 == 0: // has none
				text = ""
			case repeats && i%5 == 0:
				text = fmt.Sprint(i / 2)
			}
			if got := texts.append([]byte(text)); got != text {
				t.Fatalf("%q is kept as %q", text, got)
			}
			if text == "" {
				continue
			}
			texts.add(i)
			if _, ok := first[text]; !ok {
				first[text] = i
			}
		}
		require.Equal(t, repeats, texts.repeats)
		for i := range int32(2 * n) {
			text := fmt.Sprint(i)
			want, known := first[text]
			if got, ok := texts.find(text); got != want || ok != known {
				t.Fatalf("%s: %d, %t, want %d, %t", text, got, ok, want, known)
			}
			for _, near := range []int32{min(i, n-1), want, max(0, want-1), n - 1} {
				if got, kept, ok := texts.findNear([]byte(text), near); got != want || kept != text || ok != known {
					t.Fatalf("%s near %d: %d, %q, %t, want %d, %t", text, near, got, kept, ok, want, known)
				}
			}
		}
		_, ok := texts.find("")
		require.False(t, ok)
		_, _, ok = texts.findNear(nil, 0)
		require.False(t, ok)
	}
	none := newTextTable(0, 0)
	_, ok := none.find("a")
	require.False(t, ok)
	_, _, ok = none.findNear([]byte("a"), 0)
	require.False(t, ok)
}

// TestPairTable: the same of merges, of which no two have the same pair.
func TestPairTable(t *testing.T) {
	const n, others = 1 << 16, 1 << 20
	pairs, want := make([]pair, n), map[uint64]pair{}
	for i := range int32(n) {
		pairs[i] = pair{pairKey(rand.Int32(), rand.Int32()), i, rand.Int32()}
		want[pairs[i].key] = pairs[i]
	}
	table, err := newPairTable(pairs)
	require.NoError(t, err)
	for i := range n + others {
		left, right := rand.Int32(), rand.Int32()
		if i < n {
			left, right = int32(pairs[i].key>>32), int32(pairs[i].key)
		}
		p, known := want[pairKey(left, right)]
		if !known {
			p.rank = noRank
		}
		if rank, to := table.find(left, right); rank != p.rank || to != p.to {
			t.Fatalf("%d, %d: rank %d to %d, want %d to %d", left, right, rank, to, p.rank, p.to)
		}
	}
	_, err = newPairTable(append(pairs, pair{key: pairs[7].key}))
	require.EqualError(t, err, fmt.Sprintf("merges[%d] repeats the pair of merges[7]", n))
	none, err := newPairTable(nil)
	require.NoError(t, err)
	rank, _ := none.find(0, 0)
	require.EqualValues(t, noRank, rank)
}

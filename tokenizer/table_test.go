package tokenizer

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// numbered returns a text of its own for each number, some of them long.
func numbered(i int32) string {
	if i%3 == 0 {
		return fmt.Sprint("the number ", i)
	}
	return fmt.Sprint(i)
}

// TestTextTable: a table finds what a map does, though as many texts as these share marks.
func TestTextTable(t *testing.T) {
	const n = 1 << 17
	for _, repeats := range []bool{false, true} {
		list, first := newTextWriter(n, 0), map[string]int32{}
		for i := range int32(n) {
			text := numbered(i)
			switch {
			case i%7 == 0: // has none
				text = ""
			case repeats && i%5 == 0:
				text = numbered(i / 2)
			}
			require.NoError(t, list.add([]byte(text)))
			if _, ok := first[text]; !ok && text != "" {
				first[text] = i
			}
		}
		texts := newTextTable(list.texts())
		for i := range int32(n) {
			if texts.at(int(i)) != "" {
				texts.add(i)
			}
		}
		require.Equal(t, repeats, texts.repeats)
		for i := range int32(2 * n) {
			text := numbered(i)
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
	none := newTextTable(texts{})
	_, ok := none.find("a")
	require.False(t, ok)
	_, _, ok = none.findNear([]byte("a"), 0)
	require.False(t, ok)
}

// TestWordOf: the word of a short text is of no other.
func TestWordOf(t *testing.T) {
	rng, texts := rand.New(rand.NewPCG(1, 2)), map[uint64]string{}
	for range 1 << 16 {
		text := make([]byte, rng.IntN(short))
		for i := range text {
			text[i] = "\x00\x01a\xff"[rng.IntN(4)]
		}
		word := wordOf(string(text))
		other, known := texts[word]
		if known && other != string(text) {
			t.Fatalf("%q and %q are both %#x", other, text, word)
		}
		texts[word] = string(text)
		var bytes [8]byte
		copy(bytes[:], text)
		bytes[7] = byte(len(text))
		require.Equal(t, binary.LittleEndian.Uint64(bytes[:]), word)
	}
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

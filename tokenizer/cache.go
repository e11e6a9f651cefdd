package tokenizer

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	cacheSlots     = 1 << 15
	maxCachedBytes = 64 // longer words are rare; with this the cache stays below 16 MiB
)

// wordCache remembers the tokens of words. Each word has one slot, which the
// latest one takes; entries never change, so readers and writers need no lock.
type wordCache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cachedWord]
}

type cachedWord struct {
	word string
	ids  []int32
}

func newWordCache() *wordCache {
	return &wordCache{seed: maphash.MakeSeed()}
}

// encode appends the tokens of a word: those remembered, or what encodeWord
// appends.
func (c *wordCache) encode(ids []int32, word string, encodeWord func([]int32, string) []int32) []int32 {
	if len(word) > maxCachedBytes {
		return encodeWord(ids, word)
	}
	slot := &c.slots[maphash.String(c.seed, word)%cacheSlots]
	if known := slot.Load(); known != nil && known.word == word {
		return append(ids, known.ids...)
	}
	n := len(ids)
	ids = encodeWord(ids, word)
	slot.Store(&cachedWord{word: strings.Clone(word), ids: slices.Clone(ids[n:])})
	return ids
}

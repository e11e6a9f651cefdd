package tokenizer

import (
	"fmt"
	"sync"
)

// byteLevel is BPE over bytes, as in GPT-2 and Llama 3. Text is cut into words,
// a word into bytes, and these merge by the ranks of the merges.
//
// A byte that is not UTF-8 counts as U+FFFD where words are cut, but is encoded
// as it is, so that decoding gives the input back, where every byte has a token. One
// that has none is unknown, or left out.
type byteLevel struct {
	splitter     splitter
	bytes        [256]int32 // the token of each byte; -1: none
	unknown      int32      // stands for such bytes; -1: they are left out
	fuse         bool       // one unknown token for a run of them
	vocab        *vocabulary
	ignoreMerges bool // a word that is a token becomes that token, whatever the merges say
	pairs        *pairTable
	cache        *wordCache
	mergers      *sync.Pool
}

// newByteLevel makes the model and sets the bytes of its tokens.
func newByteLevel(s *source) (*vocabulary, *byteLevel, error) {
	v, err := newVocabulary(s.tokens, func(dst []byte, t *token) ([]byte, bool) { return appendBytes(dst, t.text) })
	if err != nil {
		return nil, nil, err
	}
	m := &byteLevel{
		splitter:     s.splitter,
		vocab:        v,
		ignoreMerges: s.ignoreMerges,
		unknown:      s.unknown,
		fuse:         s.fuseUnknown,
		cache:        newWordCache(),
		mergers:      &sync.Pool{New: func() any { return new(merger) }},
	}
	known := 0
	for b := range m.bytes {
		id, ok := v.pieces.find(string([]byte{byte(b)}))
		if !ok {
			m.bytes[b] = -1
			continue
		}
		m.bytes[b] = id
		known++
	}
	if known == 0 {
		return nil, nil, fmt.Errorf("no token for any byte")
	}
	if m.pairs, err = bytePairs(&s.merges, v.pieces); err != nil {
		return nil, nil, err
	}
	return v, m, nil
}

// bytePairs resolves the merges of a byte-level vocabulary.
func bytePairs(list *merges, pieces *textTable) (*pairTable, error) {
	return list.resolve(func(left, right string, near int32) (pair, bool) {
		var buf [128]byte
		bytes, okLeft := appendBytes(buf[:0], left)
		middle := len(bytes)
		bytes, okRight := appendBytes(bytes, right)
		if !okLeft || !okRight {
			return pair{}, false
		}
		to, both, ok := pieces.findNear(bytes, near)
		a, okLeft := pieces.find(both[:middle])
		b, okRight := pieces.find(both[middle:])
		return pair{key: pairKey(a, b), to: to}, ok && okLeft && okRight
	})
}

// normalize returns text.
func (m *byteLevel) normalize(text string, _ bool) string { return text }

// encode appends the tokens of text.
func (m *byteLevel) encode(ids []int32, text string, first bool) []int32 {
	m.splitter.each(text, first, func(word string) {
		if len(word) == 1 && m.bytes[word[0]] >= 0 {
			ids = append(ids, m.bytes[word[0]])
		} else {
			ids = m.cache.encode(ids, word, m.encodeWord)
		}
	})
	return ids
}

// encodeWord appends the tokens of a word.
func (m *byteLevel) encodeWord(ids []int32, word string) []int32 {
	if m.ignoreMerges && len(word) <= maxTokenBytes {
		if id, ok := m.vocab.pieces.find(word); ok && m.vocab.tokens[id].kind != control {
			return append(ids, id)
		}
	}
	w := m.mergers.Get().(*merger)
	w.reset(len(word))
	afterUnknown := false
	for i := range len(word) {
		id := m.bytes[word[i]]
		lacks := id < 0
		if lacks {
			id = m.unknown
		}
		if id >= 0 && !(lacks && afterUnknown && m.fuse) {
			w.append(id, i)
		}
		afterUnknown = lacks
	}
	if len(w.symbols) > 0 {
		w.merge(m.pairs)
		for i := int32(0); i >= 0; i = w.symbols[i].next {
			ids = append(ids, w.symbols[i].id)
		}
	}
	if cap(w.symbols) <= maxScratch {
		m.mergers.Put(w)
	}
	return ids
}

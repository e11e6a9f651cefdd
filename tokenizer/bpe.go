package tokenizer

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// byteLevel is BPE over bytes, as in GPT-2 and Llama 3. Text is cut into words,
// a word into bytes, and these merge by the ranks of the merges.
//
// A byte that is not UTF-8 counts as U+FFFD where words are cut, but is encoded
// as it is, so that decoding always gives the input back.
type byteLevel struct {
	splitter     splitter
	bytes        [256]int32 // the token of each byte
	partial      bool       // some bytes are no tokens: mayLack
	vocab        *vocabulary
	ignoreMerges bool // a word that is a token becomes that token, whatever the merges say
	pairs        *pairTable
	cache        *wordCache
	mergers      *sync.Pool
}

// merge is a line of the list of merges.
type merge struct{ left, right string }

// newByteLevel makes the model and sets the bytes of its tokens.
func newByteLevel(s *source) (*vocabulary, *byteLevel, error) {
	v, err := newVocabulary(s.tokens, newSpeller(s.tokens).piece)
	if err != nil {
		return nil, nil, err
	}
	m := &byteLevel{
		splitter:     s.splitter,
		vocab:        v,
		ignoreMerges: s.ignoreMerges,
		cache:        newWordCache(),
		mergers:      &sync.Pool{New: func() any { return new(merger) }},
	}
	for b := range m.bytes {
		id, ok := v.pieces[string([]byte{byte(b)})]
		if m.partial = m.partial || !ok; !ok && !mayLack(byte(b)) {
			return nil, nil, fmt.Errorf("no token for byte 0x%02X (%q)", b, byteRunes[b])
		}
		m.bytes[b] = id
	}
	if m.pairs, err = bytePairs(s.merges, v.pieces); err != nil {
		return nil, nil, err
	}
	return v, m, nil
}

// mayLack reports whether a vocabulary may lack the token of a byte: of those that
// no text has in UTF-8, and of those with which planes 4 to 16 begin, in which there
// is next to nothing. Old vocabularies have only what their texts had.
func mayLack(b byte) bool { return b == 0xC0 || b == 0xC1 || b > 0xF0 }

// spelled returns a rune that such a vocabulary can spell: U+FFFD for what it cannot.
func spelled(r rune) rune {
	if r > 0x3FFFF {
		return utf8.RuneError
	}
	return r
}

// speller finds the bytes of tokens; all share one block of memory.
type speller struct {
	blob strings.Builder
	buf  []byte
}

func newSpeller(tokens []token) *speller {
	s := &speller{}
	total := 0
	for i := range tokens {
		total += len(tokens[i].text)
	}
	s.blob.Grow(total) // bytes are never more than their spelling
	return s
}

// piece returns the bytes that a token spells, and sets them for normal ones.
func (s *speller) piece(t *token) (string, bool) {
	var ok bool
	s.buf, ok = appendBytes(s.buf[:0], t.text)
	if !ok {
		return "", false
	}
	if string(s.buf) == t.text {
		return t.text, true
	}
	start := s.blob.Len()
	s.blob.Write(s.buf)
	bytes := s.blob.String()[start:]
	if t.kind == normal {
		t.bytes = bytes
	}
	return bytes, true
}

// bytePairs resolves the merges of a byte-level vocabulary.
func bytePairs(merges []merge, pieces map[string]int32) (*pairTable, error) {
	return resolvePairs(merges, func(m merge) (left, right, to int32, ok bool) {
		var buf [128]byte
		bytes, okLeft := appendBytes(buf[:0], m.left)
		middle := len(bytes)
		bytes, okRight := appendBytes(bytes, m.right)
		if !okLeft || !okRight || middle == 0 || middle == len(bytes) {
			return 0, 0, 0, false
		}
		left, okLeft = pieces[string(bytes[:middle])]
		right, okRight = pieces[string(bytes[middle:])]
		to, ok = pieces[string(bytes)]
		return left, right, to, ok && okLeft && okRight
	})
}

// normalize returns text.
func (m *byteLevel) normalize(text string, _ bool) string { return text }

// encode appends the tokens of text.
func (m *byteLevel) encode(ids []int32, text string, first bool) []int32 {
	if m.partial {
		text = strings.Map(spelled, text)
	}
	m.splitter.each(text, first, func(word string) {
		if len(word) == 1 {
			ids = append(ids, m.bytes[word[0]])
		} else {
			ids = m.cache.encode(ids, word, m.encodeWord)
		}
	})
	return ids
}

// encodeWord appends the tokens of a word of two bytes or more.
func (m *byteLevel) encodeWord(ids []int32, word string) []int32 {
	if m.ignoreMerges && len(word) <= maxTokenBytes {
		if id, ok := m.vocab.pieces[word]; ok && m.vocab.tokens[id].kind != control {
			return append(ids, id)
		}
	}
	w := m.mergers.Get().(*merger)
	w.reset(len(word))
	for i := range len(word) {
		w.append(m.bytes[word[i]], i)
	}
	w.merge(m.pairs)
	for i := int32(0); i >= 0; i = w.symbols[i].next {
		ids = append(ids, w.symbols[i].id)
	}
	if cap(w.symbols) <= maxScratch {
		m.mergers.Put(w)
	}
	return ids
}

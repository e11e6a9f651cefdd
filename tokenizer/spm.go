package tokenizer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// spaceMark is U+2581, which stands for the space in SentencePiece.
const spaceMark = "\u2581"

// prefix says where a space mark is put before the text.
type prefix uint8

const (
	prefixNever prefix = iota
	prefixAlways
	prefixUnlessMarked // always, but not before a mark
	prefixFirst        // as prefixUnlessMarked, only where the whole input begins
)

// charLevel is BPE over characters, as in SentencePiece and Llama 2. What
// remains outside the vocabulary falls back to the tokens of its bytes, also
// bytes that are not UTF-8, so that nothing is lost.
type charLevel struct {
	prefix     prefix
	markSpaces bool // spaces become marks
	vocab      *vocabulary
	symbols    map[rune]int32 // the symbol of each character; from len(vocab.tokens) on: no token
	pairs      *pairTable
	lattice    *lattice    // of Unigram, instead of pairs
	words      *wordPieces // or these
	affixes    affixes
	bytes      [256]int32 // the token of each byte; -1: none
	unknown    int32      // -1: none
	loses      bool       // characters without tokens are left out, for nothing stands for them
	fuse       bool       // one unknown token for a run of unknown characters
	cutters    *cutters   // nil: words are as the next two say
	splitMarks bool       // words begin at each mark
	splitWords bool       // words begin at a mark after anything else; no token goes across
	whole      bool       // a word that is a token becomes that token, whatever the merges say
	cache      *wordCache
	mergers    *sync.Pool
}

// newCharLevel sets the tokens' bytes and makes the model. Where the source has
// scores these order the merges, else its list of merges does.
func newCharLevel(s *source) (*vocabulary, *charLevel, error) {
	m := &charLevel{
		prefix:     s.prefix,
		markSpaces: s.markSpaces,
		unknown:    s.unknown,
		fuse:       s.fuseUnknown,
		whole:      s.ignoreMerges,
		cutters:    s.splitter.general,
		words:      s.words,
		affixes:    s.affixes,
		splitMarks: s.splitMarks,
		cache:      newWordCache(),
		mergers:    &sync.Pool{New: func() any { return new(merger) }},
	}
	v, err := newVocabulary(s.tokens, func(dst []byte, t *token) ([]byte, bool) {
		ok := t.kind == normal || t.kind == userDefined || t.kind == unused
		return append(dst, t.text...), ok || s.scores == nil && t.kind == control
	})
	if err != nil {
		return nil, nil, err
	}
	m.vocab = v
	if err := m.findBytes(s.unmarks, s.scores == nil); err != nil {
		return nil, nil, err
	}
	m.splitWords = m.splitWords && !m.whole // what is between two marks would be looked up too
	m.findSymbols()
	switch {
	case s.words != nil:
		m.splitWords = false
	case s.unigram:
		m.splitWords = false
		m.lattice, err = newLattice(v.tokens, s.scores)
	case s.scores != nil:
		m.pairs, err = m.scoredPairs(s.scores)
	default:
		m.pairs, err = m.listedPairs(&s.merges)
	}
	if err != nil {
		return nil, nil, err
	}
	return v, m, nil
}

// findBytes sets what tokens stand for, where marks may be spaces, and which stand for
// single bytes. Without an unknown token what has none is an error or, with lose, lost.
func (m *charLevel) findBytes(unmarks, lose bool) error {
	for b := range m.bytes {
		m.bytes[b] = -1
	}
	m.splitWords = true
	for id := range m.vocab.tokens {
		t := &m.vocab.tokens[id]
		if len(t.text) > maxPieceBytes {
			return fmt.Errorf("token %d has %d bytes, at most %d are supported of characters", id, len(t.text), maxPieceBytes)
		}
		if !utf8.ValidString(t.text) {
			return fmt.Errorf("token %d: %.40q is not UTF-8", id, t.text)
		}
		if i := strings.LastIndex(t.text, spaceMark); i > 0 && strings.Trim(t.text[:i], spaceMark) != "" {
			m.splitWords = false
		}
		switch t.kind {
		case byteValue:
			b, ok := byteToken(t.text)
			if !ok {
				return fmt.Errorf("token %d: %.40q is not a byte", id, t.text)
			}
			t.bytes = string([]byte{b})
			if m.bytes[b] < 0 {
				m.bytes[b] = int32(id)
			}
		case unknown:
			t.bytes = " \u2047 " // as SentencePiece shows it
		case normal, userDefined, unused:
			if unmarks {
				t.bytes = strings.ReplaceAll(t.text, spaceMark, " ")
			}
		}
	}
	if missing := slices.Index(m.bytes[:], -1); missing >= 0 {
		if m.unknown < 0 && !lose {
			return fmt.Errorf("neither a token for byte 0x%02X nor an unknown token", missing)
		}
		m.splitWords = false // unknown characters may be fused across words
		m.loses = m.unknown < 0
	}
	return nil
}

// findSymbols numbers the characters of the vocabulary.
func (m *charLevel) findSymbols() {
	v := m.vocab
	m.symbols = map[rune]int32{}
	for i := range v.tokens {
		text := v.tokens[i].text
		if r, n := utf8.DecodeRuneInString(text); n == len(text) && n > 0 {
			if id, ok := v.pieces.find(text); ok {
				m.symbols[r] = id
			}
		}
	}
	next := int32(len(v.tokens))
	for i := range v.tokens {
		t := &v.tokens[i]
		if id, ok := v.pieces.find(t.text); ok && id == int32(i) {
			for _, r := range t.text {
				if _, ok := m.symbols[r]; !ok {
					m.symbols[r] = next
					next++
				}
			}
		}
	}
}

// symbol returns the symbol of a text: a piece of the vocabulary or a
// character.
func (m *charLevel) symbol(text string) (int32, bool) {
	if id, ok := m.vocab.pieces.find(text); ok {
		return id, true
	}
	if r, n := utf8.DecodeRuneInString(text); n == len(text) {
		id, ok := m.symbols[r]
		return id, ok
	}
	return 0, false
}

// listedPairs resolves a list of merges.
func (m *charLevel) listedPairs(list *merges) (*pairTable, error) {
	pieces := m.vocab.pieces
	return list.resolve(func(left, right string, _ int32) (pair, bool) {
		a, okLeft := pieces.find(left)
		b, okRight := pieces.find(right)
		to, ok := pieces.find(left + strings.TrimPrefix(right, m.affixes.within))
		return pair{key: pairKey(a, b), to: to}, ok && okLeft && okRight
	})
}

// scoredPairs finds every pair of symbols that makes a piece. SentencePiece
// merges the pair whose piece has the highest score first, the leftmost of
// equals.
func (m *charLevel) scoredPairs(scores []float64) (*pairTable, error) {
	type scored struct {
		left, right, to int32
		score           float64
	}
	var found []scored
	for id, t := range m.vocab.tokens {
		if to, ok := m.vocab.pieces.find(t.text); !ok || to != int32(id) {
			continue
		}
		if math.IsNaN(scores[id]) {
			return nil, fmt.Errorf("token %d: its score is not a number", id)
		}
		for i := range t.text {
			if i == 0 {
				continue
			}
			left, okLeft := m.symbol(t.text[:i])
			right, okRight := m.symbol(t.text[i:])
			if okLeft && okRight {
				found = append(found, scored{left, right, int32(id), scores[id]})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	pairs := make([]pair, len(found))
	rank := int32(0)
	for i, f := range found {
		if i > 0 && f.score != found[i-1].score {
			rank++
		}
		pairs[i] = pair{key: pairKey(f.left, f.right), rank: rank, to: f.to}
	}
	return newPairTable(pairs)
}

// normalize returns text with its spaces marked and the prefix before it; first
// says that the input begins with it.
func (m *charLevel) normalize(text string, first bool) string {
	if text == "" {
		return ""
	}
	if m.markSpaces {
		text = strings.ReplaceAll(text, " ", spaceMark)
	}
	add := false
	switch m.prefix {
	case prefixAlways:
		add = true
	case prefixUnlessMarked:
		add = !strings.HasPrefix(text, spaceMark)
	case prefixFirst:
		add = first && !strings.HasPrefix(text, spaceMark)
	}
	if add {
		text = spaceMark + text
	}
	return text
}

// encode appends the tokens of normalized text.
func (m *charLevel) encode(ids []int32, text string, first bool) []int32 {
	if m.cutters != nil {
		m.cutters.each(part{text, first}, func(word string) { ids = m.cache.encode(ids, word, m.encodeWord) })
		return ids
	}
	for len(text) > 0 {
		word := text[:m.word(text)]
		text = text[len(word):]
		ids = m.cache.encode(ids, word, m.encodeWord)
	}
	return ids
}

// word returns the length of the first word of text.
func (m *charLevel) word(text string) int {
	if !m.splitMarks && !m.splitWords {
		return len(text)
	}
	start := 0
	for strings.HasPrefix(text[start:], spaceMark) {
		start += len(spaceMark)
		if m.splitMarks {
			break
		}
	}
	if i := strings.Index(text[start:], spaceMark); i >= 0 {
		return start + i
	}
	return len(text)
}

// encodeWord appends the tokens of a word.
func (m *charLevel) encodeWord(ids []int32, word string) []int32 {
	if m.words != nil {
		return m.words.encode(ids, word, m.vocab, m.unknown)
	}
	if m.lattice != nil {
		return m.encodeBest(ids, word)
	}
	if m.whole && len(word) <= maxPieceBytes {
		if id, ok := m.vocab.pieces.find(word); ok && m.vocab.tokens[id].kind != control {
			return append(ids, id)
		}
	}
	if m.loses {
		if word = m.known(word); word == "" {
			return ids
		}
	}
	w := m.mergers.Get().(*merger)
	w.reset(utf8.RuneCountInString(word))
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRuneInString(word[i:])
		id, ok := m.char(word, i, i+n)
		if !ok {
			id = -1
		}
		w.append(id, i)
		i += n
	}
	w.merge(m.pairs)
	ids = m.appendTokens(ids, w.symbols, word)
	if cap(w.symbols) <= maxScratch {
		m.mergers.Put(w)
	}
	return ids
}

// known returns a word without the characters for which there are no tokens.
func (m *charLevel) known(word string) string {
	var out strings.Builder
	for i := range word {
		_, n := utf8.DecodeRuneInString(word[i:])
		id, ok := m.char(word, i, i+n)
		ok = ok && int(id) < len(m.vocab.tokens)
		if text := word[i : i+n]; ok || m.spells(text) {
			out.WriteString(text)
		}
	}
	return out.String()
}

// spells reports whether each byte of a text has a token.
func (m *charLevel) spells(text string) bool {
	for i := range len(text) {
		if m.bytes[text[i]] < 0 {
			return false
		}
	}
	return true
}

// appendTokens appends the tokens of merged symbols; a character without one
// falls back to its bytes or, where they have none, to the unknown token.
func (m *charLevel) appendTokens(ids []int32, symbols []symbol, word string) []int32 {
	afterUnknown := false
	for i := int32(0); i >= 0; i = symbols[i].next {
		s := symbols[i]
		if s.id >= 0 && int(s.id) < len(m.vocab.tokens) {
			ids = append(ids, s.id)
			afterUnknown = false
			continue
		}
		end := len(word)
		if s.next >= 0 {
			end = int(symbols[s.next].start)
		}
		n := len(ids)
		for _, b := range []byte(word[s.start:end]) {
			ids = append(ids, m.bytes[b])
		}
		known := !slices.Contains(ids[n:], -1)
		if !known {
			ids = ids[:n]
			if !afterUnknown || !m.fuse {
				ids = append(ids, m.unknown)
			}
		}
		afterUnknown = !known
	}
	return ids
}

package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is a token that is found in the text before the model sees it.
type addedToken struct {
	id         int32
	text       string
	special    bool // found only where the caller parses special tokens
	singleWord bool // found only between runes that are not of words
	lstrip     bool // takes white space before it along
	rstrip     bool // takes white space after it along
}

// matcher finds added tokens: a trie of their texts.
type matcher struct {
	edges  map[edge]int32 // the node behind a node and a byte
	ends   []int32        // per node: index in tokens, -1 where none ends
	tokens []addedToken
	starts [256]bool // bytes that begin a token
	plain  bool      // some tokens are not special
}

type edge struct {
	node int32
	b    byte
}

// newMatcher returns a matcher, nil for no tokens.
func newMatcher(tokens []addedToken) (*matcher, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	m := &matcher{edges: map[edge]int32{}, ends: []int32{-1}, tokens: tokens}
	for i, t := range tokens {
		if t.text == "" || len(t.text) > maxPieceBytes {
			return nil, fmt.Errorf("added token %d has %d bytes, not 1 to %d", t.id, len(t.text), maxPieceBytes)
		}
		node := int32(0)
		for j := range len(t.text) {
			next, ok := m.edges[edge{node, t.text[j]}]
			if !ok {
				next = int32(len(m.ends))
				m.edges[edge{node, t.text[j]}] = next
				m.ends = append(m.ends, -1)
			}
			node = next
		}
		if before := m.ends[node]; before >= 0 {
			return nil, fmt.Errorf("added tokens %d and %d are both %.40q", tokens[before].id, t.id, t.text)
		}
		m.ends[node] = int32(i)
		m.starts[t.text[0]] = true
		m.plain = m.plain || !t.special
	}
	return m, nil
}

// match is where an added token was found.
type match struct {
	start, end int // with the white space that it takes along
	next       int // the end of its text, from where the next one is searched
	id         int32
}

// sight says which special tokens are seen in a text.
type sight struct {
	special bool
	plain   []int // EncodeOptions.Plain
}

// end returns where a special token that begins at an offset must end at the latest.
func (s sight) end(text string, offset int) int {
	if !s.special {
		return offset
	}
	i, _ := slices.BinarySearch(s.plain, offset+1)
	if i == len(s.plain) {
		return math.MaxInt
	}
	if _, size := utf8.DecodeRuneInString(text[offset:]); s.plain[i] == offset+size {
		return offset
	}
	return s.plain[i]
}

// find returns the first added token in text from i on, the longest of those
// that begin there. What is before done belongs to the token before it, whose
// white space may itself be a token.
func (m *matcher) find(text string, done, i int, see sight) (match, bool) {
	if m == nil || !see.special && !m.plain {
		return match{}, false
	}
	for start := i; start < len(text); start++ {
		if !m.starts[text[start]] {
			continue
		}
		t, end := m.longest(text, start, see.end(text, start))
		if t == nil {
			continue
		}
		if t.singleWord && !wordBreaks(text, start, end) {
			start = end - 1
			continue
		}
		found := match{start: max(start, done), end: end, next: end, id: t.id}
		if t.lstrip {
			found.start = done + len(strings.TrimRightFunc(text[done:found.start], unicode.IsSpace))
		}
		if t.rstrip {
			found.end = skipClass(text, end, space)
		}
		if t.lstrip && found.end <= done { // nothing is left for it
			start = end - 1
			continue
		}
		return found, true
	}
	return match{}, false
}

// wordBreaks reports whether text[start:end] has no runes of words beside it.
func wordBreaks(text string, start, end int) bool {
	before, n := utf8.DecodeLastRuneInString(text[:start])
	after, m := utf8.DecodeRuneInString(text[end:])
	return (n == 0 || !isWord(before)) && (m == 0 || !isWord(after))
}

// longest returns the longest token at text[start:] and its end, or nil. Special ones
// must end by an offset.
func (m *matcher) longest(text string, start, specialEnd int) (found *addedToken, end int) {
	node := int32(0)
	for i := start; i < len(text); i++ {
		next, ok := m.edges[edge{node, text[i]}]
		if !ok {
			break
		}
		node = next
		if e := m.ends[node]; e >= 0 && (i < specialEnd || !m.tokens[e].special) {
			found, end = &m.tokens[e], i+1
		}
	}
	return found, end
}

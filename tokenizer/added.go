package tokenizer

import (
	"fmt"
	"strings"
	"unicode"
)

// addedToken is a token that is found in the text before the model sees it.
type addedToken struct {
	id      int32
	text    string
	special bool // found only where the caller parses special tokens
	lstrip  bool // takes white space before it along
	rstrip  bool // takes white space after it along
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
		if t.text == "" || len(t.text) > maxTokenBytes {
			return nil, fmt.Errorf("added token %d has %d bytes, not 1 to %d", t.id, len(t.text), maxTokenBytes)
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
	start, end int
	id         int32
}

// find returns the first added token in text from i on, the longest of those
// that begin there.
func (m *matcher) find(text string, i int, special bool) (match, bool) {
	if m == nil || !special && !m.plain {
		return match{}, false
	}
	for start := i; start < len(text); start++ {
		if !m.starts[text[start]] {
			continue
		}
		if t, end := m.longest(text, start, special); t != nil {
			found := match{start: start, end: end, id: t.id}
			if t.lstrip {
				found.start = i + len(strings.TrimRightFunc(text[i:start], unicode.IsSpace))
			}
			if t.rstrip {
				found.end = skipClass(text, end, space)
			}
			return found, true
		}
	}
	return match{}, false
}

// longest returns the longest token at text[start:] and its end, or nil.
func (m *matcher) longest(text string, start int, special bool) (found *addedToken, end int) {
	node := int32(0)
	for i := start; i < len(text); i++ {
		next, ok := m.edges[edge{node, text[i]}]
		if !ok {
			break
		}
		node = next
		if e := m.ends[node]; e >= 0 && (special || !m.tokens[e].special) {
			found, end = &m.tokens[e], i+1
		}
	}
	return found, end
}

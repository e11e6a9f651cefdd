package grammar

import (
	"bytes"
	"cmp"
	"slices"
)

// Vocabulary is the tokens of a model as a trie of their bytes. It is shared by
// all grammars for that model and does not change.
type Vocabulary struct {
	size   int
	end    []int32 // tokens that end a text
	tokens [][]byte
	long   []int32 // those with more than shortToken bytes
	trie   trie
}

// trie is a set of byte strings in depth-first order. A walk goes to the next
// node, or skips what lies below the present one.
type trie struct {
	nodes []trieNode
	ids   []int32 // of all nodes, node after node
	depth int     // of the deepest node
	below []byteSet
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte) { s[b>>6] |= 1 << (b & 63) }

func (s *byteSet) join(o *byteSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

// within reports whether o has all bytes of s.
func (s *byteSet) within(o *byteSet) bool {
	return s[0]&^o[0]|s[1]&^o[1]|s[2]&^o[2]|s[3]&^o[3] == 0
}

type trieNode struct {
	b     byte
	depth uint16 // of the root's children: 1
	skip  int32  // the next node that is not below this one
	first int32  // ids[first:last] are here
	last  int32
	below int32 // the bytes of the nodes below are trie.below[below]; 0: few nodes, not kept
}

// manyNodes is how many nodes must be below one for their bytes to be kept.
const manyNodes = 4

// maxToken bounds the bytes of a token; longer ones are never allowed.
const maxToken = 1 << 10

// NewVocabulary makes a vocabulary of size tokens: token returns the bytes of
// one, or none where a token is no text (a special token). The end tokens are
// allowed where a text may end.
func NewVocabulary(size int, token func(id int32) []byte, end []int32) *Vocabulary {
	v := &Vocabulary{size: size, end: slices.Clone(end), tokens: make([][]byte, size)}
	var ids []int32
	for id := range int32(size) {
		if text := token(id); len(text) > 0 && len(text) <= maxToken && !slices.Contains(end, id) {
			v.tokens[id] = text
			ids = append(ids, id)
			if len(text) > shortToken {
				v.long = append(v.long, id)
			}
		}
	}
	v.trie = newTrie(ids, func(id int32) []byte { return v.tokens[id] })
	return v
}

// Words returns the number of 32-bit words of a mask.
func (v *Vocabulary) Words() int { return (v.size + 31) / 32 }

// newTrie makes a trie of ids by their texts; an empty text has no place.
func newTrie(ids []int32, text func(id int32) []byte) trie {
	slices.SortFunc(ids, func(a, b int32) int {
		return cmp.Or(bytes.Compare(text(a), text(b)), cmp.Compare(a, b))
	})
	var t trie
	var open []int32 // the nodes on the way to the last one
	shut := func(depth int) {
		for _, i := range open[depth:] {
			t.nodes[i].skip = int32(len(t.nodes))
		}
		open = open[:depth]
	}
	var before []byte
	for _, id := range ids {
		now := text(id)
		if len(now) == 0 {
			continue
		}
		if !bytes.Equal(now, before) {
			common := 0
			for common < len(before) && common < len(now) && before[common] == now[common] {
				common++
			}
			shut(common)
			for depth := common; depth < len(now); depth++ {
				open = append(open, int32(len(t.nodes)))
				n := int32(len(t.ids))
				t.nodes = append(t.nodes, trieNode{b: now[depth], depth: uint16(depth + 1), first: n, last: n})
			}
			t.depth = max(t.depth, len(now))
			before = now
		}
		t.ids = append(t.ids, id)
		t.nodes[len(t.nodes)-1].last = int32(len(t.ids))
	}
	shut(0)
	t.setBelow()
	return t
}

// setBelow notes the bytes below each node. From the last node to the first,
// sets[d] are the bytes at and below the nodes of depth d that have no parent yet.
func (t *trie) setBelow() {
	sets := make([]byteSet, t.depth+2)
	t.below = make([]byteSet, 1)
	for i := len(t.nodes) - 1; i >= 0; i-- {
		n := &t.nodes[i]
		under := &sets[n.depth+1]
		if int(n.skip)-i > manyNodes {
			n.below = int32(len(t.below))
			t.below = append(t.below, *under)
		}
		sets[n.depth].join(under)
		sets[n.depth].add(n.b)
		*under = byteSet{}
	}
}

// end returns where the ids at and below a node end.
func (t *trie) end(n *trieNode) int32 {
	if int(n.skip) == len(t.nodes) {
		return int32(len(t.ids))
	}
	return t.nodes[n.skip].first
}

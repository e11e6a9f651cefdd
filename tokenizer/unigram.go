package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// lattice is SentencePiece's Unigram model (arXiv 1804.10959): of all ways to make a
// word of pieces it takes the one whose scores sum to the most.
type lattice struct {
	ids     map[string]int32
	scores  []float64
	unknown float64 // score of a character that is no piece
	longest int     // piece, in bytes
}

// newLattice indexes the pieces. Special tokens and bytes are none: text that spells
// them must not make them.
func newLattice(tokens []token, scores []float64) (*lattice, error) {
	const penalty = 10 // of an unknown character, below the least score
	l := &lattice{ids: make(map[string]int32, len(tokens)), scores: scores}
	least := math.Inf(1)
	for id, t := range tokens {
		if t.kind == absent || t.apart {
			continue
		}
		if math.IsNaN(scores[id]) || math.IsInf(scores[id], 0) {
			return nil, fmt.Errorf("token %d: its score is %g, which cannot be summed", id, scores[id])
		}
		least = min(least, scores[id])
		if t.kind != control && t.kind != byteValue {
			l.ids[t.text] = int32(id)
			l.longest = max(l.longest, len(t.text))
		}
	}
	l.unknown = least - penalty
	return l, nil
}

// arrival is the best way to a place in a word.
type arrival struct {
	score float64
	from  int   // where its last piece begins; -1: there is no way
	id    int32 // of its last piece; -1: an unknown character
}

// best returns the best way to each place in a word.
func (l *lattice) best(word string) []arrival {
	ways := slices.Repeat([]arrival{{from: -1}}, len(word)+1)
	ways[0].from = 0
	reach := func(from, to int, score float64, id int32) {
		score += ways[from].score
		if w := &ways[to]; w.from < 0 || score > w.score {
			*w = arrival{score, from, id}
		}
	}
	for from := 0; from < len(word); {
		_, first := utf8.DecodeRuneInString(word[from:])
		single := false
		for to := from; to < len(word); {
			_, n := utf8.DecodeRuneInString(word[to:])
			if to += n; to-from > l.longest {
				break
			}
			if id, ok := l.ids[word[from:to]]; ok {
				reach(from, to, l.scores[id], id)
				single = single || to-from == first
			}
		}
		if !single {
			reach(from, from+first, l.unknown, -1)
		}
		from += first
	}
	return ways
}

// encodeBest appends the tokens of a word. A run of unknown characters falls back to
// its bytes or, where one has no token, to the unknown token.
func (m *charLevel) encodeBest(ids []int32, word string) []int32 {
	if word == "" {
		return ids
	}
	ways := m.lattice.best(word)
	var path []int // where pieces end, last first
	for at := len(word); at > 0; at = ways[at].from {
		path = append(path, at)
	}
	for i := len(path) - 1; i >= 0; i-- {
		end := path[i]
		begin, id := ways[end].from, ways[end].id
		if id >= 0 && id != m.unknown {
			ids = append(ids, id)
			continue
		}
		for i > 0 && (ways[path[i-1]].id < 0 || ways[path[i-1]].id == m.unknown) {
			i--
			end = path[i]
		}
		n := len(ids)
		for _, b := range []byte(word[begin:end]) {
			ids = append(ids, m.bytes[b])
		}
		if slices.Contains(ids[n:], -1) {
			ids = append(ids[:n], m.unknown)
		}
	}
	return ids
}

package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// charsmap is the table by which SentencePiece normalises text (NFKC, or rules of a
// model's own): keys, and what stands for each. The keys are in a trie of bytes, a
// double array as the Darts-clone library lays it out.
type charsmap struct {
	units []uint32
	texts string // what stands for the keys, each ended by a zero
	most  int    // bytes of such a text
}

// maxKey bounds keys, so that no table makes the work grow with the square of a text.
const maxKey = 256

// newCharsmap reads a precompiled_charsmap: the size of the trie, the trie, the texts.
func newCharsmap(data []byte) (*charsmap, error) {
	if len(data) < 4 {
		return nil, errors.New("has no size")
	}
	size, rest := binary.LittleEndian.Uint32(data), data[4:]
	if size == 0 || size%4 != 0 || uint64(size) > uint64(len(rest)) {
		return nil, fmt.Errorf("a trie of %d bytes in %d", size, len(rest))
	}
	c := &charsmap{units: make([]uint32, size/4), texts: string(rest[size:])}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(rest[4*i:])
	}
	if !utf8.ValidString(c.texts) {
		return nil, errors.New("texts are not UTF-8")
	}
	for text := range strings.SplitSeq(c.texts, "\x00") {
		if len(text) > maxGrowth {
			return nil, fmt.Errorf("a text of %d bytes stands for another", len(text))
		}
		c.most = max(c.most, len(text))
	}
	return c, nil
}

// apply puts in place of each key, the longest first, what stands for it.
func (c *charsmap) apply(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		_, n := utf8.DecodeRuneInString(text)
		to := text[:n]
		for end, stands := range c.keys(text) {
			n, to = end, stands
		}
		out.WriteString(to)
		text = text[n:]
	}
	return out.String()
}

// applyShort is apply as the step Precompiled of a tokenizer.json does it: what stands
// for the shortest key that a character begins with stands for all of it. Characters are
// those that people see (grapheme clusters, Unicode Standard Annex 29) where they are
// short and begin with a key, else runes.
func (c *charsmap) applyShort(text string) string {
	const short = 5 // bytes
	var out strings.Builder
	for seen := graphemes.FromString(text); seen.Next(); {
		rest := seen.Value()
		if to, ok := c.shortest(rest); ok && len(rest) <= short {
			out.WriteString(to)
			continue
		}
		for rest != "" {
			_, n := utf8.DecodeRuneInString(rest)
			to, ok := c.shortest(rest[:n])
			if !ok {
				to = rest[:n]
			}
			out.WriteString(to)
			rest = rest[n:]
		}
	}
	return out.String()
}

// shortest returns what stands for the shortest key that text begins with.
func (c *charsmap) shortest(text string) (to string, ok bool) {
	for _, to := range c.keys(text) {
		return to, true
	}
	return "", false
}

// keys gives the end of each key that text begins with, the shortest first, and what
// stands for it.
func (c *charsmap) keys(text string) iter.Seq2[int, string] {
	const isLeaf = 1 << 31 // of a unit that holds a value; others hold the byte that leads to them
	return func(yield func(end int, to string) bool) {
		at := offset(c.units[0])
		for i := range min(len(text), maxKey) {
			at ^= uint32(text[i])
			if at >= uint32(len(c.units)) {
				return
			}
			unit := c.units[at]
			if unit&(isLeaf|0xff) != uint32(text[i]) {
				return
			}
			at ^= offset(unit)
			if ends := unit>>8&1 != 0; !ends || at >= uint32(len(c.units)) {
				continue
			}
			if value := c.units[at] &^ isLeaf; value < uint32(len(c.texts)) {
				if to, _, _ := strings.Cut(c.texts[value:], "\x00"); !yield(i+1, to) {
					return
				}
			}
		}
	}
}

// offset returns what leads from a unit to those behind it.
func offset(unit uint32) uint32 { return unit >> 10 << (unit >> 6 & 8) }

// squeeze leaves one space of several and none at the ends, as SentencePiece's
// remove_extra_whitespaces does, which counts marks at the end too.
func squeeze(text string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(text, " ") {
		if word != "" && out.Len() > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(word)
	}
	return strings.TrimRight(out.String(), " "+spaceMark)
}

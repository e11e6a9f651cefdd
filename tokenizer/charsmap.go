package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// charsmap is the table by which SentencePiece normalises text (NFKC, or rules of a
// model's own): keys, and what stands for each. The keys are in a trie of bytes, a
// double array as the Darts-clone library lays it out.
type charsmap struct {
	units []uint32
	texts string // what stands for the keys, each ended by a zero
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
	}
	return c, nil
}

// apply puts in place of each key, the longest first, what stands for it.
func (c *charsmap) apply(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		n, to := c.longest(text)
		if n == 0 {
			_, n = utf8.DecodeRuneInString(text)
			to = text[:n]
		}
		out.WriteString(to)
		text = text[n:]
	}
	return out.String()
}

// longest returns the length of the longest key that text begins with, and what
// stands for it; 0 where there is none.
func (c *charsmap) longest(text string) (n int, to string) {
	const isLeaf = 1 << 31 // of a unit that holds a value; others hold the byte that leads to them
	at := offset(c.units[0])
	for i := range min(len(text), maxKey) {
		at ^= uint32(text[i])
		if at >= uint32(len(c.units)) {
			break
		}
		unit := c.units[at]
		if unit&(isLeaf|0xff) != uint32(text[i]) {
			break
		}
		at ^= offset(unit)
		if ends := unit>>8&1 != 0; !ends || at >= uint32(len(c.units)) {
			continue
		}
		if value := c.units[at] &^ isLeaf; value < uint32(len(c.texts)) {
			n = i + 1
			to, _, _ = strings.Cut(c.texts[value:], "\x00")
		}
	}
	return n, to
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

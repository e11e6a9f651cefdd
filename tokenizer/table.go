package tokenizer

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
)

// table is an open hash table of numbers from 0 on. A slot holds a number plus one, 0
// where it is free, and in the bits above as much of its hash as fits: what differs from
// what is looked for is nearly always seen there. Slots are small, for a large vocabulary
// has hundreds of thousands, which should stay in a cache.
type table struct {
	slots   []uint32
	size    uint   // there are 1<<size slots
	numbers uint32 // the bits that hold a number
}

// newTable returns a table for numbers below n.
func newTable(n int) table {
	size := uint(bits.Len(uint(n + n/2 + 1))) // at most two thirds full
	return table{slots: make([]uint32, 1<<size), size: size, numbers: 1<<bits.Len(uint(n)) - 1}
}

// place returns the slot from which on a hash is looked for, and its mark.
func (t *table) place(hash uint64) (slot uint64, mark uint32) {
	return hash >> ((64 - t.size) & 63), uint32(hash<<(t.size&63)>>32) &^ t.numbers
}

// next returns the first number with a mark from a slot on, and the slot, which is free
// where there is none.
func (t *table) next(slot uint64, mark uint32) (number int32, at uint64, found bool) {
	for mask := uint64(len(t.slots) - 1); ; slot++ {
		at = slot & mask
		s := t.slots[at]
		if s == 0 {
			return 0, at, false
		}
		if s&^t.numbers == mark {
			return int32(s&t.numbers) - 1, at, true
		}
	}
}

// put writes a number into a free slot.
func (t *table) put(slot uint64, mark uint32, number int32) { t.slots[slot] = mark | uint32(number+1) }

// textTable finds the numbers of texts, of which the lowest counts. What hashes depend on
// is random so that no file can make its texts collide.
type textTable struct {
	table
	texts
	words      []uint64 // the short texts as wordOf has them; 0: a long one, or none
	multiplier uint64   // of words
	seed       maphash.Seed

	repeats bool // some texts are those of lower numbers
}

// newTextTable returns a table for texts, which add enters.
func newTextTable(list texts) *textTable {
	return &textTable{
		table: newTable(list.len()), texts: list, words: make([]uint64, list.len()), multiplier: rand.Uint64() | 1, seed: maphash.MakeSeed(),
	}
}

// short is the length from which on texts are no words.
const short = 8

// wordOf returns a short text as a number: its bytes, the last of them its length.
func wordOf(text string) uint64 {
	var word uint64
	switch n := len(text); {
	case n >= 4:
		from := text[n-4:]
		low := uint32(text[0]) | uint32(text[1])<<8 | uint32(text[2])<<16 | uint32(text[3])<<24
		high := uint32(from[0]) | uint32(from[1])<<8 | uint32(from[2])<<16 | uint32(from[3])<<24
		word = uint64(low) | uint64(high)<<((8*n-32)&63)
	case n >= 2:
		word = uint64(text[0]) | uint64(text[1])<<8 | uint64(text[n-1])<<(8*n-8)
	case n == 1:
		word = uint64(text[0])
	}
	return word | uint64(len(text))<<56
}

// add enters a number by its text, unless one with the same is there.
func (t *textTable) add(number int32) {
	text := t.at(int(number))
	if len(text) < short {
		t.words[number] = wordOf(text)
	}
	at, mark, _, found := t.search(text)
	if found {
		t.repeats = true
		return
	}
	t.put(at, mark, number)
}

// search returns the number of a text or, where there is none, the slot for it.
func (t *textTable) search(text string) (at uint64, mark uint32, number int32, found bool) {
	if len(text) < short {
		word := wordOf(text)
		slot, mark := t.place(word * t.multiplier)
		for {
			number, at, found = t.next(slot, mark)
			if !found || t.words[number] == word {
				return at, mark, number, found
			}
			slot = at + 1
		}
	}
	slot, mark := t.place(maphash.String(t.seed, text))
	for {
		number, at, found = t.next(slot, mark)
		if !found || t.at(int(number)) == text {
			return at, mark, number, found
		}
		slot = at + 1
	}
}

// find returns the number of a text.
func (t *textTable) find(text string) (int32, bool) {
	_, _, number, found := t.search(text)
	return number, found && text != ""
}

// findNear is find, where the number is probably near, or the next one; with the text
// that is kept.
func (t *textTable) findNear(text []byte, near int32) (number int32, kept string, ok bool) {
	for number = near; !t.repeats && number <= near+1 && int(number) < t.len(); number++ {
		if kept = t.at(int(number)); kept == string(text) {
			return number, kept, kept != ""
		}
	}
	kept = string(text)
	number, ok = t.find(kept)
	return number, kept, ok
}

package tokenizer

import (
	"hash/maphash"
	"math/bits"
	"strings"
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

// textTable finds numbers by text, of which the lowest counts. The seed is random so that
// no file can make its texts collide.
type textTable struct {
	table
	seed maphash.Seed
	blob strings.Builder // all texts
	ends []uint32        // where the text of each number ends, after a 0

	repeats bool // some texts are those of lower numbers
}

// newTextTable returns a table for n texts of so many bytes.
func newTextTable(n, size int) *textTable {
	t := &textTable{table: newTable(n), seed: maphash.MakeSeed(), ends: make([]uint32, 1, n+1)}
	t.blob.Grow(size)
	return t
}

// append gives the next number a text, and returns that.
func (t *textTable) append(text []byte) string {
	t.blob.Write(text)
	t.ends = append(t.ends, uint32(t.blob.Len()))
	return t.text(int32(len(t.ends) - 2))
}

// text returns the text of a number; "": it has none.
func (t *textTable) text(number int32) string {
	return t.blob.String()[t.ends[number]:t.ends[number+1]]
}

// add enters a number by its text, unless one with the same is there.
func (t *textTable) add(number int32) {
	text := t.text(number)
	slot, mark := t.place(maphash.String(t.seed, text))
	for {
		other, at, found := t.next(slot, mark)
		if !found {
			t.put(at, mark, number)
			return
		}
		if t.text(other) == text {
			t.repeats = true
			return
		}
		slot = at + 1
	}
}

// findNear is find, where the number is probably near, or the next one; with the text
// that is kept.
func (t *textTable) findNear(text []byte, near int32) (number int32, kept string, ok bool) {
	for number = near; !t.repeats && number <= near+1 && int(number)+1 < len(t.ends); number++ {
		if kept = t.text(number); kept == string(text) {
			return number, kept, kept != ""
		}
	}
	kept = string(text)
	number, ok = t.find(kept)
	return number, kept, ok
}

// find returns the number of a text.
func (t *textTable) find(text string) (int32, bool) {
	slot, mark := t.place(maphash.String(t.seed, text))
	for {
		number, at, found := t.next(slot, mark)
		if !found || t.text(number) == text {
			return number, found
		}
		slot = at + 1
	}
}

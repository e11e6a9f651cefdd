package tokenizer

import "unicode/utf8"

// class is what the pre-tokenizers' expressions tell apart: \p{L}, \p{N}, \s
// and everything else, marks included.
type class uint8

const (
	other class = iota
	letter
	number
	space
)

// The tables of unicode_tables.go hold two bits a code point. classIndex gives
// the block of each 256 code points, a block is 64 bytes of classBlocks.
const (
	blockBits  = 8
	blockBytes = 1 << blockBits / 4
)

// asciiClass is classOf for the first 128 code points.
var asciiClass = makeASCIIClass()

func makeASCIIClass() (table [utf8.RuneSelf]class) {
	for r := range table {
		table[r] = classOf(rune(r))
	}
	return table
}

// classOf returns the class of a code point in Unicode 16.0, the version of
// the reference tokenizers; the tables of Go's unicode package are older.
func classOf(r rune) class {
	if uint32(r) > utf8.MaxRune {
		return other
	}
	block := int(classIndex[r>>blockBits]) * blockBytes
	bits := classBlocks[block+int(r&(1<<blockBits-1)>>2)]
	return class(bits >> (2 * (r & 3)) & 3)
}

// classAt returns the class of the rune at s[i:] and its length in bytes. A
// byte that is not UTF-8 counts as U+FFFD.
func classAt(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

package cuda

import "encoding/binary"

// unit is the number of columns that four lanes of a warp read together, and
// laneColumns that of one lane: what it contributes to eight products of 16
// columns (README.md, "Layout of weights").
const (
	unit        = 128
	laneColumns = 32
)

// pairColumn returns the first column of pair p of eight of lane t, within its
// 32 columns number j of the unit: the pairs of step 2j, then of step 2j+1.
func pairColumn(t, j, p int) int { return 16*(2*j+p/2) + 2*t + 8*(p%2) }

// lanePiece is the most bytes of a lane that stand side by side in a panel: what one load
// reads. The pieces of all lanes of a warp come first, then the next ones.
const lanePiece = 16

// permute puts the entries of a unit, of `bits` bits, in the order of the columns, into
// the order in which lanes read them. Those of 16 bits and more stand side by side,
// others as in a panel. dst is zeros.
func permute(dst, src []byte, bits int) {
	piece, skip := 4*bits, 0
	if bits == 8 {
		piece, skip = lanePiece, (warp-1)*lanePiece
	}
	for t := range 4 {
		for j := range 4 {
			at := j * bits
			if at >= piece {
				at += skip
			}
			to := dst[t*piece:]
			switch bits {
			case 1, 2:
				permuteFields(to[at/4*4:], src, t, j, bits)
			case 4:
				permuteNibbles(to[at:], src, t, j)
			case 8:
				permuteBytes(to[at:], src, t, j)
			default:
				permutePairs(to[at:], src, t, j, bits/8)
			}
		}
	}
}

// permuteFields adds 8 codes of 1 or 2 bits to a word, which has those of other steps
// too: codes of pairs 0 and 1 to the first byte and the third, of pairs 2 and 3 to the
// others, so that one mask finds both pairs 0 and 2, or 1 and 3.
func permuteFields(dst, src []byte, t, j, bits int) {
	word, mask := binary.LittleEndian.Uint32(dst), uint32(1)<<bits-1
	for p := range 4 {
		at := pairColumn(t, j, p) * bits
		two := uint32(src[at/8]) >> (at % 8)
		word |= (two&mask | two>>bits&mask<<16) << (p/2*8 + (2*j+p%2)*bits%8)
	}
	binary.LittleEndian.PutUint32(dst, word)
}

// permuteNibbles joins 8 codes of 4 bits: the first code of pair p is number p, the
// second number 4+p.
func permuteNibbles(dst, src []byte, t, j int) {
	from := src[16*j+t:][:13]
	a, b, c, d := uint32(from[0]), uint32(from[4]), uint32(from[8]), uint32(from[12])
	binary.LittleEndian.PutUint32(dst, a&15|b&15<<4|c&15<<8|d&15<<12|a>>4<<16|b>>4<<20|c>>4<<24|d>>4<<28)
}

// permuteFloats moves the bits of codes E2M1, two in each byte, nearer to their places in
// the high byte of an F16 number. The first has its size, of 3 bits, from bit 1 and its sign
// at bit 7, as there; the second from bit 4 and at bit 0.
func permuteFloats(words []byte) {
	for ; len(words) > 0; words = words[4:] {
		w := binary.LittleEndian.Uint32(words)
		first, second := w&0x07070707<<1|w&0x08080808<<4, w&0x70707070|w&0x80808080>>7
		binary.LittleEndian.PutUint32(words, first|second)
	}
}

// permuteBytes does what permutePairs does with numbers of a byte, twice as fast.
func permuteBytes(dst, src []byte, t, j int) {
	from := src[32*j+2*t:][:26]
	for p := range 4 {
		binary.LittleEndian.PutUint16(dst[2*p:], binary.LittleEndian.Uint16(from[8*p:]))
	}
}

// permutePairs copies pairs of numbers of `size` bytes: both side by side.
func permutePairs(dst, src []byte, t, j, size int) {
	for p := range 4 {
		copy(dst[2*size*p:][:2*size], src[size*pairColumn(t, j, p):])
	}
}

package quant

import (
	"encoding/binary"

	"trona/kernels"
)

// octet is 32 columns of eight rows, as blocks have them: of 8 bits a byte each, of 4 bits
// the first 16 in low nibbles of 16 bytes, the others in the high ones.
type octet [8][4]uint64

// fill is kernels.Matrix.Fill. It goes through blocks of 32 columns, of all rows each:
// GPTQ and AWQ have the rows of a column side by side.
func (x *integerRows) fill(dst []byte, first int64) {
	size, block := x.typ.RowBytes(x.Cols), int64(x.typ.BlockBytes())
	end := first + int64(len(dst))/size
	var codes octet
	for b := range x.Cols / 32 {
		group := 32 * b / x.Group
		for eight := first &^ 7; eight < end; eight += 8 {
			from, to := max(eight, first), min(eight+8, end)
			x.read(&codes, from, to, b)
			for r := from; r < to; r++ {
				x.put(dst[(r-first)*size+b*block:][:block], &codes[r%8], r*x.groups+group)
			}
		}
	}
}

// put writes a block, whose scale has number `head`.
func (x *integerRows) put(dst []byte, codes *[4]uint64, head int64) {
	binary.LittleEndian.PutUint16(dst, x.step[head])
	if x.typ == kernels.Q4_1 {
		binary.LittleEndian.PutUint16(dst[2:], x.min[head])
	}
	dst = dst[int64(len(dst))-4*int64(x.Bits):]
	for j, c := range codes[:x.Bits/2] {
		binary.LittleEndian.PutUint64(dst[8*j:], c^x.flip)
	}
}

// read reads block b of rows [from, to), which are of one eight.
func (x *integerRows) read(codes *octet, from, to, b int64) {
	if x.Order == AWQ {
		x.readAWQ(codes, from/8, b)
		return
	}
	for r := from; r < to; r++ {
		row := &codes[r%8]
		for j := range row[:x.Bits/2] {
			if k := int64(j); x.Bits == 4 {
				even, odd := pairs(x.word(4*b+k, r), x.word(4*b+k+2, r))
				row[j] = widen(even) | widen(odd)<<8
			} else {
				row[j] = uint64(x.word(8*b+2*k, r)) | uint64(x.word(8*b+2*k+1, r))<<32
			}
		}
	}
}

// word returns word k of those along row, or eight rows, r.
func (x *integerRows) word(k, r int64) uint32 {
	return binary.LittleEndian.Uint32(x.Codes[4*(k*x.alongStride+r*x.rowStride):])
}

// readAWQ reads a block of eight rows, of which each column has one word.
func (x *integerRows) readAWQ(codes *octet, eight, b int64) {
	var columns [8]uint64
	for j := range int64(2) {
		for i := range columns {
			c := 32*b + 8*j + int64(i)
			even, odd := pairs(x.word(c, eight), x.word(c+16, eight))
			columns[i] = uint64(even) | uint64(odd)<<32
		}
		transpose(&columns)
		for r, place := range awqPlace {
			codes[r][j] = columns[place/2+place%2*4]
		}
	}
}

// pairs joins the numbers of 4 bits of two words, low and high nibble of a byte: those
// that are first, third and so on, and the others.
func pairs(low, high uint32) (even, odd uint32) {
	const nibbles = 0x0f0f0f0f
	return low&nibbles | high&nibbles<<4, low>>4&nibbles | high&^nibbles
}

// widen puts a byte of zeros above each byte.
func widen(w uint32) uint64 {
	v := uint64(w)
	v = (v | v<<16) & 0x0000ffff0000ffff
	return (v | v<<8) & 0x00ff00ff00ff00ff
}

// transpose exchanges byte i of word j and byte j of word i: in turns for halves,
// quarters and eighths of both.
func transpose(m *[8]uint64) {
	for _, step := range [3]struct {
		words int
		low   uint64
	}{{4, 0x00000000ffffffff}, {2, 0x0000ffff0000ffff}, {1, 0x00ff00ff00ff00ff}} {
		by := 8 * step.words
		for i := range m {
			if i&step.words == 0 {
				a, b := m[i], m[i+step.words]
				m[i], m[i+step.words] = a&step.low|b&step.low<<by, a>>by&step.low|b&^step.low
			}
		}
	}
}

package cpu

import (
	"encoding/binary"
	"unsafe"

	"trona/kernels"
	"trona/kernels/minifloat"
)

var little = binary.LittleEndian

// word is 32 bits of each of 16 rows.
type word [lanes]uint32

// groupRows is one group of 16 rows as the checkpoint stores them, one after another.
type groupRows struct {
	data   []byte // [16, row]
	row    int    // bytes
	scales []byte // [16, cols/16]; NVFP4x16
}

// packer interleaves groups of a weight. Every type is packed in two steps: the words
// of a block are gathered from 16 rows, which is a transposition, then the fields of all
// rows are moved at once.
type packer struct {
	kern  *variant
	words [64]word
	// halved has half of each e4m3 number as F16; NVFP4, NVFP4x16.
	halved [256]uint16
	table  valueTable // Q3_K, IQ4_XS
}

func newPacker(v *variant, m *kernels.Matrix) *packer {
	p := &packer{kern: v, table: tableOf(m)}
	if m.Type == kernels.NVFP4 || m.Type == kernels.NVFP4x16 {
		for i := range p.halved {
			p.halved[i] = minifloat.ToF16(minifloat.E4M3(byte(i)) / 2)
		}
	}
	return p
}

// gather reads n words from each row, from byte `at` of it on.
func (p *packer) gather(src *groupRows, at, n int) {
	p.kern.gather(&p.words[:n][0], src.at(at, 4*n), src.row, n)
}

// gatherTo is gather to memory.
func (p *packer) gatherTo(dst []byte, src *groupRows, at, n int) {
	p.kern.gather((*word)(unsafe.Pointer(&dst[:4*lanes*n][0])), src.at(at, 4*n), src.row, n)
}

// at returns the address of n bytes of the first row, which all others have too.
func (src *groupRows) at(from, n int) unsafe.Pointer {
	return unsafe.Pointer(&src.data[from:][:(lanes-1)*src.row+n][0])
}

// halves copies 16 bits at byte `at` of each row.
func (src *groupRows) halves(dst []byte, at int) {
	to, from := unsafe.Pointer(&dst[:2*lanes][0]), src.at(at, 2)
	for r := range lanes {
		*(*uint16)(unsafe.Add(to, 2*r)) = *(*uint16)(unsafe.Add(from, r*src.row))
	}
}

// copyTo writes n words from number `from` on.
func (p *packer) copyTo(dst []byte, from, n int) {
	copy(dst, unsafe.Slice((*byte)(unsafe.Pointer(&p.words[from : from+n][0])), 4*lanes*n))
}

// columns16 splits words from number `from` on into columns of 16 bits, [2*n, 16].
func (p *packer) columns16(dst []byte, from, n int) {
	p.kern.columns16(unsafe.Pointer(&dst[:4*lanes*n][0]), &p.words[from : from+n][0], n)
}

// columns8 splits them into columns of 8 bits, [4*n, 16].
func (p *packer) columns8(dst []byte, from, n int) {
	p.kern.columns8(unsafe.Pointer(&dst[:4*lanes*n][0]), &p.words[from : from+n][0], n)
}

// fields takes codes of a number of bits from the bytes of words, from bit `shift` of
// each byte up, and writes n words of as many codes as fit: byte j has that of byte j
// of the first word in its low bits, then that of the second, and so on.
func (p *packer) fields(dst []byte, from, n, bits, shift int) {
	_, src := dst[:4*lanes*n], p.words[from:from+8/bits*n]
	p.kern.fields((*word)(unsafe.Pointer(&dst[0])), &src[0], n, bits, shift)
}

// nibbles writes the low nibbles of the bytes of 2*n words, then the high ones.
func (p *packer) nibbles(dst []byte, from, n int) {
	p.fields(dst, from, n, 4, 0)
	p.fields(dst[4*lanes*n:], from, n, 4, 4)
}

// gatherGeneric is variant.gather.
func gatherGeneric(dst *word, src unsafe.Pointer, stride, n int) {
	for r := range lanes {
		to, from := unsafe.Pointer(&dst[r]), unsafe.Add(src, r*stride)
		for i := range n {
			*(*uint32)(unsafe.Add(to, 4*lanes*i)) = *(*uint32)(unsafe.Add(from, 4*i))
		}
	}
}

// columns16Generic is variant.columns16.
func columns16Generic(dst unsafe.Pointer, src *word, n int) {
	columns := unsafe.Slice((*[2][lanes]uint16)(dst), n)
	for i, w := range unsafe.Slice(src, n) {
		for r, v := range w {
			columns[i][0][r], columns[i][1][r] = uint16(v), uint16(v>>16)
		}
	}
}

// columns8Generic is variant.columns8.
func columns8Generic(dst unsafe.Pointer, src *word, n int) {
	columns := unsafe.Slice((*[4][lanes]byte)(dst), n)
	for i, w := range unsafe.Slice(src, n) {
		for j := range 4 {
			for r, v := range w {
				columns[i][j][r] = byte(v >> (8 * j))
			}
		}
	}
}

// fieldsGeneric is variant.fields, for two rows at a time.
func fieldsGeneric(dst, src *word, n, bits, shift int) {
	type pairs [lanes / 2]uint64
	const bytes = 0x0101010101010101
	mask, parts := uint64(1<<bits-1)*bytes, 8/bits
	from := unsafe.Slice((*pairs)(unsafe.Pointer(src)), n*parts)
	for i := range n {
		to := (*pairs)(unsafe.Add(unsafe.Pointer(dst), 4*lanes*i))
		*to = pairs{}
		for j, w := range from[i*parts:][:parts] {
			for r := range w {
				to[r] |= w[r] >> (shift & 7) & mask << (j * bits & 7)
			}
		}
	}
}

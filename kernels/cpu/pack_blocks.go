package cpu

import (
	"unsafe"

	"trona/kernels"
)

// packF32, pack16 and pack8 transpose: [16, n] to [n, 16].
func packF32(p *packer, dst []byte, src *groupRows, n int) {
	p.gatherTo(dst, src, 0, n)
}

func pack16(p *packer, dst []byte, src *groupRows, n int) {
	for from := 0; from < n-1; from += 2 * len(p.words) {
		words := min((n-from)/2, len(p.words))
		p.gather(src, 2*from, words)
		p.columns16(dst[2*lanes*from:], 0, words)
	}
	if n%2 != 0 {
		src.halves(dst[2*lanes*(n-1):], 2*(n-1))
	}
}

// packBF16 transposes pairs of columns, which makes tiles: [16, n, 2] to [n, 16, 2]. A last
// column alone has a zero beside it.
func packBF16(p *packer, dst []byte, src *groupRows, n int) {
	if n > 0 {
		p.gatherTo(dst, src, 0, n)
	}
	if src.row > 4*n {
		for r := range lanes {
			last := little.Uint16(src.data[r*src.row+4*n:])
			little.PutUint32(dst[4*(n*lanes+r):], uint32(last))
		}
	}
}

func pack8(p *packer, dst []byte, src *groupRows, n int) {
	for from := 0; from < n-3; from += 4 * len(p.words) {
		words := min((n-from)/4, len(p.words))
		p.gather(src, from, words)
		p.columns8(dst[lanes*from:], 0, words)
	}
	for k := n &^ 3; k < n; k++ {
		for r := range lanes {
			dst[k*lanes+r] = src.data[r*src.row+k]
		}
	}
}

// Packed block of Q8_0, 32 columns: d F16 [16]; codes i8 [8, 16, 4].
func packQ8_0(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*34*lanes:][:34*lanes]
		src.halves(block, b*34)
		p.gatherTo(block[2*lanes:], src, b*34+2, 8)
	}
}

// Q4_0 and IQ4_NL, 32 columns: d F16 [16]; codes u32 [4, 16], of which the low nibbles
// are the first half.
func packQ4_0(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*18*lanes:][:18*lanes]
		src.halves(block, b*18)
		p.gather(src, b*18+2, 4)
		p.nibbles(block[2*lanes:], 0, 2)
	}
}

// Q4_1: d and m, F16 [16] each; codes.
func packQ4_1(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*20*lanes:][:20*lanes]
		p.gather(src, b*20, 5)
		p.columns16(block, 0, 1)
		p.nibbles(block[4*lanes:], 1, 2)
	}
}

// Q5_0: d; fifth bits u32 [16]; codes.
func packQ5_0(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*22*lanes:][:22*lanes]
		src.halves(block, b*22)
		p.gather(src, b*22+2, 5)
		p.bits(block[2*lanes:], 0)
		p.nibbles(block[6*lanes:], 1, 2)
	}
}

// Q5_1: d and m; fifth bits; codes.
func packQ5_1(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*24*lanes:][:24*lanes]
		p.gather(src, b*24, 6)
		p.columns16(block, 0, 1)
		p.bits(block[4*lanes:], 1)
		p.nibbles(block[8*lanes:], 2, 2)
	}
}

// bits writes a word of 32 codes of one bit: that of column k goes to byte k%4. Five
// bits number a column, and two perfect shuffles turn their order by two.
func (p *packer) bits(dst []byte, from int) {
	for r, v := range p.words[from] {
		for range 2 {
			v = swap(v, 0x22222222, 1)
			v = swap(v, 0x0c0c0c0c, 2)
			v = swap(v, 0x00f000f0, 4)
			v = swap(v, 0x0000ff00, 8)
		}
		little.PutUint32(dst[4*r:], v)
	}
}

// swap exchanges the bits of mask with those `by` above them.
func swap(v, mask uint32, by int) uint32 {
	t := (v ^ v>>by) & mask
	return v ^ t ^ t<<by
}

// Packed block of MXFP4, 32 columns: half the scale, BF16 [16]; codes u32 [4,
// 16]. A code is twice its value (ggml's reading, in which the scale code ff
// is 2^128 and its half still finite).
func packMXFP4(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*18*lanes:][:18*lanes]
		for r := range lanes {
			scale := src.data[r*src.row+b*17]
			half := uint16(0x20) << scale // subnormal: 2^-128, 2^-127
			if scale >= 2 {
				half = uint16(scale-1) << 7
			}
			little.PutUint16(block[2*r:], half)
		}
		p.gather(src, b*17+1, 4)
		p.nibbles(block[2*lanes:], 0, 2)
	}
}

// Packed block of NVFP4, 16 columns: half the scale, F16 [16]; codes u32 [2,
// 16], twice their values. In GGUF four blocks stand together, their scales
// have no sign, and 7f is 0.
func packNVFP4(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*10*lanes:][:10*lanes]
		if b%4 == 0 {
			p.gather(src, b/4*36, 9)
		}
		for r, scales := range p.words[0] {
			scale := scales >> (8 * (b % 4)) & 0x7f
			if scale == 0x7f {
				scale = 0
			}
			little.PutUint16(block[2*r:], p.halved[scale])
		}
		p.nibbles(block[2*lanes:], 1+2*(b%4), 1)
	}
}

// The low nibble of NVFP4x16 is the even column: three bits number a column of a word,
// and a perfect shuffle of nibbles turns their order by one.
func packNVFP4x16(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*10*lanes:][:10*lanes]
		p.gather(src, 8*b, 2)
		for r := range lanes {
			little.PutUint16(block[2*r:], p.halved[src.scales[r*(src.row/8)+b]])
			for i := range 2 {
				v := swap(p.words[i][r], 0x0000ff00, 8)
				little.PutUint32(block[2*lanes+4*lanes*i+4*r:], swap(v, 0x00f000f0, 4))
			}
		}
	}
}

// head writes what Q4_K and Q5_K share, 256 bytes from the first 16 of each row: d F16 [16];
// dmin F16 [16]; then, as they are, 6 bits of each group's scale and min, u32 [3, 16]. Bytes of
// the first word have, from their low bits up, the scale of one of four groups and the upper 2
// bits of the scale of one of the next four; those of the second word have mins; those of the
// third the lower 4 bits of scale and min of the next four.
func (p *packer) head(block []byte) {
	p.columns16(block, 0, 1)
	p.copyTo(block[4*lanes:], 1, 3)
}

// Packed block of Q4_K, 256 columns: the head; codes u32 [32, 16], 8 columns each.
func packQ4_K(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*144*lanes:][:144*lanes]
		p.gather(src, b*144, 36)
		p.head(block)
		for i := range 4 {
			p.nibbles(block[256+512*i:], 4+8*i, 4)
		}
	}
}

// Packed block of Q5_K, 256 columns: the head; for each 32 columns the fifth
// bits u32 [16], then the low bits u32 [4, 16].
func packQ5_K(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*176*lanes:][:176*lanes]
		p.gather(src, b*176, 44)
		p.head(block)
		for g := range 8 {
			group := block[256+320*g:]
			p.fields(group, 4, 1, 1, g)
			p.fields(group[64:], 12+g/2*8, 4, 4, g%2*4)
		}
	}
}

// Packed block of Q6_K, 256 columns: d F16 [16]; scales i8 [16 groups, 16];
// for each 32 columns the low bits u32 [4, 16], then the high bits u32 [2, 16],
// 16 columns of 2 bits each. Of 128 columns the low nibbles are columns 0 to 63, and a
// byte of the high bits has them of columns 32 apart.
func packQ6_K(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*210*lanes:][:210*lanes]
		src.halves(block, b*210+208)
		p.gather(src, b*210, 52)
		p.columns8(block[2*lanes:], 48, 4)
		for g := range 8 {
			group, half, part := block[288+384*g:], g/4, g%4
			p.fields(group, 16*half+part%2*8, 4, 4, part/2*4)
			p.fields(group[256:], 32+8*half, 2, 2, 2*part)
		}
	}
}

// Packed block of Q2_K, 256 columns: d F16 [16]; dmin F16 [16]; scale and min,
// 4 bits each, u8 [16 groups, 16]; codes of 2 bits u32 [16, 16].
func packQ2_K(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*84*lanes:][:84*lanes]
		p.gather(src, b*84, 21)
		p.columns16(block, 20, 1)
		p.columns8(block[64:], 0, 4)
		for g := range 8 {
			p.fields(block[320+128*g:], 4+g/4*8, 2, 2, g%4*2)
		}
	}
}

// valueTable is what a packed block has of the values of its codes: all 16, or 8 twice, then
// the same plus what makes a number without a sign of each, as some loops want them.
type valueTable [2][lanes]byte

// tableOf returns that of a matrix whose type has one.
func tableOf(m *kernels.Matrix) (table valueTable) {
	values, offset := m.Values(), byte(128)
	if m.Type == kernels.Q3_K {
		offset = 64
	}
	for i := range min(lanes, 2*len(values)) {
		v := byte(values[i%len(values)])
		table[0][i], table[1][i] = v, v+offset
	}
	return table
}

func (t *valueTable) copyTo(dst []byte) {
	copy(dst, t[0][:])
	copy(dst[lanes:], t[1][:])
}

// Packed block of Q3_K, 256 columns: d F16 [16]; scales i8 [16 groups, 16]; valueTable; for
// each 32 columns codes u32 [3, 16] (threes).
func packQ3_K(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*116*lanes:][:116*lanes]
		src.halves(block, b*110+108)
		p.gather(src, b*110, 27)
		for g := range 8 {
			group := block[320+192*g:]
			p.fields(group, 0, 1, 1, g)
			p.fields(group[64:], 8+g/4*8, 2, 2, g%4*2)
			threes(group)
		}
		const four, two = 0x0f0f0f0f, 0x03030303
		w := p.words[24:28]
		for r := range lanes {
			low, more, high := w[0][r], w[1][r], w[2][r]
			w[0][r], w[1][r] = signed6(low&four|high&two<<4), signed6(more&four|high>>2&two<<4)
			w[2][r], w[3][r] = signed6(low>>4&four|high>>4&two<<4), signed6(more>>4&four|high>>6&two<<4)
		}
		p.columns8(block[2*lanes:], 24, 4)
		p.table.copyTo(block[288:])
	}
}

// threes makes codes of 32 columns, three words, of their third bits and two words of their
// low ones, for two rows at a time. Three words of nibbles have the codes of the first 24
// columns and, in every fourth bit, one bit each of those of the last eight: a nibble is
// looked up as it is, with half of the work that bits joined to others take.
func threes(group []byte) {
	type pairs [lanes / 2]uint64
	const bytes = 0x0101010101010101
	words := (*[3]pairs)(unsafe.Pointer(&group[:12*lanes][0]))
	for r := range words[0] {
		third, first, second := words[0][r], words[1][r], words[2][r]
		last := second>>4&(0x03*bytes) | second>>2&(0x30*bytes) | third>>4&(0x04*bytes) | third>>1&(0x40*bytes)
		words[0][r] = first&(0x03*bytes) | first<<2&(0x30*bytes) | third<<2&(0x04*bytes) | third<<5&(0x40*bytes) | last<<3&(0x88*bytes)
		words[1][r] = first>>4&(0x03*bytes) | first>>2&(0x30*bytes) | third&(0x04*bytes) | third<<3&(0x40*bytes) | last<<2&(0x88*bytes)
		words[2][r] = second&(0x03*bytes) | second<<2&(0x30*bytes) | third>>2&(0x04*bytes) | third<<1&(0x40*bytes) | last<<1&(0x88*bytes)
	}
}

// signed6 subtracts 32 from four numbers of 6 bits.
func signed6(v uint32) uint32 {
	const top = 0x20202020
	v ^= top
	return v | v&top<<1 | v&top<<2
}

// Packed block of IQ4_XS, 256 columns: d F16 [16]; scales i8 [8 groups, 16]; valueTable;
// codes u32 [32, 16].
func packIQ4_XS(p *packer, dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*140*lanes:][:140*lanes]
		p.gather(src, b*136, 34)
		for r := range lanes {
			little.PutUint16(block[2*r:], uint16(p.words[0][r]))
			high, low := p.words[0][r]>>16, p.words[1][r]
			for g := range 8 {
				s := low>>(4*g)&15 | high>>(2*g)&3<<4
				block[2*lanes+g*lanes+r] = byte(s) - 32
			}
		}
		for g := range 8 {
			p.nibbles(block[192+256*g:], 2+4*g, 2)
		}
		p.table.copyTo(block[160:])
	}
}

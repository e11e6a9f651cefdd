package cpu

import (
	"encoding/binary"
	"unsafe"
)

var little = binary.LittleEndian

// packF32, pack16 and pack8 transpose: [16, n] to [n, 16], a few columns at a
// time so that what is written stays in the first-level cache.
const transposed = 64

func packF32(dst []byte, src *groupRows, n int) {
	for from := 0; from < n; from += transposed {
		to := min(n, from+transposed)
		for r, row := range src.data {
			out := dst[(from*lanes+r)*4:]
			for k := from; k < to; k++ {
				little.PutUint32(out[(k-from)*lanes*4:], little.Uint32(row[k*4:]))
			}
		}
	}
}

// pack16 moves squares of four columns of four rows, and what is left one by one.
func pack16(dst []byte, src *groupRows, n int) {
	whole := n &^ 3
	for from := 0; from < whole; from += transposed {
		to := min(whole, from+transposed)
		for r := 0; r < lanes; r += 4 {
			rows, out := src.data[r:][:4], dst[(from*lanes+r)*2:]
			a, b, c, d := rows[0][from*2:to*2], rows[1][from*2:to*2], rows[2][from*2:to*2], rows[3][from*2:to*2]
			for len(a) >= 8 && len(b) >= 8 && len(c) >= 8 && len(d) >= 8 {
				transpose16(out, little.Uint64(a), little.Uint64(b), little.Uint64(c), little.Uint64(d))
				a, b, c, d = a[8:], b[8:], c[8:], d[8:]
				out = out[min(4*lanes*2, len(out)):]
			}
		}
	}
	for k := whole; k < n; k++ {
		for r, row := range src.data {
			copy(dst[(k*lanes+r)*2:][:2], row[k*2:])
		}
	}
}

// transpose16 writes columns of four rows of four, 16 rows apart.
func transpose16(dst []byte, a, b, c, d uint64) {
	const even = 0x0000ffff0000ffff
	ab, cd := a&even|b&even<<16, c&even|d&even<<16
	little.PutUint64(dst, ab&0xffffffff|cd<<32)
	little.PutUint64(dst[4*lanes:], ab>>32|cd&^0xffffffff)
	ab, cd = a>>16&even|b&^even, c>>16&even|d&^even
	little.PutUint64(dst[2*lanes:], ab&0xffffffff|cd<<32)
	little.PutUint64(dst[6*lanes:], ab>>32|cd&^0xffffffff)
}

func pack8(dst []byte, src *groupRows, n int) {
	for from := 0; from < n; from += transposed {
		to := min(n, from+transposed)
		for r, row := range src.data {
			for k := from; k < to; k++ {
				dst[k*lanes+r] = row[k]
			}
		}
	}
}

// Packed block of Q8_0, 32 columns: d F16 [16]; codes i8 [8, 16, 4].
func packQ8_0(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*34*lanes:][:34*lanes]
		for r, row := range src.data {
			q := row[b*34:][:34]
			putHalf(block[2*r:], q)
			codes := block[2*lanes+4*r:]
			for i := range 8 {
				little.PutUint32(codes[4*lanes*i:], little.Uint32(q[2+4*i:]))
			}
		}
	}
}

// put4, put2 and put1 write codes of 4, 2 or 1 bits for row r, one from each of n
// bytes, from bit shift up: dwords [n*bits/32, 16]. n is a multiple of the bytes
// of a dword.
func put4(dst []byte, r int, src []byte, shift int) {
	const mask = 0x0f0f0f0f0f0f0f0f
	to, from := wordsOf(dst, r, len(src)/8), unsafe.Pointer(&src[0])
	for i := range len(src) / 8 {
		v := word(from, i) >> shift & mask
		put(to, i, uint32(v|v>>28))
	}
}

func put2(dst []byte, r int, src []byte, shift int) {
	const mask = 0x0303030303030303
	to, from := wordsOf(dst, r, len(src)/16), unsafe.Pointer(&src[0])
	for i := range len(src) / 16 {
		v := word(from, 2*i)>>shift&mask | word(from, 2*i+1)>>shift&mask<<4
		put(to, i, uint32(v|v>>30))
	}
}

func put1(dst []byte, r int, src []byte, shift int) {
	const mask = 0x0101010101010101
	to, from := wordsOf(dst, r, len(src)/32), unsafe.Pointer(&src[0])
	for i := range len(src) / 32 {
		v := word(from, 4*i)>>shift&mask | word(from, 4*i+1)>>shift&mask<<2 |
			word(from, 4*i+2)>>shift&mask<<4 | word(from, 4*i+3)>>shift&mask<<6
		put(to, i, uint32(v|v>>31))
	}
}

// wordsOf returns the place of row r in dwords [n, 16].
func wordsOf(dst []byte, r, n int) unsafe.Pointer { return unsafe.Pointer(&dst[:4*lanes*n][4*r]) }

// word returns the i-th 8 bytes from p on; put writes the i-th dword of a row.
func word(p unsafe.Pointer, i int) uint64 { return *(*uint64)(unsafe.Add(p, 8*i)) }

// putHalf copies 16 bits.
func putHalf(dst, src []byte) { little.PutUint16(dst, little.Uint16(src)) }

func put(p unsafe.Pointer, i int, v uint32) { *(*uint32)(unsafe.Add(p, 4*lanes*i)) = v }

// putBits writes 32 codes of one bit each.
func putBits(dst []byte, r int, bits uint32) {
	var codes [32]byte
	for k := range codes {
		codes[k] = byte(bits >> k & 1)
	}
	put1(dst, r, codes[:], 0)
}

// putHalves writes codes of 4 bits, of which the low nibbles are the first half.
func putHalves(dst []byte, r int, src []byte) {
	const mask = 0x0f0f0f0f0f0f0f0f
	n := len(src) / 8
	to, from := wordsOf(dst, r, 2*n), unsafe.Pointer(&src[0])
	for i := range n {
		v := word(from, i)
		low, high := v&mask, v>>4&mask
		put(to, i, uint32(low|low>>28))
		put(to, n+i, uint32(high|high>>28))
	}
}

// packHalves packs the types whose block is F16 values, 32 bits of fifth bits
// if any, and 16 bytes of nibbles. Packed: each F16 [16]; bits u32 [16]; codes
// u32 [4, 16].
func packHalves(dst []byte, src *groupRows, n, values int, fifth bool) {
	size := 2*values + 16
	if fifth {
		size += 4
	}
	for b := range n {
		block := dst[b*size*lanes:][:size*lanes]
		for r, row := range src.data {
			q := row[b*size:][:size]
			for i := range values {
				putHalf(block[2*(i*lanes+r):], q[2*i:])
			}
			at := 2 * values
			if fifth {
				putBits(block[at*lanes:], r, little.Uint32(q[at:]))
				at += 4
			}
			putHalves(block[at*lanes:], r, q[at:])
		}
	}
}

// Q4_0 and IQ4_NL: d; codes. Q4_1: d, m; codes. Q5_0: d; bits; codes. Q5_1: d,
// m; bits; codes.
func packQ4_0(dst []byte, src *groupRows, n int) { packHalves(dst, src, n, 1, false) }
func packQ4_1(dst []byte, src *groupRows, n int) { packHalves(dst, src, n, 2, false) }
func packQ5_0(dst []byte, src *groupRows, n int) { packHalves(dst, src, n, 1, true) }
func packQ5_1(dst []byte, src *groupRows, n int) { packHalves(dst, src, n, 2, true) }

// Packed block of MXFP4, 32 columns: half the scale, BF16 [16]; codes u32 [4,
// 16]. A code is twice its value (ggml's reading, in which the scale code ff
// is 2^128 and its half still finite).
func packMXFP4(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*18*lanes:][:18*lanes]
		for r, row := range src.data {
			q := row[b*17:][:17]
			half := uint16(0x20) << q[0] // subnormal: 2^-128, 2^-127
			if q[0] >= 2 {
				half = uint16(q[0]-1) << 7
			}
			little.PutUint16(block[2*r:], half)
			putHalves(block[2*lanes:], r, q[1:])
		}
	}
}

// Packed block of NVFP4, 16 columns: half the scale, F16 [16]; codes u32 [2,
// 16], twice their values. In GGUF four blocks stand together, their scales
// have no sign, and 7f is 0.
func packNVFP4(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*10*lanes:][:10*lanes]
		for r, row := range src.data {
			q := row[b/4*36:][:36]
			scale := q[b%4] & 0x7f
			if scale == 0x7f {
				scale = 0
			}
			little.PutUint16(block[2*r:], toF16(e4m3(scale)/2))
			putHalves(block[2*lanes:], r, q[4+b%4*8:][:8])
		}
	}
}

func packNVFP4x16(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*10*lanes:][:10*lanes]
		for r, row := range src.data {
			little.PutUint16(block[2*r:], toF16(e4m3(src.scales[r][b])/2))
			var codes [16]byte // the low nibble is the even column
			for i, c := range row[8*b:][:8] {
				codes[2*i], codes[2*i+1] = c, c>>4
			}
			put4(block[2*lanes:], r, codes[:], 0)
		}
	}
}

// packKHead writes what Q4_K and Q5_K share, 320 bytes: d F16 [16]; dmin F16
// [16]; for each 32 columns scale u8 [16], min u8 [16]. A block has 6 bits of each
// in 12 bytes: those of the last four groups are in two parts.
func packKHead(block, q []byte, r int) {
	putHalf(block[2*r:], q)
	putHalf(block[2*lanes+2*r:], q[2:])
	const six, four, two = 0x3f3f3f3f, 0x0f0f0f0f, 0x03030303
	a, b, c := little.Uint32(q[4:]), little.Uint32(q[8:]), little.Uint32(q[12:])
	scales := uint64(a&six) | uint64(c&four|a>>6&two<<4)<<32
	mins := uint64(b&six) | uint64(c>>4&four|b>>6&two<<4)<<32
	groups := block[64:320]
	for j := r; j < len(groups)-lanes; j += 2 * lanes {
		groups[j], groups[j+lanes] = byte(scales), byte(mins)
		scales, mins = scales>>8, mins>>8
	}
}

// Packed block of Q4_K, 256 columns: the head; codes u32 [32, 16], 8 columns each.
func packQ4_K(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*148*lanes:][:148*lanes]
		for r, row := range src.data {
			q := row[b*144:][:144]
			packKHead(block, q, r)
			for i := range 4 {
				putHalves(block[320+512*i:], r, q[16+32*i:][:32])
			}
		}
	}
}

// Packed block of Q5_K, 256 columns: the head; for each 32 columns the fifth
// bits u32 [16], then the low bits u32 [4, 16].
func packQ5_K(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*180*lanes:][:180*lanes]
		for r, row := range src.data {
			q := row[b*176:][:176]
			packKHead(block, q, r)
			for g := range 8 {
				group := block[320+320*g:]
				put1(group, r, q[16:48], g)
				put4(group[64:], r, q[48+g/2*32:][:32], g%2*4)
			}
		}
	}
}

// Packed block of Q6_K, 256 columns: d F16 [16]; scales i8 [16 groups, 16];
// for each 32 columns the low bits u32 [4, 16], then the high bits u32 [2, 16],
// 16 columns of 2 bits each.
func packQ6_K(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*210*lanes:][:210*lanes]
		for r, row := range src.data {
			q := row[b*210:][:210]
			putHalf(block[2*r:], q[208:])
			for g, s := range q[192:208] {
				block[2*lanes+g*lanes+r] = s
			}
			for half := range 2 {
				putSixths(block[288+4*384*half:], r, q[64*half:][:64], q[128+32*half:][:32])
			}
		}
	}
}

// putSixths writes 128 codes of 6 bits: the low nibbles are columns 0 to 63, and a
// byte of the high bits has them of columns 32 apart.
func putSixths(dst []byte, r int, low, high []byte) {
	const group, nibbles, pairs = 384 / (4 * lanes), 0x0f0f0f0f0f0f0f0f, 0x0303030303030303
	to, from := wordsOf(dst, r, 4*group), unsafe.Pointer(&low[0])
	for i := range 8 {
		v, at := word(from, i), i/4*group+i%4
		a, b := v&nibbles, v>>4&nibbles
		put(to, at, uint32(a|a>>28))
		put(to, at+2*group, uint32(b|b>>28))
	}
	from = unsafe.Pointer(&high[0])
	for i := range 2 {
		a, b := word(from, 2*i), word(from, 2*i+1)
		for part := range 4 {
			v := a>>(2*part)&pairs | b>>(2*part)&pairs<<4
			put(to, part*group+4+i, uint32(v|v>>30))
		}
	}
}

// Packed block of Q2_K, 256 columns: d F16 [16]; dmin F16 [16]; scale and min,
// 4 bits each, u8 [16 groups, 16]; codes of 2 bits u32 [16, 16].
func packQ2_K(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*84*lanes:][:84*lanes]
		for r, row := range src.data {
			q := row[b*84:][:84]
			putHalf(block[2*r:], q[80:])
			putHalf(block[2*lanes+2*r:], q[82:])
			for g, s := range q[:16] {
				block[64+g*lanes+r] = s
			}
			for g := range 8 {
				put2(block[320+128*g:], r, q[16+g/4*32:][:32], g%4*2)
			}
		}
	}
}

// Packed block of Q3_K, 256 columns: d F16 [16]; scales i8 [16 groups, 16]; for
// each 32 columns the third bits u32 [16], then the low bits u32 [2, 16].
func packQ3_K(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*114*lanes:][:114*lanes]
		for r, row := range src.data {
			q := row[b*110:][:110]
			putHalf(block[2*r:], q[108:])
			for g := range 16 {
				s := q[96+g%8] >> (g / 8 * 4) & 15
				s |= q[104+g%4] >> (g / 4 * 2) & 3 << 4
				block[2*lanes+g*lanes+r] = s - 32
			}
			for g := range 8 {
				group := block[288+192*g:]
				put1(group, r, q[:32], g)
				put2(group[64:], r, q[32+g/4*32:][:32], g%4*2)
			}
		}
	}
}

// Packed block of IQ4_XS, 256 columns: d F16 [16]; scales i8 [8 groups, 16];
// codes u32 [32, 16].
func packIQ4_XS(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*138*lanes:][:138*lanes]
		for r, row := range src.data {
			q := row[b*136:][:136]
			putHalf(block[2*r:], q)
			high := little.Uint16(q[2:])
			for g := range 8 {
				s := q[4+g/2]>>(g%2*4)&15 | uint8(high>>(2*g)&3)<<4
				block[2*lanes+g*lanes+r] = s - 32
				putHalves(block[160+256*g:], r, q[8+16*g:][:16])
			}
		}
	}
}

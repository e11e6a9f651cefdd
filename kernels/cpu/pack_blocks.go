package cpu

import "encoding/binary"

// packF32, pack16 and pack8 transpose: [16, n] to [n, 16], a few columns at a
// time so that what is written stays in the first-level cache.
const transposed = 64

func packF32(dst []byte, src *groupRows, n int) {
	for from := 0; from < n; from += transposed {
		to := min(n, from+transposed)
		for r, row := range src.data {
			for k := from; k < to; k++ {
				copy(dst[(k*lanes+r)*4:][:4], row[k*4:])
			}
		}
	}
}

func pack16(dst []byte, src *groupRows, n int) {
	for from := 0; from < n; from += transposed {
		to := min(n, from+transposed)
		for r, row := range src.data {
			for k := from; k < to; k++ {
				binary.LittleEndian.PutUint16(dst[(k*lanes+r)*2:], binary.LittleEndian.Uint16(row[k*2:]))
			}
		}
	}
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
			copy(block[2*r:], q[:2])
			putCodes(block[2*lanes:], r, q[2:], 0, 8)
		}
	}
}

// putCodes writes codes of 1, 2, 4 or 8 bits for row r, one from each byte, from
// bit shift up: dwords [len(src)*bits/32, 16].
func putCodes(dst []byte, r int, src []byte, shift, bits int) {
	mask := uint32(1<<bits-1) * 0x01010101
	for i := 0; len(src) > 0; i++ {
		var v uint32
		for at := 0; at < 8; at += bits {
			v |= binary.LittleEndian.Uint32(src) >> shift & mask << at
			src = src[4:]
		}
		binary.LittleEndian.PutUint32(dst[(i*lanes+r)*4:], v)
	}
}

// putBits writes 32 codes of one bit each.
func putBits(dst []byte, r int, bits uint32) {
	var codes [32]byte
	for k := range codes {
		codes[k] = byte(bits >> k & 1)
	}
	putCodes(dst, r, codes[:], 0, 1)
}

// putHalves writes codes of 4 bits, of which the low nibbles are the first half.
func putHalves(dst []byte, r int, src []byte) {
	putCodes(dst, r, src, 0, 4)
	putCodes(dst[len(src)*lanes/2:], r, src, 4, 4)
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
				copy(block[2*(i*lanes+r):], q[2*i:][:2])
			}
			at := 2 * values
			if fifth {
				putBits(block[at*lanes:], r, binary.LittleEndian.Uint32(q[at:]))
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
			binary.LittleEndian.PutUint16(block[2*r:], half)
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
			binary.LittleEndian.PutUint16(block[2*r:], toF16(e4m3(scale)/2))
			putHalves(block[2*lanes:], r, q[4+b%4*8:][:8])
		}
	}
}

func packNVFP4x16(dst []byte, src *groupRows, n int) {
	for b := range n {
		block := dst[b*10*lanes:][:10*lanes]
		for r, row := range src.data {
			binary.LittleEndian.PutUint16(block[2*r:], toF16(e4m3(src.scales[r][b])/2))
			var codes [16]byte // the low nibble is the even column
			for i, c := range row[8*b:][:8] {
				codes[2*i], codes[2*i+1] = c, c>>4
			}
			putCodes(block[2*lanes:], r, codes[:], 0, 4)
		}
	}
}

// scaleMin returns group j's 6-bit scale and min of a Q4_K or Q5_K block.
func scaleMin(q []byte, j int) (scale, min uint8) {
	if j < 4 {
		return q[j] & 63, q[j+4] & 63
	}
	return q[j+4]&15 | q[j-4]>>6<<4, q[j+4]>>4 | q[j]>>6<<4
}

// packKHead writes what Q4_K and Q5_K share, 320 bytes: d F16 [16]; dmin F16
// [16]; for each 32 columns scale u8 [16], min u8 [16].
func packKHead(block, q []byte, r int) {
	copy(block[2*r:], q[0:2])
	copy(block[2*lanes+2*r:], q[2:4])
	for j := range 8 {
		s, m := scaleMin(q[4:16], j)
		block[64+32*j+r], block[64+32*j+lanes+r] = s, m
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
				putCodes(group, r, q[16:48], g, 1)
				putCodes(group[64:], r, q[48+g/2*32:][:32], g%2*4, 4)
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
			copy(block[2*r:], q[208:210])
			for g, s := range q[192:208] {
				block[2*lanes+g*lanes+r] = s
			}
			for g := range 8 {
				group, half, part := block[288+384*g:], g/4, g%4
				putCodes(group, r, q[64*half+part%2*32:][:32], part/2*4, 4)
				putCodes(group[256:], r, q[128+32*half:][:32], 2*part, 2)
			}
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
			copy(block[2*r:], q[80:82])
			copy(block[2*lanes+2*r:], q[82:84])
			for g, s := range q[:16] {
				block[64+g*lanes+r] = s
			}
			for g := range 8 {
				putCodes(block[320+128*g:], r, q[16+g/4*32:][:32], g%4*2, 2)
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
			copy(block[2*r:], q[108:110])
			for g := range 16 {
				s := q[96+g%8] >> (g / 8 * 4) & 15
				s |= q[104+g%4] >> (g / 4 * 2) & 3 << 4
				block[2*lanes+g*lanes+r] = s - 32
			}
			for g := range 8 {
				group := block[288+192*g:]
				putCodes(group, r, q[:32], g, 1)
				putCodes(group[64:], r, q[32+g/4*32:][:32], g%4*2, 2)
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
			copy(block[2*r:], q[:2])
			high := binary.LittleEndian.Uint16(q[2:])
			for g := range 8 {
				s := q[4+g/2]>>(g%2*4)&15 | uint8(high>>(2*g)&3)<<4
				block[2*lanes+g*lanes+r] = s - 32
				putHalves(block[160+256*g:], r, q[8+16*g:][:16])
			}
		}
	}
}

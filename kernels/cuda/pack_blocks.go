package cuda

import "encoding/binary"

// The functions of this file split blocks of ggml's types (model/quant says
// what they hold) into planes. Codes come out in the order of the columns.

func packPlain(dst rowPlanes, src rowSource, _ int) { copy(dst.codes, src.data) }

// putCodes joins codes of 1, 2 or 4 bits, one from each byte from bit shift up,
// the first in the lowest bits. src is a multiple of 8 bytes.
func putCodes(dst, src []byte, shift, bits int) {
	for ; len(src) > 0; src, dst = src[8:], dst[bits:] {
		x := binary.LittleEndian.Uint64(src) >> shift
		switch bits {
		case 4:
			x &= 0x0f0f0f0f0f0f0f0f
			x = (x | x>>4) & 0x00ff00ff00ff00ff
			x = (x | x>>8) & 0x0000ffff0000ffff
			binary.LittleEndian.PutUint32(dst, uint32(x|x>>16))
		case 2:
			x &= 0x0303030303030303
			x = (x | x>>6) & 0x000f000f000f000f
			x = (x | x>>12) & 0x000000ff000000ff
			binary.LittleEndian.PutUint16(dst, uint16(x|x>>24))
		default:
			// Multiplying gathers the eight lowest bits in the top byte.
			dst[0] = byte(x & 0x0101010101010101 * 0x0102040810204080 >> 56)
		}
	}
}

// putHalves writes codes of 4 bits of which the low nibbles come first.
func putHalves(dst, src []byte) {
	putCodes(dst, src, 0, 4)
	putCodes(dst[len(src)/2:], src, 4, 4)
}

// packSimple splits blocks of 32 values: `halves` bytes of F16, fifth bits if
// any, 16 bytes of nibbles.
func packSimple(dst rowPlanes, src rowSource, n, halves int, fifth bool) {
	size := halves + 16
	if fifth {
		size += 4
	}
	for b := range n {
		q := src.data[b*size:][:size]
		copy(dst.halves[b*halves:], q[:halves])
		if fifth {
			copy(dst.high[4*b:], q[halves:][:4])
		}
		putHalves(dst.codes[16*b:], q[size-16:])
	}
}

func packQ4_0(dst rowPlanes, src rowSource, n int) { packSimple(dst, src, n, 2, false) }
func packQ4_1(dst rowPlanes, src rowSource, n int) { packSimple(dst, src, n, 4, false) }
func packQ5_0(dst rowPlanes, src rowSource, n int) { packSimple(dst, src, n, 2, true) }
func packQ5_1(dst rowPlanes, src rowSource, n int) { packSimple(dst, src, n, 4, true) }

func packQ8_0(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*34:][:34]
		copy(dst.halves[2*b:], q[:2])
		for i := 0; i < 32; i += 8 {
			binary.LittleEndian.PutUint64(dst.codes[32*b+i:], binary.LittleEndian.Uint64(q[2+i:])^0x8080808080808080)
		}
	}
}

// scaleMin returns group j's 6-bit scale and min of a Q4_K or Q5_K block.
func scaleMin(q []byte, j int) (scale, low uint8) {
	if j < 4 {
		return q[j] & 63, q[j+4] & 63
	}
	return q[j+4]&15 | q[j-4]>>6<<4, q[j+4]>>4 | q[j]>>6<<4
}

// packKHead splits what Q4_K and Q5_K share.
func packKHead(dst rowPlanes, q []byte, b int) {
	copy(dst.halves[4*b:], q[:4])
	for j := range 8 {
		dst.steps[16*b+2*j], dst.steps[16*b+2*j+1] = scaleMin(q[4:16], j)
	}
}

func packQ4_K(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*144:][:144]
		packKHead(dst, q, b)
		for i := range 4 {
			putHalves(dst.codes[128*b+32*i:], q[16+32*i:][:32])
		}
	}
}

func packQ5_K(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*176:][:176]
		packKHead(dst, q, b)
		for g := range 8 {
			putCodes(dst.high[32*b+4*g:], q[16:48], g, 1)
			putCodes(dst.codes[128*b+16*g:], q[48+g/2*32:][:32], g%2*4, 4)
		}
	}
}

func packQ6_K(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*210:][:210]
		copy(dst.halves[2*b:], q[208:])
		copy(dst.steps[16*b:], q[192:208])
		for g := range 8 {
			half, part := g/4, g%4
			putCodes(dst.codes[128*b+16*g:], q[64*half+part%2*32:][:32], part/2*4, 4)
			putCodes(dst.high[64*b+8*g:], q[128+32*half:][:32], 2*part, 2)
		}
	}
}

func packQ2_K(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*84:][:84]
		copy(dst.halves[4*b:], q[80:])
		copy(dst.steps[16*b:], q[:16])
		for g := range 8 {
			putCodes(dst.codes[64*b+8*g:], q[16+g/4*32:][:32], g%4*2, 2)
		}
	}
}

func packQ3_K(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*110:][:110]
		copy(dst.halves[2*b:], q[108:])
		for g := range 16 {
			s := q[96+g%8] >> (g / 8 * 4) & 15
			s |= q[104+g%4] >> (g / 4 * 2) & 3 << 4
			dst.steps[16*b+g] = s - 32
		}
		for g := range 8 {
			putCodes(dst.high[32*b+4*g:], q[:32], g, 1)
			putCodes(dst.codes[64*b+8*g:], q[32+g/4*32:][:32], g%4*2, 2)
		}
	}
}

func packIQ4_XS(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*136:][:136]
		copy(dst.halves[2*b:], q[:2])
		high := binary.LittleEndian.Uint16(q[2:])
		for g := range 8 {
			dst.steps[8*b+g] = (q[4+g/2]>>(g%2*4)&15 | uint8(high>>(2*g)&3)<<4) - 32
			putHalves(dst.codes[128*b+16*g:], q[8+16*g:][:16])
		}
	}
}

func packMXFP4(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*17:][:17]
		dst.steps[b] = q[0]
		putHalves(dst.codes[16*b:], q[1:])
	}
}

// packNVFP4 splits GGUF's form, whose scales have no sign and in which 7f is 0.
func packNVFP4(dst rowPlanes, src rowSource, n int) {
	for b := range n {
		q := src.data[b*36:][:36]
		for g := range 4 {
			scale := q[g] & 0x7f
			if scale == 0x7f {
				scale = 0
			}
			dst.steps[4*b+g] = scale
			putHalves(dst.codes[32*b+8*g:], q[4+8*g:][:8])
		}
	}
}

// packNVFP4x16 takes codes that are in order already.
func packNVFP4x16(dst rowPlanes, src rowSource, _ int) {
	copy(dst.codes, src.data)
	copy(dst.steps, src.scales)
}

package quant

import "encoding/binary"

// decodeQ2_K reads a block of 256 values, 84 bytes: 16 bytes for groups of 16
// values, scale in the low and min in the high nibble; 64 bytes of codes of 2
// bits; d, dmin F16. Byte 32h+i holds the codes of values 128h+i, +32, +64, +96
// from its lowest bits up. value = d scale code - dmin min (ggml block_q2_K).
func decodeQ2_K(dst []float32, b []byte) {
	d, dmin := f16At(b[80:]), f16At(b[82:])
	for v := range 256 {
		s := b[v/16]
		scale, low := d*float32(s&15), dmin*float32(s>>4)
		code := b[16+v/128*32+v%32] >> (v % 128 / 32 * 2) & 3
		dst[v] = float32(scale*float32(code)) - low
	}
}

// scaleQ3 returns the scale of group g of 16 values of a block Q3_K, -32 to 31.
// The low nibbles of 16 scales stand in bytes 96 to 103, those of the second
// eight in the upper halves; their upper two bits in bytes 104 to 107.
func scaleQ3(b []byte, g int) int {
	low := b[96+g%8] >> (g / 8 * 4) & 15
	high := b[104+g%4] >> (g / 4 * 2) & 3
	return int(high<<4|low) - 32
}

// decodeQ3_K reads a block of 256 values, 110 bytes: 32 bytes of third bits, of
// which byte i holds those of values i, 32+i, ..., from its lowest bit up; 64
// bytes of low bits as in Q2_K; 12 bytes of scales (scaleQ3); d F16.
// value = d scale (code - 4) (ggml block_q3_K).
func decodeQ3_K(dst []float32, b []byte) { valuesQ3_K(dst, b, []float32{-4, -3, -2, -1, 0, 1, 2, 3}) }

// valuesQ3_K is decodeQ3_K where codes have other values.
func valuesQ3_K(dst []float32, b []byte, values []float32) {
	d := f16At(b[108:])
	for v := range 256 {
		code := b[32+v/128*32+v%32]>>(v%128/32*2)&3 | b[v%32]>>(v/32)&1<<2
		dst[v] = d * float32(scaleQ3(b, v/16)) * values[code]
	}
}

// scaleMin returns scale and min, 6 bits each, of group g of 32 values of a
// block Q4_K or Q5_K. Bytes 0 to 3 of q hold the scales and 4 to 7 the mins of
// the first four groups; for the others bytes 8 to 11 hold the low nibbles, and
// the upper two bits of bytes 0 to 7 the rest.
func scaleMin(q []byte, g int) (scale, low byte) {
	if g < 4 {
		return q[g] & 63, q[4+g] & 63
	}
	return q[4+g]&15 | q[g-4]>>6<<4, q[4+g]>>4 | q[g]>>6<<4
}

// decodeQ4_K reads a block of 256 values, 144 bytes: d, dmin F16; 12 bytes of
// scales and mins (scaleMin); 128 bytes of codes, of which byte 32h+i holds
// value 64h+i in its low and value 64h+32+i in its high nibble.
// value = d scale code - dmin min (ggml block_q4_K).
func decodeQ4_K(dst []float32, b []byte) {
	d, dmin := f16At(b), f16At(b[2:])
	for g := range 8 {
		s, m := scaleMin(b[4:], g)
		scale, low := d*float32(s), dmin*float32(m)
		for i, c := range b[16+g/2*32:][:32] {
			dst[32*g+i] = float32(scale*float32(c>>(g%2*4)&15)) - low
		}
	}
}

// decodeQ5_K reads a block of 256 values, 176 bytes: d, dmin F16; scales and
// mins as in Q4_K; 32 bytes of fifth bits, of which bit g of byte i belongs to
// value 32g+i; low bits as in Q4_K. value = d scale code - dmin min (ggml
// block_q5_K).
func decodeQ5_K(dst []float32, b []byte) {
	d, dmin := f16At(b), f16At(b[2:])
	for g := range 8 {
		s, m := scaleMin(b[4:], g)
		scale, low := d*float32(s), dmin*float32(m)
		for i, c := range b[48+g/2*32:][:32] {
			code := c>>(g%2*4)&15 | b[16+i]>>g&1<<4
			dst[32*g+i] = float32(scale*float32(code)) - low
		}
	}
}

// decodeQ6_K reads a block of 256 values, 210 bytes: 128 bytes of low nibbles,
// of which byte 64h+i holds value 128h+i in its low and 128h+64+i in its high
// nibble; 64 bytes of upper bits as in Q2_K; 16 scales i8 of 16 values; d F16.
// value = d scale (code - 32) (ggml block_q6_K).
func decodeQ6_K(dst []float32, b []byte) {
	d := f16At(b[208:])
	for v := range 256 {
		half, at := v/128, v%128
		code := b[64*half+at%64]>>(at/64*4)&15 | b[128+32*half+v%32]>>(at/32*2)&3<<4
		dst[v] = d * float32(int8(b[192+v/16])) * float32(int(code)-32)
	}
}

// decodeIQ4_XS reads a block of 256 values, 136 bytes: d F16; the upper two
// bits of 8 scales, from the lowest bits up; their low nibbles, two to a byte;
// for each 32 values 16 bytes of codes as in IQ4_NL. value = d (scale - 32)
// iq4[code] (ggml block_iq4_xs).
func decodeIQ4_XS(dst []float32, b []byte) { valuesIQ4_XS(dst, b, iq4[:]) }

// valuesIQ4_XS is decodeIQ4_XS where codes have other values.
func valuesIQ4_XS(dst []float32, b []byte, values []float32) {
	d, high := f16At(b), binary.LittleEndian.Uint16(b[2:])
	for g := range 8 {
		s := int(b[4+g/2]>>(g%2*4)&15 | byte(high>>(2*g)&3)<<4)
		scale := d * float32(s-32)
		for i, c := range b[8+16*g:][:16] {
			dst[32*g+i] = scale * values[c&15]
			dst[32*g+16+i] = scale * values[c>>4]
		}
	}
}

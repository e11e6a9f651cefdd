package minifloat

import "math"

// F16 returns the value of an IEEE 754 binary16 number.
func F16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exponent, fraction := uint32(h>>10&31), uint32(h&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: fraction * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// ToF16 rounds to the nearest binary16 number. What is too large becomes infinite; a NaN
// stays one and keeps the bits for which there is room.
func ToF16(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, size := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case size > 0x7f800000:
		return sign | 0x7e00 | uint16(size>>13&0x1ff)
	case size >= 0x477ff000: // 65520, halfway between the largest number and the next
		return sign | 0x7c00
	case size < 0x38800000: // below 2^-14: a multiple of 2^-24, which adding 0.5 rounds to
		return sign | uint16(math.Float32bits(math.Float32frombits(size)+0.5)-0x3f000000)
	}
	size += 0xfff + size>>13&1 // rounds the lowest 13 bits away
	return sign | uint16(size>>13-112<<10)
}

// BF16 returns the value of a bfloat16 number: the upper half of a float32.
func BF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// ToBF16 rounds to the nearest bfloat16 number. What is too large becomes infinite, NaN
// stays NaN.
func ToBF16(v float32) uint16 {
	bits := math.Float32bits(v)
	if v != v {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

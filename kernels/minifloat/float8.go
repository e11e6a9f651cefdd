package minifloat

import "math"

// E4M3 returns the value of an 8-bit float with 4 exponent bits (OCP 8-bit
// Floating Point, E4M3): bias 7, greatest value 448, no infinities; 7f and ff
// are NaN.
func E4M3(c byte) float32 {
	v := math.Float32frombits(uint32(c&0x7f)<<20) * 0x1p120
	if c&0x7f == 0x7f {
		v = float32(math.NaN())
	}
	if c&0x80 != 0 {
		v = -v
	}
	return v
}

// ToE4M3 rounds to the nearest E4M3 number. What is too large becomes ±448, NaN stays NaN.
func ToE4M3(v float32) byte {
	sign := byte(math.Float32bits(v) >> 24 & 0x80)
	size := math.Abs(float64(v))
	switch {
	case v != v:
		return sign | 0x7f
	case size >= 448:
		return sign | 0x7e
	case size < 0x1p-6: // a whole number of 2^-9; 8 is the smallest normal number
		return sign | byte(math.RoundToEven(size*0x1p9))
	}
	fraction, exponent := math.Frexp(size) // fraction in [1/2, 1)
	// From 8/16 to 16/16; the latter carries into the exponent.
	m := byte(math.RoundToEven(fraction * 16))
	return sign | (byte(exponent+6)<<3 + m - 8)
}

package minifloat

import "math"

// E2M1 returns the value of a 4-bit float (OCP Microscaling Formats, E2M1): 0,
// 0.5, 1, 1.5, 2, 3, 4, 6, and from code 8 on the same below zero. The upper
// bits of c are not looked at.
func E2M1(c byte) float32 {
	exponent, fraction := c>>1&3, float32(c&1)/2
	v := fraction
	if exponent != 0 {
		v = (1 + fraction) * float32(int(1)<<(exponent-1))
	}
	if c&8 != 0 {
		v = -v
	}
	return v
}

// ToE2M1 rounds to the nearest E2M1 number, ties to the even code. What is too
// large becomes ±6, and minus zero becomes 0. v must be a number.
func ToE2M1(v float32) byte {
	size := math.Abs(float64(v))
	var c byte
	switch { // the numbers are multiples of 1/2 up to 2, of 1 up to 4, of 2 up to 6
	case size < 2:
		c = byte(math.RoundToEven(2 * size))
	case size < 4:
		c = 2 + byte(math.RoundToEven(size))
	default:
		c = 4 + byte(math.RoundToEven(min(size, 6)/2))
	}
	if v < 0 && c != 0 {
		c |= 8
	}
	return c
}

package gguf

import (
	"math"
	"math/bits"
)

// multiply returns the product of two sizes, if it fits.
func multiply(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return int64(lo), hi == 0 && lo <= math.MaxInt64
}

// align rounds n up to a multiple of a power of two, if that fits.
func align(n, to int64) (int64, bool) {
	if n > math.MaxInt64-to {
		return 0, false
	}
	return (n + to - 1) &^ (to - 1), true
}

package cpu

import (
	"trona/kernels"
	"trona/kernels/minifloat"
)

// Rounds reports whether a variant's products with a type are in 8 bits.
func Rounds(name string, t kernels.DType) bool {
	v, err := choose(name)
	return err == nil && v.integers[t] != nil
}

// RoundsSuper reports whether they are in super-blocks, and whether those have mins.
func RoundsSuper(name string, t kernels.DType) (super, mins bool) {
	v, err := choose(name)
	super = err == nil && v.integers[t] != nil && v.integers[t].super
	return super, super && codings[t].min != nil
}

// RoundsPairs reports whether a variant's products with a type round to BF16.
func RoundsPairs(name string, t kernels.DType) bool {
	v, err := choose(name)
	return err == nil && v.hasPairs(t)
}

// RoundsTiles reports whether a variant's products with a type round to BF16 in rows
// that prefill.
func RoundsTiles(name string, t kernels.DType) bool {
	v, err := choose(name)
	return err == nil && v.inTiles(kernels.Weight{Type: t})
}

// Rounds16 reports whether a variant's attention rounds to integers of 16 bits in rows
// that prefill.
func Rounds16(name string) bool {
	v, err := choose(name)
	return err == nil && v.attention16 != nil
}

// RoundPair rounds as such products do.
func RoundPair(x float32) float32 { return minifloat.BF16(minifloat.ToBF16(x)) }

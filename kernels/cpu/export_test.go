package cpu

import "trona/kernels"

// Rounds reports whether a variant's products with a type are in 8 bits.
func Rounds(name string, t kernels.DType) bool {
	v, err := choose(name)
	return err == nil && v.integers[t] != nil
}

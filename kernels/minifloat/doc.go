// Package minifloat converts floats of 16, 8 and 4 bits: what weights and caches are
// stored in, and the oracle of every faster conversion. Rounding is to nearest, ties to even.
package minifloat

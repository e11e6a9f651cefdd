// Package minifloat converts floats of 16, 8 and 4 bits: what weights and caches are stored
// in, and the oracle of every faster conversion. Those of 8 and 4 bits are of the OCP (8-bit
// Floating Point Specification 1.0, Microscaling Formats 1.0). Rounding is to nearest, ties to
// even.
package minifloat

// Package quant turns the bytes of quantised tensors into numbers and back.
// It is plain Go and the oracle of every faster decoder: each value is computed
// in float32, in the order in which the format's reference implementation
// computes it, so that equality of bits can be asked for.
//
// # Where do the layouts come from?
//
// The block types (Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS, MXFP4, NVFP4)
// are those of ggml, as GGUF files hold them; each decoder states its block.
// Types of GGUF that choose values from grids, and those of 1 and 2 bits, turn into blocks
// of these (Recast). All numbers are little endian; floats of 16 bits and less are those of
// package minifloat.
//
// # How is a value quantised?
//
// Encode is deterministic and looks at the values only, not at how much the
// model needs each of them (there is no importance matrix). It minimises the
// squared error of a block as far as its comment says.
package quant

// Package convert writes checkpoints as GGUF files of another element type.
//
// # Which tensor gets which type?
//
// Vectors (norms, rotary factors) stay F32. Every matrix gets the type that
// the name of the target says, with two exceptions. Errors of the output matrix, and of an
// embedding that is the output matrix too, go straight into the logits: for targets of 5 bits
// and fewer it is Q6_K. And a matrix whose rows do not divide into blocks of 256 gets the next
// larger type with blocks of 32, or F16 where they do not divide into these either. Some
// targets, those that end in _M and Q2_K, give more bits to half of the value and down
// projections, those of the first and last eighth of the layers and of every third between:
// errors there were found to hurt the most.
package convert

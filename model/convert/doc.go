// Package convert writes checkpoints as GGUF files of another element type.
//
// # Which tensor gets which type?
//
// Vectors (norms, rotary factors) stay F32. Every matrix gets the type that
// the name of the target says, with two exceptions. The output matrix, and an
// embedding that is the output matrix too, errs straight into the answer: for
// targets of 4 and 5 bits it is Q6_K. And a matrix whose rows do not divide
// into blocks of 256 gets the next larger type with blocks of 32, or F16 where
// they do not divide into these either. The targets that end in _M store half
// of the value and down projections, those of the first, the last and every
// third layer between, in Q6_K: errors there were found to hurt the most.
package convert

//go:build !purego

package main

//go:noescape
func multiplyAddNEON(rounds int64)

// multiplyAdd keeps the multiply-add units busy and returns the operations done.
func multiplyAdd(rounds int64) int64 {
	multiplyAddNEON(rounds)
	return rounds * 16 * 4 * 2
}

// multiplyAddInt8 does nothing: there are no loops in 8 bits.
func multiplyAddInt8(int64) int64 { return 0 }

// sum adds words, to read them.
func sum(words []uint64) uint64 { return sumScalar(words) }

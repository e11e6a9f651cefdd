//go:build !purego

package main

import "golang.org/x/sys/cpu"

//go:noescape
func multiplyAddNEON(rounds int64)

//go:noescape
func multiplyAddInt8NEON(rounds int64)

//go:noescape
func multiplyAddInt8SDOT(rounds int64)

//go:noescape
func multiplyAddInt8SMMLA(rounds int64)

//go:noescape
func sumNEON(words *uint64, n int64) uint64

// multiplyAdd keeps the multiply-add units busy and returns the operations done.
func multiplyAdd(rounds int64) int64 {
	multiplyAddNEON(rounds)
	return rounds * 16 * 4 * 2
}

// multiplyAddInt8 does the same with products of 8 bits.
func multiplyAddInt8(rounds int64) int64 {
	switch {
	case cpu.ARM64.HasI8MM:
		multiplyAddInt8SMMLA(rounds)
		return rounds * 16 * 32 * 2
	case cpu.ARM64.HasASIMDDP:
		multiplyAddInt8SDOT(rounds)
	default:
		multiplyAddInt8NEON(rounds)
	}
	return rounds * 16 * 16 * 2
}

// multiplyAddTiles does nothing: there are no tiles.
func multiplyAddTiles(int64) int64 { return 0 }

// multiplyAddPairs does nothing: there are no loops of BF16.
func multiplyAddPairs(int64) int64 { return 0 }

// sums are loops that add words, to read them.
func sums() []func(words []uint64) uint64 { return []func([]uint64) uint64{sumVectors} }

// sumVectors is sumScalar with NEON.
func sumVectors(words []uint64) uint64 {
	n := len(words) &^ 15
	if n == 0 {
		return sumScalar(words)
	}
	return sumNEON(&words[0], int64(n)) + sumScalar(words[n:])
}

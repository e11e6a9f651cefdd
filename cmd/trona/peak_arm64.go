//go:build !purego

package main

import "golang.org/x/sys/cpu"

//go:noescape
func multiplyAddNEON(rounds int64)

//go:noescape
func multiplyAddInt8SDOT(rounds int64)

// multiplyAdd keeps the multiply-add units busy and returns the operations done.
func multiplyAdd(rounds int64) int64 {
	multiplyAddNEON(rounds)
	return rounds * 16 * 4 * 2
}

// multiplyAddInt8 does the same with products of 8 bits; 0: there are no
// instructions for them.
func multiplyAddInt8(rounds int64) int64 {
	if !cpu.ARM64.HasASIMDDP {
		return 0
	}
	multiplyAddInt8SDOT(rounds)
	return rounds * 16 * 16 * 2
}

// multiplyAddTiles does nothing: there are no tiles.
func multiplyAddTiles(int64) int64 { return 0 }

// multiplyAddPairs does nothing: there are no loops of BF16.
func multiplyAddPairs(int64) int64 { return 0 }

// sum adds words, to read them.
func sum(words []uint64) uint64 { return sumScalar(words) }

//go:build purego || !(amd64 || arm64)

package main

// multiplyAdd keeps the multiply-add units busy and returns the operations done.
func multiplyAdd(rounds int64) int64 { return multiplyAddScalar(rounds) }

// multiplyAddInt8 does nothing: there are no loops in 8 bits.
func multiplyAddInt8(int64) int64 { return 0 }

// multiplyAddTiles does nothing: there are no tiles.
func multiplyAddTiles(int64) int64 { return 0 }

// multiplyAddPairs does nothing: there are no loops of BF16.
func multiplyAddPairs(int64) int64 { return 0 }

// sums are loops that add words, to read them.
func sums() []func(words []uint64) uint64 { return []func([]uint64) uint64{sumScalar} }

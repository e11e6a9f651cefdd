//go:build purego || !(amd64 || arm64)

package main

// multiplyAdd keeps the multiply-add units busy and returns the operations done.
func multiplyAdd(rounds int64) int64 { return multiplyAddScalar(rounds) }

// sum adds words, to read them.
func sum(words []uint64) uint64 { return sumScalar(words) }

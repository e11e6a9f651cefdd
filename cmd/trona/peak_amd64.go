//go:build !purego

package main

import "golang.org/x/sys/cpu"

//go:noescape
func multiplyAddAVX2(rounds int64)

//go:noescape
func multiplyAddAVX512(rounds int64)

//go:noescape
func multiplyAddInt8AVX2(rounds int64)

//go:noescape
func multiplyAddInt8AVXVNNI(rounds int64)

//go:noescape
func multiplyAddInt8VNNI(rounds int64)

//go:noescape
func multiplyAddBF16(rounds int64)

//go:noescape
func multiplyAddAMX(rounds int64)

//go:noescape
func sumAVX2(words *uint64, n, far, near int64) uint64

// multiplyAdd keeps the multiply-add units busy and returns the operations done.
func multiplyAdd(rounds int64) int64 {
	switch {
	case cpu.X86.HasAVX512F:
		multiplyAddAVX512(rounds)
		return rounds * 12 * 16 * 2
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		multiplyAddAVX2(rounds)
		return rounds * 12 * 8 * 2
	}
	return multiplyAddScalar(rounds)
}

// multiplyAddInt8 does the same with products of 8 bits; 0: there are no
// instructions for them.
func multiplyAddInt8(rounds int64) int64 {
	switch {
	case cpu.X86.HasAVX512F && cpu.X86.HasAVX512VNNI:
		multiplyAddInt8VNNI(rounds)
		return rounds * 12 * 64 * 2
	case cpu.X86.HasAVX2 && cpu.X86.HasAVXVNNI:
		multiplyAddInt8AVXVNNI(rounds)
		return rounds * 12 * 32 * 2
	case cpu.X86.HasAVX2:
		multiplyAddInt8AVX2(rounds)
		return rounds * 6 * 32 * 2
	}
	return 0
}

// multiplyAddTiles does the same with products in tiles of BF16, which the system
// must have permitted; 0: there are no tiles.
func multiplyAddTiles(rounds int64) int64 {
	if !cpu.X86.HasAMXBF16 {
		return 0
	}
	rounds /= 8 // a tile takes 16 cycles
	multiplyAddAMX(rounds)
	return rounds * 6 * 16 * 16 * 32 * 2
}

// multiplyAddPairs does the same with pairs of BF16; 0: there are no instructions for them.
func multiplyAddPairs(rounds int64) int64 {
	if !cpu.X86.HasAVX512BF16 {
		return 0
	}
	multiplyAddBF16(rounds)
	return rounds * 12 * 32 * 2
}

// sums are loops that add words, to read them. Which of them reads fastest differs between
// makers of processors.
func sums() []func(words []uint64) uint64 {
	if !cpu.X86.HasAVX2 {
		return []func([]uint64) uint64{sumScalar}
	}
	return []func([]uint64) uint64{sumAhead(0, 0), sumAhead(2048, 512), sumAhead(4608, 2048)}
}

// sumAhead is sumScalar with AVX2 and prefetches: far bytes ahead to the second-level cache,
// near bytes ahead to the first.
func sumAhead(far, near int64) func(words []uint64) uint64 {
	return func(words []uint64) uint64 {
		n := len(words) &^ 31
		if n == 0 {
			return sumScalar(words)
		}
		return sumAVX2(&words[0], int64(n), far, near) + sumScalar(words[n:])
	}
}

package main

import (
	"math"
	"sync"
	"time"
)

// ceilings are what a machine can do at best with some threads.
type ceilings struct {
	Bandwidth float64 // bytes a second, reading memory
	Compute   float64 // float32 operations a second; a multiply-add counts as two
	Int8      float64 // the same of products of 8 bits; 0: no instructions for them
}

// measureCeilings measures them in a second or so.
func measureCeilings(threads int) ceilings {
	const words = 256 << 20 / 8 // more than any cache
	memory := make([]uint64, words)
	for i := range memory {
		memory[i] = 1 // a page that was never written is not read from memory
	}
	part := words / threads
	read := best(threads, func(thread int) { sum(memory[thread*part : (thread+1)*part]) })
	return ceilings{
		Bandwidth: float64(8*part*threads) / read.Seconds(),
		Compute:   rate(threads, multiplyAdd),
		Int8:      rate(threads, multiplyAddInt8),
	}
}

// rate returns the operations a second of a loop on all threads.
func rate(threads int, loop func(rounds int64) int64) float64 {
	const rounds = 1 << 20
	var operations int64
	took := best(threads, func(thread int) {
		if n := loop(rounds); thread == 0 {
			operations = n
		}
	})
	return float64(operations) * float64(threads) / took.Seconds()
}

// share returns how much of what could be done in the time was done, where some
// operations are products of 8 bits.
func (c *ceilings) share(operations, int8, seconds float64) float64 {
	if c.Int8 == 0 {
		int8 = 0
	}
	least := (operations - int8) / c.Compute
	if int8 > 0 {
		least += int8 / c.Int8
	}
	return least / seconds
}

// best returns the shortest of some runs of work on all threads at once.
func best(threads int, work func(thread int)) time.Duration {
	shortest := time.Duration(math.MaxInt64)
	for range 8 {
		var all sync.WaitGroup
		start := time.Now()
		for thread := range threads {
			all.Go(func() { work(thread) })
		}
		all.Wait()
		shortest = min(shortest, time.Since(start))
	}
	return shortest
}

// multiplyAddScalar does rounds of eight independent multiply-adds and returns
// the operations done.
func multiplyAddScalar(rounds int64) int64 {
	var s [8]float64
	for i := range rounds {
		x := float64(i & 1)
		s[0], s[1], s[2], s[3] = math.FMA(s[0], x, x), math.FMA(s[1], x, x), math.FMA(s[2], x, x), math.FMA(s[3], x, x)
		s[4], s[5], s[6], s[7] = math.FMA(s[4], x, x), math.FMA(s[5], x, x), math.FMA(s[6], x, x), math.FMA(s[7], x, x)
	}
	if s[0]+s[1]+s[2]+s[3]+s[4]+s[5]+s[6]+s[7] < 0 {
		return 0 // never: the sums are used, so they are computed
	}
	return 16 * rounds
}

// sumScalar adds words in four chains.
func sumScalar(words []uint64) uint64 {
	var s [4]uint64
	for ; len(words) >= 4; words = words[4:] {
		s[0], s[1], s[2], s[3] = s[0]+words[0], s[1]+words[1], s[2]+words[2], s[3]+words[3]
	}
	for _, w := range words {
		s[0] += w
	}
	return s[0] + s[1] + s[2] + s[3]
}

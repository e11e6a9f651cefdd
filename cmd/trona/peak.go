package main

import (
	"math"
	"strings"
	"sync"
	"time"

	"trona/kernels"
)

// ceilings are what a machine can do at best with some threads.
type ceilings struct {
	Bandwidth float64 // bytes a second, reading memory
	Compute   float64 // float32 operations a second; a multiply-add counts as two
	Int8      float64 // the same of products of 8 bits; 0: no instructions for them
	BF16      float64 // the same of products of BF16; 0: not used
}

// gauge measures the ceilings of some threads.
type gauge struct {
	threads int
	bf16    peak     // nil: the device multiplies no BF16
	memory  []uint64 // to be read, a part in each run
}

// peak is a loop that keeps units of a processor busy and returns the operations done.
type peak func(rounds int64) int64

// newGauge returns one that reads as much memory as a model has, within limits: of what is less
// than that, a large cache holds a larger share.
func newGauge(threads int, bf16 peak, model int64) *gauge {
	g := &gauge{threads: threads, bf16: bf16, memory: make([]uint64, min(max(256<<20, model), 1<<30)/8)}
	adviseHuge(g.memory) // as weights are
	for i := range g.memory {
		g.memory[i] = 1 // a page that was never written is not read from memory
	}
	return g
}

// measure takes a tenth of a second or so.
func (g *gauge) measure() ceilings {
	c := ceilings{
		Compute: rate(g.threads, multiplyAdd),
		Int8:    rate(g.threads, multiplyAddInt8),
	}
	part := len(g.memory) / runs / g.threads
	for _, sum := range sums() {
		read := best(g.threads, func(run, thread int) { sum(g.memory[(run*g.threads+thread)*part:][:part]) })
		c.Bandwidth = max(c.Bandwidth, float64(8*part*g.threads)/read.Seconds())
	}
	if g.bf16 != nil {
		c.BF16 = rate(g.threads, g.bf16)
	}
	return c
}

// mean returns the mean of some measurements.
func mean(all []ceilings) (c ceilings) {
	for _, one := range all {
		n := float64(len(all))
		c.Bandwidth, c.Compute = c.Bandwidth+one.Bandwidth/n, c.Compute+one.Compute/n
		c.Int8, c.BF16 = c.Int8+one.Int8/n, c.BF16+one.BF16/n
	}
	return c
}

// bf16Peak returns the loop of what a device multiplies BF16 with. It has asked the
// system for permission to use tiles.
func bf16Peak(dev kernels.Device) peak {
	for _, f := range dev.Info().Features {
		switch {
		case strings.HasPrefix(f, "amx"):
			return multiplyAddTiles
		case strings.HasPrefix(f, "avx512bf16"):
			return multiplyAddPairs
		}
	}
	return nil
}

// rate returns the operations a second of a loop on all threads.
func rate(threads int, loop peak) float64 {
	const rounds = 1 << 20
	var operations int64
	took := best(threads, func(_, thread int) {
		if n := loop(rounds); thread == 0 {
			operations = n
		}
	})
	return float64(operations) * float64(threads) / took.Seconds()
}

// share returns how much of what could be done in the time was done, where some
// operations are products of 8 bits, of 16, which take twice as long, or of BF16.
func (c *ceilings) share(done *tally, seconds float64) float64 {
	operations, least := float64(done.total.Flops), 0.0
	for _, kind := range [][2]float64{{done.int8, c.Int8}, {done.int16, c.Int8 / 2}, {done.bf16, c.BF16}} {
		if kind[1] > 0 {
			operations -= kind[0]
			least += kind[0] / kind[1]
		}
	}
	return (least + operations/c.Compute) / seconds
}

// runs is how often all threads do what is measured.
const runs = 4

// best returns the shortest of some runs of work on all threads at once.
func best(threads int, work func(run, thread int)) time.Duration {
	shortest := time.Duration(math.MaxInt64)
	for run := range runs {
		var all sync.WaitGroup
		start := time.Now()
		for thread := range threads {
			all.Go(func() { work(run, thread) })
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

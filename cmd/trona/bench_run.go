package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"trona/engine"
	"trona/kernels"
	"trona/model"
)

// bench is a loaded model with a cache, for one test at a time.
type bench struct {
	info    benchRow // what all rows share
	device  kernels.Device
	costs   *costDevice  // what it has to do
	times   *timedDevice // of its ops; nil: nobody asks
	model   *model.Model
	cache   *model.KVCache
	threads int
	rows    int    // most of a step, as in serve
	gauge   *gauge // nil: ceilings are not measured
	batch   model.Batch

	engine  *engine.Engine // nil: the model is measured directly
	prompts int            // that the engine has got
}

func (c *benchCommand) load(std stdio, tests []benchRow) (*bench, error) {
	ckpt, err := openCheckpoint(c.Model)
	if err != nil {
		return nil, err
	}
	defer ckpt.Close()
	dev, err := c.open()
	if err != nil {
		return nil, err
	}
	if c.Ops && dev.Info().Name != "cpu" {
		return nil, errors.Join(usagef("--ops: only on the CPU have ops run when they return"), dev.Close())
	}
	b := &bench{device: dev, threads: c.threads(), rows: dev.Info().StepRows}
	if !c.Engine {
		b.costs, b.device = counted(dev)
	}
	if c.Ops {
		b.times = &timedDevice{costDevice: b.costs}
		b.device = b.times
	}
	kv, err := c.kvType(dev.Info(), ckpt)
	if err == nil {
		err = b.allocate(ckpt, kv, tests, std)
	}
	if err == nil && c.Engine {
		err = b.start(tests, c.Synchronous)
	}
	if err != nil {
		b.close()
		return nil, err
	}
	b.info = benchRow{Filename: ckpt.Path, Parameters: ckpt.Parameters(), Device: dev.Info().Name, TypeK: kv.String(), TypeV: kv.String(), NThreads: b.threads, Engine: c.Engine}
	for _, t := range ckpt.Tensors() {
		b.info.Bytes += t.Bytes
	}
	return b, nil
}

// allocate loads the model, and a cache that is large enough for every test.
func (b *bench) allocate(ckpt *model.Checkpoint, kv kernels.DType, tests []benchRow, std stdio) error {
	blocks, sequences := 0, 0
	for _, t := range tests {
		if n := t.NDepth + t.tokens(); n > ckpt.Config.ContextLength {
			return fmt.Errorf("%s needs %d positions, the model declares %d", t.name(), n, ckpt.Config.ContextLength)
		}
		blocks, sequences = max(blocks, t.Batch*t.blocks()), max(sequences, t.Batch)
		if b.costs == nil {
			blocks = max(blocks, t.engineBlocks(b.rows))
		}
	}
	bar := newProgress(std.err, "loading")
	defer bar.stop()
	var err error
	if b.model, err = model.Load(ckpt, b.device, model.LoadOptions{MaxRows: b.rows, MaxLogits: sequences, Progress: bar.set}); err != nil {
		return err
	}
	if b.cache, err = model.NewKVCache(b.device, &ckpt.Config, kv, blocks); err != nil {
		return err
	}
	return b.model.Record(b.cache)
}

// blocks returns the cache blocks of a sequence of the test.
func (r *benchRow) blocks() int {
	return (r.NDepth + r.tokens() + kernels.BlockSize - 1) / kernels.BlockSize
}

func (b *bench) close() {
	// Freed with the process; what was measured stands.
	if b.engine != nil {
		_ = b.engine.Close()
	} else {
		_ = b.device.Close()
	}
}

func (b *bench) describe(r *benchRow) {
	shared := b.info
	shared.NPrompt, shared.NGen, shared.NDepth, shared.Batch = r.NPrompt, r.NGen, r.NDepth, r.Batch
	*r = shared
}

// measure runs a test some times, after a run that does not count, and fills
// in its speed. Ceilings are measured in turns with it: both see the same state of
// the machine.
func (b *bench) measure(r *benchRow, repetitions int) error {
	if b.engine != nil {
		return b.measureEngine(r, repetitions)
	}
	if err := b.fill(r); err != nil {
		return err
	}
	b.costs.tally = tally{}
	if b.times != nil {
		b.times.ops, b.times.steps = nil, 0
	}
	elapsed := time.Duration(0)
	var tops []ceilings
	for range repetitions {
		if b.gauge != nil {
			tops = append(tops, b.gauge.measure())
		}
		start := time.Now()
		if err := b.once(r, r.tokens()); err != nil {
			return err
		}
		took := time.Since(start)
		elapsed += took
		r.Samples = append(r.Samples, float64(r.Batch*r.tokens())/took.Seconds())
	}
	r.AvgTS, r.StddevTS = meanDeviation(r.Samples)
	r.GBPerS = float64(b.costs.total.Bytes) / elapsed.Seconds() / 1e9
	r.GFLOPPerS = float64(b.costs.total.Flops) / elapsed.Seconds() / 1e9
	if b.times != nil {
		r.Ops = b.times.rows(elapsed)
	}
	if len(tops) > 0 {
		r.compare(mean(tops), &b.costs.tally, elapsed.Seconds())
	}
	return nil
}

// compare fills in ceilings, and what share of them was reached.
func (r *benchRow) compare(top ceilings, done *tally, seconds float64) {
	r.BandwidthCeiling, r.ComputeCeiling = top.Bandwidth/1e9, top.Compute/1e9
	r.Int8Ceiling, r.BF16Ceiling = top.Int8/1e9, top.BF16/1e9
	r.ShareOfBandwidth, r.ShareOfCompute = r.GBPerS/r.BandwidthCeiling, top.share(done, seconds)
}

// fill computes the positions before the test, and warms up.
func (b *bench) fill(r *benchRow) error {
	before := *r
	before.NPrompt, before.NGen, before.NDepth = r.NDepth, 0, 0
	if err := b.once(&before, r.NDepth); err != nil {
		return err
	}
	if r.NGen > 0 {
		return b.once(r, 1)
	}
	return b.once(r, r.NPrompt)
}

// once computes n tokens of each sequence: a token a step, or as many as fit.
func (b *bench) once(r *benchRow, n int) error {
	done := make([]int, r.Batch)
	for left := n * r.Batch; left > 0; {
		b.batch.Reset()
		for s := range done {
			rows := min(n-done[s], b.rows-len(b.batch.Tokens))
			if r.NGen > 0 {
				rows = min(rows, 1)
			}
			if rows == 0 {
				continue
			}
			b.add(r, s, r.NDepth+done[s], rows)
			done[s] += rows
			left -= rows
			if done[s] == n || r.NGen > 0 {
				b.batch.Logits = append(b.batch.Logits, int32(len(b.batch.Tokens)-1))
			}
		}
		b.model.Forward(&b.batch, b.cache)
		if err := b.device.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// token returns a token of a sequence. Ids are spread over the vocabulary; which
// they are does not change the work.
func (b *bench) token(sequence, position int) int32 {
	id := uint64(sequence*1_000_003+position+1) * 0x9e3779b97f4a7c15 >> 33
	return int32(id % uint64(b.model.Config.VocabSize))
}

// add adds rows of a sequence from a position on.
func (b *bench) add(r *benchRow, sequence, position, rows int) {
	blocks := make([]int32, r.blocks())
	for i := range blocks {
		blocks[i] = int32(sequence*len(blocks) + i)
	}
	for i := range rows {
		b.batch.Tokens = append(b.batch.Tokens, b.token(sequence, position+i))
	}
	b.batch.Seqs = append(b.batch.Seqs, model.BatchSeq{Rows: rows, Position: int64(position), Blocks: blocks, Decode: r.NGen > 0})
}

// meanDeviation returns the mean and the sample standard deviation.
func meanDeviation(samples []float64) (mean, deviation float64) {
	for _, v := range samples {
		mean += v / float64(len(samples))
	}
	for _, v := range samples {
		deviation += (v - mean) * (v - mean) / float64(max(len(samples)-1, 1))
	}
	return mean, math.Sqrt(deviation)
}

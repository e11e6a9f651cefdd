package kerneltest

import (
	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// recordStep is a small decode step: the ops of a layer, over rows of which
// some may not be in use.
type recordStep struct {
	ids, positions, slots kernels.Tensor // I32 [n]
	x, h, q, k, v, out    kernels.Tensor
	table, wq, wk, wv     kernels.Weight
	norm, inv             kernels.Tensor
	bq, bk, bv            kernels.Tensor
	cache                 kernels.KV
}

const (
	recordRows, recordBlocks    = 4, 6
	recordHeads, recordKV, rDim = 4, 2, 16
	recordWidth, recordVocab    = 64, 40
	recordWindow                = 3
)

func (c *context) recordStep() *recordStep {
	const n, d = recordRows, recordWidth
	s := &recordStep{
		ids: c.empty(kernels.I32, n), positions: c.empty(kernels.I32, n), slots: c.empty(kernels.I32, n),
		x: c.empty(kernels.F32, n, d), h: c.empty(kernels.F32, n, d),
		q: c.empty(kernels.F32, n, recordHeads, rDim), out: c.empty(kernels.F32, n, recordHeads, rDim),
		k: c.empty(kernels.F32, n, recordKV, rDim), v: c.empty(kernels.F32, n, recordKV, rDim),
		table: c.pack(c.matrix(kernels.BF16, recordVocab, d)), wq: c.pack(c.matrix(kernels.F16, recordHeads*rDim, d)),
		wk: c.pack(c.matrix(kernels.BF16, recordKV*rDim, d)), wv: c.pack(c.matrix(kernels.Q8_0, recordKV*rDim, d)),
		norm: c.floats(c.normal(d, 1), d), inv: c.floats(c.normal(rDim/2, 0.1), rDim/2),
	}
	s.bq, s.bk, s.bv = c.floats(c.normal(recordHeads*rDim, 1), recordHeads*rDim),
		c.floats(c.normal(recordKV*rDim, 1), recordKV*rDim), c.floats(c.normal(recordKV*rDim, 1), recordKV*rDim)
	s.cache = c.cache(c.dev.Info().KVTypes[0], recordBlocks, recordKV, rDim)
	return s
}

// run queues the ops.
func (s *recordStep) run(dev kernels.Device, plan *kernels.AttentionPlan) {
	flat := func(t kernels.Tensor) kernels.Tensor { return t.Reshape(t.Shape[0], t.Shape[1]*t.Shape[2]) }
	dev.Embed(s.x, s.table, s.ids)
	dev.RMSNorm(s.h, s.x, s.norm, 1e-5)
	dev.MatMul(s.h, recordRows, []kernels.Product{{Out: flat(s.q), W: s.wq}, {Out: flat(s.k), W: s.wk}, {Out: flat(s.v), W: s.wv}})
	dev.AddBias([]kernels.Biased{{X: flat(s.q), Bias: s.bq}, {X: flat(s.k), Bias: s.bk}, {X: flat(s.v), Bias: s.bv}})
	dev.RoPEAppendKV(s.cache, s.q, s.k, s.v, s.positions, s.slots, kernels.Rotary{Inv: s.inv})
	dev.Attention(s.out, s.q, s.cache, recordWindow, plan)
}

// plan has `rows` sequences, each at a position of its own in one block.
func (s *recordStep) plan(rows, position int64) *kernels.AttentionPlan {
	p := &kernels.AttentionPlan{Decode: rows}
	for i := range rows {
		p.Seqs = append(p.Seqs, kernels.AttentionSeq{Row: i, Rows: 1, Position: position, Blocks: []int32{int32(i)}})
	}
	return p
}

// load sends a step's tokens. Rows that are not in use store nothing.
func (s *recordStep) load(c *context, rows, position int64) {
	ids, positions, slots := make([]int32, recordRows), make([]int32, recordRows), make([]int32, recordRows)
	for i := range slots {
		slots[i] = -1
		if int64(i) < rows {
			ids[i] = int32(c.rng.IntN(recordVocab))
			positions[i], slots[i] = int32(position), int32(i)*kernels.BlockSize+int32(position)
		}
	}
	c.dev.Upload(s.ids, bytesOf(ids))
	c.dev.Upload(s.positions, bytesOf(positions))
	c.dev.Upload(s.slots, bytesOf(slots))
}

// testRecord: a recording does nothing until it is replayed, and then the same
// as its ops, whatever its rows hold and however many are in use.
func testRecord(c *context) {
	recorder, ok := c.dev.(kernels.Recorder)
	if !ok {
		c.Skip("the device records nothing")
	}
	const width = recordHeads * rDim
	results := map[bool][][]float32{}
	for _, replayed := range []bool{false, true} {
		c := c.on(c.dev) // the same weights and tokens
		s := c.recordStep()
		var recording kernels.Recording
		if replayed {
			var err error
			recording, err = recorder.Record(func() { s.run(c.dev, s.plan(recordRows, 0)) })
			require.NoError(c, err)
			for _, v := range c.read(s.out) {
				require.True(c, v != v, "recording does nothing")
			}
		}
		for step, rows := range []int64{4, 4, 1, 3} {
			s.load(c, rows, int64(step))
			if replayed {
				recorder.Replay(recording, s.plan(rows, int64(step)))
			} else {
				s.run(c.dev, paddedPlan(s, rows, int64(step)))
			}
			results[replayed] = append(results[replayed], c.read(s.out)[:rows*width])
		}
		if replayed {
			plan := s.plan(1, 3)
			c.noAllocs(func() { recorder.Replay(recording, plan) })
			recorder.Forget(recording)
		}
		c.release()
	}
	for step := range results[true] {
		c.same(results[false][step], results[true][step], "when replayed, in step %d", step)
	}
}

// paddedPlan covers all rows: those that are not in use see the first position
// of a block that they share.
func paddedPlan(s *recordStep, rows, position int64) *kernels.AttentionPlan {
	p := s.plan(rows, position)
	for i := rows; i < recordRows; i++ {
		p.Seqs = append(p.Seqs, kernels.AttentionSeq{Row: i, Rows: 1, Blocks: []int32{recordBlocks - 1}})
	}
	p.Decode = recordRows
	return p
}

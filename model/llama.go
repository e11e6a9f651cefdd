package model

import (
	"encoding/binary"
	"fmt"

	"trona/kernels"
)

// Forward computes one step: it writes the keys and values of every row of b
// to c and returns the logits, F32 [len(b.Logits), vocab], of the wanted rows
// (the zero Tensor where none is wanted). They are valid until the next call.
// A batch that the model was not loaded for (too many rows, decode rows not
// first) panics: the caller made it.
func (m *Model) Forward(b *Batch, c *KVCache) kernels.Tensor {
	s := m.lay(b, c)
	r := m.recording(s, c)
	if r != nil {
		m.pad(s, r.rows)
	}
	m.dev.Upload(m.ws.ints, m.staging)
	if len(b.Drawn) > 0 {
		m.dev.(kernels.Pipeliner).Feed(s.ids, m.ws.drawn.Slice(0, s.n))
	}
	if r != nil {
		return m.replay(s, r)
	}
	return m.compute(s, c)
}

// compute queues the ops of a step whose arrays lie on the device.
func (m *Model) compute(s *step, c *KVCache) kernels.Tensor {
	m.dev.Embed(s.x, m.embedding, s.ids)
	for i := range m.layers {
		l := m.Config.Layers[i]
		if l.Attention != nil {
			m.norm(s, m.layers[i].attnNorm)
			m.attention(s, i, c)
			m.postNorm(s, m.layers[i].attnPostNorm)
		}
		if l.FFN != nil {
			m.norm(s, m.layers[i].ffnNorm)
			m.ffn(s, i)
			m.postNorm(s, m.layers[i].ffnPostNorm)
		}
	}
	return m.output(s)
}

// step is what the layers of one Forward share. n is the number of rows.
type step struct {
	n, logits, decode int64

	ids, pos, slots, wanted kernels.Tensor // I32 [n], wanted [logits]
	x, h, delta             kernels.Tensor // [n, d]
	in                      kernels.Tensor // [n, d]: what a part takes, h or x
	// pending: delta was not yet added to x. The next norm adds it in passing.
	pending bool
	plan    kernels.AttentionPlan
}

// norm makes in the normed residual stream, or the stream itself where there is no such norm.
func (m *Model) norm(s *step, weight kernels.Tensor) {
	s.in = s.h
	switch {
	case weight.Absent():
		s.in = s.x
		if s.pending {
			m.dev.Add(s.x, s.delta)
		}
	case s.pending:
		m.dev.AddRMSNorm(s.h, s.x, s.delta, weight, m.eps)
	default:
		m.dev.RMSNorm(s.h, s.x, weight, m.eps)
	}
	s.pending = false
}

// postNorm norms delta, if there is such a norm.
func (m *Model) postNorm(s *step, weight kernels.Tensor) {
	if weight.Absent() {
		return
	}
	m.dev.RMSNorm(s.h, s.delta, weight, m.Config.NormEps)
	s.h, s.delta = s.delta, s.h
}

// attention makes delta the attention of in.
func (m *Model) attention(s *step, i int, c *KVCache) {
	dev, w, a := m.dev, &m.layers[i], m.Config.Layers[i].Attention
	s.pending = true
	if a.Linear {
		m.product(s.delta, s.in, w.o, s.decode)
		return
	}
	q, k, v := m.ws.q[i].Slice(0, s.n), m.ws.k[i].Slice(0, s.n), m.ws.v[i].Slice(0, s.n)
	out := m.ws.attn[i].Slice(0, s.n)
	m.products = [...]kernels.Product{{Out: flat(q), W: w.q}, {Out: flat(k), W: w.k}, {Out: flat(v), W: w.v}}
	dev.MatMul(s.in, s.decode, m.products[:])
	if a.QKVBias {
		m.biased = [...]kernels.Biased{{X: flat(q), Bias: w.qBias}, {X: flat(k), Bias: w.kBias}, {X: flat(v), Bias: w.vBias}}
		dev.AddBias(m.biased[:])
	}
	rotary := m.rotary
	switch {
	case a.NoRoPE:
		rotary = m.noRoPE
	case a.UnscaledRoPE:
		rotary = m.unscaledRoPE
	}
	if a.QKNorm {
		kNormed := m.ws.kNormed[i].Slice(0, s.n)
		if a.QKNormAfterRoPE {
			m.rotate(s, q, k, v, kNormed, i, c)
			rotary = m.noRoPE
		}
		each := heads
		if a.QKNormJoint {
			each = flat
		}
		dev.RMSNorm(each(out), each(q), w.qNorm, m.Config.NormEps)
		dev.RMSNorm(each(kNormed), each(k), w.kNorm, m.Config.NormEps)
		q, k, out = out, kNormed, q
	}
	dev.RoPEAppendKV(c.Layers[i], q, k, v, s.pos, s.slots, rotary)
	dev.Attention(out, q, c.Layers[i], int64(a.Window), &s.plan)
	m.product(s.delta, flat(out), w.o, s.decode)
	if a.OBias {
		m.addBias(s.delta, w.oBias)
	}
}

// rotate rotates q and k before their norms. The op for that rotates queries in place and
// stores keys; here k is a query, too, and what is stored of any other is stored over
// again.
func (m *Model) rotate(s *step, q, k, v, other kernels.Tensor, i int, c *KVCache) {
	for _, x := range [...]kernels.Tensor{q, k} {
		m.dev.RMSNorm(heads(other), heads(k), m.layers[i].kNorm, m.Config.NormEps)
		m.dev.RoPEAppendKV(c.Layers[i], x, other, v, s.pos, s.slots, m.rotary)
	}
}

// product makes out x · wᵀ.
func (m *Model) product(out, x kernels.Tensor, w kernels.Weight, decode int64) {
	m.products[0] = kernels.Product{Out: out, W: w}
	m.dev.MatMul(x, decode, m.products[:1])
}

func (m *Model) addBias(x, bias kernels.Tensor) {
	m.biased[0] = kernels.Biased{X: x, Bias: bias}
	m.dev.AddBias(m.biased[:1])
}

// flat views [n, heads, dim] as [n, heads*dim]. Like heads it sets the shape
// itself because Tensor.Reshape allocates.
func flat(t kernels.Tensor) kernels.Tensor {
	t.Shape = [4]int64{t.Shape[0], t.Shape[1] * t.Shape[2]}
	return t
}

// heads views [n, heads, dim] as [n*heads, dim].
func heads(t kernels.Tensor) kernels.Tensor {
	t.Shape = [4]int64{t.Shape[0] * t.Shape[1], t.Shape[2]}
	return t
}

// ffn makes delta the feed-forward part of in, a tile of rows at a time.
func (m *Model) ffn(s *step, i int) {
	dev, w, f := m.dev, &m.layers[i], m.Config.Layers[i].FFN
	s.pending = true
	if f.Linear {
		m.product(s.delta, s.in, w.down, s.decode)
		return
	}
	tile := m.ws.inner[i].Shape[0]
	for from := int64(0); from < s.n; from += tile {
		to := min(s.n, from+tile)
		decode := min(max(s.decode-from, 0), to-from)
		inner, delta := m.ws.inner[i].Slice(0, to-from), s.delta.Slice(from, to)
		if f.Bias {
			m.gatedBiased(inner, m.ws.up[i].Slice(0, to-from), s.in.Slice(from, to), w, decode)
			m.product(delta, inner, w.down, decode)
			m.addBias(delta, w.downBias)
			continue
		}
		dev.GatedMatMul(inner, s.in.Slice(from, to), w.gate, w.up, decode)
		m.product(delta, inner, w.down, decode)
	}
}

// gatedBiased makes out the gated unit of x where gate and up have biases, which come
// between products and silu. up is for the products that are gated.
func (m *Model) gatedBiased(out, up, x kernels.Tensor, w *layerWeights, decode int64) {
	m.products[0], m.products[1] = kernels.Product{Out: out, W: w.gate}, kernels.Product{Out: up, W: w.up}
	m.dev.MatMul(x, decode, m.products[:2])
	m.dev.SwiGLU(kernels.Biased{X: out, Bias: w.gateBias}, kernels.Biased{X: up, Bias: w.upBias})
}

// output computes the logits of the wanted rows.
func (m *Model) output(s *step) kernels.Tensor {
	if s.logits == 0 {
		return kernels.Tensor{}
	}
	x, delta := s.x, s.delta
	if s.logits < s.n {
		x, delta = m.ws.lastX.Slice(0, s.logits), m.ws.lastDelta.Slice(0, s.logits)
		m.dev.Gather(x, s.x, s.wanted)
		if s.pending {
			m.dev.Gather(delta, s.delta, s.wanted)
		}
	}
	last := *s
	last.x, last.delta, last.h = x, delta, s.h.Slice(0, s.logits)
	m.norm(&last, m.finalNorm)
	logits := m.ws.logits.Slice(0, s.logits)
	m.product(logits, last.h, m.weights.head, m.wantedDecodes(s))
	return logits
}

// wantedDecodes counts the wanted rows that get decode arithmetic.
func (m *Model) wantedDecodes(s *step) int64 {
	n := int64(0)
	for n < s.logits && int64(m.host(wantedArray, n)) < s.decode {
		n++
	}
	return n
}

// host returns entry i of an array of the staging buffer.
func (m *Model) host(a, i int64) int32 {
	return int32(binary.LittleEndian.Uint32(m.staging[4*(a*m.ws.stride()+i):]))
}

func (m *Model) setHost(a, i int64, v int32) {
	binary.LittleEndian.PutUint32(m.staging[4*(a*m.ws.stride()+i):], uint32(v))
}

// lay checks a batch and lays out its arrays.
func (m *Model) lay(b *Batch, c *KVCache) *step {
	n, logits := int64(len(b.Tokens)), int64(len(b.Logits))
	if n == 0 || n > m.ws.rows || logits > m.ws.logitRows {
		panic(fmt.Sprintf("model: a batch of %d rows and %d logits; the model was loaded for 1 to %d and %d",
			n, logits, m.ws.rows, m.ws.logitRows))
	}
	s := &m.step
	*s = step{n: n, logits: logits, decode: int64(b.Decodes()), plan: kernels.AttentionPlan{Seqs: s.plan.Seqs[:0]}}
	s.plan.Decode = s.decode
	for i, id := range b.Tokens {
		m.setHost(idsArray, int64(i), id)
	}
	if len(b.Drawn) > 0 && int64(len(b.Drawn)) != n {
		panic(fmt.Sprintf("model: %d rows, and of %d it says whether they are drawn", n, len(b.Drawn)))
	}
	for i, r := range b.Drawn {
		m.setHost(drawnArray, int64(i), r)
	}
	m.tables = m.tables[:0]
	row := int64(0)
	for i := range b.Seqs {
		row = m.place(&b.Seqs[i], row, n, c.apart)
	}
	if row != n {
		panic(fmt.Sprintf("model: sequences have %d rows, the batch %d", row, n))
	}
	last := int32(-1)
	for i, r := range b.Logits {
		if r <= last || int64(r) >= n {
			panic(fmt.Sprintf("model: logits of row %d after row %d, of %d rows", r, last, n))
		}
		last = r
		m.setHost(wantedArray, int64(i), r)
	}
	m.view(s)
	return s
}

// view makes the tensors of s those of its rows.
func (m *Model) view(s *step) {
	n, logits := s.n, s.logits
	s.ids, s.pos, s.slots = m.ws.ids.Slice(0, n), m.ws.pos.Slice(0, n), m.ws.slot.Slice(0, n)
	s.x, s.h, s.delta = m.ws.x.Slice(0, n), m.ws.h.Slice(0, n), m.ws.delta.Slice(0, n)
	if logits > 0 {
		s.wanted = m.ws.wanted.Slice(0, logits)
	}
}

// place notes positions and slots of one sequence's rows, which begin at row, in a cache
// whose blocks are so far apart, and returns the row after them.
func (m *Model) place(q *BatchSeq, row, n int64, apart int32) int64 {
	rows := int64(q.Rows)
	end := q.Position + rows
	if rows <= 0 || row+rows > n || q.Position < 0 || end > int64(len(q.Blocks))*kernels.BlockSize ||
		q.Decode && row >= m.step.decode {
		panic(fmt.Sprintf("model: %d rows at position %d with %d blocks (decode %v) at row %d of %d",
			q.Rows, q.Position, len(q.Blocks), q.Decode, row, n))
	}
	begin := len(m.tables)
	for _, block := range q.Blocks[:(end+kernels.BlockSize-1)/kernels.BlockSize] {
		m.tables = append(m.tables, block*apart)
	}
	blocks := m.tables[begin:]
	for i := range rows {
		p := q.Position + i
		m.setHost(posArray, row+i, int32(p))
		m.setHost(slotArray, row+i, blocks[p/kernels.BlockSize]*kernels.BlockSize+int32(p%kernels.BlockSize))
	}
	m.step.plan.Seqs = append(m.step.plan.Seqs,
		kernels.AttentionSeq{Row: row, Rows: rows, Position: q.Position, Blocks: blocks})
	return row + rows
}

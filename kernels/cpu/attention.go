package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

// queryTile is about the number of queries (rows times heads of a group) that
// share the work of reading a block of the cache.
const queryTile = 48

type attentionJob struct {
	kern                *variant
	plan                *kernels.AttentionPlan
	cache               kernels.KV
	out, q              uintptr
	heads, kvHeads, dim int64
	share               int64 // query heads of a KV head
	tileRows            int64
}

// attentionScratch is a worker's memory for one tile of queries. D is dim
// rounded up to a multiple of 16.
type attentionScratch struct {
	wide    []float32 // [64, dim]: a block as F32
	keys    []float32 // [dim, 64]: keys, a position a lane
	values  []float32 // [64, D]
	queries []float32 // [queries, dim], scaled by 1/sqrt(dim)
	s       []float32 // [queries, 64]: scores, then probabilities
	acc     []float32 // [queries, D]
	m, l    []float32 // [queries]: maximum and sum so far
}

// Attention is softmax attention over the cache, a block of 64 positions at a
// time with a running maximum and sum (Milakov and Gimelshein, arXiv
// 1805.02867). A row's arithmetic depends on its own position only.
func (d *Device) Attention(out, q kernels.Tensor, cache kernels.KV, plan *kernels.AttentionPlan) {
	kernels.CheckAttention(out, q, cache, plan)
	j := &d.jobs.attention
	*j = attentionJob{
		kern: d.kern, plan: plan, cache: cache, out: out.Addr, q: q.Addr,
		heads: q.Shape[1], kvHeads: cache.K.Shape[1], dim: q.Shape[2],
	}
	j.share = j.heads / j.kvHeads
	j.tileRows = max(1, queryTile/j.share)
	tiles := int64(0)
	for i := range plan.Seqs {
		tiles += j.tiles(&plan.Seqs[i])
	}
	for _, w := range d.pool.workers {
		w.attn.reserve(j.tileRows*j.share, j.dim)
	}
	d.run(kernels.OpAttention, j, tiles*j.kvHeads, false)
	j.plan = nil
}

func (j *attentionJob) tiles(s *kernels.AttentionSeq) int64 {
	return (s.Rows + j.tileRows - 1) / j.tileRows
}

// piece is one tile of rows of one sequence and one KV head. The last tile of
// a sequence sees the most positions and comes first.
func (j *attentionJob) piece(w *worker, i int64) {
	tile, head := i/j.kvHeads, i%j.kvHeads
	seqs := j.plan.Seqs
	for tile >= j.tiles(&seqs[0]) {
		tile -= j.tiles(&seqs[0])
		seqs = seqs[1:]
	}
	s := &seqs[0]
	first := (j.tiles(s) - 1 - tile) * j.tileRows
	t := attentionTile{
		attentionJob: j, attentionScratch: &w.attn, seq: s, head: head,
		row: s.Row + first, rows: min(j.tileRows, s.Rows-first), position: s.Position + first,
	}
	t.attend()
}

// attentionTile is rows [row, row+rows) of the batch, at consecutive positions.
type attentionTile struct {
	*attentionJob
	*attentionScratch
	seq                 *kernels.AttentionSeq
	head                int64
	row, rows, position int64
}

func (t *attentionTile) attend() {
	t.begin()
	for b := int64(0); b*kernels.BlockSize < t.position+t.rows; b++ {
		t.block(b)
	}
	wide := t.wideDim()
	for i := range t.rows * t.share {
		out := floatsOf(t.address(t.out, i), t.dim)
		for k := range out {
			out[k] = t.acc[i*wide+int64(k)] / t.l[i]
		}
	}
}

// address returns that of query i of the tile in a tensor [n, heads, dim].
func (t *attentionTile) address(base uintptr, i int64) uintptr {
	row, head := t.row+i/t.share, t.head*t.share+i%t.share
	return base + uintptr(4*(row*t.heads+head)*t.dim)
}

func (t *attentionTile) wideDim() int64 { return (t.dim + lanes - 1) / lanes * lanes }

// begin clears the results and loads the queries.
func (t *attentionTile) begin() {
	n, wide := t.rows*t.share, t.wideDim()
	t.acc, t.l = t.acc[:n*wide], t.l[:n]
	clear(t.acc)
	clear(t.l)
	scale := float32(1 / math.Sqrt(float64(t.dim)))
	for i := range n {
		t.m[i] = float32(math.Inf(-1))
		for k, v := range floatsOf(t.address(t.q, i), t.dim) {
			t.queries[i*t.dim+int64(k)] = v * scale
		}
	}
}

// reserve makes room for n queries of size dim, so that pieces allocate
// nothing.
func (a *attentionScratch) reserve(n, dim int64) {
	wide := (dim + lanes - 1) / lanes * lanes
	grow(&a.wide, kernels.BlockSize*dim)
	grow(&a.keys, kernels.BlockSize*dim)
	grow(&a.values, kernels.BlockSize*wide)
	grow(&a.queries, n*dim)
	grow(&a.s, n*kernels.BlockSize)
	grow(&a.acc, n*wide)
	grow(&a.m, n)
	grow(&a.l, n)
}

// grow makes s n long; what it holds is lost.
func grow(s *[]float32, n int64) {
	if int64(cap(*s)) < n {
		*s = alignedFloats(int(n))
	}
	*s = (*s)[:n]
}

// block adds the positions of block b of the sequence.
func (t *attentionTile) block(b int64) {
	from := b * kernels.BlockSize
	// Rows before r0 do not see this block, rows from r1 see all of it.
	r0 := max(0, from-t.position)
	r1 := min(t.rows, max(0, from+kernels.BlockSize-1-t.position))
	r1 = max(r0, r1)
	t.load(b, min(kernels.BlockSize, t.position+t.rows-from))
	t.scores(r0)
	for r := r0; r < t.rows; r++ {
		seen := min(kernels.BlockSize, t.position+r-from+1)
		for i := r * t.share; i < (r+1)*t.share; i++ {
			t.softmax(i, seen)
		}
		// What a row does not see must not touch it, not even as 0 * Inf.
		if r < r1 {
			t.weigh(r, 1, seen)
		}
	}
	if r1 < t.rows {
		t.weigh(r1, t.rows-r1, kernels.BlockSize)
	}
}

// load reads n positions of block b into keys and values.
func (t *attentionTile) load(b, n int64) {
	at := (int64(t.seq.Blocks[b])*t.kvHeads + t.head) * kernels.BlockSize
	keys := t.widen(t.wide, t.cache.K, t.cache.KScale, at, n)
	t.kern.transpose(&t.keys[0], keys, int(n), int(t.dim))
	wide := t.wideDim()
	if wide == t.dim {
		t.widen(t.values, t.cache.V, t.cache.VScale, at, n)
		return
	}
	t.widen(t.wide, t.cache.V, t.cache.VScale, at, n)
	for p := range n {
		row := t.values[p*wide:][:wide]
		copy(row, t.wide[p*t.dim:][:t.dim])
		clear(row[t.dim:])
	}
}

// widen converts n rows of a cache to dst and returns where they are.
func (t *attentionTile) widen(dst []float32, c, scale kernels.Tensor, at, n int64) *float32 {
	src := pointer(c.Addr + uintptr(at*c.Type.RowBytes(t.dim)))
	switch c.Type {
	case kernels.F32:
		copy(dst, unsafe.Slice((*float32)(src), n*t.dim))
	case kernels.I8:
		t.kern.widenI8(&dst[0], src, (*float32)(pointer(scale.Addr+uintptr(4*at))), int(n), int(t.dim))
	default:
		t.kern.widen[c.Type](&dst[0], src, int(n*t.dim))
	}
	return &dst[0]
}

// scores computes s = q · keysᵀ for rows from r0.
func (t *attentionTile) scores(r0 int64) {
	i, n := r0*t.share, (t.rows-r0)*t.share
	s := t.s[i*kernels.BlockSize:]
	clear(s)
	for p := 0; p < kernels.BlockSize; p += lanes {
		t.kern.gemm(&s[p], kernels.BlockSize, &t.keys[p], kernels.BlockSize, &t.queries[i*t.dim], int(t.dim), int(n), int(t.dim))
	}
}

// softmax turns the scores of query i into weights relative to the running
// maximum; positions from seen on get none.
func (t *attentionTile) softmax(i, seen int64) {
	s := t.s[i*kernels.BlockSize:][:kernels.BlockSize]
	m := t.m[i]
	for _, v := range s[:seen] {
		if v > m {
			m = v
		}
	}
	for k := seen; k < kernels.BlockSize; k++ {
		s[k] = float32(math.Inf(-1))
	}
	if old := t.m[i]; m != old && !math.IsInf(float64(old), -1) {
		shrink := exp(old - m)
		t.l[i] *= shrink
		acc := t.acc[i*t.wideDim():][:t.wideDim()]
		for k := range acc {
			acc[k] *= shrink
		}
	}
	t.m[i] = m
	t.l[i] += t.kern.expSum(&s[0], m)
}

// weigh adds the first n values, weighted, for rows [r, r+rows).
func (t *attentionTile) weigh(r, rows, n int64) {
	i, wide := r*t.share, t.wideDim()
	for k := int64(0); k < wide; k += lanes {
		t.kern.gemm(&t.acc[i*wide+k], int(wide), &t.values[k], int(wide),
			&t.s[i*kernels.BlockSize], kernels.BlockSize, int(rows*t.share), int(n))
	}
}

func transposeGeneric(dst, src *float32, rows, cols int) {
	d, s := unsafe.Slice(dst, cols*kernels.BlockSize), unsafe.Slice(src, rows*cols)
	for r := range rows {
		for c, v := range s[r*cols:][:cols] {
			d[c*kernels.BlockSize+r] = v
		}
	}
}

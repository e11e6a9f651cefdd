package cpu

import (
	"math"
	"slices"

	"trona/kernels"
)

const (
	// queryTile is about the number of queries (rows times heads of a group) that
	// share the work of reading a block of the cache.
	queryTile = 192
	// attentionSpan is the number of positions with a maximum and sums of their own, which
	// another thread may compute.
	attentionSpan = 16 * kernels.BlockSize
	// manyPieces is for how many pieces a thread spans need not be pieces of their own.
	manyPieces = 8
)

type attentionJob struct {
	kern                *variant
	plan                *kernels.AttentionPlan
	cache               kernels.KV
	out, q              uintptr
	heads, kvHeads, dim int64
	window              int64 // how many positions a row sees; 0: all up to its own
	share               int64 // query heads of a KV head
	pieceHeads          int64 // KV heads of a piece
	tileRows            int64
	allTiles            int64 // of all sequences
	rowBytes            int64 // of a position and head in the cache

	// spans is the number of spans that are pieces of their own, with sums in parts
	// until they are joined; 0: a piece goes through all its spans.
	spans int64
	parts []float32
	join  bool
}

// partFloats bounds the sums in parts, for each thread: what a second-level cache holds. Rows that
// need more are pieces enough without.
const partFloats = 1 << 19

// Attention is softmax attention over the cache, a block of 64 positions at a
// time with a running maximum and sum (Milakov and Gimelshein, arXiv
// 1805.02867), which begin anew every 1024; these are joined in order.
// A row's arithmetic depends on its own position and the window only: blocks and spans
// that it does not see leave its sums as they are, to the bit.
func (d *Device) Attention(out, q kernels.Tensor, cache kernels.KV, window int64, plan *kernels.AttentionPlan) {
	kernels.CheckAttention(out, q, cache, window, plan)
	j := &d.jobs.attention
	parts := j.parts
	*j = attentionJob{
		kern: d.kern, plan: plan, cache: cache, out: out.Addr, q: q.Addr,
		heads: q.Shape[1], kvHeads: cache.K.Shape[1], dim: q.Shape[2], window: window, parts: parts,
	}
	j.rowBytes = cache.K.Type.RowBytes(j.dim)
	j.share = j.heads / j.kvHeads
	threads := int64(len(d.pool.workers))
	spans := j.measure(threads)
	heads := j.allTiles * j.kvHeads
	floats := heads * spans * j.partSize()
	apart := spans > 1 && heads <= manyPieces*threads && floats <= partFloats*threads // spans are pieces
	j.joinHeads(apart, threads)
	for _, w := range d.pool.workers {
		n := j.tileRows * j.share * j.pieceHeads
		w.attn.reserve(n, j.dim)
		w.attn.side = slices.Grow(w.attn.side[:0], int(j.pieceHeads))[:j.pieceHeads]
		if j.kern.tiles != nil {
			w.attn.halves.reserve(n, j.dim)
		}
		if j.kern.attention16 != nil && cache.K.Type == kernels.I16 {
			w.attn.codes.reserve(n, j.dim)
		}
	}
	if !apart {
		d.run(kernels.OpAttention, j, heads/j.pieceHeads, false)
	} else {
		j.spans = spans
		if int64(len(j.parts)) < floats {
			j.parts = alignedFloats(int(min(2*floats, partFloats*threads))) // so that a context that grows seldom allocates
		}
		d.run(kernels.OpAttention, j, heads/j.pieceHeads*spans, false)
		j.join = true
		d.run(kernels.OpAttention, j, heads, floats < fewFlops)
	}
	j.plan = nil
}

// joinHeads sets pieceHeads. Where each sequence has few rows, a piece reads several heads of each
// block: they are adjacent in memory, which gives more of one stretch than of many. But with larger
// pieces threads may be idle at the end.
func (j *attentionJob) joinHeads(apart bool, threads int64) {
	j.pieceHeads = 1
	if seqs := j.plan.Seqs; len(seqs) == 0 || j.tileRows*j.share > fewQueries || j.inTiles(&seqs[len(seqs)-1]) {
		return
	}
	least := math.Inf(1)
	for n := int64(1); n <= j.kvHeads; n++ {
		if j.kvHeads%n != 0 {
			continue
		}
		if cost := j.headsCost(n, apart, threads); cost < least {
			least, j.pieceHeads = cost, n
		}
	}
}

const (
	// newBlock is what it costs to begin with another block, in blocks of one head: measured on
	// a Xeon, where these have 8 KiB.
	newBlock = 0.4
	// lateStart is how much of the longest piece the others wait for at the end: a guess, for it
	// may begin before or after theirs.
	lateStart = 0.25
)

// headsCost estimates how long attention takes with pieces of n heads; the unit is what a span of
// one head takes.
func (j *attentionJob) headsCost(n int64, apart bool, threads int64) float64 {
	var all float64     // work of all pieces
	var longest float64 // the longest piece
	var spans float64   // whole spans, which are pieces where spans are apart
	for i := range j.plan.Seqs {
		s := &j.plan.Seqs[i]
		seen := float64(j.mostSeen(s)) / attentionSpan
		all += float64(j.tiles(s)*j.kvHeads) * seen
		spans += float64(j.tiles(s)*j.kvHeads/n) * math.Floor(seen)
		longest = max(longest, seen*float64(n))
	}
	each := all / float64(threads)
	busy := max(each+lateStart*longest, longest)
	if apart {
		busy = max(each, math.Ceil(spans/float64(threads))*float64(n))
	}
	return busy * (1 + newBlock/float64(n))
}

// measure sets tileRows and allTiles and returns the spans of the longest tile.
func (j *attentionJob) measure(threads int64) (spans int64) {
	rows, all := int64(1), int64(0)
	for i := range j.plan.Seqs {
		s := &j.plan.Seqs[i]
		rows = max(rows, s.Rows)
		all += s.Rows * j.heads
	}
	queries := int64(queryTile)
	if j.kern.tiles != nil {
		queries = min(max(all/(threadTiles*threads), leastTileQueries), mostTileQueries)
	}
	j.tileRows = min(rows, max(1, queries/j.share))
	for i := range j.plan.Seqs {
		s := &j.plan.Seqs[i]
		j.allTiles += j.tiles(s)
		spans = max(spans, min(spansOf(s.Position+s.Rows), spansOf(j.mostSeen(s))+1))
	}
	return spans
}

// spansOf returns how many spans have n positions, from the beginning of one on.
func spansOf(n int64) int64 { return (n + attentionSpan - 1) / attentionSpan }

// mostSeen returns how many positions a tile of a sequence sees at most.
func (j *attentionJob) mostSeen(s *kernels.AttentionSeq) int64 {
	end := s.Position + s.Rows
	return end - kernels.FirstSeen(max(s.Position, end-j.tileRows), j.window)
}

func (j *attentionJob) tiles(s *kernels.AttentionSeq) int64 {
	return (s.Rows + j.tileRows - 1) / j.tileRows
}

func (j *attentionJob) wideDim() int64 { return (j.dim + lanes - 1) / lanes * lanes }

// partSize returns the floats of the sums of a tile and span.
func (j *attentionJob) partSize() int64 { return upToPair(j.tileRows*j.share) * (j.wideDim() + 2) }

// part returns the sums of a span of a tile of n queries.
func (j *attentionJob) part(piece, span, n int64) attentionSums {
	p := j.parts[(piece*j.spans+span)*j.partSize():][:j.partSize()]
	all := upToPair(n) // tiles write whole pairs
	sums := attentionSums{p[:all*j.wideDim()], p[all*j.wideDim():][:all], p[all*(j.wideDim()+1):]}
	return sums.slice(n, j.wideDim())
}

func (j *attentionJob) pieces(w *worker, from, to int64) {
	for i := from; i < to; i++ {
		j.piece(w, i)
	}
}

// piece is one tile of rows of one sequence and some KV heads, or one span of it.
// The last tile of a sequence sees the most positions and comes first. Tiles of all
// sequences follow each other before the next heads, so that no thread takes a long
// sequence's heads at once while others have short ones.
func (j *attentionJob) piece(w *worker, i int64) {
	piece, span := i, int64(0)
	switch {
	case j.join: // a head of a piece
		piece = i / j.pieceHeads
	case j.spans > 0:
		piece, span = i/j.spans, i%j.spans
	}
	group, tile := piece/j.allTiles, piece%j.allTiles
	seqs := j.plan.Seqs
	for tile >= j.tiles(&seqs[0]) {
		tile -= j.tiles(&seqs[0])
		seqs = seqs[1:]
	}
	s := &seqs[0]
	first := (j.tiles(s) - 1 - tile) * j.tileRows
	t := attentionTile{
		attentionJob: j, attentionScratch: &w.attn, seq: s, head: group * j.pieceHeads,
		row: s.Row + first, rows: min(j.tileRows, s.Rows-first), position: s.Position + first,
	}
	t.tiled = t.inTiles(s)
	t.coded = t.useCodes()
	t.narrow = !t.tiled && t.useNarrow()
	heads := attentionHeads(w.attn.side)
	for k := range heads {
		heads[k] = t
		heads[k].head += int64(k)
		heads[k].query = int64(k) * t.rows * t.share
	}
	switch {
	case j.join:
		heads[i%j.pieceHeads].join(i)
	case j.spans == 0:
		heads.attend()
	case span < t.spansSeen():
		heads.part(piece, span)
	}
}

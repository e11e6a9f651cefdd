package cpu

import (
	"unsafe"

	"trona/kernels"
)

// tilesScratch is a worker's memory for a piece of a product in tiles.
type tilesScratch struct {
	weights []uint16  // [groups, tileDepth/32, 16, 16, 2]
	sums    []float32 // [tokens/32, groups, 32 or, of 16 tokens, 16, 16]
	rest    [tileCols]float32
	product tileProduct
}

// reserve makes room for some groups and tokens, an even number and a multiple of 16. What
// others needed stays.
func (s *tilesScratch) reserve(groups, tokens int64) {
	weights, sums := max(groups*tileDepth*lanes, int64(len(s.weights))), max(groups*upTo32(tokens)*lanes, int64(len(s.sums)))
	if int64(len(s.weights)) < weights || int64(len(s.sums)) < sums {
		s.product = tileProduct{} // it keeps what was before alive
		b := hugeFloats(int(weights/2 + sums))
		s.weights, s.sums = halvesOf(b[:weights/2]), b[weights/2:]
	}
}

// alignedHalves returns n halves that begin at a multiple of 64 bytes.
func alignedHalves(n int64) []uint16 {
	return halvesOf(alignedFloats(int(n+1) / 2))[:n]
}

// halvesOf returns memory of floats as halves.
func halvesOf(x []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(x))), 2*len(x))
}

// tilesJob is a product in tiles: first of its input's tiles of 16 rows, which are
// rounded, then of groups of rows of the weight.
type tilesJob struct {
	matmulJob
	rows   *uint16 // for each `depth` columns: [tokens/16, columns/32, 16, 32]
	tokens int64   // n up to a multiple of 16
	depth  int64   // how many columns are multiplied at a time
	round  bool    // whether pieces are tiles of the input to round
}

// aheadHalves is how far loops look ahead in an input.
const aheadHalves = 2 * tileDepth * lanes

func upTo32(n int64) int64 { return (n + tileCols - 1) / tileCols * tileCols }

// inTiles reports whether prefill rows are multiplied with a weight in tiles.
func (v *variant) inTiles(w kernels.Weight) bool { return v.tiles != nil && w.Type != kernels.F32 }

// matmulTiles multiplies a block of tokens.
func (d *Device) matmulTiles(m matmulJob) {
	j := &d.jobs.tiles
	*j = tilesJob{matmulJob: m, tokens: upTo16(m.n), depth: tileDepth, round: true}
	if j.tokens == lanes { // few sums: less depth is a tenth faster
		j.depth = chunk
	}
	groups := (m.w.Rows + lanes - 1) / lanes
	j.span = j.groups(groups*j.weights(), int64(len(d.pool.workers)))
	if n := j.tokens*upTo32(m.w.Cols) + aheadHalves; int64(len(d.tiled)) < n {
		d.tiled = halvesOf(hugeFloats(int(n / 2)))
	}
	j.rows = &d.tiled[0]
	for _, w := range d.pool.workers {
		w.tiles.reserve(j.span, j.tokens)
	}
	if d.inputs.tiled.become(input{x: m.x, n: m.n, cols: m.w.Cols}) {
		d.run(kernels.OpMatMul, j, j.tokens/lanes, m.n*m.w.Cols < fewFlops/2)
	}
	j.round = false
	j.span /= j.weights()
	d.run(kernels.OpMatMul, j, (groups+j.span-1)/j.span, 2*m.n*m.w.Rows*m.w.Cols < fewFlops)
}

// groups returns how many of all groups of rows make a piece: more than leastGroups if a
// second-level cache has room for their sums, their tiles and what they are unpacked from, which
// comes while that before is still there. No thread has more pieces than another, and each has two
// at least, so that a slow one does not keep all others waiting.
func (j *tilesJob) groups(all, threads int64) int64 {
	each := lanes*(4*j.tokens+2*j.depth) + 2*int64(j.packedBytes(min(j.depth, j.w.Cols)))
	most := min(tileGroups, max(leastGroups, tileBytes/each))
	pieces := (max((all+most-1)/most, threads+1) + threads - 1) / threads * threads
	return ((all+pieces-1)/pieces + 1) &^ 1
}

func (j *tilesJob) pieces(w *worker, from, to int64) {
	if j.round {
		for t := lanes * from; t < min(lanes*to, j.n); t++ {
			j.roundRow(w, t)
		}
		return
	}
	for i := from; i < to; i++ {
		first := i * j.span
		j.multiply(w, first, min(j.span, (j.w.Rows+lanes-1)/lanes-first))
	}
}

// multiply computes groups of 16 rows of the output for all tokens of the block.
func (j *tilesJob) multiply(w *worker, first, groups int64) {
	p, sums := &w.tiles.product, j.sums(w, groups)
	*p = tileProduct{
		from: sums, to: sums, weights: &w.tiles.weights[0], tokens: int(j.tokens / lanes), groups: int(groups * j.weights()),
		weightsPair: int(2 * lanes * j.depth), weightsNext: int(4 * lanes * j.depth), begin: 1, ahead: j.address(first, 0),
	}
	for from := int64(0); from < j.w.Cols; from += j.depth {
		n := min(j.depth, j.w.Cols-from)
		if j.tiled() && (j.up == nil || j.up.tiled()) && p.groups%2 == 0 {
			j.usePacked(p, first, groups, from, n)
		} else {
			j.loadGroups(w, first, groups, from, n)
		}
		p.x, p.steps = halfAt(j.rows, int(from*j.tokens)), int((n+tileCols-1)/tileCols)
		p.xStride = 2 * tileSize * p.steps
		j.lookAhead(p, first, from+n)
		if from+n == j.w.Cols && j.straight(first, groups) {
			j.finish(w, first, groups)
			return
		}
		j.kern.tiles.multiply(p)
		p.begin = 0
	}
	j.storeSums(w, sums, first, groups, 0)
}

// sums returns where a piece has its sums: those of two tiles of tokens and two groups, which
// are loaded and stored together, lie together.
func (j *tilesJob) sums(w *worker, groups int64) tileSums {
	each, all := min(j.tokens, 2*lanes)*lanes, (groups*j.weights()+1)&^1
	return tileSums{&w.tiles.sums[0], int(4 * each), 4 * lanes, int(4 * each * all)}
}

// storeSums writes sums of tokens from `from` on to the output.
func (j *tilesJob) storeSums(w *worker, sums tileSums, first, groups, from int64) {
	for from < j.n {
		to := min(j.n, from&^(2*lanes-1)+2*lanes)
		j.store(w, w.tiles.sums[sums.place(0, int(from/lanes))/4:], int64(sums.stride/4), first, groups, from, to)
		from = to
	}
}

// tiled reports whether a weight is packed in tiles.
func (j *matmulJob) tiled() bool {
	return j.w.Type == kernels.BF16 && j.l.scale == nil && j.w.Cols%tileCols == 0
}

// usePacked makes columns [from, from+n) of groups that are packed in tiles those of a product.
// Loads would wait for memory where the product before has not read far enough ahead.
func (j *tilesJob) usePacked(p *tileProduct, first, groups, from, n int64) {
	p.weights, p.weightsPair, p.weightsNext = (*uint16)(j.packed(first, from)), int(j.l.groupBytes), int(2*j.l.groupBytes)
	if j.up != nil {
		p.weightsPair, p.weightsNext = int(j.up.address(first, from)-j.address(first, from)), int(j.l.groupBytes)
	}
	for i := range groups * j.weights() {
		m, g := j.part(i)
		prefetch(m.packed(first+g, from), m.packedBytes(n))
	}
}

// loadGroups unpacks columns [from, from+n) of groups, a chunk at a time, and prefetches what
// comes next.
func (j *tilesJob) loadGroups(w *worker, first, groups, from, n int64) {
	to := from + n
	groups *= j.weights()
	for i := range groups {
		m, g := j.part(i)
		for at := from; at < to; at += chunk {
			cols := min(chunk, to-at)
			next, then := i, at+cols
			if then == to {
				next, then = i+1, from
			}
			if next == groups {
				next, then = 0, to
			}
			ahead := m.packed(first+g, at)
			if then < j.w.Cols {
				m, g := j.part(next)
				ahead = m.packed(first+g, then)
			}
			m.load(w, first+g, at, cols, ahead, w.tiles.weights[(i*j.depth+at-from)*lanes:])
		}
	}
}

// lookAhead names what is multiplied next: column from on, or what is probably this
// thread's next piece. One tile of tokens has few products: they prefetch only weights of 8 bits,
// which loadGroups reads too fast for its own prefetches. Lines of 16 bits are too many.
func (j *tilesJob) lookAhead(p *tileProduct, first, from int64) {
	if from == j.w.Cols {
		first, from = first+j.span, 0
	}
	p.aheadStep, p.aheadLines = 0, 0
	if first*lanes >= j.w.Rows {
		return
	}
	bytes, steps := j.packedBytes(min(j.depth, j.w.Cols-from)), max(1, p.tokens/2)*p.steps
	p.ahead, p.aheadStep = j.address(first, from), (bytes+steps-1)/steps
	p.aheadPair, p.aheadNext = int(j.l.groupBytes), int(2*j.l.groupBytes)
	if j.up != nil {
		p.aheadPair, p.aheadNext = int(j.up.address(first, from)-p.ahead), int(j.l.groupBytes)
	}
	if each := j.packedBytes(chunk) / chunk; p.tokens == 1 && each >= lanes && each < 2*lanes {
		p.aheadLines = (p.aheadStep + 63) / 64
	}
}

// straight reports whether sums may go to the output as they are: whole groups, of
// which none is done twice.
func (j *tilesJob) straight(first, groups int64) bool {
	return j.up == nil && !j.gated && groups%2 == 0 && (first+groups)*lanes <= j.w.Rows
}

// finish does the last columns of a piece: whole tiles of tokens go to the output.
func (j *tilesJob) finish(w *worker, first, groups int64) {
	p, whole := &w.tiles.product, j.n/lanes
	sums := p.to
	if whole > 0 {
		p.tokens = int(whole)
		p.to = tileSums{(*float32)(pointer(j.out + uintptr(4*first*lanes))), 4 * lanes, int(4 * j.w.Rows), int(8 * lanes * j.w.Rows)}
		j.kern.tiles.multiply(p)
	}
	if whole*lanes == j.n {
		return
	}
	p.tokens, p.x = 1, halfAt(p.x, int(whole)*p.xStride/2)
	p.from.at = (*float32)(sums.tile(0, int(whole)))
	p.to = p.from
	j.kern.tiles.multiply(p)
	j.storeSums(w, sums, first, groups, whole*lanes)
}

// roundRow rounds row t of the input. The columns of its last tile that x lacks are zeros.
func (j *tilesJob) roundRow(w *worker, t int64) {
	x := floatsOf(j.x+uintptr(4*t*j.w.Cols), j.w.Cols)
	for from := int64(0); from < j.w.Cols; from += j.depth {
		n := min(j.depth, j.w.Cols-from)
		whole, steps := n/tileCols, (n+tileCols-1)/tileCols
		dst := halfAt(j.rows, int(from*j.tokens+t/lanes*steps*tileSize+t%lanes*tileCols))
		if whole > 0 {
			j.kern.tiles.round(dst, &x[from], int(whole))
		}
		if whole < steps {
			rest := w.tiles.rest[:]
			clear(rest[copy(rest, x[from+whole*tileCols:]):])
			j.kern.tiles.round(halfAt(dst, int(whole*tileSize)), &rest[0], 1)
		}
	}
}

// load unpacks columns [from, from+n) of a group to tiles, and prefetches what is at ahead.
func (j *matmulJob) load(w *worker, g, from, n int64, ahead unsafe.Pointer, dst []uint16) {
	if unpack := j.kern.tiles.unpack[j.w.Type]; unpack != nil && j.l.scale == nil && n%tileCols == 0 {
		unpack(&dst[0], j.packed(g, from), ahead, int(n))
		return
	}
	prefetch(ahead, j.packedBytes(n))
	j.panel(w, g, from, int(n))
	whole := (n + tileCols - 1) &^ (tileCols - 1)
	clear(w.panel[n*lanes : whole*lanes])
	j.kern.tiles.pair[kernels.F32](&dst[0], unsafe.Pointer(&w.panel[0]), lanes, int(whole))
}

package cpu

import (
	"unsafe"

	"trona/kernels"
)

// tilesScratch is a worker's memory for a piece of a product in tiles.
type tilesScratch struct {
	weights []uint16  // [groups, tileDepth/32, 16, 16, 2]
	sums    []float32 // [groups, tokens, 16]
	row     [tileGroups * lanes]float32
	rest    [tileCols]float32
	product tileProduct
}

// reserve makes room for some groups and tokens, an even number and a multiple of 16.
func (s *tilesScratch) reserve(groups, tokens int64) {
	if n := groups * tileDepth * lanes; int64(len(s.weights)) < n {
		s.weights = alignedHalves(n)
	}
	if n := groups * tokens * lanes; int64(len(s.sums)) < n {
		s.sums = alignedFloats(int(n))
	}
}

// alignedHalves returns n halves that begin at a multiple of 64 bytes.
func alignedHalves(n int64) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(&alignedFloats(int(n+1) / 2)[0])), n)
}

// tilesJob is a product in tiles: first of its input's tiles of 16 rows, which are
// rounded, then of groups of rows of the weight.
type tilesJob struct {
	matmulJob
	up     matmulJob // with which the first makes a gated product; kern nil: none
	rows   *uint16   // [tokens/16, steps, 16, 32]
	steps  int64     // of 32 columns
	tokens int64     // n up to a multiple of 16
	span   int64     // groups of a piece, of both weights together an even number
	round  bool      // whether pieces are tiles of the input to round
}

// inTiles reports whether rows that prefill meet a weight in tiles.
func (v *variant) inTiles(w kernels.Weight) bool { return v.tiles != nil && w.Type != kernels.F32 }

// gatedTiles computes out = silu(x · gateᵀ) * (x · upᵀ).
func (d *Device) gatedTiles(out, x kernels.Tensor, gate, up kernels.Weight) {
	j := tilesJob{matmulJob: matmulJob{kern: d.kern, w: gate, l: layoutOf(gate)}, up: matmulJob{kern: d.kern, w: up, l: layoutOf(up)}}
	for from := int64(0); from < x.Shape[0]; from += tileTokens {
		j.n = min(tileTokens, x.Shape[0]-from)
		j.out, j.x = out.Addr+uintptr(4*from*gate.Rows), x.Addr+uintptr(4*from*gate.Cols)
		d.matmulTiles(j)
	}
}

// matmulTiles multiplies a block of tokens.
func (d *Device) matmulTiles(m tilesJob) {
	j := &d.jobs.tiles
	*j = m
	j.steps, j.tokens, j.round = (m.w.Cols+tileCols-1)/tileCols, upTo16(m.n), true
	groups, weights := (m.w.Rows+lanes-1)/lanes, int64(1)
	if m.up.kern != nil {
		weights = 2
	}
	// Two pieces for each thread at least, so that a slow one does not keep all others
	// waiting.
	j.span = max(2, min(tileGroups, weights*groups/int64(2*len(d.pool.workers))&^1))
	if n := j.tokens * j.steps * tileCols; int64(len(d.tiled)) < n {
		d.tiled = alignedHalves(n)
	}
	j.rows = &d.tiled[0]
	for _, w := range d.pool.workers {
		w.tiles.reserve(j.span, j.tokens)
	}
	d.run(kernels.OpMatMul, j, j.tokens/lanes, m.n*m.w.Cols < fewFlops/2)
	j.round = false
	j.span /= weights
	d.run(kernels.OpMatMul, j, (groups+j.span-1)/j.span, 2*m.n*m.w.Rows*m.w.Cols < fewFlops)
}

func (j *tilesJob) piece(w *worker, i int64) {
	if j.round {
		for t := lanes * i; t < min(lanes*(i+1), j.n); t++ {
			j.roundRow(w, t)
		}
		return
	}
	first := i * j.span
	groups := min(j.span, (j.w.Rows+lanes-1)/lanes-first)
	all := groups
	if j.up.kern != nil {
		all = 2 * groups
	}
	p := &w.tiles.product
	*p = tileProduct{
		sums: &w.tiles.sums[0], weights: &w.tiles.weights[0], tokens: int(j.tokens / lanes), groups: int(all),
		sumsStride: int(4 * lanes * j.tokens), xStride: int(2 * tileSize * j.steps), weightsStride: 2 * lanes * tileDepth,
		begin: 1, sumsRow: 4 * lanes,
	}
	for from := int64(0); from < j.w.Cols; from += tileDepth {
		n := min(tileDepth, j.w.Cols-from)
		for g := range groups {
			j.load(w, first+g, from, n, w.tiles.weights[g*tileDepth*lanes:])
		}
		for g := groups; g < all; g++ {
			j.up.load(w, first+g-groups, from, n, w.tiles.weights[g*tileDepth*lanes:])
		}
		p.x, p.steps = halfAt(j.rows, int(from*lanes)), int((n+tileCols-1)/tileCols)
		j.kern.tiles.multiply(p)
		p.begin = 0
	}
	j.store(w, first, groups)
}

// roundRow rounds row t of the input. What its last tile has too much are zeros.
func (j *tilesJob) roundRow(w *worker, t int64) {
	dst := halfAt(j.rows, int(t/lanes*j.steps*tileSize+t%lanes*tileCols))
	x, whole := floatsOf(j.x+uintptr(4*t*j.w.Cols), j.w.Cols), j.w.Cols/tileCols
	if whole > 0 {
		j.kern.tiles.round(dst, &x[0], int(whole))
	}
	if whole < j.steps {
		rest := w.tiles.rest[:]
		clear(rest[copy(rest, x[whole*tileCols:]):])
		j.kern.tiles.round(halfAt(dst, int(whole*tileSize)), &rest[0], 1)
	}
}

// load unpacks columns [from, from+n) of a group to tiles.
func (j *matmulJob) load(w *worker, g, from, n int64, dst []uint16) {
	if j.w.Type == kernels.BF16 && j.l.scale == nil && n%tileCols == 0 {
		j.kern.tiles.pairPacked(&dst[0], j.packed(g, from), int(n))
		return
	}
	for at := int64(0); at < n; at += chunk {
		k := min(chunk, n-at)
		j.panel(w, g, from+at, int(k))
		whole := (k + tileCols - 1) &^ (tileCols - 1)
		clear(w.panel[k*lanes : whole*lanes])
		j.kern.tiles.pair(&dst[at*lanes], &w.panel[0], lanes, int(whole))
	}
}

// store writes the sums of groups to the output.
func (j *tilesJob) store(w *worker, first, groups int64) {
	from := first * lanes
	rows := min(groups*lanes, j.w.Rows-from)
	for t := range j.n {
		out, row := floatsOf(j.out+uintptr(4*(t*j.w.Rows+from)), rows), w.tiles.row[:rows]
		switch {
		case j.up.kern != nil:
			j.gather(w, out, 0, t)
			j.gather(w, row, groups, t)
		case j.gated:
			j.gather(w, row, 0, t)
		default:
			j.gather(w, out, 0, t)
			continue
		}
		j.kern.swiglu(&out[0], &out[0], &row[0], int(rows))
	}
}

// gather copies the sums of token t, from group g on.
func (j *tilesJob) gather(w *worker, dst []float32, g, t int64) {
	for at := (g*j.tokens + t) * lanes; len(dst) > 0; at += j.tokens * lanes {
		sums := w.tiles.sums[at:][:lanes]
		if len(dst) < lanes {
			copy(dst, sums)
			return
		}
		*(*[lanes]float32)(dst) = [lanes]float32(sums)
		dst = dst[lanes:]
	}
}

package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

// # Attention in tiles
//
// Where a variant has tile loops, rows that prefill get both products of attention
// in tiles: queries, keys, weights relative to the running maximum, and values are
// rounded to BF16. The sums of weights are of numbers that were not rounded.

// tileQueries is queryTile for tiles: there the work of reading a block counts more.
const tileQueries = 192

// tilesAttention is a worker's memory for one tile of queries.
type tilesAttention struct {
	queries []uint16 // [queries/16, dim/32, 16, 32]
	keys    []uint16 // [64/16, dim/32, 16, 16, 2]
	values  []uint16 // [dim/16, 64/32, 16, 16, 2]
	weights []uint16 // [queries/16, 64/32, 16, 32]
	spare   []float32
	product tileProduct
	softmax tilesSoftmax
}

// tilesSoftmax turns the scores of queries [first, first+n) to weights in tiles,
// relative to a maximum that may grow, by which their sums then shrink. Positions
// from seen on get none. Assembly knows the fields by their places.
type tilesSoftmax struct {
	scores  *float32 // [queries, 64]
	weights *uint16  // [queries/16, 64/32, 16, 32]
	m, l    *float32
	acc     *float32 // [queries, wide]
	wide    int      // a multiple of 16
	first   int
	n       int
	seen    int // 1 to 64
}

func upTo16(n int64) int64 { return (n + lanes - 1) / lanes * lanes }

// reserve makes room for n queries of size dim.
func (a *tilesAttention) reserve(n, dim int64) {
	for _, s := range []struct {
		halves *[]uint16
		n      int64
	}{{&a.queries, upTo16(n) * dim}, {&a.keys, kernels.BlockSize * dim}, {&a.values, kernels.BlockSize * dim}, {&a.weights, upTo16(n) * kernels.BlockSize}} {
		if int64(len(*s.halves)) < s.n {
			*s.halves = alignedHalves(s.n)
		}
	}
	grow(&a.spare, upTo16(n)*dim)
}

// inTiles reports whether a sequence's rows have attention in tiles.
func (j *attentionJob) inTiles(s *kernels.AttentionSeq) bool {
	return j.kern.tiles != nil && j.dim%tileCols == 0 && s.Row >= j.plan.Decode
}

// roundQueries makes tiles of the queries.
func (t *attentionTile) roundQueries() {
	steps := t.dim / tileCols
	for i := range t.rows * t.share {
		dst := &t.halves.queries[i/lanes*steps*tileSize+i%lanes*tileCols]
		t.kern.tiles.round(dst, &t.queries[i*t.dim], int(steps))
	}
}

// tiledBlock adds n positions of block b of the sequence, which rows before r0 do not
// see and rows from r1 on see all of.
func (t *attentionTile) tiledBlock(b, n, r0, r1 int64) {
	steps := int(t.dim / tileCols)
	t.widenKeys(t.wide, b, n)
	for g := range kernels.BlockSize / lanes {
		t.kern.tiles.pairRows(&t.halves.keys[g*steps*tileSize], &t.wide[int64(g)*lanes*t.dim], int(t.dim), int(t.dim))
	}
	t.widenValues(t.values, b, n)
	clear(t.values[n*t.dim : kernels.BlockSize*t.dim])
	t.pairValues()
	p, sums := &t.halves.product, tileSums{&t.s[0], 4 * lanes, 4 * kernels.BlockSize}
	*p = tileProduct{
		from: sums, to: sums, x: &t.halves.queries[0], weights: &t.halves.keys[0],
		tokens: int(upTo16(t.rows*t.share) / lanes), groups: kernels.BlockSize / lanes, steps: steps, begin: 1,
		ahead:   uintptr(unsafe.Pointer(&t.halves.keys[0])),
		xStride: 2 * steps * tileSize, weightsStride: 2 * steps * tileSize,
	}
	t.kern.tiles.multiply(p)
	for i := range r0 * t.share {
		clear(t.weightsOf(i, 0))
		clear(t.weightsOf(i, 1))
	}
	for r := r0; r < r1; r++ {
		t.softmaxTiles(r, 1, t.seen(b, r))
	}
	if r1 < t.rows {
		t.softmaxTiles(r1, t.rows-r1, kernels.BlockSize)
	}
	if r1 > 0 && !finite(t.values[:n*t.dim]) {
		t.weighApart(b, r0)
		return
	}
	t.weighTiles(&t.acc[0], 0, upTo16(t.rows*t.share))
}

// seen returns how many positions of block b row r sees.
func (t *attentionTile) seen(b, r int64) int64 {
	return min(kernels.BlockSize, t.position+r-b*kernels.BlockSize+1)
}

// pairValues makes tiles of the values.
func (t *attentionTile) pairValues() {
	for g := range t.dim / lanes {
		t.kern.tiles.pair(&t.halves.values[g*kernels.BlockSize*lanes], &t.values[g*lanes], int(t.dim), kernels.BlockSize)
	}
}

// weightsOf returns half of the weights of query i.
func (t *attentionTile) weightsOf(i, half int64) []uint16 {
	return t.halves.weights[i/lanes*2*tileSize+half*tileSize+i%lanes*tileCols:][:tileCols]
}

// softmaxTiles makes weights of the scores of some rows.
func (t *attentionTile) softmaxTiles(r, rows, seen int64) {
	p := &t.halves.softmax
	*p = tilesSoftmax{
		scores: &t.s[0], weights: &t.halves.weights[0], m: &t.m[0], l: &t.l[0], acc: &t.acc[0], wide: int(t.dim),
		first: int(r * t.share), n: int(rows * t.share), seen: int(seen),
	}
	t.kern.tiles.softmax(p)
}

// weighTiles adds the weighted values to the sums of queries [from, to), multiples
// of 16, which stand at acc.
func (t *attentionTile) weighTiles(acc *float32, from, to int64) {
	p, sums := &t.halves.product, tileSums{acc, 4 * lanes, int(4 * t.dim)}
	*p = tileProduct{
		from: sums, to: sums, x: &t.halves.weights[from*kernels.BlockSize], weights: &t.halves.values[0],
		tokens: int((to - from) / lanes), groups: int(t.dim / lanes), steps: kernels.BlockSize / tileCols,
		ahead:   uintptr(unsafe.Pointer(&t.halves.values[0])),
		xStride: 2 * kernels.BlockSize * lanes, weightsStride: 2 * kernels.BlockSize * lanes,
	}
	t.kern.tiles.multiply(p)
}

// weighApart is weighTiles for values that must not touch rows which do not see
// them, not even as 0 * Inf: row by row, the last one first.
func (t *attentionTile) weighApart(b, r0 int64) {
	for r := t.rows - 1; r >= r0; r-- {
		clear(t.values[t.seen(b, r)*t.dim : kernels.BlockSize*t.dim])
		t.pairValues()
		from, to := r*t.share, (r+1)*t.share
		first := from / lanes * lanes
		spare := t.halves.spare[:(upTo16(to)-first)*t.dim]
		copy(spare, t.acc[first*t.dim:])
		t.weighTiles(&spare[0], first, upTo16(to))
		copy(t.acc[from*t.dim:to*t.dim], spare[(from-first)*t.dim:])
	}
}

// finite reports whether no value is, or is rounded to, an infinity or a NaN.
func finite(x []float32) bool {
	const half = 0x8000 // of the last place of BF16
	bad := uint32(0)
	for _, v := range x {
		bad |= math.Float32bits(v)&^(1<<31) + 0x800000 + half
	}
	return bad>>31 == 0
}

// softmaxTilesGeneric is tiles.softmax.
func softmaxTilesGeneric(p *tilesSoftmax) {
	for i := p.first; i < p.first+p.n; i++ {
		s := (*[kernels.BlockSize]float32)(unsafe.Pointer(floatAt(p.scores, i*kernels.BlockSize)))
		for k := p.seen; k < len(s); k++ {
			s[k] = float32(math.Inf(-1))
		}
		m, l := floatAt(p.m, i), floatAt(p.l, i)
		old := *m
		maximaGeneric(m, m, &s[0], 1)
		if *m != old {
			shrink := exp(old - *m)
			*l *= shrink
			for k := range p.wide {
				*floatAt(p.acc, i*p.wide+k) *= shrink
			}
		}
		expSumGeneric(l, &s[0], m, 1)
		for k, v := range s {
			*halfAt(p.weights, i/lanes*2*tileSize+k/tileCols*tileSize+i%lanes*tileCols+k%tileCols) = toBF16(flush(v))
		}
	}
}

// floatAt returns the i-th float from p on.
func floatAt(p *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

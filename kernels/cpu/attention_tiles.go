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
// rounded to BF16. The sums of weights are of numbers that were not rounded. What
// weights are relative to grows as in floats (maxima), but for 256 positions at a time.

const (
	// A tile of queries has as many as leave each thread four, within these bounds: the
	// work of reading a block counts more than with floats.
	leastTileQueries, mostTileQueries = 128, 512
	// tilePositions is the number of positions whose products with values make one sum.
	tilePositions = 4 * kernels.BlockSize
	// pairQueries is the number of queries that go from scores to sums at a time: their
	// scores take 32 KiB of a first-level cache of 48.
	pairQueries = 2 * lanes
)

// tilesAttention is a worker's memory for one tile of queries.
type tilesAttention struct {
	queries []uint16  // [queries/16, dim/32, 16, 32]
	keys    []uint16  // [256/16, dim/32, 16, 16, 2]
	values  []uint16  // [dim/16, 256/32, 16, 16, 2]
	scores  []float32 // [32, 256]
	weights []uint16  // [32/16, 256/32, 16, 32]
	spare   []float32 // [32, dim]: sums
	product tileProduct
	softmax tilesSoftmax
}

// tilesSoftmax turns the scores of queries [first, first+n) to weights in tiles, relative
// to what may grow, by which their sums then shrink. Positions from seen to cols get
// none. Assembly knows the fields by their places.
type tilesSoftmax struct {
	scores  *float32 // [queries, 256]
	weights *uint16  // [queries/16, 256/32, 16, 32]
	m, l    *float32
	acc     *float32 // [queries, wide]
	wide    int      // a multiple of 16
	first   int
	n       int
	seen    int // 1 to cols
	cols    int // a multiple of 64
}

func upTo16(n int64) int64 { return (n + lanes - 1) / lanes * lanes }

// reserve makes room for n queries of size dim.
func (a *tilesAttention) reserve(n, dim int64) {
	for _, s := range []struct {
		halves *[]uint16
		n      int64
	}{{&a.queries, upTo16(n) * dim}, {&a.keys, tilePositions * dim}, {&a.values, tilePositions * dim}, {&a.weights, pairQueries * tilePositions}} {
		if int64(len(*s.halves)) < s.n {
			*s.halves = alignedHalves(s.n)
		}
	}
	grow(&a.scores, pairQueries*tilePositions)
	grow(&a.spare, pairQueries*dim)
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

// tiledPart is 256 positions of the sequence, or those that some row sees.
type tiledPart struct {
	*attentionTile
	from, n int64
	cols    int64 // n up to whole blocks
	r0, r1  int64 // rows before r0 see none of them, rows from r1 on all
	apart   bool  // values must not touch rows which do not see them, not even as 0 * Inf
}

// addTiled adds positions [from, from+256).
func (t *attentionTile) addTiled(from int64) {
	n := min(tilePositions, t.position+t.rows-from)
	p := tiledPart{attentionTile: t, from: from, n: n, cols: (n + kernels.BlockSize - 1) / kernels.BlockSize * kernels.BlockSize}
	p.r0 = max(0, from-t.position)
	p.r1 = max(p.r0, min(t.rows, from+tilePositions-1-t.position))
	for at := int64(0); at < n; at += kernels.BlockSize {
		p.load(at, min(kernels.BlockSize, n-at))
	}
	p.clear(n)
	p.apart = p.r1 > 0 && !p.finite()
	// The last queries see the most values, which are cleared for the others if they
	// stay apart.
	queries := t.rows * t.share
	for i := (queries - 1) / pairQueries * pairQueries; i >= 0 && i+pairQueries > p.r0*t.share; i -= pairQueries {
		p.add(i, min(i+pairQueries, queries))
	}
}

// load makes tiles of keys and values of n positions of the block at `at`, and of what
// follows them in it.
func (p *tiledPart) load(at, n int64) {
	b, dim, h, tiles := (p.from+at)/kernels.BlockSize, p.dim, &p.halves, p.kern.tiles
	typ := p.cache.K.Type
	keys, values := p.source(p.cache.K, p.at(b)), p.source(p.cache.V, p.at(b))
	if typ != kernels.F16 {
		typ = kernels.F32
		keys = unsafe.Pointer(p.widenKeys(p.wide, b, n))
		values = unsafe.Pointer(p.widenValues(p.values, b, n))
	}
	size := typ.RowBytes(1)
	for g := int64(0); g < kernels.BlockSize; g += lanes {
		tiles.pairRows[typ](&h.keys[(at+g)*dim], unsafe.Add(keys, g*dim*size), int(dim), int(dim))
	}
	for g := int64(0); g < dim; g += lanes {
		tiles.pair[typ](&h.values[g*tilePositions+at*lanes], unsafe.Add(values, g*size), int(dim), kernels.BlockSize)
	}
}

// clear makes values from position `at` on zeros.
func (p *tiledPart) clear(at int64) {
	for g := int64(0); g < p.dim; g += lanes {
		values := p.halves.values[g*tilePositions:][:p.cols*lanes]
		clear(values[(at+1)/2*2*lanes:])
		if at%2 != 0 {
			for r := range int64(lanes) {
				values[at/2*2*lanes+2*r+1] = 0
			}
		}
	}
}

// finite reports whether no value is, or is rounded to, an infinity or a NaN.
func (p *tiledPart) finite() bool {
	const exponent, last = 0x7f80, 0x0080
	for g := int64(0); g < p.dim; g += lanes {
		bad := uint64(0)
		for _, v := range wordsOf(p.halves.values[g*tilePositions:][:p.cols*lanes]) {
			bad |= v&(exponent*everyHalf) + last*everyHalf
		}
		if bad&(0x8000*everyHalf) != 0 {
			return false
		}
	}
	return true
}

// everyHalf times a half is that half four times.
const everyHalf = 0x0001000100010001

// wordsOf returns halves as words of four.
func wordsOf(x []uint16) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/4)
}

// add adds the positions to queries [i, end), at most 32.
func (p *tiledPart) add(i, end int64) {
	h, steps := &p.halves, int(p.dim/tileCols)
	sums := tileSums{&h.scores[0], 4 * lanes, 4 * tilePositions}
	h.product = tileProduct{
		from: sums, to: sums, x: &h.queries[i*p.dim], weights: &h.keys[0],
		tokens: int(upTo16(end-i) / lanes), groups: int(p.cols / lanes), steps: steps, begin: 1,
		xStride: 2 * steps * tileSize, weightsStride: 2 * steps * tileSize,
		ahead: uintptr(unsafe.Pointer(&h.values[0])),
	}
	p.kern.tiles.multiply(&h.product)
	for q := i; q < end; {
		q = p.weights(i, q, end)
	}
	if p.apart {
		p.weighApart(i, end)
		return
	}
	p.weighTiles(&p.acc[i*p.dim], 0, upTo16(end-i))
}

// weights makes weights of the scores of some queries of [i, end) from q on, which see
// as much, and returns the query behind them.
func (p *tiledPart) weights(i, q, end int64) int64 {
	row, seen, h := q/p.share, int64(tilePositions), &p.halves
	switch {
	case row < p.r0:
		for k := int64(0); k < p.cols; k += tileCols {
			clear(h.weights[(q-i)/lanes*tilePositions*lanes+k*lanes+(q-i)%lanes*tileCols:][:tileCols])
		}
		return q + 1
	case row < p.r1:
		seen, end = p.sees(row), min(end, (row+1)*p.share)
	}
	h.softmax = tilesSoftmax{
		scores: &h.scores[0], weights: &h.weights[0], m: &p.m[i], l: &p.l[i], acc: &p.acc[i*p.dim], wide: int(p.dim),
		first: int(q - i), n: int(end - q), seen: int(seen), cols: int(p.cols),
	}
	p.kern.tiles.softmax(&h.softmax)
	return end
}

// sees returns how many of the positions a row does.
func (p *tiledPart) sees(row int64) int64 { return min(tilePositions, p.position+row-p.from+1) }

// weighTiles adds weighted values to the sums at acc, those of queries [first, first+n)
// of 32, multiples of 16.
func (p *tiledPart) weighTiles(acc *float32, first, n int64) {
	sums := tileSums{acc, 4 * lanes, int(4 * p.dim)}
	p.halves.product = tileProduct{
		from: sums, to: sums, x: &p.halves.weights[first*tilePositions], weights: &p.halves.values[0],
		tokens: int(n / lanes), groups: int(p.dim / lanes), steps: int(p.cols / tileCols),
		xStride: 2 * tilePositions * lanes, weightsStride: 2 * tilePositions * lanes,
		ahead: uintptr(unsafe.Pointer(&p.halves.keys[0])),
	}
	p.kern.tiles.multiply(&p.halves.product)
}

// weighApart is weighTiles for values that stay apart: row by row, the last one first.
func (p *tiledPart) weighApart(i, end int64) {
	for row := (end - 1) / p.share; row >= max(p.r0, i/p.share); row-- {
		p.clear(p.sees(row))
		from, to := max(i, row*p.share), min(end, (row+1)*p.share)
		first := from / lanes * lanes
		spare := p.halves.spare[:(upTo16(to)-first)*p.dim]
		copy(spare, p.acc[first*p.dim:])
		p.weighTiles(&spare[0], first-i, upTo16(to)-first)
		copy(p.acc[from*p.dim:to*p.dim], spare[(from-first)*p.dim:])
	}
}

// softmaxTilesGeneric is tiles.softmax.
func softmaxTilesGeneric(p *tilesSoftmax) {
	for i := p.first; i < p.first+p.n; i++ {
		m, l := floatAt(p.m, i), floatAt(p.l, i)
		s := unsafe.Slice(floatAt(p.scores, i*tilePositions), p.cols)
		for k := p.seen; k < p.cols; k++ {
			s[k] = float32(math.Inf(-1))
		}
		most := *m
		for k := 0; k < p.cols; k += kernels.BlockSize {
			maximaGeneric(&most, &most, &s[k], 1)
		}
		if most > *m+slack {
			shrink := exp(*m - most)
			*m, *l = most, *l*shrink
			for k := range p.wide {
				*floatAt(p.acc, i*p.wide+k) *= shrink
			}
		}
		for k := 0; k < p.cols; k += kernels.BlockSize {
			expSumGeneric(l, &s[k], m, 1)
		}
		for k, v := range s {
			*halfAt(p.weights, i/lanes*tilePositions*lanes+k/tileCols*tileSize+i%lanes*tileCols+k%tileCols) = toBF16(flush(v))
		}
	}
}

// floatAt returns the i-th float from p on.
func floatAt(p *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

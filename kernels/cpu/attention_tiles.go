package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// # Attention in tiles
//
// Where a variant has tile loops, rows that prefill get both products of attention
// in tiles: queries, keys, weights relative to the running maximum, and values are
// rounded to BF16. The sums of weights are of numbers that were not rounded. What
// weights are relative to grows when those of a block have a large sum.

const (
	// A tile of queries has as many as leave each thread threadTiles, within these bounds: the
	// work of reading a block counts more than with floats.
	threadTiles                       = 4
	leastTileQueries, mostTileQueries = 128, 2048
	// pairQueries is the number of queries that go through a span at a time: all but keys
	// and values stays in the first-level cache.
	pairQueries = 2 * lanes
	// mostWeights is what each 16th weight of a query and a block may sum up to, before they
	// are made relative to the greatest score so far.
	mostWeights = 256
)

// tilesAttention is a worker's memory for one tile of queries.
type tilesAttention struct {
	queries []uint16  // [queries/16, dim/32, 16, 32]
	keys    []uint16  // [1024/16, dim/32, 16, 16, 2]
	values  []uint16  // [1024/64, dim/16, 64/32, 16, 16, 2]
	scores  []float32 // [2, 32, 64]
	rows    []float32 // [32, 32]
	seen    [2 * pairQueries]int32
	spare   attentionSums // of a pair
	loop    tilesAttend
}

// tilesAttend goes with a pair of tiles of queries through blocks of positions: scores become
// weights, relative to what may grow, by which their sums then shrink. While those of a block
// do, the keys of the next block are multiplied, and the weights of the block before: a
// processor takes a third of a microsecond to go from vectors to tiles, and as long for the way
// back. Assembly knows the fields by their places.
type tilesAttend struct {
	queries *uint16  // [2, dim/32, 16, 32]
	keys    *uint16  // [blocks, 64/16, dim/32, 16, 16, 2]
	values  *uint16  // [blocks, dim/16, 64/32, 16, 16, 2]
	scores  *float32 // [2, 32, 64]: memory for scores and weights
	m, l    *float32 // [32]
	acc     *float32 // [32, dim]
	seen    *int32   // [2, 32]: the end of the positions that a query sees, and their beginning
	dim     int      // a multiple of 32
	blocks  int
	rows    *float32 // [32, 32]: memory for what is known of a query
}

func upTo16(n int64) int64 { return (n + lanes - 1) / lanes * lanes }

// upToPair returns for how many queries sums are written.
func upToPair(n int64) int64 { return (n + pairQueries - 1) / pairQueries * pairQueries }

// reserve makes room for n queries of size dim.
func (a *tilesAttention) reserve(n, dim int64) {
	n = upToPair(n)
	for _, s := range []struct {
		halves *[]uint16
		n      int64
	}{{&a.queries, n * dim}, {&a.keys, attentionSpan * dim}, {&a.values, attentionSpan * dim}} {
		if int64(len(*s.halves)) < s.n {
			*s.halves = alignedHalves(s.n)
		}
	}
	grow(&a.scores, 2*pairQueries*kernels.BlockSize)
	grow(&a.rows, pairQueries*2*lanes)
	a.spare.reserve(pairQueries, dim)
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

// tiledSpan is positions of the sequence from one on, those that some row sees.
type tiledSpan struct {
	*attentionTile
	from, n int64
}

// spanTiled computes the sums of positions [from, from+n).
func (t *attentionTile) spanTiled(from, n int64) {
	p := tiledSpan{t, from, n}
	for at := int64(0); at < n; at += kernels.BlockSize {
		p.load(at, min(kernels.BlockSize, n-at))
	}
	p.clear(n, n+kernels.BlockSize)
	begins, _ := p.sees(t.rows - 1)
	_, ends := p.sees(0)
	apart := (begins > 0 || ends < n) && !p.finite()
	for i := (t.rows*t.share - 1) / pairQueries * pairQueries; i >= 0; i -= pairQueries {
		if apart {
			p.attendApart(i)
			continue
		}
		p.attend(i, i/t.share, t.rows, attentionSums{t.acc[i*t.dim:], t.m[i:], t.l[i:]})
	}
}

// load makes tiles of keys and values of n positions of the block at `at`, and of what
// follows them in it.
func (p *tiledSpan) load(at, n int64) {
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
		tiles.pair[typ](&h.values[at*dim+g*kernels.BlockSize], unsafe.Add(values, g*size), int(dim), kernels.BlockSize)
	}
}

// clear makes values of the block of position `from` zeros, from there to another position.
func (p *tiledSpan) clear(from, to int64) {
	b := from / kernels.BlockSize * kernels.BlockSize
	if b >= p.n {
		return
	}
	from, to = from-b, min(to-b, kernels.BlockSize)
	for g := int64(0); g < p.dim; g += lanes {
		values := p.halves.values[b*p.dim+g*kernels.BlockSize:][:kernels.BlockSize*lanes]
		for at := from; at < to; at++ {
			if at%2 == 0 && at+1 < to {
				clear(values[at*lanes:][:2*lanes])
				at++
				continue
			}
			for r := range int64(lanes) {
				values[at/2*2*lanes+2*r+at%2] = 0
			}
		}
	}
}

// finite reports whether no value is, or is rounded to, an infinity or a NaN.
func (p *tiledSpan) finite() bool {
	const exponent, last = 0x7f80, 0x0080
	bad := uint64(0)
	for _, v := range wordsOf(p.halves.values[:blocksOf(p.n)*kernels.BlockSize*p.dim]) {
		bad |= v&(exponent*everyHalf) + last*everyHalf
	}
	return bad&(0x8000*everyHalf) == 0
}

// everyHalf times a half is that half four times.
const everyHalf = 0x0001000100010001

// wordsOf returns halves as words of four.
func wordsOf(x []uint16) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/4)
}

// sees returns which of the positions a row does.
func (p *tiledSpan) sees(row int64) (from, to int64) {
	return max(0, min(p.n, p.seesFrom(row)-p.from)), max(0, min(p.n, p.seesTo(row)-p.from))
}

// attend computes the sums of the pair of tiles from query i on, for rows [row, end).
func (p *tiledSpan) attend(i, row, end int64, sums attentionSums) {
	h, last := &p.halves, min(end, (i+pairQueries+p.share-1)/p.share)-1
	_, most := p.sees(last)
	blocks := max(1, blocksOf(most))
	begin, least := p.sees(row)
	begin = min(begin/kernels.BlockSize, blocks-1) * kernels.BlockSize
	latest, _ := p.sees(last)
	for k := range int64(pairQueries) {
		q, from, to := i+k, int64(0), p.n
		switch {
		case q < row*p.share || q >= end*p.share:
			to = 0
		case least < p.n || latest > 0:
			from, to = p.sees(q / p.share)
		}
		h.seen[k], h.seen[pairQueries+k] = int32(to-begin), int32(from-begin)
	}
	h.loop = tilesAttend{
		queries: &h.queries[i*p.dim], keys: &h.keys[begin*p.dim], values: &h.values[begin*p.dim], scores: &h.scores[0],
		m: &sums.m[0], l: &sums.l[0], acc: &sums.acc[0], seen: &h.seen[0],
		dim: int(p.dim), blocks: int(blocks - begin/kernels.BlockSize), rows: &h.rows[0],
	}
	p.kern.tiles.attend(&h.loop)
}

// attendApart is attend for values of which some are not finite: those must not touch rows
// which do not see them, not even as 0 * Inf. The last row sees those furthest on, which are then
// cleared; its first block is loaded again for the row before.
func (p *tiledSpan) attendApart(i int64) {
	spare, end := &p.halves.spare, min(i+pairQueries, p.rows*p.share)
	for row := (end - 1) / p.share; row >= i/p.share; row-- {
		from, to := p.sees(row)
		if p.window > 0 && from < p.n {
			at := from / kernels.BlockSize * kernels.BlockSize
			p.load(at, min(kernels.BlockSize, p.n-at))
			p.clear(at, from)
		}
		p.clear(to, p.n+kernels.BlockSize)
		p.attend(i, row, row+1, *spare)
		q, ends := max(i, row*p.share), min(end, (row+1)*p.share)
		copy(p.m[q:ends], spare.m[q-i:])
		copy(p.l[q:ends], spare.l[q-i:])
		copy(p.acc[q*p.dim:ends*p.dim], spare.acc[(q-i)*p.dim:])
	}
}

// blocksOf returns how many blocks have n positions.
func blocksOf(n int64) int64 { return (n + kernels.BlockSize - 1) / kernels.BlockSize }

// attendTilesGeneric is tiles.attend.
func attendTilesGeneric(p *tilesAttend) {
	const block = kernels.BlockSize
	weights := halvesOf(unsafe.Slice(floatAt(p.scores, pairQueries*block), pairQueries*block))
	steps, sums := p.dim/tileCols, unsafe.Slice((*[lanes]float32)(unsafe.Pointer(p.rows)), pairQueries)
	seen := unsafe.Slice(p.seen, 2*pairQueries)
	clear(sums)
	for q := range pairQueries {
		*floatAt(p.m, q) = float32(math.Inf(-1))
	}
	scores, acc := tileSums{at: p.scores, stride: 4 * lanes, row: 4 * block}, tileSums{at: p.acc, stride: 4 * lanes, row: 4 * p.dim}
	for b := range p.blocks {
		multiplyTilesGeneric(&tileProduct{
			to: scores, x: p.queries, weights: halfAt(p.keys, b*block*p.dim), tokens: pairQueries / lanes, groups: block / lanes,
			steps: steps, begin: 1, xStride: 2 * steps * tileSize, weightsPair: 2 * steps * tileSize, weightsNext: 4 * steps * tileSize,
		})
		for q := range pairQueries {
			s := (*[block]float32)(unsafe.Pointer(floatAt(p.scores, q*block)))
			to, from := seen[q]-int32(b*block), seen[pairQueries+q]-int32(b*block)
			p.softmax(q, from, to, s, &sums[q])
			for k, v := range s {
				weights[q/lanes*block*lanes+k/tileCols*tileSize+q%lanes*tileCols+k%tileCols] = minifloat.ToBF16(flush(v))
			}
		}
		begin := 0
		if b == 0 {
			begin = 1
		}
		multiplyTilesGeneric(&tileProduct{
			from: acc, to: acc, x: &weights[0], weights: halfAt(p.values, b*block*p.dim), tokens: pairQueries / lanes, groups: p.dim / lanes,
			steps: block / tileCols, begin: begin, xStride: 2 * block * lanes, weightsPair: 2 * block * lanes, weightsNext: 4 * block * lanes,
		})
	}
	for q := range sums {
		*floatAt(p.l, q) = sumLanes(sums[q])
	}
}

// softmax makes weights of a query's scores, of which those from one to another are seen.
func (p *tilesAttend) softmax(query int, from, to int32, s *[kernels.BlockSize]float32, sums *[lanes]float32) {
	if to <= 0 || from >= kernels.BlockSize {
		clear(s[:])
		return
	}
	hideScores(s[:max(0, from)])
	hideScores(s[min(to, kernels.BlockSize):])
	m := floatAt(p.m, query)
	if math.IsInf(float64(*m), -1) {
		maximaGeneric(m, m, &s[0], 1)
	}
	w, of, large := weightsOf(s, *m)
	if large {
		most := *m
		maximaGeneric(&most, &most, &s[0], 1)
		if most > *m {
			shrink := exp2(float32(*m*log2e) - float32(most*log2e))
			for k := range p.dim {
				*floatAt(p.acc, query*p.dim+k) *= shrink
			}
			for k := range sums {
				sums[k] *= shrink
			}
			*m = most
			w, of, _ = weightsOf(s, most)
		}
	}
	for k := range sums {
		sums[k] += of[k]
	}
	*s = w
}

// weightsOf returns e^(s-m) of all scores, the sums of each 16th, and whether one is large.
func weightsOf(s *[kernels.BlockSize]float32, m float32) (w [kernels.BlockSize]float32, sums [lanes]float32, large bool) {
	m = float32(m * log2e)
	for k, v := range s {
		if v-v == 0 && m-m == 0 {
			w[k] = exp2(fma(v, log2e, -m))
		} else {
			w[k] = exp2(v - m)
		}
	}
	for k := range sums {
		sums[k] = (w[k] + w[k+lanes]) + (w[k+2*lanes] + w[k+3*lanes])
		large = large || !(sums[k] <= mostWeights)
	}
	return w, sums, large
}

// sumLanes adds halves until one number is left.
func sumLanes(x [lanes]float32) float32 {
	for n := lanes / 2; n > 0; n /= 2 {
		for k := range n {
			x[k] += x[k+n]
		}
	}
	return x[0]
}

// exp2 is 2^x but for 2^-13.7 of it: half of a place in BF16 is 2^-9.
func exp2(x float32) float32 {
	if x < -126 {
		return 0
	}
	n, f := math.Floor(float64(x)), x // a NaN stays
	if math.IsInf(n, 0) {
		f = 0
	} else if d := float64(x) - n; d == d {
		f = float32(d)
		if float64(f) > d || f == 1 { // rounded down
			f = math.Nextafter32(f, 0)
		}
	}
	p := fma(exp2P0, f, exp2P1)
	p = fma(p, f, exp2P2)
	p = fma(p, f, exp2P3)
	return float32(math.Ldexp(float64(p), int(min(n, 300))))
}

// The polynomial for 2^f on 0 <= f < 1 whose greatest error relative to that is least.
const (
	exp2P0 = 0.0780245215
	exp2P1 = 0.226067156
	exp2P2 = 0.695833564
	exp2P3 = 0.999925196
)

// floatAt returns the i-th float from p on.
func floatAt(p *float32, i int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), 4*i)) }

package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

// attentionScratch is a worker's memory for one tile of queries of some heads.
type attentionScratch struct {
	wide    []float32 // [64, dim]: a block as F32
	keys    []float32 // [dim, 64]: keys, a position a lane; or the same as the cache has them
	values  []float32 // [64, D]
	queries []float32 // [queries, dim], scaled by 1/sqrt(dim)
	s       []float32 // [queries, 64]: scores, then probabilities
	most    []float32 // [queries]: maxima with those of a block
	factors [lanes]float32
	first   attentionSums   // of the first span, then of all
	later   attentionSums   // of a later span
	side    []attentionTile // of heads that are read side by side
	halves  tilesAttention
	codes   attentionCodes
}

// reserve makes room for n queries of size dim, so that pieces allocate
// nothing.
func (a *attentionScratch) reserve(n, dim int64) {
	wide := (dim + lanes - 1) / lanes * lanes
	grow(&a.wide, kernels.BlockSize*dim)
	grow(&a.keys, kernels.BlockSize*dim)
	grow(&a.values, kernels.BlockSize*wide)
	grow(&a.queries, n*dim)
	grow(&a.s, upTo16(n)*kernels.BlockSize)
	grow(&a.most, n)
	a.first.reserve(n, wide)
	a.later.reserve(n, wide)
}

// grow makes s n long; what it holds is lost.
func grow(s *[]float32, n int64) {
	if int64(cap(*s)) < n {
		*s = alignedFloats(int(n))
	}
	*s = (*s)[:n]
}

// attentionTile is rows [row, row+rows) of the batch, at consecutive positions, and a KV head.
type attentionTile struct {
	*attentionJob
	*attentionScratch
	attentionSums
	seq                 *kernels.AttentionSeq
	head                int64
	query               int64 // the first of the tile in what holds the queries of all heads
	row, rows, position int64
	narrow              bool // keys and values are used as the cache has them
	tiled               bool // products are in tiles
	coded               bool // or in integers of 16 bits
}

// join adds the sums of all spans, which are at a place in parts, and finishes them.
func (t *attentionTile) join(place int64) {
	sums := t.attentionJob.part(place, 0, t.rows*t.share)
	for i := int64(1); i < t.spansSeen(); i++ {
		part := t.attentionJob.part(place, i, t.rows*t.share)
		sums.add(t.kern, &part)
	}
	t.finish(&sums)
}

// seesFrom and seesTo are the ends of the positions that row r sees.
func (t *attentionTile) seesFrom(r int64) int64 { return kernels.FirstSeen(t.position+r, t.window) }

func (t *attentionTile) seesTo(r int64) int64 { return t.position + r + 1 }

// spansSeen returns how many spans some row sees.
func (t *attentionTile) spansSeen() int64 {
	return spansOf(t.position+t.rows) - t.seesFrom(0)/attentionSpan
}

// sums returns the sums of this tile among those of all heads.
func (t *attentionTile) sums(all *attentionSums) attentionSums {
	return all.from(t.query, t.wideDim()).slice(t.rows*t.share, t.wideDim())
}

// begin loads the queries.
func (t *attentionTile) begin() {
	n := t.rows * t.share
	queries := t.queries[t.query*t.dim:][:n*t.dim]
	for i := range n {
		copy(queries[i*t.dim:][:t.dim], floatsOf(t.address(t.q, i), t.dim))
	}
	t.times(queries, float32(1/math.Sqrt(float64(t.dim))))
	if t.tiled {
		t.roundQueries()
	}
	if t.coded {
		t.roundQueries16()
	}
}

// clear begins sums.
func (t *attentionTile) clear() {
	clear(t.acc)
	clear(t.l)
	for k := range t.m {
		t.m[k] = float32(math.Inf(-1))
	}
}

// finish writes what the sums say.
func (t *attentionTile) finish(s *attentionSums) {
	wide := t.wideDim()
	for i, l := range s.l {
		t.kern.divide((*float32)(pointer(t.address(t.out, int64(i)))), &s.acc[int64(i)*wide], l, int(t.dim))
	}
}

// address returns the address of query i of the tile in a tensor [n, heads, dim].
func (t *attentionTile) address(base uintptr, i int64) uintptr {
	row, head := t.row+i/t.share, t.head*t.share+i%t.share
	return base + uintptr(4*(row*t.heads+head)*t.dim)
}

// block adds the positions of block b of the sequence.
func (t *attentionTile) block(b int64) {
	from := b * kernels.BlockSize
	r0, r1 := max(0, from-t.position), t.rows // those that see it
	if t.window > 0 {
		r1 = min(r1, from+kernels.BlockSize+t.window-1-t.position)
	}
	n := min(kernels.BlockSize, t.position+t.rows-from)
	if t.coded {
		t.codedBlock(b, n, r0, r1)
		return
	}
	t.load(b, n)
	some := max(1, hotQueries/t.share)
	next := t.next(b, (r1-r0+some-1)/some)
	for r := r0; r < r1; r += some {
		next.prefetch()
		t.addBlock(b, r, min(r+some, r1))
	}
}

// addBlock adds block b to rows [r, end), which see some of it. Those that see all of it are
// done at once.
func (t *attentionTile) addBlock(b, r, end int64) {
	t.scores(b, r, end)
	for next := r; r < end; r = next {
		// What a row does not see must not touch it, not even as 0 * Inf.
		seen := t.seen(b, r)
		for next++; next < end && seen.all() && t.seen(b, next).all(); {
			next++
		}
		t.softmax(r, next, seen)
		t.weigh(b, r, next, seen)
	}
}

// seenPart is the positions [from, to) of a block that a row sees.
type seenPart struct{ from, to int64 }

func (s seenPart) all() bool { return s == seenPart{0, kernels.BlockSize} }

// seen returns what row r sees of block b.
func (t *attentionTile) seen(b, r int64) seenPart {
	at := b * kernels.BlockSize
	return seenPart{max(0, t.seesFrom(r)-at), min(kernels.BlockSize, t.seesTo(r)-at)}
}

// hotQueries is how many queries go through a block while their numbers are in the
// first-level cache.
const hotQueries = 48

// fewQueries is up to how many queries a block is converted as it is used, not before.
const fewQueries = 16

// useNarrow reports whether keys and values of 16 or 8 bits are used as they are.
func (t *attentionTile) useNarrow() bool {
	if t.rows*t.share > fewQueries {
		return false
	}
	switch typ := t.cache.K.Type; typ {
	case kernels.F16, kernels.BF16:
		return t.kern.gemm16[typ] != nil && t.dim%lanes == 0
	case kernels.I8:
		return t.kern.keysI8 != nil && t.dim%(2*lanes) == 0
	}
	return false
}

// scores computes s = q · keysᵀ with block b for rows [r, end).
func (t *attentionTile) scores(b, r, end int64) {
	i, n := r*t.share, (end-r)*t.share
	s := t.s[i*kernels.BlockSize:][:n*kernels.BlockSize]
	clear(s)
	q, dim := &t.queries[(t.query+i)*t.dim], int(t.dim)
	size := int(t.rowBytes / t.dim)
	if loop := t.wide16(n); loop != nil {
		loop(&s[0], kernels.BlockSize, unsafe.Pointer(&t.keys[0]), kernels.BlockSize, q, dim, int(n), dim, t.following(t.cache.K, b))
		return
	}
	for p := 0; p < kernels.BlockSize; p += lanes {
		if !t.narrow {
			t.kern.gemm(&s[p], kernels.BlockSize, &t.keys[p], kernels.BlockSize, q, dim, int(n), dim)
			continue
		}
		keys, ahead := unsafe.Add(unsafe.Pointer(&t.keys[0]), size*p), unsafe.Add(t.following(t.cache.K, b), size*p*dim)
		if t.cache.K.Type == kernels.I8 {
			scales := t.scale(t.cache.KScale, t.at(b)+int64(p))
			t.kern.keysI8(&s[p], kernels.BlockSize, keys, kernels.BlockSize, q, dim, int(n), dim, ahead, scales)
			continue
		}
		t.kern.gemm16[t.cache.K.Type](&s[p], kernels.BlockSize, keys, kernels.BlockSize, q, dim, int(n), dim, ahead)
	}
}

// wide16 returns the loop for 64 columns at a time of so many queries; nil: none pays.
func (t *attentionTile) wide16(queries int64) gemm16 {
	if typ := t.cache.K.Type; t.narrow && typ <= kernels.BF16 && queries < 8 {
		return t.kern.wide16[typ]
	}
	return nil
}

// softmax turns the scores of rows [r, end) into weights relative to the running
// maximum; positions that are not seen get none.
func (t *attentionTile) softmax(r, end int64, seen seenPart) {
	first, n := r*t.share, (end-r)*t.share
	t.hide(r, end, seen)
	t.maxima(first, n)
	t.kern.expSum(&t.l[first], &t.s[first*kernels.BlockSize], &t.m[first], int(n))
}

// hide makes the scores of rows [r, end) with positions that are not seen -Inf.
func (t *attentionTile) hide(r, end int64, seen seenPart) {
	if seen.all() {
		return
	}
	for i := r * t.share; i < end*t.share; i++ {
		s := t.s[i*kernels.BlockSize:][:kernels.BlockSize]
		hideScores(s[:seen.from])
		hideScores(s[seen.to:])
	}
}

func hideScores(s []float32) {
	for k := range s {
		s[k] = float32(math.Inf(-1))
	}
}

// slack is by how much scores may exceed what weights are relative to, before all sums are
// scaled for it: weights of e^8 do no harm.
const slack = 8

// maxima raises what weights of n queries are relative to, if their scores are far above.
func (t *attentionTile) maxima(first, n int64) {
	most := t.most[:n]
	t.kern.maxima(&most[0], &t.m[first], &t.s[first*kernels.BlockSize], int(n))
	for i, m := range most {
		if m > t.m[first+int64(i)]+slack {
			t.raise(first+int64(i), m)
		}
	}
}

// raise makes weights of query i relative to m.
func (t *attentionTile) raise(i int64, m float32) {
	if old := t.m[i]; !math.IsInf(float64(old), -1) {
		shrink := exp(old - m)
		t.l[i] *= shrink
		wide := t.wideDim()
		t.times(t.acc[i*wide:][:wide], shrink)
	}
	t.m[i] = m
}

// times multiplies x by a factor.
func (t *attentionTile) times(x []float32, factor float32) {
	for k := range t.factors {
		t.factors[k] = factor
	}
	if len(x) >= lanes {
		t.kern.scale(&x[0], &t.factors[0], len(x)/lanes)
	}
	for k := len(x) &^ (lanes - 1); k < len(x); k++ {
		x[k] *= factor
	}
}

// weigh adds the values that are seen, weighted, for rows [r, end) to their sums.
func (t *attentionTile) weigh(b, r, end int64, seen seenPart) {
	i, wide := r*t.share, int(t.wideDim())
	queries, weights := int((end-r)*t.share), &t.s[i*kernels.BlockSize+seen.from]
	size, loop := int(t.rowBytes/t.dim), t.wide16(int64(queries))
	at, n := t.at(b)+seen.from, int(seen.to-seen.from)
	for k, columns := 0, 0; k < wide; k += columns {
		sums := &t.acc[int(i)*wide+k]
		columns = lanes
		if !t.narrow {
			t.kern.gemm(sums, wide, &t.values[int(seen.from)*wide+k], wide, weights, kernels.BlockSize, queries, n)
			continue
		}
		values, ahead := unsafe.Add(t.source(t.cache.V, at), size*k), unsafe.Add(t.following(t.cache.V, b), size*k*kernels.BlockSize)
		switch {
		case loop != nil && wide-k >= 4*lanes:
			columns = 4 * lanes
			loop(sums, wide, values, wide, weights, kernels.BlockSize, queries, n, ahead)
		case t.cache.V.Type == kernels.I8:
			t.kern.valuesI8(sums, wide, values, wide, weights, kernels.BlockSize, queries, n, ahead, t.scale(t.cache.VScale, at))
		default:
			t.kern.gemm16[t.cache.V.Type](sums, wide, values, wide, weights, kernels.BlockSize, queries, n, ahead)
		}
	}
}

// maximaGeneric is variant.maxima.
func maximaGeneric(most, m, s *float32, n int) {
	for i := range n {
		greatest := *floatAt(m, i)
		for _, v := range unsafe.Slice(floatAt(s, i*kernels.BlockSize), kernels.BlockSize) {
			if v > greatest {
				greatest = v
			}
		}
		*floatAt(most, i) = greatest
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

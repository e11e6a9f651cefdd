package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

// # Attention in 16 bits
//
// A cache of I16 holds codes of 16 bits with a scale for each position and head. Where a
// variant has these loops, both products of attention with it are in integers, twice as
// many at a time as floats, and need no conversion. Queries, and a query's weights of a
// block, are rounded likewise. No sum exceeds 32 bits: that of a query and a key because the
// codes of both have a length (as vectors) below the root of 2^31, that of weights and
// values because the weights of a block have a bounded sum. The sums of weights that divide
// in the end are of numbers that were not rounded.

// attention16 is these loops. Queries and weights are rows of codes, keys and values as the
// cache has them: see kernels.KV.
type attention16 struct {
	// scores writes the scores of n queries [n, dim] with the keys of a block: s[i][p]. The
	// 128*dim bytes at ahead will be read soon: each step prefetches some, so that few loads
	// wait at once.
	scores func(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer)
	// weigh writes codes of the products of weights s [n, 64] with the values' scales.
	weigh func(codes *int16, scales, s, valueScales *float32, n int)
	// add adds the values of a block, weighted by [n, 64], to acc [n, dim]; as many bytes
	// will be read soon.
	add func(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer)
}

const (
	codesLength = 46300 // of the codes of a query or a key, before they are rounded
	codesMost   = math.MaxInt16
	valuesMost  = 8191   // of the codes of a value
	weightsSum  = 262000 // of the codes of a query's weights of a block, before they are rounded
	// shortest is the least scale of a row whose codes have a length: its squares are large
	// enough to add up. A row of smaller numbers counts as zeros.
	shortest = 0x1p-75
)

// attentionCodes is a worker's memory for one tile of queries.
type attentionCodes struct {
	queries      []int16 // [queries, dim]
	queryScales  []float32
	keyScales    *float32 // of a block: in the cache, or in partial
	valueScales  *float32
	partial      [2][kernels.BlockSize]float32
	weights      []int16 // [queries, 64]
	weightScales []float32
}

// reserve makes room for n queries of size dim.
func (a *attentionCodes) reserve(n, dim int64) {
	for _, s := range []struct {
		codes *[]int16
		n     int64
	}{{&a.queries, n * dim}, {&a.weights, n * kernels.BlockSize}} {
		if int64(len(*s.codes)) < s.n {
			*s.codes = alignedCodes(s.n)
		}
	}
	grow(&a.queryScales, n)
	grow(&a.weightScales, n)
}

// alignedCodes returns zeros that begin a cache line.
func alignedCodes(n int64) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(&alignedHalves(n)[0])), n)
}

// useCodes reports whether products are with the codes of the cache.
func (t *attentionTile) useCodes() bool {
	return t.kern.attention16 != nil && t.cache.K.Type == kernels.I16 && t.dim%lanes == 0 && !t.tiled
}

// roundQueries16 makes codes of the queries.
func (t *attentionTile) roundQueries16() {
	c := &t.codes
	at := t.query * t.dim
	t.kern.round16(&c.queries[at], &c.queryScales[t.query], &t.queries[at], int(t.rows*t.share), int(t.dim), codesLength, codesMost)
}

// codedBlock adds n positions of block b to rows [r0, r1).
func (t *attentionTile) codedBlock(b, n, r0, r1 int64) {
	t.prefetchScales(b)
	t.loadScales(b, seenPart{0, n})
	end, some := r1, max(1, hotQueries/t.share)
	if t.seen(b, r0).to < n || t.seen(b, r1-1).from > 0 {
		end = t.finiteRows(b, n, r0, r1)
	}
	for r := r0; r < end; r += some {
		t.addCodes(b, r, min(r+some, end))
	}
	// A NaN reaches the rows that see it, one by one.
	for r := end; r < r1; r++ {
		t.loadScales(b, t.seen(b, r))
		t.addCodes(b, r, r+1)
	}
}

// loadScales finds the scales of positions that are seen; the others have no weight.
func (t *attentionTile) loadScales(b int64, seen seenPart) {
	c, at := &t.codes, t.at(b)
	c.keyScales, c.valueScales = t.scale(t.cache.KScale, at), t.scale(t.cache.VScale, at)
	if seen.all() {
		return
	}
	for i, scales := range []**float32{&c.keyScales, &c.valueScales} {
		clear(c.partial[i][:])
		copy(c.partial[i][seen.from:], unsafe.Slice(*scales, seen.to)[seen.from:])
		*scales = &c.partial[i][0]
	}
}

// prefetchScales asks for the scales of what is read after block b.
func (t *attentionTile) prefetchScales(b int64) {
	at := t.atNext(b)
	prefetch(unsafe.Pointer(t.scale(t.cache.KScale, at)), 4*kernels.BlockSize)
	prefetch(unsafe.Pointer(t.scale(t.cache.VScale, at)), 4*kernels.BlockSize)
}

// finiteRows returns the end of those rows of [r0, r1) before the first that sees a NaN among n
// positions of block b, and leaves what they do not see without weight.
func (t *attentionTile) finiteRows(b, n, r0, r1 int64) int64 {
	c := &t.codes
	for p := range n {
		if k, v := *floatAt(c.keyScales, int(p)), *floatAt(c.valueScales, int(p)); k != k || v != v {
			t.loadScales(b, seenPart{0, p})
			return min(r1, max(r0, b*kernels.BlockSize+p-t.position))
		}
	}
	return r1
}

// addCodes adds the positions to rows [r, end).
func (t *attentionTile) addCodes(b, r, end int64) {
	c, loops, dim := &t.codes, t.kern.attention16, int(t.dim)
	i, n := r*t.share, int((end-r)*t.share)
	s := &t.s[i*kernels.BlockSize]
	loops.scores(s, &t.codesOf(t.cache.K, b)[0], &c.queries[(t.query+i)*t.dim], dim, c.keyScales, &c.queryScales[t.query+i], n, t.following(t.cache.K, b))
	for k := r; k < end; k++ {
		t.hide(k, k+1, t.seen(b, k))
	}
	t.maxima(i, int64(n))
	t.kern.expSum(&t.l[i], s, &t.m[i], n)
	loops.weigh(&c.weights[i*kernels.BlockSize], &c.weightScales[i], s, c.valueScales, n)
	loops.add(&t.acc[int(i)*dim], dim, &t.codesOf(t.cache.V, b)[0], &c.weights[i*kernels.BlockSize], &c.weightScales[i], n, t.following(t.cache.V, b))
}

// codesOf returns the codes of block b.
func (t *attentionTile) codesOf(c kernels.Tensor, b int64) []int16 {
	return codesAt((*int16)(t.source(c, t.at(b))), 0, int(kernels.BlockSize*t.dim))
}

// codePlaces are where a block has the codes of a position: that of column 0, of column 1 next
// codes behind it, and of later ones pair codes behind those two columns before.
type codePlaces struct{ first, next, pair int64 }

func keyCodes(position, _ int64) codePlaces {
	return codePlaces{2 * position, 1, 2 * kernels.BlockSize}
}

func valueCodes(position, dim int64) codePlaces {
	return codePlaces{position/2*2*dim + position%2, 2, 4}
}

// widenCodes converts n positions of block b to rows of dst.
func (t *attentionTile) widenCodes(dst []float32, c kernels.Tensor, scales *float32, b, n int64, places func(position, dim int64) codePlaces) {
	codes := t.codesOf(c, b)
	for p := range n {
		scale, at := *floatAt(scales, int(p)), places(p, t.dim)
		for i := int64(0); i < t.dim; i += 2 {
			dst[p*t.dim+i] = scale * float32(codes[at.first])
			dst[p*t.dim+i+1] = scale * float32(codes[at.first+at.next])
			at.first += at.pair
		}
	}
}

// round16Generic is variant.round16.
func round16Generic(codes *int16, scales, x *float32, rows, dim int, length, most float32) {
	for r := range rows {
		row, squares, amax := unsafe.Slice(floatAt(x, r*dim), dim), [lanes]float32{}, float32(0)
		for i, v := range row {
			squares[i%lanes] = fma(v, v, squares[i%lanes])
			amax = max(amax, v, -v)
		}
		for n := lanes / 2; n > 0; n /= 2 {
			for i := range n {
				squares[i] += squares[i+n]
			}
		}
		root := float32(math.Sqrt(float64(squares[0])))
		*floatAt(scales, r) = roundTo(codesAt(codes, r*dim, dim), row, max(root/length, amax/most), shortest)
	}
}

// roundTo writes codes of x for a scale, and returns it. A scale below the least one makes
// zeros.
func roundTo(codes []int16, x []float32, scale, least float32) float32 {
	inverse := float32(0)
	if scale >= least {
		inverse = 1 / scale
	}
	for i, v := range x {
		codes[i] = int16(float32(v*inverse) + roundMagic - roundMagic)
	}
	return scale
}

// scores16Generic is attention16.scores.
func scores16Generic(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, _ unsafe.Pointer) {
	for i := range n {
		for p := range kernels.BlockSize {
			sum := sum16(keys, kernels.BlockSize, p, codesAt(queries, i*dim, dim))
			*floatAt(s, i*kernels.BlockSize+p) = float32(float32(sum)**floatAt(queryScales, i)) * *floatAt(keyScales, p)
		}
	}
}

// add16Generic is attention16.add.
func add16Generic(acc *float32, dim int, values, weights *int16, scales *float32, n int, _ unsafe.Pointer) {
	for i := range n {
		for c := range dim {
			sum := sum16(values, dim, c, codesAt(weights, i*kernels.BlockSize, kernels.BlockSize))
			*floatAt(acc, i*dim+c) = fma(float32(sum), *floatAt(scales, i), *floatAt(acc, i*dim+c))
		}
	}
}

// sum16 multiplies x with a column of a panel [len(x)/2, wide, 2].
func sum16(panel *int16, wide, column int, x []int16) (sum int32) {
	for k := 0; k < len(x); k += 2 {
		w := codesAt(panel, k*wide+2*column, 2)
		sum += int32(x[k])*int32(w[0]) + int32(x[k+1])*int32(w[1])
	}
	return sum
}

// weigh16Generic is attention16.weigh.
func weigh16Generic(codes *int16, scales, s, valueScales *float32, n int) {
	for i := range n {
		amax, row := float32(0), [kernels.BlockSize]float32{}
		for p := range row {
			row[p] = *floatAt(s, i*kernels.BlockSize+p) * *floatAt(valueScales, p)
			amax = max(amax, row[p])
		}
		sums := row
		for n := len(sums) / 2; n > 0; n /= 2 {
			for k := range n {
				sums[k] += sums[k+n]
			}
		}
		*floatAt(scales, i) = roundTo(codesAt(codes, i*kernels.BlockSize, kernels.BlockSize), row[:], max(sums[0]/weightsSum, amax/codesMost), smallest)
	}
}

// codesAt returns n codes from the i-th on.
func codesAt(p *int16, i, n int) []int16 {
	return unsafe.Slice((*int16)(unsafe.Add(unsafe.Pointer(p), 2*i)), n)
}

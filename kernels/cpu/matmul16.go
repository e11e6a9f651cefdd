package cpu

import (
	"math/bits"
	"unsafe"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// # Products in pairs
//
// Where a variant has pairs loops for a type, all of whose numbers are ones of BF16, a
// product rounds its input to BF16 too, to nearest even, and multiplies two columns at a
// time. In each chunk of columns, or run of one, even pairs make one sum and odd pairs
// another, and the two are added: a token has the same bits in a tile of any width.

// pairs is the loops of such products.
type pairs struct {
	// multiply has the loops of each type, for tiles of 1, 2, 4 and 8 tokens. Sums of
	// F8_E4M3 are 1/f8Unit of their value.
	multiply [numTypes][4]pairsLoop
	// round rounds n columns of a row, a multiple of 16, to pairs `width` apart.
	round func(dst *uint16, width int, x *float32, n int)
}

// pairsLoop adds products of n packed columns, an even number, to out, chunk after chunk:
// out[t][r] += Σ_k panel[k][r] * x[k/2][t][k%2].
type pairsLoop func(out *float32, panel unsafe.Pointer, x *uint16, n int)

// pairTile returns the first token and the width of the tile that token t of n is
// in: tiles of eight, then one of four, two and one each, where they fit.
func pairTile(t, n int64) (first, width int64) {
	for width = 8; width > 1; width /= 2 {
		if end := n &^ (width - 1); t < end && end-first >= width {
			return t &^ (width - 1), width
		}
		first = n &^ (width - 1)
	}
	return t, 1
}

// matmul16Job is a product in pairs: first of its input's tiles, which are rounded,
// then of groups of rows of the weight.
type matmul16Job struct {
	matmulJob
	rows *uint16 // of each piece of columns tile after tile: [columns/2, width, 2]
	// piece16 is the number of columns that stand together in rows: a chunk, which all
	// tokens use in order, or all.
	piece16 int64
	atOnce  int64 // columns that a loop gets: a chunk, or all, where there is one tile
	round   bool  // whether pieces are tiles of the input to round
}

// matmul16 multiplies a block of tokens.
func (d *Device) matmul16(m matmulJob) {
	if n := m.n * m.w.Cols; int64(len(d.halves)) < n {
		d.halves = make([]uint16, n)
	}
	j := &d.jobs.matmul16
	*j = matmul16Job{matmulJob: m, rows: &d.halves[0], piece16: chunk, atOnce: chunk, round: true}
	most := int64(panelGroups)
	if j.streams() {
		j.piece16, most = m.w.Cols, 1
	}
	if _, width := pairTile(0, m.n); j.streams() && width == m.n && j.l.constant(m.w.Cols) {
		j.atOnce = m.w.Cols
	}
	if d.inputs.halves.become(input{x: m.x, n: m.n, cols: m.w.Cols, piece: j.piece16}) {
		d.run(kernels.OpMatMul, j, (m.n+7)/8, m.n*m.w.Cols < fewFlops/2)
	}
	j.round = false
	groups := (m.w.Rows + lanes - 1) / lanes
	j.span = d.reserveSums(groups, j.weights()*m.n, max(1, most/j.weights()))
	d.run(kernels.OpMatMul, j, (groups+j.span-1)/j.span, 2*m.n*m.w.Rows*m.w.Cols < fewFlops)
}

// streams reports whether a group of the weight is read from end to end, not a chunk of
// many groups at a time.
func (j *matmul16Job) streams() bool { return j.n <= fewTokens }

func (j *matmul16Job) pieces(w *worker, from, to int64) {
	for i := from; i < to; i++ {
		if j.round {
			j.roundRows(8*i, min(8*i+8, j.n))
			continue
		}
		first := i * j.span
		j.groups(w, first, min(j.span, (j.w.Rows+lanes-1)/lanes-first))
	}
}

// groups computes groups of 16 rows of the output for all tokens of the block.
func (j *matmul16Job) groups(w *worker, first, groups int64) {
	each, all := j.n*lanes, groups*j.weights()
	clear(w.sums[:all*each])
	for from := int64(0); from < j.w.Cols; from += j.atOnce {
		for i := range all {
			var next ahead
			if !j.streams() {
				next = j.next(first, i+1, all, from, 1)
			}
			m, g := j.part(i)
			j.products(w, w.sums[i*each:][:each], m, first+g, from, next)
		}
	}
	for i := range all {
		m, g := j.part(i)
		m.finish(w, w.sums[i*each:][:each], first+g)
	}
	j.store(w, w.sums, each, first, groups, 0, j.n)
}

// products adds the products with some columns of a group to its sums. What is used next is
// prefetched a part at a time.
func (j *matmul16Job) products(w *worker, sums []float32, m *matmulJob, g, from int64, next ahead) {
	const part = 32 // tokens
	next.parts = int((j.n + part - 1) / part)
	for t := int64(0); t < j.n; {
		if t%part == 0 {
			next.prefetch()
		}
		_, width := pairTile(t, j.n)
		j.tile(w, sums[t*lanes:][:width*lanes], m, g, t, from)
		t += width
	}
}

// tile adds the products of the tile that begins with token t.
func (j *matmul16Job) tile(w *worker, sums []float32, m *matmulJob, g, t, from int64) {
	width := int64(len(sums) / lanes)
	multiply := j.kern.pairs.multiply[j.w.Type][bits.TrailingZeros64(uint64(width))]
	x, to := j.at(t, width, from), min(from+j.atOnce, j.w.Cols)
	for k := from; k < to; {
		next, run := m.alike(k, to), m.begin(w, sums)
		multiply(&run[0], m.packed(g, k), halfAt(x, int((k-from)*width)), int(next-k))
		m.end(w, sums, run, g, k)
		k = next
	}
}

// at returns column k, an even one, of the tile that begins with token t.
func (j *matmul16Job) at(t, width, k int64) *uint16 {
	from := k / j.piece16 * j.piece16
	together := min(j.piece16, j.w.Cols-from)
	return (*uint16)(unsafe.Add(unsafe.Pointer(j.rows), 2*(from*j.n+t*together+(k-from)*width)))
}

// roundRows rounds rows [t, end) of the input: a piece of the columns of all, so that cache
// lines, which have pairs of several rows, are written in one go.
func (j *matmul16Job) roundRows(t, end int64) {
	for from := int64(0); from < j.w.Cols; from += j.piece16 {
		for t := t; t < end; t++ {
			first, width := pairTile(t, j.n)
			x := floatsOf(j.x+uintptr(4*(t*j.w.Cols+from)), min(j.piece16, j.w.Cols-from))
			tile := unsafe.Slice(j.at(first, width, from), width*int64(len(x)))[2*(t-first):]
			whole := len(x) &^ 15
			if whole > 0 {
				j.kern.pairs.round(&tile[0], int(width), &x[0], whole)
			}
			for k := whole; k < len(x); k++ {
				tile[k/2*2*int(width)+k%2] = minifloat.ToBF16(x[k])
			}
		}
	}
}

package cpu

import (
	"math/bits"
	"unsafe"

	"trona/kernels"
)

// # Products in pairs
//
// Where a variant has pairs loops, a product with a BF16 weight rounds its input to
// BF16 too, to nearest even, and multiplies two columns at a time. In each chunk of
// columns even pairs make one sum and odd pairs another, and the two are added: a
// token has the same bits in a tile of any width.

// pairs is the loops of such products.
type pairs struct {
	// multiply adds products of n columns, an even number, to out, for a tile of 1, 2,
	// 4 or 8 tokens: out[t][r] += Σ_k panel[k][r] * x[k/2][t][k%2].
	multiply [4]func(out *float32, panel unsafe.Pointer, x *uint16, n int)
	// round rounds n columns of a row, a multiple of 16, to pairs `width` apart.
	round func(dst *uint16, width int, x *float32, n int)
}

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
	rows  *uint16 // tile after tile: [cols/2, width, 2]
	round bool    // whether pieces are tiles of the input to round
}

// matmul16 multiplies a block of tokens.
func (d *Device) matmul16(m matmulJob) {
	if n := m.n * m.w.Cols; int64(len(d.halves)) < n {
		d.halves = make([]uint16, n)
	}
	j := &d.jobs.matmul16
	*j = matmul16Job{matmulJob: m, rows: &d.halves[0], round: true}
	d.run(kernels.OpMatMul, j, (m.n+7)/8, m.n*m.w.Cols < fewFlops/2)
	j.round = false
	d.run(kernels.OpMatMul, j, (m.w.Rows+lanes-1)/lanes, 2*m.n*m.w.Rows*m.w.Cols < fewFlops)
}

func (j *matmul16Job) piece(w *worker, i int64) {
	if j.round {
		for t := 8 * i; t < min(8*i+8, j.n); t++ {
			j.roundRow(t)
		}
		return
	}
	tile := w.tile[:j.n*lanes]
	clear(tile)
	for from := int64(0); from < j.w.Cols; from += chunk {
		n := min(chunk, j.w.Cols-from)
		for t := int64(0); t < j.n; {
			_, width := pairTile(t, j.n)
			j.kern.pairs.multiply[bits.TrailingZeros64(uint64(width))](&tile[t*lanes], j.packed(i, from), j.at(t, width, from), int(n))
			t += width
		}
	}
	j.scale(w, tile, i, 0)
	j.write(i, tile)
}

// at returns column k, an even one, of the tile that begins with token t.
func (j *matmul16Job) at(t, width, k int64) *uint16 {
	return (*uint16)(unsafe.Add(unsafe.Pointer(j.rows), 2*(t*j.w.Cols+k*width)))
}

// roundRow rounds row t of the input.
func (j *matmul16Job) roundRow(t int64) {
	first, width := pairTile(t, j.n)
	x, whole := floatsOf(j.x+uintptr(4*t*j.w.Cols), j.w.Cols), int(j.w.Cols&^15)
	tile := unsafe.Slice(j.at(first, width, 0), width*j.w.Cols)[2*(t-first):]
	if whole > 0 {
		j.kern.pairs.round(&tile[0], int(width), &x[0], whole)
	}
	for k := whole; k < len(x); k++ {
		tile[k/2*2*int(width)+k%2] = toBF16(x[k])
	}
}

package cpu

import (
	"unsafe"

	"trona/kernels"
)

// matmul8Job is a product in 8 bits: first of its input's rows, which are
// rounded, then of groups of rows of the weight.
type matmul8Job struct {
	matmulJob
	loops *integer
	group int // columns that share a scale of the weight
	rows  *block8
	round bool // whether pieces are rows to round
}

// integer returns the integer loops for a weight; nil: its product is exact.
// Scales beside the tensor must not change within 32 columns.
func (v *variant) integer(w kernels.Weight, l *layout) *integer {
	if v.integers[w.Type] == nil || w.Cols%32 != 0 || l.scale != nil && l.scaleCols%32 != 0 && l.scaleCols < w.Cols {
		return nil
	}
	return v.integers[w.Type]
}

// matmul8 multiplies a block of tokens.
func (d *Device) matmul8(m matmulJob, loops *integer) {
	blocks := m.n * m.w.Cols / 32
	if int64(len(d.rounded)) < blocks {
		d.rounded = make([]block8, blocks)
	}
	j := &d.jobs.matmul8
	*j = matmul8Job{matmulJob: m, loops: loops, group: codings[m.w.Type].group, rows: &d.rounded[0], round: true}
	d.run(kernels.OpMatMul, j, m.n, m.n*m.w.Cols < fewFlops/2)
	j.round = false
	groups := (m.w.Rows + lanes - 1) / lanes
	if j.fused() {
		groups = (groups + 1) / 2
	}
	d.run(kernels.OpMatMul, j, groups, 2*m.n*m.w.Rows*m.w.Cols < fewFlops)
}

func (j *matmul8Job) fused() bool { return j.n == 1 && j.loops.matvec != nil && j.l.scale == nil }

func (j *matmul8Job) piece(w *worker, i int64) {
	switch {
	case j.round:
		x := (*float32)(pointer(j.x + uintptr(4*i*j.w.Cols)))
		j.kern.quantize(j.row(i, 0), x, int(j.w.Cols), j.group, j.loops.offset)
	case j.fused():
		j.vector(w, 2*i)
	default:
		j.tile(w, i)
	}
}

// row returns row t of the rounded input from a column on.
func (j *matmul8Job) row(t, column int64) *block8 {
	return (*block8)(unsafe.Add(unsafe.Pointer(j.rows), (t*j.w.Cols+column)/32*int64(unsafe.Sizeof(block8{}))))
}

// vector computes groups g and g+1 of the output for one token.
func (j *matmul8Job) vector(w *worker, g int64) {
	rows := min(2*lanes, j.w.Rows-g*lanes)
	second := g + 1
	if rows <= lanes {
		second = g // computed twice and dropped
	}
	j.loops.matvec(&w.tile[0], &w.tile[lanes], j.packed(g, 0), j.packed(second, 0), j.rows, int(j.w.Cols))
	copy(floatsOf(j.out+uintptr(4*g*lanes), rows), w.tile)
}

// tile computes 16 rows of the output for all tokens of the block.
func (j *matmul8Job) tile(w *worker, g int64) {
	tile := w.tile[:j.n*lanes]
	clear(tile)
	for from := int64(0); from < j.w.Cols; from += chunk {
		n := int(min(chunk, j.w.Cols-from))
		j.loops.unpack(w.panel8, j.packed(g, from), n)
		if j.l.scale != nil {
			j.scale8(w, g, from, n)
		}
		j.loops.gemm(&tile[0], w.panel8, j.row(0, from), int(j.w.Cols/32), int(j.n), n)
	}
	j.write(g, tile)
}

// scale8 multiplies the scales of a panel by those beside the tensor.
func (j *matmul8Job) scale8(w *worker, g, from int64, n int) {
	for c := 0; c < n; c += j.group {
		factors := (*[lanes]float32)(w.factors[:])
		j.factors(factors, g, from+int64(c))
		for r, f := range factors {
			w.panel8.scale[c/j.group][r] *= f
			if codings[j.w.Type].min != nil {
				w.panel8.min[c/j.group][r] *= f
			}
		}
	}
}

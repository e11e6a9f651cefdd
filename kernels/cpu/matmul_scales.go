package cpu

import (
	"unsafe"

	"trona/kernels"
)

// # Scales beside a tensor
//
// A product that is neither in 8 bits nor in tiles multiplies them into sums, not into
// weights: into the whole sum where the columns of a row have the same scale, else into
// that of each run, the columns of a chunk that do, before it is added to the others.

// alike returns the end of the run that begins at column c, at most `to`.
func (j *matmulJob) alike(c, to int64) int64 {
	if j.l.constant(j.w.Cols) {
		return to
	}
	return min(to, (c/j.l.scaleCols+1)*j.l.scaleCols)
}

// begin returns where the sums of a run go.
func (j *matmulJob) begin(w *worker, sums []float32) []float32 {
	if j.l.constant(j.w.Cols) {
		return sums
	}
	run := w.tile[:len(sums)]
	clear(run)
	return run
}

// end adds the sums of a run of group g that begins at column c to the others.
func (j *matmulJob) end(w *worker, sums, run []float32, g, c int64) {
	if !j.l.constant(j.w.Cols) {
		j.scale(w, run, g, c)
		j.kern.add(&sums[0], &run[0], len(sums))
	}
}

// finish scales the sums of a group once all are added.
func (j *matmulJob) finish(w *worker, sums []float32, g int64) {
	if j.l.constant(j.w.Cols) {
		j.scale(w, sums, g, 0)
	}
}

// scale multiplies rows of 16 by the scales of group g at column c.
func (j *matmulJob) scale(w *worker, rows []float32, g, c int64) {
	if j.w.Type == kernels.F8E4M3 {
		for r := range w.factors {
			w.factors[r] = f8Unit
		}
		j.kern.scale(&rows[0], &w.factors[0], len(rows)/lanes)
	}
	if j.l.scale != nil {
		j.factors(&w.factors, g, c)
		j.kern.scale(&rows[0], &w.factors[0], len(rows)/lanes)
	}
}

// factors reads the scales of a group's rows at column c.
func (j *matmulJob) factors(dst *[lanes]float32, g, c int64) {
	l := j.l
	for r := range dst {
		switch {
		case l.scale == nil:
			dst[r] = 1
		case r > 0 && l.scaleRows%lanes == 0:
			dst[r] = dst[0] // of all rows of a group
		default:
			row := min(g*lanes+int64(r), j.w.Rows-1)
			perRow := (j.w.Cols + l.scaleCols - 1) / l.scaleCols
			dst[r] = l.scale[row/l.scaleRows*perRow+c/l.scaleCols]
		}
	}
}

// scaleGeneric is variant.scale.
func scaleGeneric(rows, factors *float32, n int) {
	p, f := unsafe.Slice(rows, n*lanes), (*[lanes]float32)(unsafe.Pointer(factors))
	for i := range p {
		p[i] *= f[i%lanes]
	}
}

package cpu

import (
	"fmt"

	"trona/kernels"
)

// span is the number of elements that one piece of an elementwise op covers.
const span = 4096

type addJob struct {
	kern     *variant
	x, delta []float32
}

// Add adds delta to x.
func (d *Device) Add(x, delta kernels.Tensor) {
	kernels.CheckAdd(x, delta)
	j := &d.jobs.add
	n := x.Len()
	*j = addJob{d.kern, floatsOf(x.Addr, n), floatsOf(delta.Addr, n)}
	d.run(kernels.OpAdd, j, (n+span-1)/span, n < fewFlops)
}

func (j *addJob) pieces(_ *worker, from, to int64) {
	from, to = from*span, min(int64(len(j.x)), to*span)
	j.kern.add(&j.x[from], &j.delta[from], int(to-from))
}

// biasJob adds a bias to rows of d columns, a span of a row at a time.
type biasJob struct {
	kern    *variant
	x, bias uintptr
	d       int64
}

// spans returns how many pieces a row of d columns is.
func spans(d int64) int64 { return (d + span - 1) / span }

// spanOf returns where piece i of rows of d columns begins in all of them, and in a row,
// and how many columns it has.
func spanOf(i, d int64) (all, column uintptr, n int) {
	row, from := i/spans(d), i%spans(d)*span
	return uintptr(4 * (row*d + from)), uintptr(4 * from), int(min(span, d-from))
}

// AddBias adds biases, one sum after the other.
func (d *Device) AddBias(sums []kernels.Biased) {
	kernels.CheckAddBias(sums)
	j := &d.jobs.bias
	for i := range sums {
		x, cols := sums[i].X, sums[i].X.Shape[1]
		*j = biasJob{d.kern, x.Addr, sums[i].Bias.Addr, cols}
		d.run(kernels.OpAddBias, j, x.Shape[0]*spans(cols), x.Len() < fewFlops)
	}
}

func (j *biasJob) pieces(_ *worker, from, to int64) {
	for i := from; i < to; i++ {
		all, column, n := spanOf(i, j.d)
		j.kern.add((*float32)(pointer(j.x+all)), (*float32)(pointer(j.bias+column)), n)
	}
}

// swigluJob is biasJob of a gate and of what it gates.
type swigluJob struct{ gate, up biasJob }

// SwiGLU adds biases to gate and up and multiplies silu of the one with the other.
func (d *Device) SwiGLU(gate, up kernels.Biased) {
	kernels.CheckSwiGLU(gate, up)
	n, cols := gate.X.Len(), gate.X.Shape[1]
	j := &d.jobs.swiglu
	j.gate = biasJob{d.kern, gate.X.Addr, gate.Bias.Addr, cols}
	j.up = biasJob{d.kern, up.X.Addr, up.Bias.Addr, cols}
	d.run(kernels.OpSwiGLU, j, gate.X.Shape[0]*spans(cols), 14*n < fewFlops)
}

func (j *swigluJob) pieces(w *worker, from, to int64) {
	for i := from; i < to; i++ {
		j.gate.pieces(w, i, i+1)
		j.up.pieces(w, i, i+1)
		all, _, n := spanOf(i, j.gate.d)
		gate := (*float32)(pointer(j.gate.x + all))
		j.gate.kern.swiglu(gate, gate, (*float32)(pointer(j.up.x+all)), n)
	}
}

// Gather copies rows. It is too little work to share.
func (d *Device) Gather(out, x, rows kernels.Tensor) {
	kernels.CheckGather(out, x, rows)
	if d.failed != nil {
		return
	}
	cols := x.Shape[1]
	src := floatsOf(x.Addr, x.Len())
	dst := floatsOf(out.Addr, out.Len())
	for i, r := range intsOf(rows.Addr, rows.Shape[0]) {
		if r < 0 || int64(r) >= x.Shape[0] {
			d.fail(fmt.Errorf("cpu: gather: row %d of %d", r, x.Shape[0]))
			return
		}
		copy(dst[int64(i)*cols:][:cols], src[int64(r)*cols:])
	}
}

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

func (j *addJob) piece(_ *worker, i int64) {
	to := min(int64(len(j.x)), (i+1)*span)
	j.kern.add(&j.x[i*span], &j.delta[i*span], int(to-i*span))
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

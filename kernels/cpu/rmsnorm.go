package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

type normJob struct {
	kern                  *variant
	out, x, delta, weight uintptr // delta 0: none
	d                     int64
	eps                   float64
}

// RMSNorm normalises each row (Zhang and Sennrich, arXiv 1910.07467).
func (d *Device) RMSNorm(out, x, weight kernels.Tensor, eps float32) {
	kernels.CheckRMSNorm(out, x, weight)
	d.norm(kernels.OpRMSNorm, out, x, kernels.Tensor{}, weight, eps)
}

// AddRMSNorm adds delta to x and normalises the sum.
func (d *Device) AddRMSNorm(out, x, delta, weight kernels.Tensor, eps float32) {
	kernels.CheckAddRMSNorm(out, x, delta, weight)
	d.norm(kernels.OpAddRMSNorm, out, x, delta, weight, eps)
}

func (d *Device) norm(op kernels.Op, out, x, delta, weight kernels.Tensor, eps float32) {
	j := &d.jobs.norm
	*j = normJob{kern: d.kern, out: out.Addr, x: x.Addr, delta: delta.Addr, weight: weight.Addr, d: x.Shape[1], eps: float64(eps)}
	d.run(op, j, x.Shape[0], x.Len() < fewFlops/4)
}

func (j *normJob) pieces(_ *worker, from, to int64) {
	for i := from; i < to; i++ {
		j.row(i)
	}
}

func (j *normJob) row(i int64) {
	x, n := (*float32)(pointer(j.x+uintptr(4*i*j.d))), int(j.d)
	if j.delta != 0 {
		j.kern.add(x, (*float32)(pointer(j.delta+uintptr(4*i*j.d))), n)
	}
	scale := float32(1 / math.Sqrt(j.kern.sumSquares(x, n)/float64(j.d)+j.eps))
	j.kern.times((*float32)(pointer(j.out+uintptr(4*i*j.d))), x, (*float32)(pointer(j.weight)), scale, n)
}

// sumSquaresGeneric is variant.sumSquares: its chains do not wait for each other, and a
// square of a float32 is exact in float64.
func sumSquaresGeneric(p *float32, n int) float64 {
	x := unsafe.Slice(p, n)
	var s [4]float64
	for len(x) >= 4 {
		for i := range s {
			v := float64(x[i])
			s[i] += v * v
		}
		x = x[4:]
	}
	for i, v := range x {
		s[i] += float64(v) * float64(v)
	}
	return s[0] + s[1] + (s[2] + s[3])
}

// timesGeneric is variant.times.
func timesGeneric(out, x, weight *float32, scale float32, n int) {
	o, w := unsafe.Slice(out, n), unsafe.Slice(weight, n)
	for k, v := range unsafe.Slice(x, n) {
		o[k] = v * scale * w[k]
	}
}

// addGeneric is variant.add.
func addGeneric(x, delta *float32, n int) {
	d := unsafe.Slice(delta, n)
	for k, v := range unsafe.Slice(x, n) {
		*floatAt(x, k) = v + d[k]
	}
}

// divideGeneric is variant.divide.
func divideGeneric(out, x *float32, by float32, n int) {
	o := unsafe.Slice(out, n)
	for k, v := range unsafe.Slice(x, n) {
		o[k] = v / by
	}
}

// joinGeneric is variant.join.
func joinGeneric(x, y *float32, a, b float32, n int) {
	other := unsafe.Slice(y, n)
	for k, v := range unsafe.Slice(x, n) {
		*floatAt(x, k) = float32(v*a) + float32(other[k]*b)
	}
}

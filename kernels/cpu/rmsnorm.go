package cpu

import (
	"math"

	"trona/kernels"
)

type normJob struct {
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
	*j = normJob{out: out.Addr, x: x.Addr, delta: delta.Addr, weight: weight.Addr, d: x.Shape[1], eps: float64(eps)}
	d.run(op, j, x.Shape[0], x.Len() < fewFlops/4)
}

func (j *normJob) piece(_ *worker, i int64) {
	x := floatsOf(j.x+uintptr(4*i*j.d), j.d)
	out := floatsOf(j.out+uintptr(4*i*j.d), j.d)
	weight := floatsOf(j.weight, j.d)
	if j.delta != 0 {
		addTo(x, floatsOf(j.delta+uintptr(4*i*j.d), j.d))
	}
	scale := float32(1 / math.Sqrt(sumSquares(x)/float64(j.d)+j.eps))
	for k, v := range x {
		out[k] = v * scale * weight[k]
	}
}

// sumSquares adds in float64, in four chains that do not wait for each other.
// A square of a float32 is exact there.
func sumSquares(x []float32) float64 {
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

// addTo adds delta to x.
func addTo(x, delta []float32) {
	delta = delta[:len(x)]
	for k := range x {
		x[k] += delta[k]
	}
}

package cpu

import (
	"math"
	"slices"
	"unsafe"

	"trona/kernels"
)

// ropeTable holds cos and sin of the last positions asked for: every layer of
// a step asks for the same.
type ropeTable struct {
	positions []int32
	inv       []float32
	scale     float32
	angles    []float32 // [n, dim/2, 2]: cos, sin, times scale
}

type ropeJob struct {
	kern           *variant
	table          *ropeTable
	fill           bool // compute the table; else rotate
	q, k           uintptr
	heads, kvHeads int64
	interleaved    bool
}

// RoPEAppendKV rotates q and k by their positions (RoFormer, arXiv 2104.09864), and
// stores keys and values in the cache's type.
func (d *Device) RoPEAppendKV(cache kernels.KV, q, k, v, positions, slots kernels.Tensor, r kernels.Rotary) {
	kernels.CheckRoPEAppendKV(cache, q, k, v, positions, slots, r)
	d.rotate(q, k, positions, r)
	d.appendKV(cache, k, v, slots)
}

// rotate rotates q and k in place.
func (d *Device) rotate(q, k, positions kernels.Tensor, r kernels.Rotary) {
	n := q.Shape[0]
	j := &d.jobs.rope
	*j = ropeJob{
		kern: d.kern, table: &d.rope, q: q.Addr, k: k.Addr,
		heads: q.Shape[1], kvHeads: k.Shape[1], interleaved: r.Interleaved,
	}
	pos, inv := intsOf(positions.Addr, n), floatsOf(r.Inv.Addr, r.Inv.Shape[0])
	if !slices.Equal(d.rope.positions, pos) || !slices.Equal(d.rope.inv, inv) || d.rope.scale != r.Scaled() {
		d.rope.positions = append(d.rope.positions[:0], pos...)
		d.rope.inv = append(d.rope.inv[:0], inv...)
		d.rope.scale = r.Scaled()
		d.rope.angles = slices.Grow(d.rope.angles[:0], 2*len(pos)*len(inv))[:2*len(pos)*len(inv)]
		j.fill = true
		d.run(kernels.OpRoPEAppendKV, j, n, n < 4)
		j.fill = false
	}
	d.run(kernels.OpRoPEAppendKV, j, n, n < 4)
}

func (j *ropeJob) pieces(_ *worker, from, to int64) {
	for i := from; i < to; i++ {
		j.row(i)
	}
}

func (j *ropeJob) row(i int64) {
	half := int64(len(j.table.inv))
	angles := j.table.angles[2*i*half:][:2*half]
	if j.fill {
		for p, inv := range j.table.inv {
			sin, cos := math.Sincos(float64(j.table.positions[i]) * float64(inv))
			scale := float64(j.table.scale)
			angles[2*p], angles[2*p+1] = float32(cos*scale), float32(sin*scale)
		}
		return
	}
	j.rotate(floatsOf(j.q+uintptr(8*i*j.heads*half), 2*j.heads*half), angles)
	j.rotate(floatsOf(j.k+uintptr(8*i*j.kvHeads*half), 2*j.kvHeads*half), angles)
}

// rotate turns all heads of one row.
func (j *ropeJob) rotate(row, angles []float32) {
	for dim := len(angles); len(row) > 0; row = row[dim:] {
		j.kern.rotate(&row[0], &angles[0], dim, j.interleaved)
	}
}

// rotateGeneric is variant.rotate.
func rotateGeneric(head, angles *float32, dim int, interleaved bool) {
	row, turn := unsafe.Slice(head, dim), unsafe.Slice(angles, dim)
	step, apart := 1, dim/2
	if interleaved {
		step, apart = 2, 1
	}
	for p := range dim / 2 {
		cos, sin := turn[2*p], turn[2*p+1]
		a, b := &row[p*step], &row[p*step+apart]
		*a, *b = float32(*a*cos)-float32(*b*sin), float32(*a*sin)+float32(*b*cos)
	}
}

package model

import (
	"cmp"

	"trona/kernels"
)

// partial says that only the first dimensions of each head of q and k are rotated, and what
// is done to their rows, numbers of a bias or of a norm for it.
//
// A device rotates all pairs of a head: neighbours, or the halves (i, i+dim/2). Pairs of
// dimensions that are not rotated turn by angle 0. Where the checkpoint's pairs are the
// halves of the rotated dimensions, these go to the beginning of the head's halves; q and k
// alike, so that their products stay.
type partial struct {
	dim, rotated int64 // of a head; rotated 0: all are
	neighbours   bool
	rest         float32 // multiplies dimensions that are not rotated; 0: nothing does
}

// partial returns what rows of q and k of an attention need. Sines and cosines that have a
// scale multiply all dimensions, so that those which are not rotated are divided by it.
func (r *Rotary) partial(a *Attention) partial {
	if r.Rotated == 0 || a.NoRoPE {
		return partial{}
	}
	p := partial{dim: int64(r.Dim), rotated: int64(r.Rotated), neighbours: r.Interleaved}
	if r.Scale != 0 && r.Scale != 1 {
		p.rest = float32(1 / r.Scale)
	}
	return p
}

// source returns which row of the checkpoint is row i here, and its factor.
func (p *partial) source(i int64) (row int64, factor float32) {
	at, half, rotated := i%p.dim, p.dim/2, p.rotated/2
	second := at / half // 0 or 1: which half
	switch pair := at % half; {
	case p.neighbours:
	case pair < rotated:
		at = pair + second*rotated
	default:
		at = p.rotated + pair - rotated + second*(half-rotated)
	}
	factor = 1
	if at >= p.rotated {
		factor = cmp.Or(p.rest, 1)
	}
	return i - i%p.dim + at, factor
}

// vector gives a bias or a norm the device's order.
func (p *partial) vector(values []float32) []float32 {
	if p.rotated == 0 {
		return values
	}
	ordered := make([]float32, len(values))
	for i := range ordered {
		row, factor := p.source(int64(i))
		ordered[i] = values[row] * factor
	}
	return ordered
}

// matrix gives the rows of a matrix, which may have no data, the device's order.
func (p *partial) matrix(m *kernels.Matrix) {
	if p.rotated == 0 {
		return
	}
	if !p.neighbours {
		p.reorder(m)
	}
	if p.rest == 0 && (p.neighbours || m.Scale == nil || m.ScaleRows >= m.Rows) {
		return
	}
	if m.Scale == nil {
		m.ScaleCols = m.Cols
	}
	scales := []float32{}
	if m.HasData() { // else it counts that there are some
		tiles := (m.Cols + m.ScaleCols - 1) / m.ScaleCols
		scales = make([]float32, m.Rows*tiles)
		for i := range scales {
			row, factor := p.source(int64(i) / tiles)
			scales[i] = factor * m.ScaleAt(row, int64(i)%tiles*m.ScaleCols)
		}
	}
	m.Scale, m.ScaleRows = scales, 1
}

// reorder gives rows and what is beside the codes, but for scales, the device's order.
func (p *partial) reorder(m *kernels.Matrix) {
	if m.Fill != nil {
		m.Data = make([]byte, m.Rows*m.Type.RowBytes(m.Cols))
		m.Fill(m.Data, 0)
		m.Fill = nil
	}
	m.Data, m.GroupScale = p.order(m.Data, m.Rows), p.order(m.GroupScale, m.Rows)
}

// order gives rows, all equally long, the device's order.
func (p *partial) order(data []byte, rows int64) []byte {
	if data == nil {
		return nil
	}
	size := int64(len(data)) / rows
	ordered := make([]byte, 0, len(data))
	for i := range rows {
		row, _ := p.source(i)
		ordered = append(ordered, data[row*size:][:size]...)
	}
	return ordered
}

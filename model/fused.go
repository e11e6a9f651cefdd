package model

import "trona/kernels"

// fused says where a part stands in a fused tensor, which holds several weights or biases
// one after another, as qkv_proj does.
type fused struct {
	name        string // of the tensor, as parts are named; "": there is none
	rows, first int64  // of the tensor, of a bias numbers; the first that is the part's
	run, stride int64  // from the first on, `run` of each `stride` rows are the part's; 0: all are
}

// row returns which row of the tensor is row i of the part.
func (f *fused) row(i int64) int64 {
	if f.run == 0 {
		return f.first + i
	}
	return f.first + i/f.run*f.stride + i%f.run
}

// fused finds p in its fused tensor, which find finds; nil where the checkpoint has none.
func (f *finder) fused(p *part, find func(*part) (*stored, error)) (*stored, error) {
	whole := part{name: p.fused.name, bias: p.bias, rows: p.fused.rows, cols: p.cols, weight: p.weight, vector: p.vector}
	if p.vector != nil {
		whole.rows, whole.cols = 1, p.fused.rows
	}
	if !f.has(&whole) {
		return nil, nil
	}
	s, err := find(&whole)
	if err != nil {
		return nil, err
	}
	one := *s
	one.fused, one.place = s, p.fused
	m := &one.matrix
	m.Rows, m.Cols = p.rows, p.cols
	switch {
	case s.scale < 0:
	case m.ScaleRows >= whole.rows:
		m.ScaleRows = p.rows
	case p.fused.first%m.ScaleRows != 0, p.fused.run%m.ScaleRows != 0, p.fused.stride%m.ScaleRows != 0:
		return nil, f.fail(whole.tensor(), "row %d, with which a weight of this tensor begins, is within a block of %d rows with one scale: not supported", p.fused.first, m.ScaleRows)
	}
	return &one, nil
}

// has reports whether the checkpoint has a weight, in any form, or a bias.
func (f *finder) has(p *part) bool {
	_, ok := f.byName[p.tensor()]
	for _, packed := range []string{".weight_packed", ".qweight"} {
		if _, named := f.byName[p.name+packed]; named && !p.bias {
			ok = true
		}
	}
	return ok && p.name != ""
}

// readPart reads the fused weight of which s is a part.
func (c *Checkpoint) readPart(s *stored) (*kernels.Matrix, error) {
	whole, err := c.read(s.fused)
	if err != nil {
		return nil, err
	}
	return s.cut(whole), nil
}

// cut returns what of a fused weight is s.
func (s *stored) cut(whole *kernels.Matrix) *kernels.Matrix {
	m := s.matrix
	rows, size := m.Rows, whole.Type.RowBytes(m.Cols)
	if whole.Cols != m.Cols { // a vector
		rows, size = m.Cols, whole.Type.RowBytes(1)
	}
	if fill := whole.Fill; fill != nil {
		m.Fill = func(dst []byte, first int64) {
			for n := int64(0); len(dst) > 0; first, dst = first+n, dst[n*size:] {
				n = s.place.adjacent(first, int64(len(dst))/size)
				fill(dst[:n*size], s.place.row(first))
			}
		}
	} else {
		m.Data = s.place.cut(whole.Data, rows, size)
	}
	if whole.GroupScale != nil {
		m.GroupScale = s.place.cut(whole.GroupScale, rows, int64(len(whole.GroupScale))/whole.Rows)
	}
	m.Table, m.Scale, m.ScaleCols = whole.Table, whole.Scale, whole.ScaleCols
	switch {
	case m.Scale == nil:
	case whole.ScaleRows >= whole.Rows:
		m.ScaleRows = m.Rows
	default:
		across := (m.Cols + m.ScaleCols - 1) / m.ScaleCols
		m.Scale = make([]float32, 0, s.scales())
		for i := int64(0); i < rows; i += m.ScaleRows {
			m.Scale = append(m.Scale, whole.Scale[s.place.row(i)/m.ScaleRows*across:][:across]...)
		}
	}
	return &m
}

// adjacent returns how many rows of the part, most at most, follow one another from i on.
func (f *fused) adjacent(i, most int64) int64 {
	if f.run == 0 {
		return most
	}
	return min(most, f.run-i%f.run)
}

// cut returns the part's rows of the tensor's data, rows of `size` bytes each.
func (f *fused) cut(data []byte, rows, size int64) []byte {
	if f.run == 0 {
		return data[f.first*size:][:rows*size]
	}
	part := make([]byte, 0, rows*size)
	for i := int64(0); i < rows; i += f.run {
		part = append(part, data[f.row(i)*size:][:f.run*size]...)
	}
	return part
}

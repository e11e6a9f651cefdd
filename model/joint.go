package model

import "trona/kernels"

// joint is a tensor that holds several weights, or biases, one after another: its name
// as a part has it, its rows (of a bias, numbers), and the first of them that is the
// part's, in a GGUF file or a folder. No name: there is no such tensor.
type joint struct {
	name        string
	rows, first int64
}

// joint finds p in its joint tensor, which find finds; nil where the checkpoint has none.
func (f *finder) joint(p *part, find func(*part) (*stored, error)) (*stored, error) {
	whole := part{name: p.joint.name, bias: p.bias, rows: p.joint.rows, cols: p.cols, weight: p.weight, vector: p.vector}
	if p.vector != nil {
		whole.rows, whole.cols = 1, p.joint.rows
	}
	if !f.has(&whole) {
		return nil, nil
	}
	s, err := find(&whole)
	if err != nil {
		return nil, err
	}
	one := *s
	one.joint, one.first = s, p.joint.first
	m := &one.matrix
	m.Rows, m.Cols = p.rows, p.cols
	switch {
	case s.scale < 0:
	case m.ScaleRows >= whole.rows:
		m.ScaleRows = p.rows
	case p.joint.first%m.ScaleRows != 0:
		return nil, f.fail(whole.tensor(), "row %d, with which a weight of this tensor begins, is within a block of %d rows with one scale: not supported", p.joint.first, m.ScaleRows)
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

// readPart returns what of a joint weight is s.
func (c *Checkpoint) readPart(s *stored) (*kernels.Matrix, error) {
	whole, err := c.read(s.joint)
	if err != nil {
		return nil, err
	}
	m := s.matrix
	rows, size := m.Rows, whole.Type.RowBytes(m.Cols)
	if whole.Cols != m.Cols { // a vector
		rows, size = m.Cols, whole.Type.RowBytes(1)
	}
	if fill := whole.Fill; fill != nil {
		m.Fill = func(dst []byte, first int64) { fill(dst, s.first+first) }
	} else {
		m.Data = whole.Data[s.first*size:][:rows*size]
	}
	if whole.GroupScale != nil {
		size := int64(len(whole.GroupScale)) / whole.Rows
		m.GroupScale = whole.GroupScale[s.first*size:][:rows*size]
	}
	m.Table, m.Scale, m.ScaleCols = whole.Table, whole.Scale, whole.ScaleCols
	switch {
	case m.Scale == nil:
	case whole.ScaleRows >= whole.Rows:
		m.ScaleRows = m.Rows
	default:
		across := (m.Cols + m.ScaleCols - 1) / m.ScaleCols
		m.Scale = m.Scale[s.first/m.ScaleRows*across:][:s.scales()]
	}
	return &m, nil
}

package model

import "trona/kernels"

// joint is a tensor that holds several weights, or biases, one after another: its name
// as a part has it, its rows (of a bias, numbers), and the first of them that is the
// part's, in a GGUF file or a folder. No name: there is no such tensor.
type joint struct {
	name        string
	rows, first int64
	run, stride int64 // the part has so many rows of each so many; 0: all of its rows are together
}

// row returns where row i of the part is.
func (j *joint) row(i int64) int64 {
	if j.run == 0 {
		return j.first + i
	}
	return j.first + i/j.run*j.stride + i%j.run
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
	one.joint, one.place = s, p.joint
	m := &one.matrix
	m.Rows, m.Cols = p.rows, p.cols
	switch {
	case s.scale < 0:
	case m.ScaleRows >= whole.rows:
		m.ScaleRows = p.rows
	case p.joint.first%m.ScaleRows != 0, p.joint.run%m.ScaleRows != 0, p.joint.stride%m.ScaleRows != 0:
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

// readPart reads the joint weight of which s is a part.
func (c *Checkpoint) readPart(s *stored) (*kernels.Matrix, error) {
	whole, err := c.read(s.joint)
	if err != nil {
		return nil, err
	}
	return s.of(whole), nil
}

// of returns what of a joint weight is s.
func (s *stored) of(whole *kernels.Matrix) *kernels.Matrix {
	m := s.matrix
	rows, size := m.Rows, whole.Type.RowBytes(m.Cols)
	if whole.Cols != m.Cols { // a vector
		rows, size = m.Cols, whole.Type.RowBytes(1)
	}
	if fill := whole.Fill; fill != nil {
		m.Fill = func(dst []byte, first int64) {
			for n := int64(0); len(dst) > 0; first, dst = first+n, dst[n*size:] {
				n = s.place.together(first, int64(len(dst))/size)
				fill(dst[:n*size], s.place.row(first))
			}
		}
	} else {
		m.Data = s.place.of(whole.Data, rows, size)
	}
	if whole.GroupScale != nil {
		m.GroupScale = s.place.of(whole.GroupScale, rows, int64(len(whole.GroupScale))/whole.Rows)
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

// together returns how many rows of the part, most at most, follow one another from i on.
func (j *joint) together(i, most int64) int64 {
	if j.run == 0 {
		return most
	}
	return min(most, j.run-i%j.run)
}

// of returns the part's rows of data with rows of so many bytes.
func (j *joint) of(data []byte, rows, size int64) []byte {
	if j.run == 0 {
		return data[j.first*size:][:rows*size]
	}
	part := make([]byte, 0, rows*size)
	for i := int64(0); i < rows; i += j.run {
		part = append(part, data[j.row(i)*size:][:j.run*size]...)
	}
	return part
}

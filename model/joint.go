package model

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
	if _, ok := f.byName[whole.tensor()]; !ok || whole.name == "" {
		return nil, nil
	}
	s, err := find(&whole)
	if err != nil {
		return nil, err
	}
	if s.groups >= 0 || s.integers != nil || s.scale >= 0 && s.scales() != 1 {
		return nil, f.fail(whole.tensor(), "several weights in one tensor of this form are not supported")
	}
	s.narrow(p)
	return s, nil
}

// narrow makes of s, the joint tensor of p, p alone.
func (s *stored) narrow(p *part) {
	m := &s.matrix
	m.Rows, m.Cols = p.rows, p.cols
	s.length = p.rows * m.Type.RowBytes(p.cols)
	if p.vector != nil {
		s.first = m.Type.RowBytes(p.joint.first)
	} else {
		s.first = p.joint.first * m.Type.RowBytes(p.cols)
	}
	if s.scale >= 0 {
		s.whole(s.scale)
	}
}

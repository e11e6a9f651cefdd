package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"trona/kernels"
	"trona/model/quant"
)

// integers says how a checkpoint holds a weight in whole numbers, beside the tensor of
// its codes. The numbers are those of tensors; -1 stands for none.
type integers struct {
	order    quant.Order
	bits     int
	group    int64 // columns that share a scale and a zero
	scale    int
	zero     int
	zeroLess bool // zeros are stored less 1
	index    int  // the group of each column, which must be the one that its place says
	shape    int  // rows and columns, as data
	bias     int  // zeros that older GPTQ files have for biases that the model lacks
}

// tensors are those that hold x.
func (x *integers) tensors() []int { return []int{x.scale, x.zero, x.index, x.shape, x.bias} }

// integer finds a weight of whole numbers: what its codes and the finder's configuration
// say of x. Names of its other tensors follow the weight's.
func (f *finder) integer(p *part, codes int, x integers, names integerNames) (*stored, error) {
	t := &f.tensors[codes]
	if err := f.quantised(p, codes); err != nil {
		return nil, err
	}
	if p.cols%32 != 0 {
		return nil, f.fail(t.Name, "rows of %d do not divide into blocks of 32", p.cols)
	}
	perWord := int64(32 / x.bits)
	if x.order != quant.Columns && x.order != quant.Bytes && p.rows%perWord != 0 {
		return nil, f.fail(t.Name, "%d rows do not divide into words of %d", p.rows, perWord)
	}
	var err error
	if x.scale, err = f.integerScale(p, &x, names.scale); err != nil {
		return nil, err
	}
	find := func(name string, typ string, shape ...int64) (int, error) {
		i, ok := f.take(p.name + name)
		if !ok {
			return -1, nil
		}
		return i, f.want(i, typ, shape...)
	}
	groups := (p.cols + x.group - 1) / x.group
	zeroType, zeroShape := "I32", []int64{groups, p.rows / perWord}
	switch x.order {
	case quant.Columns:
		zeroShape = []int64{(p.rows + perWord - 1) / perWord, groups}
	case quant.Bytes:
		zeroType, zeroShape = "I8", f.tensors[x.scale].Shape
	}
	if x.zero, err = find(names.zero, zeroType, zeroShape...); err != nil {
		return nil, err
	}
	if x.index, err = find(names.index, "I32", p.cols); err != nil {
		return nil, err
	}
	x.shape, x.bias = -1, -1
	return &stored{
		matrix: kernels.Matrix{Type: kernels.Q8_0, Rows: p.rows, Cols: p.cols},
		codes:  codes, groups: -1, scale: -1, integers: &x,
	}, nil
}

// integerNames are the endings of the tensors beside codes.
type integerNames struct{ scale, zero, index string }

// integerScale finds the scales and the group that their number says; of GPTQ and AWQ the
// configuration says it, unless modules may have their own.
func (f *finder) integerScale(p *part, x *integers, name string) (int, error) {
	i, ok := f.take(p.name + name)
	if !ok {
		return 0, f.fail(p.name+name, "is missing")
	}
	t := &f.tensors[i]
	if err := f.scaleType(i); err != nil {
		return 0, err
	}
	groups := int64(1)
	switch across := x.order == quant.GPTQ || x.order == quant.AWQ; {
	case across && slices.Equal(t.Shape, []int64{(p.cols + x.group - 1) / x.group, p.rows}):
		return i, nil
	case across && f.quant.mixed && len(t.Shape) == 2 && t.Shape[1] == p.rows && t.Shape[0] > 0 && p.cols%t.Shape[0] == 0:
		groups = t.Shape[0]
	case across:
		return 0, f.fail(t.Name, "has shape %v, want %v", t.Shape, []int64{(p.cols + x.group - 1) / x.group, p.rows})
	case count(t.Shape) == 1, slices.Equal(t.Shape, []int64{p.rows}):
	case len(t.Shape) == 2 && t.Shape[0] == p.rows && t.Shape[1] > 0 && p.cols%t.Shape[1] == 0:
		groups = t.Shape[1]
	default:
		return 0, f.fail(t.Name, "has shape %v, want one number, or one for each of %d rows or each group of a row of %d", t.Shape, p.rows, p.cols)
	}
	if x.group = p.cols / groups; x.group%32 != 0 {
		return 0, f.fail(t.Name, "groups of %d columns are not supported, only multiples of 32", x.group)
	}
	return i, nil
}

// bitsOf returns how many bits the codes of a weight have, where `length` words of 32
// bits hold `n` of them.
func (f *finder) bitsOf(codes int, length, n int64) (int, error) {
	for _, bits := range []int64{4, 8} {
		if length == n*bits/32 && n%32 == 0 {
			return int(bits), nil
		}
	}
	return 0, f.fail(f.tensors[codes].Name, "has %d words for %d codes, which must have 4 or 8 bits, and be a multiple of 32", length, n)
}

// compressedNames are those of compressed-tensors.
var compressedNames = integerNames{".weight_scale", ".weight_zero_point", ".weight_g_idx"}

// packed finds a weight of compressed-tensors' pack-quantized form.
func (f *finder) packed(p *part, codes int) (*stored, error) {
	t := &f.tensors[codes]
	if len(t.Shape) != 2 || t.Shape[0] != p.rows {
		return nil, f.fail(t.Name, "has shape %v, the configuration asks for %d rows", t.Shape, p.rows)
	}
	bits, err := f.bitsOf(codes, t.Shape[1], p.cols)
	if err != nil {
		return nil, err
	}
	s, err := f.integer(p, codes, integers{order: quant.Columns, bits: bits}, compressedNames)
	if err != nil {
		return nil, err
	}
	x := s.integers
	switch {
	case bits == 8:
	case x.zero >= 0:
		s.matrix.Type = kernels.Q4_1
	default:
		s.matrix.Type = kernels.Q4_0
	}
	var ok bool
	if x.shape, ok = f.take(p.name + ".weight_shape"); !ok {
		return nil, f.fail(p.name+".weight_shape", "is missing")
	}
	if t := &f.tensors[x.shape]; t.Type != "I32" && t.Type != "I64" || !slices.Equal(t.Shape, []int64{2}) {
		return nil, f.fail(t.Name, "is %s%v, want I32[2] or I64[2]", t.Type, t.Shape)
	}
	return s, nil
}

// int8 finds a weight of whole bytes, as compressed-tensors writes them.
func (f *finder) int8(p *part, codes int) (*stored, error) {
	if err := f.want(codes, "I8", p.rows, p.cols); err != nil {
		return nil, err
	}
	return f.integer(p, codes, integers{order: quant.Bytes, bits: 8}, compressedNames)
}

// qweight finds a weight of GPTQ or AWQ, whose group the configuration says.
func (f *finder) qweight(p *part, codes int) (*stored, error) {
	if err := f.quantised(p, codes); err != nil {
		return nil, err
	}
	q, t := f.quant, &f.tensors[codes]
	x := integers{order: quant.GPTQ, bits: q.bits, group: min(q.group, p.cols), zeroLess: q.zeroLess}
	switch {
	case q.algo == "awq":
		x.order = quant.AWQ
	case q.algo != "gptq":
		return nil, f.fail(t.Name, "belongs to GPTQ or AWQ, but the quantisation is %q", q.algo)
	case q.mixed && len(t.Shape) == 2:
		var err error
		if x.bits, err = f.bitsOf(codes, t.Shape[0], p.cols); err != nil {
			return nil, err
		}
	}
	words := []int64{p.cols * int64(x.bits) / 32, p.rows}
	if x.order == quant.AWQ {
		words = []int64{p.cols, p.rows * int64(x.bits) / 32}
	}
	if err := f.want(codes, "I32", words...); err != nil {
		return nil, err
	}
	s, err := f.integer(p, codes, x, integerNames{".scales", ".qzeros", ".g_idx"})
	if err != nil {
		return nil, err
	}
	switch {
	case s.integers.zero < 0:
		return nil, f.fail(p.name+".qzeros", "is missing")
	case s.integers.index < 0 && q.ordered:
		return nil, f.fail(p.name+".g_idx", "is missing, and desc_act says that it matters")
	}
	f.integers[p.name] = s.integers
	switch {
	case x.bits == 8:
	case q.symmetric:
		s.matrix.Type = kernels.Q4_0
	default:
		s.matrix.Type = kernels.Q4_1
	}
	return s, nil
}

// readInteger returns a weight in whole numbers; its rows are made when a device packs it.
func (c *Checkpoint) readInteger(s *stored) (*kernels.Matrix, error) {
	x := s.integers
	m := quant.Integers{Order: x.order, Bits: x.bits, Rows: s.matrix.Rows, Cols: s.matrix.Cols, Group: x.group, ZeroLess: x.zeroLess}
	var scale, index, shape, bias []byte
	for _, from := range []struct {
		i    int
		data *[]byte
	}{{s.codes, &m.Codes}, {x.scale, &scale}, {x.zero, &m.Zero}, {x.index, &index}, {x.shape, &shape}, {x.bias, &bias}} {
		if from.i < 0 {
			continue
		}
		var err error
		if *from.data, err = c.source.data(from.i); err != nil {
			return nil, err
		}
	}
	var err error
	if m.Scale, err = floats(c.tensors[x.scale].Type, scale); err != nil {
		return nil, fmt.Errorf("%s: %w", c.tensors[x.scale].Name, err)
	}
	if err := c.checkIndex(x, index); err != nil {
		return nil, err
	}
	if err := c.checkShape(s, shape); err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(bias, func(b byte) bool { return b != 0 }); at >= 0 {
		return nil, c.fail(x.bias, "is not all zeros (byte %d), and the configuration asks for no biases", at)
	}
	rows, err := m.Matrix(s.matrix.Type)
	if e, ok := errors.AsType[*quant.GroupError](err); ok {
		i := x.scale
		if e.Zero {
			i = x.zero
		}
		return nil, c.fail(i, "row %d, group %d %s", e.Row, e.Group, e.Message)
	}
	return rows, err
}

// fail names a tensor whose data is not what this program reads.
func (c *Checkpoint) fail(i int, format string, args ...any) error {
	return &ConfigError{File: c.Path, Field: c.tensors[i].Name, Message: fmt.Sprintf(format, args...)}
}

// checkIndex demands that columns are in the order of their groups. compressed-tensors
// writes -1 where it did not set the order.
func (c *Checkpoint) checkIndex(x *integers, data []byte) error {
	if len(data) >= 4 && x.order == quant.Columns && binary.LittleEndian.Uint32(data) == 1<<32-1 {
		return nil
	}
	for at := int64(0); 4*at < int64(len(data)); at++ {
		if g := int32(binary.LittleEndian.Uint32(data[4*at:])); int64(g) != at/x.group {
			return c.fail(x.index, "column %d is of group %d, not %d: columns in the order of activations (desc_act, actorder) are not supported", at, g, at/x.group)
		}
	}
	return nil
}

// checkShape compares what a checkpoint says of a packed weight's shape.
func (c *Checkpoint) checkShape(s *stored, data []byte) error {
	if data == nil {
		return nil
	}
	var got [2]int64
	for i := range got {
		if len(data) == 16 {
			got[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		} else {
			got[i] = int64(int32(binary.LittleEndian.Uint32(data[4*i:])))
		}
	}
	if want := [2]int64{s.matrix.Rows, s.matrix.Cols}; got != want {
		return c.fail(s.integers.shape, "says %v, the configuration asks for %v", got, want)
	}
	return nil
}

package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"trona/kernels"
	"trona/model/quant"
)

// finder looks up the weights of one checkpoint and notes which tensors they
// consist of.
type finder struct {
	path    string
	tensors []TensorInfo
	byName  map[string]int
	used    []bool
	quant   *quantization // of a folder; nil: none
	beside  []string      // beginnings of names of what is not read
	// integers are the weights of GPTQ, by name.
	integers map[string]*integers
}

func newFinder(path string, tensors []TensorInfo, q *quantization) (*finder, error) {
	f := &finder{
		path: path, tensors: tensors, byName: make(map[string]int, len(tensors)), used: make([]bool, len(tensors)), quant: q,
		integers: map[string]*integers{},
	}
	for i, t := range tensors {
		if _, ok := f.byName[t.Name]; ok {
			return nil, f.fail(t.Name, "is there twice")
		}
		f.byName[t.Name] = i
	}
	return f, nil
}

func (f *finder) fail(tensor, format string, args ...any) error {
	return &ConfigError{File: f.path, Field: tensor, Message: fmt.Sprintf(format, args...)}
}

// take finds a tensor and notes that it is needed.
func (f *finder) take(name string) (int, bool) {
	i, ok := f.byName[name]
	if ok {
		f.used[i] = true
	}
	return i, ok
}

// plain finds a weight whose type says everything.
func (f *finder) plain(p *part, codes int) (*stored, error) {
	t := &f.tensors[codes]
	want := []int64{p.rows, p.cols}
	if p.vector != nil {
		want = want[1:]
	}
	if !slices.Equal(inner(t.Shape), inner(want)) {
		return nil, f.fail(t.Name, "has shape %v, the configuration asks for %v", t.Shape, want)
	}
	typ, err := kernels.ParseDType(t.Type)
	recast := quant.RecastOf(t.Type)
	if recast != nil {
		typ, err = recast.Type, nil
	}
	if err != nil || typ.Coded() || typ == kernels.I32 {
		return nil, f.fail(t.Name, "weights of type %s are not supported", t.Type)
	}
	block := int64(typ.Block())
	if recast != nil {
		block = recast.Block
	}
	if p.cols%block != 0 {
		return nil, f.fail(t.Name, "rows of %d do not divide into blocks of %d", p.cols, block)
	}
	if p.vector != nil && typ != kernels.F32 && typ != kernels.F16 && typ != kernels.BF16 {
		return nil, f.fail(t.Name, "a vector of type %s is not supported", t.Type)
	}
	return &stored{
		matrix: kernels.Matrix{Type: typ, Rows: p.rows, Cols: p.cols},
		codes:  codes, groups: -1, scale: -1, recast: recast,
	}, nil
}

// inner returns a shape without dimensions of 1 outside the others: formats may
// write them or not.
func inner(shape []int64) []int64 {
	for len(shape) > 1 && shape[0] == 1 {
		shape = shape[1:]
	}
	return shape
}

// gguf finds a weight of a GGUF file: NAME.weight or NAME.bias, and a factor NAME.scale in
// files that were converted from ModelOpt.
func (f *finder) gguf(p *part) (*stored, error) {
	codes, ok := f.take(p.tensor())
	if !ok || p.fused.name == p.name {
		if s, err := f.fused(p, f.gguf); s != nil || err != nil {
			return s, err
		}
		return nil, f.fail(p.tensor(), "is missing")
	}
	s, err := f.plain(p, codes)
	if err != nil || p.vector != nil {
		return s, err
	}
	scale, ok := f.take(p.name + ".scale")
	if !ok {
		return s, nil
	}
	if t := &f.tensors[scale]; count(t.Shape) != 1 {
		return nil, f.fail(t.Name, "has shape %v, want one number", t.Shape)
	}
	s.whole(scale)
	return s, f.scaleType(scale)
}

// count returns the elements of a shape; those of a scalar are 1.
func count(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

// hf finds a weight of a folder, in any of the forms that quantisers write.
func (f *finder) hf(p *part) (*stored, error) {
	if packed, ok := f.take(p.name + ".weight_packed"); ok && !p.bias {
		if f.tensors[packed].Type == "I32" {
			return f.packed(p, packed)
		}
		return f.nvfp4(p, packed, "weight_global_scale", true)
	}
	if codes, ok := f.take(p.name + ".qweight"); ok && !p.bias {
		return f.qweight(p, codes)
	}
	codes, ok := f.take(p.tensor())
	if !ok {
		if s, err := f.fused(p, f.hf); s != nil || err != nil {
			return s, err
		}
		return nil, f.fail(p.tensor(), "is missing")
	}
	switch f.tensors[codes].Type {
	case "U8":
		return f.nvfp4(p, codes, "weight_scale_2", false)
	case "F8_E4M3":
		return f.fp8(p, codes)
	case "I8":
		return f.int8(p, codes)
	}
	return f.plain(p, codes)
}

// bare finds a weight of a source whose types say everything.
func (f *finder) bare(p *part) (*stored, error) {
	codes, ok := f.take(p.tensor())
	if !ok {
		return nil, f.fail(p.tensor(), "is missing")
	}
	return f.plain(p, codes)
}

// quantised refuses a quantised tensor where the folder's own files say that
// there is none.
func (f *finder) quantised(p *part, codes int) error {
	t := &f.tensors[codes]
	switch {
	case p.vector != nil:
		return f.fail(t.Name, "a vector of type %s is not supported", t.Type)
	case f.quant == nil:
		return f.fail(t.Name, "is %s, but neither config.json nor hf_quant_config.json says how it is quantised", t.Type)
	case f.quant.ignores(p.name):
		return f.fail(t.Name, "is %s, but the quantisation leaves it out", t.Type)
	}
	return nil
}

// nvfp4 finds a weight of 4-bit codes with a scale for 16 columns and one for
// the whole. ModelOpt's multiplies, that of compressed-tensors divides.
func (f *finder) nvfp4(p *part, codes int, global string, divide bool) (*stored, error) {
	if err := f.quantised(p, codes); err != nil {
		return nil, err
	}
	if p.cols%16 != 0 {
		return nil, f.fail(f.tensors[codes].Name, "rows of %d do not divide into groups of 16", p.cols)
	}
	if err := f.want(codes, "U8", p.rows, p.cols/2); err != nil {
		return nil, err
	}
	groups, ok := f.take(p.name + ".weight_scale")
	if !ok {
		return nil, f.fail(p.name+".weight_scale", "is missing")
	}
	if err := f.want(groups, "F8_E4M3", p.rows, p.cols/16); err != nil {
		return nil, err
	}
	whole, ok := f.take(p.name + "." + global)
	if !ok {
		return nil, f.fail(p.name+"."+global, "is missing")
	}
	if t := &f.tensors[whole]; count(t.Shape) != 1 {
		return nil, f.fail(t.Name, "has shape %v, want one number", t.Shape)
	}
	s := &stored{
		matrix: kernels.Matrix{Type: kernels.NVFP4x16, Rows: p.rows, Cols: p.cols},
		codes:  codes, groups: groups, divide: divide,
	}
	s.whole(whole)
	return s, f.scaleType(whole)
}

// fp8 finds a weight in e4m3 with a scale for all of it, for each row or for
// each block.
func (f *finder) fp8(p *part, codes int) (*stored, error) {
	if err := f.quantised(p, codes); err != nil {
		return nil, err
	}
	s, err := f.plain(p, codes)
	if err != nil {
		return nil, err
	}
	name := p.name + ".weight_scale_inv"
	scale, inBlocks := f.take(name)
	if !inBlocks {
		name = p.name + ".weight_scale"
		var ok bool
		if scale, ok = f.take(name); !ok {
			return nil, f.fail(name, "is missing")
		}
	}
	shape, b := f.tensors[scale].Shape, f.quant.block
	down, across := (p.rows+b[0]-1)/b[0], (p.cols+b[1]-1)/b[1]
	switch {
	case slices.Equal(shape, []int64{down, across}), slices.Equal(shape, []int64{down, 1, across, 1}):
		s.scale, s.matrix.ScaleRows, s.matrix.ScaleCols = scale, b[0], b[1]
	case inBlocks && count(shape) != 1:
		return nil, f.fail(name, "has shape %v, want %v: one number for each block of %v", shape, []int64{down, across}, b)
	case count(shape) == 1:
		s.whole(scale)
	case slices.Equal(shape, []int64{p.rows}), slices.Equal(shape, []int64{p.rows, 1}):
		s.scale, s.matrix.ScaleRows, s.matrix.ScaleCols = scale, 1, p.cols
	default:
		return nil, f.fail(name, "has shape %v, want one number, or one for each of %d rows or each block of %v", shape, p.rows, b)
	}
	return s, f.scaleType(scale)
}

func (f *finder) scaleType(i int) error {
	if t := &f.tensors[i]; t.Type != "F32" && t.Type != "F16" && t.Type != "BF16" {
		return f.fail(t.Name, "scales of type %s are not supported, only F32, F16 and BF16", t.Type)
	}
	return nil
}

// want refuses a tensor of another type or shape.
func (f *finder) want(i int, typ string, shape ...int64) error {
	t := &f.tensors[i]
	if t.Type != typ || !slices.Equal(t.Shape, shape) {
		return f.fail(t.Name, "is %s%v, want %s%v", t.Type, t.Shape, typ, shape)
	}
	return nil
}

// extras are endings of tensors that do not bear on the results here:
// frequencies that are computed anyway, and scales for activations and KV
// caches of fewer bits than this program uses.
var extras = []string{
	".rotary_emb.inv_freq", ".rotary_emb.cos_cached", ".rotary_emb.sin_cached", ".input_scale", ".input_zero_point", ".input_global_scale", ".activation_scale",
	".k_scale", ".v_scale", ".q_scale", ".kv_scale", ".prob_output_scale",
}

// zeroBias notes a bias that older GPTQ files have and the model has not: it must be all
// zeros, which its data tells.
func (f *finder) zeroBias(i int) bool {
	weight, ok := strings.CutSuffix(f.tensors[i].Name, ".bias")
	x := f.integers[weight]
	if ok && x != nil {
		x.bias = i
	}
	return ok && x != nil
}

// rest refuses tensors that no weight took, but for the extras. It names some
// of them.
func (f *finder) rest() error {
	const most = 8
	var some []error
	more := 0
	for i, t := range f.tensors {
		extra := slices.ContainsFunc(extras, func(end string) bool { return strings.HasSuffix(t.Name, end) }) ||
			slices.ContainsFunc(f.beside, func(begin string) bool { return strings.HasPrefix(t.Name, begin) })
		switch {
		case f.used[i] || extra || f.zeroBias(i):
		case len(some) < most:
			some = append(some, f.fail(t.Name, "is not part of this architecture"))
		default:
			more++
		}
	}
	if more > 0 {
		some = append(some, fmt.Errorf("%s: and %d tensors more", f.path, more))
	}
	return errors.Join(some...)
}

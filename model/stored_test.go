package model

import (
	"errors"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

func TestStoredForms(t *testing.T) {
	const rows, cols = 256, 320
	p := part{name: "m", rows: rows, cols: cols, weight: new(kernels.Weight)}
	tensor := func(name, typ string, shape ...int64) TensorInfo {
		return TensorInfo{Name: "m." + name, Type: typ, Shape: shape}
	}
	fp8 := tensor("weight", "F8_E4M3", rows, cols)
	for name, tc := range map[string]struct {
		tensors              []TensorInfo
		typ                  kernels.DType
		scaleRows, scaleCols int64
		divide               bool
	}{
		"bf16":        {[]TensorInfo{tensor("weight", "BF16", rows, cols)}, kernels.BF16, 0, 0, false},
		"f32":         {[]TensorInfo{tensor("weight", "F32", rows, cols)}, kernels.F32, 0, 0, false},
		"fp8 scalar":  {[]TensorInfo{fp8, tensor("weight_scale", "F32")}, kernels.F8E4M3, rows, cols, false},
		"fp8 one":     {[]TensorInfo{fp8, tensor("weight_scale", "BF16", 1)}, kernels.F8E4M3, rows, cols, false},
		"fp8 rows":    {[]TensorInfo{fp8, tensor("weight_scale", "F32", rows)}, kernels.F8E4M3, 1, cols, false},
		"fp8 column":  {[]TensorInfo{fp8, tensor("weight_scale", "BF16", rows, 1)}, kernels.F8E4M3, 1, cols, false},
		"fp8 blocks":  {[]TensorInfo{fp8, tensor("weight_scale_inv", "F32", 2, 3)}, kernels.F8E4M3, 128, 128, false},
		"fp8 blocks2": {[]TensorInfo{fp8, tensor("weight_scale", "F32", 2, 3)}, kernels.F8E4M3, 128, 128, false},
		"fp8 inverse": {[]TensorInfo{fp8, tensor("weight_scale_inv", "F32", 1)}, kernels.F8E4M3, rows, cols, false},
		"fp8 blocks4": {[]TensorInfo{fp8, tensor("weight_scale", "F32", 2, 1, 3, 1)}, kernels.F8E4M3, 128, 128, false},
		"nvfp4": {[]TensorInfo{tensor("weight", "U8", rows, cols/2), tensor("weight_scale", "F8_E4M3", rows, cols/16), tensor("weight_scale_2", "F32")},
			kernels.NVFP4x16, rows, cols, false},
		"nvfp4 packed": {[]TensorInfo{tensor("weight_packed", "U8", rows, cols/2), tensor("weight_scale", "F8_E4M3", rows, cols/16),
			tensor("weight_global_scale", "F32", 1)}, kernels.NVFP4x16, rows, cols, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, extra := range []string{"m.input_scale", "a.rotary_emb.inv_freq", "a.rotary_emb.cos_cached", "a.rotary_emb.sin_cached"} {
				tc.tensors = append(tc.tensors, TensorInfo{Name: extra})
			}
			f, err := newFinder("f", tc.tensors, newQuantization())
			require.NoError(t, err)
			s, err := f.hf(&p)
			require.NoError(t, err)
			require.Equal(t, kernels.Matrix{Type: tc.typ, Rows: rows, Cols: cols, ScaleRows: tc.scaleRows, ScaleCols: tc.scaleCols}, s.matrix)
			require.Equal(t, tc.divide, s.divide)
			require.NoError(t, f.rest())
			require.Equal(t, tc.scaleRows != 0, s.header().Scale != nil)
		})
	}
	for name, tc := range map[string]struct {
		field   string
		tensors []TensorInfo
	}{
		"missing":        {"m.weight", nil},
		"shape":          {"m.weight", []TensorInfo{tensor("weight", "BF16", cols, rows)}},
		"rank":           {"m.weight", []TensorInfo{tensor("weight", "BF16", rows*cols)}},
		"type":           {"m.weight", []TensorInfo{tensor("weight", "I64", rows, cols)}},
		"integers":       {"m.weight_scale", []TensorInfo{tensor("weight", "I8", rows, cols)}},
		"no scale":       {"m.weight_scale", []TensorInfo{fp8}},
		"scale shape":    {"m.weight_scale", []TensorInfo{fp8, tensor("weight_scale", "F32", cols)}},
		"scale type":     {"m.weight_scale", []TensorInfo{fp8, tensor("weight_scale", "F8_E8M0")}},
		"block shape":    {"m.weight_scale_inv", []TensorInfo{fp8, tensor("weight_scale_inv", "F32", 3, 2)}},
		"no blocks":      {"m.weight_scale_inv", []TensorInfo{fp8, tensor("weight_scale_inv", "F32", rows)}},
		"no group scale": {"m.weight_scale", []TensorInfo{tensor("weight", "U8", rows, cols/2)}},
		"no global":      {"m.weight_scale_2", []TensorInfo{tensor("weight", "U8", rows, cols/2), tensor("weight_scale", "F8_E4M3", rows, cols/16)}},
		"group shape":    {"m.weight_scale", []TensorInfo{tensor("weight", "U8", rows, cols/2), tensor("weight_scale", "F8_E4M3", rows, cols/32)}},
		"packed shape":   {"m.weight_packed", []TensorInfo{tensor("weight_packed", "U8", rows, cols)}},
		"global shape": {"m.weight_global_scale", []TensorInfo{tensor("weight_packed", "U8", rows, cols/2), tensor("weight_scale", "F8_E4M3", rows, cols/16),
			tensor("weight_global_scale", "F32", 2)}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := newFinder("f", tc.tensors, newQuantization())
			require.NoError(t, err)
			_, err = f.hf(&p)
			requireTensor(t, err, tc.field)
		})
	}
	t.Run("left out", func(t *testing.T) {
		q := newQuantization()
		q.ignore = []*regexp.Regexp{regexp.MustCompile("^m$")}
		f, err := newFinder("f", []TensorInfo{fp8, tensor("weight_scale", "F32")}, q)
		require.NoError(t, err)
		_, err = f.hf(&p)
		requireTensor(t, err, "m.weight")
		f.quant = nil
		_, err = f.hf(&p)
		requireTensor(t, err, "m.weight")
	})
	t.Run("left over", func(t *testing.T) {
		f, err := newFinder("f", []TensorInfo{tensor("weight", "BF16", rows, cols), tensor("bias", "BF16", rows)}, nil)
		require.NoError(t, err)
		_, err = f.hf(&p)
		require.NoError(t, err)
		requireTensor(t, f.rest(), "m.bias")
	})
	t.Run("twice", func(t *testing.T) {
		_, err := newFinder("f", []TensorInfo{fp8, fp8}, nil)
		requireTensor(t, err, "m.weight")
	})
}

func requireTensor(t *testing.T, err error, name string) {
	var ce *ConfigError
	require.True(t, errors.As(err, &ce), "error %v", err)
	require.Equal(t, name, ce.Field, "%v", err)
}

func TestScales(t *testing.T) {
	c := &Checkpoint{
		source:  memory{[]byte{1, 2}, []byte{0, 0, 0, 0x40}}, // codes; 2.0
		tensors: []TensorInfo{{Name: "w", Bytes: 2}, {Name: "s", Type: "F32", Bytes: 4}},
	}
	s := &stored{matrix: kernels.Matrix{Type: kernels.F8E4M3, Rows: 1, Cols: 2}, codes: 0, groups: -1}
	s.whole(1)
	m, err := c.read(s)
	require.NoError(t, err)
	require.Equal(t, []float32{2}, m.Scale)
	s.divide = true
	m, err = c.read(s)
	require.NoError(t, err)
	require.Equal(t, []float32{0.5}, m.Scale)
	require.Equal(t, int64(6), c.bytes(s))
	c.source = memory{[]byte{1, 2}, []byte{0, 0, 0, 0}}
	_, err = c.read(s)
	require.ErrorContains(t, err, "s: scale 0")
	c.tensors[1].Type = "BF16"
	c.source = memory{[]byte{1, 2}, []byte{0xc0, 0x7f}} // not a number
	_, err = c.read(s)
	require.ErrorContains(t, err, "NaN")
}

// memory is a source of given bytes.
type memory [][]byte

func (m memory) tensors() []TensorInfo      { return nil }
func (m memory) data(i int) ([]byte, error) { return m[i], nil }
func (m memory) release(int)                {}
func (m memory) readAt(i int, p []byte, offset int64) error {
	copy(p, m[i][offset:])
	return nil
}

// TestHugeHeader: what a header says of factors takes no memory, however many there are.
func TestHugeHeader(t *testing.T) {
	const rows, cols = maxFFN, maxHidden
	f, err := newFinder("f", []TensorInfo{
		{Name: "w.weight", Type: "F8_E4M3", Shape: []int64{rows, cols}}, {Name: "w.weight_scale_inv", Type: "F32", Shape: []int64{rows, cols}},
	}, newQuantization())
	require.NoError(t, err)
	f.quant.block = [2]int64{1, 1}
	p := part{name: "w", rows: rows, cols: cols, weight: new(kernels.Weight), partial: partial{dim: 64, rotated: 32, rest: 0.5}}
	s, err := f.hf(&p)
	require.NoError(t, err)
	m := s.header()
	p.prepare(m)
	require.GreaterOrEqual(t, openCPU(t).PackedBytes(m), int64(rows)*cols*5)
}

package model

import (
	"encoding/binary"
	"fmt"
	"math"

	"trona/kernels"
	"trona/kernels/minifloat"
	"trona/model/quant"
)

// stored says how a checkpoint holds one weight. The numbers are those of
// tensors; -1 stands for none.
type stored struct {
	matrix kernels.Matrix // sizes only
	codes  int
	groups int  // NVFP4x16: e4m3 scales of 16 columns
	scale  int  // factors beside the codes
	divide bool // they divide (compressed-tensors) instead of multiply

	integers *integers     // nil: the codes are no whole numbers
	recast   *quant.Recast // the codes' type, where it turns into the matrix's; nil: it is that

	fused *stored // the fused weight of which this is a part; nil: none
	place fused   // in it
}

// whole lets one factor apply to all of s.
func (s *stored) whole(scale int) {
	s.scale, s.matrix.ScaleRows, s.matrix.ScaleCols = scale, s.matrix.Rows, s.matrix.Cols
}

// bytes returns the size of the weight in the checkpoint.
func (c *Checkpoint) bytes(s *stored) int64 {
	if whole := s.fused; whole != nil {
		return c.bytes(whole) / (whole.matrix.Rows * whole.matrix.Cols / s.matrix.Cols) * s.matrix.Rows
	}
	n := c.tensors[s.codes].Bytes
	beside := []int{s.groups, s.scale}
	if s.integers != nil {
		beside = s.integers.tensors()
	}
	for _, i := range beside {
		if i >= 0 {
			n += c.tensors[i].Bytes
		}
	}
	return n
}

// header returns s without data, as Device.PackedBytes takes it: factors are none, for a header
// may tell of more than memory has room for.
func (s *stored) header() *kernels.Matrix {
	m := s.matrix
	if s.scale >= 0 {
		m.Scale = []float32{}
	}
	if s.recast != nil {
		s.recast.Matrix(&m)
	}
	return &m
}

// scales returns the number of factors beside the codes.
func (s *stored) scales() int64 {
	m := &s.matrix
	return (m.Rows + m.ScaleRows - 1) / m.ScaleRows * ((m.Cols + m.ScaleCols - 1) / m.ScaleCols)
}

// read returns s with its data.
func (c *Checkpoint) read(s *stored) (*kernels.Matrix, error) {
	if s.fused != nil {
		return c.readPart(s)
	}
	if s.integers != nil {
		return c.readInteger(s)
	}
	m, err := c.readCodes(s)
	if err == nil && s.recast != nil {
		s.recast.Matrix(m)
	}
	return m, err
}

// readCodes returns s as the checkpoint stores it.
func (c *Checkpoint) readCodes(s *stored) (*kernels.Matrix, error) {
	m := s.matrix
	var err error
	if m.Data, err = c.source.data(s.codes); err != nil {
		return nil, err
	}
	if s.groups >= 0 {
		if m.GroupScale, err = c.source.data(s.groups); err != nil {
			return nil, err
		}
	}
	if s.scale < 0 {
		return &m, nil
	}
	data, err := c.source.data(s.scale)
	if err != nil {
		return nil, err
	}
	t := &c.tensors[s.scale]
	if m.Scale, err = floats(t.Type, data); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	for i, v := range m.Scale {
		if s.divide {
			m.Scale[i] = 1 / v
		}
		if f := float64(m.Scale[i]); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%s: scale %d is %v", t.Name, i, v)
		}
	}
	return &m, nil
}

// release gives back the memory that the data of s holds.
func (c *Checkpoint) release(s *stored) {
	for _, i := range []int{s.codes, s.groups} {
		if i >= 0 {
			c.source.release(i)
		}
	}
}

// floats reads little-endian numbers of a type that scales and vectors have.
func floats(typ string, data []byte) ([]float32, error) {
	switch typ {
	case "F32":
		v := make([]float32, len(data)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		return v, nil
	case "F16":
		v := make([]float32, len(data)/2)
		for i := range v {
			v[i] = minifloat.F16(binary.LittleEndian.Uint16(data[2*i:]))
		}
		return v, nil
	case "BF16":
		v := make([]float32, len(data)/2)
		for i := range v {
			v[i] = minifloat.BF16(binary.LittleEndian.Uint16(data[2*i:]))
		}
		return v, nil
	}
	return nil, fmt.Errorf("numbers of type %s are not supported here, only F32, F16 and BF16", typ)
}

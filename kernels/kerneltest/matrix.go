package kerneltest

import (
	"encoding/binary"
	"math"

	"trona/kernels"
	"trona/model/quant"
)

// weightTypes are all types a weight may have.
var weightTypes = []kernels.DType{
	kernels.F32, kernels.F16, kernels.BF16, kernels.F8E4M3,
	kernels.Q4_0, kernels.Q4_1, kernels.Q5_0, kernels.Q5_1, kernels.Q8_0,
	kernels.Q2_K, kernels.Q3_K, kernels.Q4_K, kernels.Q5_K, kernels.Q6_K,
	kernels.IQ4_NL, kernels.IQ4_XS, kernels.MXFP4, kernels.NVFP4, kernels.NVFP4x16,
}

// weightKind is a type, with a table of its own or without.
type weightKind struct {
	kernels.DType
	table bool
}

// String names the case.
func (k weightKind) String() string {
	if k.table {
		return k.DType.String() + " with a table"
	}
	return k.DType.String()
}

// weightKinds are all kinds of weights.
func weightKinds() []weightKind {
	kinds := []weightKind{{kernels.Q3_K, true}, {kernels.IQ4_XS, true}}
	for _, t := range weightTypes {
		kinds = append(kinds, weightKind{DType: t})
	}
	return kinds
}

// weight returns a random weight.
func (c *context) weight(k weightKind, rows, cols int64) *kernels.Matrix {
	m := c.matrix(k.DType, rows, cols)
	if !k.table {
		return m
	}
	m.Table = make([]int8, len(m.Values()))
	for i := range m.Table {
		m.Table[i] = int8(c.rng.Uint32())
		if k.DType == kernels.Q3_K {
			m.Table[i] >>= 1
		}
	}
	return m
}

// halfFields are the offsets of F16 scales in a block; the other bytes of a
// block may be anything.
var halfFields = map[kernels.DType][]int{
	kernels.Q4_0: {0}, kernels.Q4_1: {0, 2}, kernels.Q5_0: {0}, kernels.Q5_1: {0, 2}, kernels.Q8_0: {0},
	kernels.Q2_K: {80, 82}, kernels.Q3_K: {108}, kernels.Q4_K: {0, 2}, kernels.Q5_K: {0, 2}, kernels.Q6_K: {208},
	kernels.IQ4_NL: {0}, kernels.IQ4_XS: {0},
}

// matrix returns a random weight.
func (c *context) matrix(t kernels.DType, rows, cols int64) *kernels.Matrix {
	m := &kernels.Matrix{Type: t, Rows: rows, Cols: cols, Data: make([]byte, rows*t.RowBytes(cols))}
	for i := range m.Data {
		m.Data[i] = byte(c.rng.Uint32())
	}
	for at := 0; at < len(m.Data); at += t.BlockBytes() {
		c.sane(t, m.Data[at:][:t.BlockBytes()])
	}
	if t == kernels.NVFP4x16 {
		m.GroupScale = make([]byte, rows*cols/16)
		for i := range m.GroupScale {
			m.GroupScale[i] = c.e4m3()
		}
	}
	return m
}

// scaled adds a scale for tiles of [scaleRows, scaleCols].
func (c *context) scaled(m *kernels.Matrix, scaleRows, scaleCols int64) *kernels.Matrix {
	m.ScaleRows, m.ScaleCols = scaleRows, scaleCols
	n := (m.Rows + scaleRows - 1) / scaleRows * ((m.Cols + scaleCols - 1) / scaleCols)
	m.Scale = make([]float32, n)
	for i := range m.Scale {
		m.Scale[i] = 0.25 + c.rng.Float32()
	}
	return m
}

// e4m3 returns a positive scale around 1, subnormal ones included.
func (c *context) e4m3() byte { return byte(c.rng.IntN(0x48)) }

// sane gives a block of random bytes scales that a checkpoint could have.
func (c *context) sane(t kernels.DType, block []byte) {
	switch t {
	case kernels.F32:
		binary.LittleEndian.PutUint32(block, math.Float32bits(float32(c.rng.NormFloat64())))
	case kernels.F16:
		// Exponents 0 (subnormal) to 17 (below 8).
		binary.LittleEndian.PutUint16(block, uint16(c.rng.IntN(2)<<15|c.rng.IntN(18<<10)))
	case kernels.BF16:
		binary.LittleEndian.PutUint16(block, uint16(math.Float32bits(float32(c.rng.NormFloat64()))>>16))
	case kernels.F8E4M3:
		if block[0]&0x7f == 0x7f {
			block[0]--
		}
	case kernels.MXFP4:
		block[0] = byte(118 + c.rng.IntN(12)) // 2^(e-127)
	case kernels.NVFP4:
		for i := range 4 {
			block[i] = c.e4m3()
		}
	}
	for _, at := range halfFields[t] {
		binary.LittleEndian.PutUint16(block[at:], uint16(c.rng.IntN(2)<<15|c.rng.IntN(14<<10)))
	}
}

// values returns the weight as float64, by the decoder of model/quant.
func values(m *kernels.Matrix) []float64 {
	row := make([]float32, m.Cols)
	all := make([]float64, 0, m.Rows*m.Cols)
	for r := range m.Rows {
		quant.Row(row, m, r)
		for _, v := range row {
			all = append(all, float64(v))
		}
	}
	return all
}

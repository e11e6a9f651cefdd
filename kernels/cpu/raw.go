package cpu

import (
	"unsafe"

	"trona/kernels"
	"trona/model/quant"
)

// rawRows is a weight kept as the checkpoint stores it: blocks, then group
// scales, then scales, all in one allocation. Tiles of it are dequantised by
// model/quant.
type rawRows struct {
	matrix kernels.Matrix
}

func groupScaleBytes(m *kernels.Matrix) int64 {
	if m.Type != kernels.NVFP4x16 {
		return 0
	}
	return m.Rows * m.Cols / 16
}

// scales returns the number of entries of m.Scale.
func scales(m *kernels.Matrix) int64 {
	if m.Scale == nil {
		return 0
	}
	return (m.Rows + m.ScaleRows - 1) / m.ScaleRows * ((m.Cols + m.ScaleCols - 1) / m.ScaleCols)
}

func rawBytes(m *kernels.Matrix) int64 {
	return align64(m.Rows*m.Type.RowBytes(m.Cols)) + align64(groupScaleBytes(m)) + align64(4*scales(m))
}

func packRaw(addr uintptr, m *kernels.Matrix) rawRows {
	c := *m
	n := int64(len(m.Data))
	c.Data = bytesOf(addr, n)
	copy(c.Data, m.Data)
	addr += uintptr(align64(n))
	if n := groupScaleBytes(m); n > 0 {
		c.GroupScale = bytesOf(addr, n)
		copy(c.GroupScale, m.GroupScale)
		addr += uintptr(align64(n))
	}
	if m.Scale != nil {
		c.Scale = floatsOf(addr, scales(m))
		copy(c.Scale, m.Scale)
	}
	return rawRows{c}
}

// unpack writes columns [from, from+n) of group g as panel[k][r], zeros where
// rows end.
func (raw *rawRows) unpack(w *worker, g, from int64, n int) {
	m := &raw.matrix
	clear(w.panel[:n*lanes])
	for r := g * lanes; r < min(m.Rows, (g+1)*lanes); r++ {
		raw.columns(w, w.row[:n], r, from)
		for k, v := range w.row[:n] {
			w.panel[int64(k)*lanes+r%lanes] = v
		}
	}
}

// columns dequantises len(dst) columns of row r from column from, both whole blocks.
func (raw *rawRows) columns(w *worker, dst []float32, r, from int64) {
	m, part := &raw.matrix, &w.part
	n := int64(len(dst))
	begin := r*m.Type.RowBytes(m.Cols) + m.Type.RowBytes(from)
	*part = kernels.Matrix{Type: m.Type, Rows: 1, Cols: n, Data: m.Data[begin : begin+m.Type.RowBytes(n)]}
	if m.GroupScale != nil {
		part.GroupScale = m.GroupScale[(r*m.Cols+from)/16:][:n/16]
	}
	quant.Row(dst, part, 0)
	if m.Scale == nil {
		return
	}
	for k := range dst {
		dst[k] *= m.ScaleAt(r, from+int64(k))
	}
}

// alignedFloats returns n floats that begin at a multiple of 64 bytes.
func alignedFloats(n int) []float32 {
	b := make([]float32, n+15)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) / 4 % 16
	return b[skip:][:n:n]
}

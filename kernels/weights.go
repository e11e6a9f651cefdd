package kernels

import "fmt"

// Matrix is a weight as a checkpoint stores it, on the host: Rows x Cols
// values, row-major, out-features by in-features.
//
//	value(r, c) = code(r, c) * Scale[r/ScaleRows, c/ScaleCols]
//
// where code is Data read as Type (block scales inside the block included)
// and, for NVFP4x16, multiplied by the e4m3 scale of its 16 columns.
type Matrix struct {
	Type       DType
	Rows, Cols int64
	Data       []byte // Rows * Type.RowBytes(Cols); nil where only sizes are known, or with Fill

	// Fill, in place of Data, makes rows when they are asked for: as many as dst has
	// room for, from row `first` on, which are there. Several goroutines may call it.
	// The type says everything: it is none with scales beside it.
	Fill func(dst []byte, first int64)

	GroupScale []byte // NVFP4x16: e4m3 [Rows, Cols/16]; else nil

	// Table has the values of codes in place of the type's own: of Q3_K 8, from -64 to
	// 63 (its own: -4 to 3), of IQ4_XS 16. The other types have none.
	Table []int8

	Scale                []float32 // [ceil(Rows/ScaleRows), ceil(Cols/ScaleCols)]; nil: 1
	ScaleRows, ScaleCols int64     // rows and columns that share one scale
}

// HasData reports whether all rows are there: in Data, or by Fill.
func (m *Matrix) HasData() bool {
	if m.Fill != nil {
		return m.Data == nil && m.Type != F8E4M3 && m.Type != NVFP4x16
	}
	return int64(len(m.Data)) == m.Rows*m.Type.RowBytes(m.Cols)
}

// Reader reads the rows of a matrix that has data, by one goroutine.
type Reader struct {
	m             *Matrix
	buffer        []byte
	first, filled int64 // which rows are in the buffer
	ahead         int64
}

// Reader returns a reader which, where Fill makes the rows, asks for `ahead` of
// them at once: sources that hold columns side by side give many rows faster.
func (m *Matrix) Reader(ahead int64) *Reader { return &Reader{m: m, ahead: ahead} }

// Rows returns n rows from `first` on, those that are there, as Data has them. They
// are valid until the next call.
func (r *Reader) Rows(first, n int64) []byte {
	size := r.m.Type.RowBytes(r.m.Cols)
	n = min(n, r.m.Rows-first)
	if r.m.Fill == nil {
		return r.m.Data[first*size:][:n*size]
	}
	if first < r.first || first+n > r.first+r.filled {
		r.first, r.filled = first, min(max(n, r.ahead), r.m.Rows-first)
		if int64(len(r.buffer)) < r.filled*size {
			r.buffer = make([]byte, r.filled*size)
		}
		r.m.Fill(r.buffer[:r.filled*size], first)
	}
	return r.buffer[(first-r.first)*size:][:n*size]
}

// ScaleAt returns the factor beside the codes at row r, column c.
func (m *Matrix) ScaleAt(r, c int64) float32 {
	if m.Scale == nil {
		return 1
	}
	perRow := (m.Cols + m.ScaleCols - 1) / m.ScaleCols
	return m.Scale[r/m.ScaleRows*perRow+c/m.ScaleCols]
}

// Multiply multiplies all values, by way of Scale.
func (m *Matrix) Multiply(factor float32) {
	if factor == 1 {
		return
	}
	if m.Scale == nil {
		m.Scale, m.ScaleRows, m.ScaleCols = []float32{1}, m.Rows, m.Cols
	}
	for i := range m.Scale {
		m.Scale[i] *= factor
	}
}

// ownValues are those of codes that may have a Table of others.
var ownValues = map[DType][]int8{
	Q3_K:   {-4, -3, -2, -1, 0, 1, 2, 3},
	IQ4_XS: {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113},
}

// Values returns the values of codes: Table, or the type's own; nil where it can have no Table.
func (m *Matrix) Values() []int8 {
	if m.Table != nil {
		return m.Table
	}
	return ownValues[m.Type]
}

// CheckTable reports a Table that Type does not have.
func (m *Matrix) CheckTable() error {
	if m.Table == nil {
		return nil
	}
	if codes := len(ownValues[m.Type]); len(m.Table) != codes {
		return fmt.Errorf("%v: a table of %d values, want %d", m, len(m.Table), codes)
	}
	for i, v := range m.Table {
		if m.Type == Q3_K && (v < -64 || v > 63) {
			return fmt.Errorf("%v: value %d of the table is %d, not of -64 to 63", m, i, v)
		}
	}
	return nil
}

// String prints type and shape, for messages.
func (m *Matrix) String() string { return fmt.Sprintf("%s[%d %d]", m.Type, m.Rows, m.Cols) }

// Weight is a matrix in the layout that a device likes best, made once at load
// by Device.Pack. Only that device knows what its address holds.
type Weight struct {
	Addr       uintptr
	Type       DType // of the checkpoint
	Rows, Cols int64 // out-features, in-features
	Bytes      int64 // on the device
	Layout     any   // the device's own description; opaque to others
}

// Absent reports whether w is the zero Weight: a part that the layer lacks.
func (w Weight) Absent() bool { return w.Rows == 0 }

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
	Data       []byte // Rows * Type.RowBytes(Cols); nil where only sizes are known

	GroupScale []byte // NVFP4x16: e4m3 [Rows, Cols/16]; else nil

	Scale                []float32 // [ceil(Rows/ScaleRows), ceil(Cols/ScaleCols)]; nil: 1
	ScaleRows, ScaleCols int64     // rows and columns that share one scale
}

// ScaleAt returns the factor beside the codes at row r, column c.
func (m *Matrix) ScaleAt(r, c int64) float32 {
	if m.Scale == nil {
		return 1
	}
	perRow := (m.Cols + m.ScaleCols - 1) / m.ScaleCols
	return m.Scale[r/m.ScaleRows*perRow+c/m.ScaleCols]
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

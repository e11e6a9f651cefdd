package cuda

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"trona/kernels"
)

// A type of 8 bits and less stands in panels of some rows and columns; the panels of
// these rows, one after another, are a strip (README.md, "Layout of weights").
const (
	stripRows = 8
	panelCols = 2 * unit
)

// planes says how many bytes each plane of a type takes for `cols` columns of a row.
type planes struct {
	cols                       int64
	codes, halves, steps, high int64
	float4                     bool // codes are E2M1
	// pack writes whole blocks of a row.
	pack func(dst rowPlanes, src rowSource, n int)
}

// panels reports whether the type stands in them.
func (p *planes) panels() bool { return p.codes <= p.cols }

// strip returns how many rows stand together, and what their columns are a multiple of.
func (p *planes) strip() (rows, cols int64) {
	if p.panels() {
		return stripRows, panelCols
	}
	return 1, unit
}

// bytes returns the memory that a row takes for n columns, which are whole panels or units.
func (p *planes) bytes(n int64) int64 { return n * (p.codes + p.halves + p.steps + p.high) / p.cols }

// layouts has every type that a weight may have.
var layouts = [numTypes]planes{
	kernels.F32:      {cols: 1, codes: 4, pack: packPlain},
	kernels.F16:      {cols: 1, codes: 2, pack: packPlain},
	kernels.BF16:     {cols: 1, codes: 2, pack: packPlain},
	kernels.F8E4M3:   {cols: 1, codes: 1, pack: packPlain},
	kernels.Q4_0:     {cols: 32, codes: 16, halves: 2, pack: packQ4_0},
	kernels.Q4_1:     {cols: 32, codes: 16, halves: 4, pack: packQ4_1},
	kernels.Q5_0:     {cols: 32, codes: 16, halves: 2, high: 4, pack: packQ5_0},
	kernels.Q5_1:     {cols: 32, codes: 16, halves: 4, high: 4, pack: packQ5_1},
	kernels.Q8_0:     {cols: 32, codes: 32, halves: 2, pack: packQ8_0},
	kernels.Q2_K:     {cols: 256, codes: 64, halves: 4, steps: 16, pack: packQ2_K},
	kernels.Q3_K:     {cols: 256, codes: 64, halves: 2, steps: 16, high: 32, pack: packQ3_K},
	kernels.Q4_K:     {cols: 256, codes: 128, halves: 4, steps: 16, pack: packQ4_K},
	kernels.Q5_K:     {cols: 256, codes: 128, halves: 4, steps: 16, high: 32, pack: packQ5_K},
	kernels.Q6_K:     {cols: 256, codes: 128, halves: 2, steps: 16, high: 64, pack: packQ6_K},
	kernels.IQ4_NL:   {cols: 32, codes: 16, halves: 2, pack: packQ4_0},
	kernels.IQ4_XS:   {cols: 256, codes: 128, halves: 2, steps: 8, pack: packIQ4_XS},
	kernels.MXFP4:    {cols: 32, codes: 16, steps: 1, float4: true, pack: packMXFP4},
	kernels.NVFP4:    {cols: 64, codes: 32, steps: 4, float4: true, pack: packNVFP4},
	kernels.NVFP4x16: {cols: 16, codes: 8, steps: 1, float4: true, pack: packNVFP4x16},
}

// readsSums: values are codes times a scale less a number of their group, which
// products multiply with sums of their inputs.
func (p *planes) readsSums() bool { return p.halves == 4 }

// layout describes a packed weight: strips or rows, then the scales beside the tensor.
type layout struct {
	kind  kernels.DType // whose kernels read it
	args  weightArgs
	table codeTable
	most  float32 // greatest magnitude of the table
}

// setTable gives codes their values.
func (l *layout) setTable(values []int8) {
	var table [16]byte
	for i, v := range values {
		table[i] = byte(int(v) + 128)
		l.most = max(l.most, float32(v), -float32(v))
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(table[4*i:]) }
	l.table = codeTable{word(0), word(1), word(2), word(3)}
}

// tileCols is the width of tiles of scales where a row has several; 0: it has one at most.
func (w *weightArgs) tileCols() int32 {
	if w.scale == 0 || w.scaleCols >= w.cols {
		return 0
	}
	return w.scaleCols
}

func align(n, to int64) int64 { return (n + to - 1) / to * to }

// weightLayout lays a matrix out at an address and returns the bytes of it.
func weightLayout(m *kernels.Matrix, at addr) (layout, int64) {
	l := layout{kind: m.Type, args: weightArgs{data: at, rows: int32(m.Rows), cols: int32(m.Cols)}}
	if m.Type == kernels.NVFP4x16 {
		l.kind = kernels.NVFP4
	}
	p := &layouts[m.Type]
	l.setTable(m.Values())
	rows, cols := p.strip()
	l.args.pitch = rows * p.bytes(align(m.Cols, cols))
	total := pieces(m.Rows, rows) * l.args.pitch
	if n := scaleTiles(m); n > 0 {
		l.args.scale = at + addr(total)
		l.args.scaleRows, l.args.scaleCols = int32(min(m.ScaleRows, m.Rows)), int32(min(m.ScaleCols, m.Cols))
		l.args.scaleStride = int32((m.Cols + m.ScaleCols - 1) / m.ScaleCols)
		total += align(4*n, planeAlign)
	}
	return l, total
}

// planeAlign is the alignment of planes, panels and rows: that of the widest load.
const planeAlign = 16

// scaleTiles returns the number of scales beside the tensor.
func scaleTiles(m *kernels.Matrix) int64 {
	if m.Scale == nil {
		return 0
	}
	return (m.Rows + m.ScaleRows - 1) / m.ScaleRows * ((m.Cols + m.ScaleCols - 1) / m.ScaleCols)
}

// layoutOf returns the layout of a weight that this package packed.
func layoutOf(op kernels.Op, w kernels.Weight) *layout {
	l, ok := w.Layout.(*layout)
	if !ok {
		panic(fmt.Sprintf("cuda: %s: the weight was packed by another device", op))
	}
	return l
}

// scaleUnit is what kernels demand of the width of a tile of scales, unless one
// covers the row.
const scaleUnit = 32

// checkMatrix reports a matrix whose parts do not fit together, or not here.
func checkMatrix(m *kernels.Matrix) error {
	if !m.Type.Valid() || layouts[m.Type].pack == nil {
		return fmt.Errorf("type %v is not of a weight", m.Type)
	}
	if err := m.CheckTable(); err != nil {
		return err
	}
	if m.Rows <= 0 || m.Cols <= 0 || m.Cols%int64(m.Type.Block()) != 0 {
		return fmt.Errorf("%v: a row must have whole blocks of %d", m, m.Type.Block())
	}
	if rows := maxRows(m.Type); m.Rows > rows || m.Cols > maxDimension {
		return fmt.Errorf("%v: rows are limited to %d and columns to %d", m, rows, maxDimension)
	}
	if !m.HasData() {
		return fmt.Errorf("%v: %d bytes of data, want %d", m, len(m.Data), m.Rows*m.Type.RowBytes(m.Cols))
	}
	groups := int64(0)
	if m.Type == kernels.NVFP4x16 {
		groups = m.Rows * m.Cols / 16
	}
	if int64(len(m.GroupScale)) != groups {
		return fmt.Errorf("%v: %d group scales, want %d", m, len(m.GroupScale), groups)
	}
	if at := int64(indexNaN(m.GroupScale)) * 16; at >= 0 {
		return fmt.Errorf("%v: the scale of row %d, columns from %d is NaN", m, at/m.Cols, at%m.Cols)
	}
	if m.Type == kernels.F8E4M3 {
		if at := int64(indexNaN(m.Data)); at >= 0 {
			return fmt.Errorf("%v: row %d, column %d is NaN", m, at/m.Cols, at%m.Cols)
		}
	}
	if m.Scale == nil {
		return nil
	}
	if m.ScaleRows <= 0 || m.ScaleCols <= 0 || int64(len(m.Scale)) != scaleTiles(m) {
		return fmt.Errorf("%v: %d scales for tiles of [%d %d]", m, len(m.Scale), m.ScaleRows, m.ScaleCols)
	}
	switch {
	case m.ScaleCols >= m.Cols:
	case m.Type != kernels.F8E4M3:
		return fmt.Errorf("%v: a scale for %d columns; only %v may have several to a row", m, m.ScaleCols, kernels.F8E4M3)
	case m.ScaleCols%scaleUnit != 0:
		return fmt.Errorf("%v: a scale for %d columns; there must be a multiple of %d, or one for the row", m, m.ScaleCols, scaleUnit)
	}
	return nil
}

// indexNaN finds the first code of E4M3 that is NaN, for which kernels have no room;
// -1: none.
func indexNaN(codes []byte) int {
	at := bytes.IndexByte(codes, 0x7f)
	if at < 0 {
		at = len(codes)
	}
	if negative := bytes.IndexByte(codes[:at], 0xff); negative >= 0 {
		return negative
	}
	if at == len(codes) {
		return -1
	}
	return at
}

// maxDimension keeps rows, columns and offsets within a row in an int32.
const maxDimension = 1 << 27

// maxRows returns the most rows of a type: those for whose tiles a grid has room, but where
// products are by gemv.
func maxRows(t kernels.DType) int64 {
	if t == kernels.F32 {
		return maxDimension
	}
	return mostBlocks * matmulRows
}

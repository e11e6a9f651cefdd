package cpu

import (
	"fmt"
	"unsafe"

	"trona/kernels"
)

const (
	// lanes is the number of rows packed together: a vector holds one column
	// of 8 or 16 rows, so no sum ever crosses the lanes of a vector.
	lanes = 16
	// chunk is the number of columns summed in one chain, and unpacked at once:
	// [256, 16] in F32 is half a first-level cache.
	chunk = 256

	numTypes = int(kernels.NVFP4x16) + 1
)

// packing is how a type is interleaved: blocks of cols columns of 16 rows,
// block after block, group after group.
type packing struct {
	cols, bytes int
	// pack writes n blocks of 16 rows to dst.
	pack func(p *packer, dst []byte, src *groupRows, n int)
}

// packings has every type that a weight may have. In the layouts [16] is one
// value a row. Codes of b bits stand in dwords: byte j has columns j, j+4, j+8
// and so on, from its low bits up, so that one shift and one mask give bytes of
// four columns in order.
var packings = [numTypes]packing{
	kernels.F32:      {1, 4 * lanes, packF32},
	kernels.F16:      {1, 2 * lanes, pack16},
	kernels.BF16:     {2, 4 * lanes, packBF16},
	kernels.F8E4M3:   {1, lanes, pack8},
	kernels.Q4_0:     {32, 18 * lanes, packQ4_0},
	kernels.Q4_1:     {32, 20 * lanes, packQ4_1},
	kernels.Q5_0:     {32, 22 * lanes, packQ5_0},
	kernels.Q5_1:     {32, 24 * lanes, packQ5_1},
	kernels.Q8_0:     {32, 34 * lanes, packQ8_0},
	kernels.Q2_K:     {256, 84 * lanes, packQ2_K},
	kernels.Q3_K:     {256, 116 * lanes, packQ3_K},
	kernels.Q4_K:     {256, 144 * lanes, packQ4_K},
	kernels.Q5_K:     {256, 176 * lanes, packQ5_K},
	kernels.Q6_K:     {256, 210 * lanes, packQ6_K},
	kernels.IQ4_NL:   {32, 18 * lanes, packQ4_0},
	kernels.IQ4_XS:   {256, 140 * lanes, packIQ4_XS},
	kernels.MXFP4:    {32, 18 * lanes, packMXFP4},
	kernels.NVFP4:    {16, 10 * lanes, packNVFP4},
	kernels.NVFP4x16: {16, 10 * lanes, packNVFP4x16},
}

// layout describes a packed weight: groups of 16 rows, then the scales beside
// the tensor.
type layout struct {
	packing
	groupBytes           int64     // distance of two groups
	table                bool      // whether codes have values of their own
	scale                []float32 // of kernels.Matrix; nil: none
	scaleRows, scaleCols int64
}

// constant reports whether the columns of a row, cols of them, have the same scale.
func (l *layout) constant(cols int64) bool { return l.scale == nil || l.scaleCols >= cols }

// evenRuns reports whether columns have the same scale in pairs.
func (l *layout) evenRuns(cols int64) bool {
	return cols%2 == 0 && (l.constant(cols) || l.scaleCols%2 == 0)
}

func align64(n int64) int64 { return (n + 63) &^ 63 }

// scales returns the number of entries of m.Scale.
func scales(m *kernels.Matrix) int64 {
	if m.Scale == nil {
		return 0
	}
	return (m.Rows + m.ScaleRows - 1) / m.ScaleRows * ((m.Cols + m.ScaleCols - 1) / m.ScaleCols)
}

// groupsBytes returns the size of all groups and of one.
func groupsBytes(m *kernels.Matrix) (all, one int64) {
	p := packings[m.Type]
	one = align64((m.Cols + int64(p.cols) - 1) / int64(p.cols) * int64(p.bytes)) // BF16 may end within a pair
	return (m.Rows + lanes - 1) / lanes * one, one
}

// PackedBytes returns what Pack allocates.
func (d *Device) PackedBytes(m *kernels.Matrix) int64 {
	w, _ := describe(m)
	return w.Bytes
}

// Pack copies m into the layout that unpack and matvec read.
func (d *Device) Pack(m *kernels.Matrix) (kernels.Weight, error) {
	if err := checkMatrix(m); err != nil {
		return kernels.Weight{}, err
	}
	w, l := describe(m)
	addr, err := d.Alloc(w.Bytes)
	if err != nil {
		return kernels.Weight{}, fmt.Errorf("pack %v: %w", m, err)
	}
	all, one := groupsBytes(m)
	d.pool.settle(bytesOf(addr, all), one)
	packGroups(bytesOf(addr, all), d.kern, m)
	if m.Scale != nil {
		l.scale = floatsOf(addr+uintptr(all), scales(m))
		copy(l.scale, m.Scale)
	}
	w.Addr, w.Layout = addr, l
	return w, nil
}

// describe returns what m becomes, but for where it is.
func describe(m *kernels.Matrix) (kernels.Weight, *layout) {
	all, one := groupsBytes(m)
	w := kernels.Weight{Type: m.Type, Rows: m.Rows, Cols: m.Cols, Bytes: all + 4*scales(m)}
	return w, &layout{
		packing: packings[m.Type], groupBytes: one, table: m.Table != nil,
		scale: m.Scale, scaleRows: m.ScaleRows, scaleCols: m.ScaleCols,
	}
}

// aheadRows is how many rows are made at once where the matrix has no data.
const aheadRows = 4 * lanes

// packGroups packs all rows to dst.
func packGroups(dst []byte, v *variant, m *kernels.Matrix) {
	_, one := groupsBytes(m)
	t, p, rows := &packings[m.Type], newPacker(v, m), m.Reader(aheadRows)
	for g := int64(0); g*lanes < m.Rows; g++ {
		src := rowsOf(m, rows, g)
		if at := (g + 1) * lanes * int64(src.row); at < int64(len(m.Data)) {
			prefetch(unsafe.Pointer(&m.Data[at]), min(lanes*src.row, len(m.Data)-int(at)))
		}
		t.pack(p, dst[g*one:][:one], &src, int(m.Cols)/t.cols)
	}
}

// rowsOf returns group g of m. Rows past the end are zeros, which are zero
// weights in every type.
func rowsOf(m *kernels.Matrix, rows *kernels.Reader, g int64) groupRows {
	row := m.Type.RowBytes(m.Cols)
	src := groupRows{row: int(row), data: sixteen(rows.Rows(g*lanes, lanes), row)}
	if m.GroupScale != nil {
		scales := m.Cols / 16
		src.scales = sixteen(m.GroupScale[g*lanes*scales:], scales)
	}
	return src
}

// sixteen returns the first 16 rows of data, the last of them zeros where there are fewer.
func sixteen(data []byte, row int64) []byte {
	if int64(len(data)) < lanes*row {
		return append(make([]byte, 0, lanes*row), data...)[:lanes*row]
	}
	return data[:lanes*row]
}

// checkMatrix reports a matrix whose parts do not fit together.
func checkMatrix(m *kernels.Matrix) error {
	if !m.Type.Valid() || packings[m.Type].pack == nil {
		return fmt.Errorf("cpu: pack: type %v is not of a weight", m.Type)
	}
	if m.Rows <= 0 || m.Cols <= 0 || m.Cols%int64(m.Type.Block()) != 0 {
		return fmt.Errorf("cpu: pack %v: a row must have whole blocks of %d", m, m.Type.Block())
	}
	if !m.HasData() {
		return fmt.Errorf("cpu: pack %v: %d bytes of data, want %d", m, len(m.Data), m.Rows*m.Type.RowBytes(m.Cols))
	}
	if err := m.CheckTable(); err != nil {
		return fmt.Errorf("cpu: pack %w", err)
	}
	groups := int64(0)
	if m.Type == kernels.NVFP4x16 {
		groups = m.Rows * m.Cols / 16
	}
	if int64(len(m.GroupScale)) != groups {
		return fmt.Errorf("cpu: pack %v: %d group scales, want %d", m, len(m.GroupScale), groups)
	}
	if m.Scale != nil && (m.ScaleRows <= 0 || m.ScaleCols <= 0 || int64(len(m.Scale)) != scales(m)) {
		return fmt.Errorf("cpu: pack %v: %d scales for tiles of [%d %d]", m, len(m.Scale), m.ScaleRows, m.ScaleCols)
	}
	return nil
}

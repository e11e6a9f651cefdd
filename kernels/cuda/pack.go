package cuda

import (
	"fmt"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// PackedBytes returns what Pack allocates, with what the driver adds to it.
func (d *Device) PackedBytes(m *kernels.Matrix) int64 {
	_, bytes := weightLayout(m, 0)
	return taken(bytes)
}

// taken returns the memory that an allocation takes: small ones share pages of
// 2 MiB, others have their own.
func taken(bytes int64) int64 {
	if bytes <= 1<<20 {
		return bytes
	}
	return align(bytes, 2<<20)
}

// Pack copies m to the device as the kernels read it: rows are packed into
// memory that the device copies from by itself, a buffer at a time. ScaleRows
// and ScaleCols beyond an int32 mean the whole matrix.
func (d *Device) Pack(m *kernels.Matrix) (kernels.Weight, error) {
	if err := checkMatrix(m); err != nil {
		return kernels.Weight{}, fmt.Errorf("cuda: pack: %w", err)
	}
	bytes := d.PackedBytes(m)
	// Not Alloc: its zeros would come in the order of the ops, perhaps after the rows.
	base, err := d.alloc(bytes)
	if err != nil {
		return kernels.Weight{}, fmt.Errorf("pack %v: %w", m, err)
	}
	l, _ := weightLayout(m, addr(base))
	if err := d.packRows(m, &l); err != nil {
		d.Free(base)
		return kernels.Weight{}, fmt.Errorf("cuda: pack %v: %w", m, err)
	}
	if layouts[l.kind].readsSums() {
		d.sums.Store(true)
	}
	return kernels.Weight{Addr: base, Type: m.Type, Rows: m.Rows, Cols: m.Cols, Bytes: bytes, Layout: &l}, nil
}

func (d *Device) packRows(m *kernels.Matrix, l *layout) error {
	perBuffer := d.staging.size / l.args.rowBytes
	if perBuffer == 0 {
		return fmt.Errorf("a row of %d bytes is more than a staging buffer of %d", l.args.rowBytes, d.staging.size)
	}
	for from := int64(0); from < m.Rows; from += perBuffer {
		n := min(perBuffer, m.Rows-from)
		err := d.load(l.args.data+addr(from*l.args.rowBytes), n*l.args.rowBytes, func(buffer []byte) {
			clear(buffer)
			ordered := make([]byte, l.args.rowBytes)
			for r := range n {
				packRow(buffer[r*l.args.rowBytes:][:l.args.rowBytes], ordered, m, l, from+r)
			}
		})
		if err != nil {
			return err
		}
	}
	scales := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m.Scale))), 4*len(m.Scale))
	for at := int64(0); at < int64(len(scales)); at += d.staging.size {
		part := scales[at:min(int64(len(scales)), at+d.staging.size)]
		err := d.load(l.args.scale+addr(at), int64(len(part)), func(buffer []byte) { copy(buffer, part) })
		if err != nil {
			return err
		}
	}
	return nil
}

// load fills a buffer and copies it to the device. Several goroutines may.
func (d *Device) load(to addr, n int64, fill func(buffer []byte)) error {
	host := <-d.staging.packing
	defer func() { d.staging.packing <- host }()
	fill(hostBytes(host, n))
	return d.thread.call(func(t *thread) error {
		if err := t.CopyIn(driver.Memory(to), host, n, t.load); err != nil {
			return err
		}
		return t.Wait(t.load)
	})
}

// rowPlanes are the planes of one row.
type rowPlanes struct{ codes, halves, steps, high []byte }

// rowSource is one row as the checkpoint stores it.
type rowSource struct {
	data   []byte
	scales []byte // NVFP4x16
}

// packRow writes row r of m to dst, which is zeros. ordered is as large, for
// planes in the order of the columns; it is zeros beyond the last column.
func packRow(dst, ordered []byte, m *kernels.Matrix, l *layout, r int64) {
	size := m.Type.RowBytes(m.Cols)
	src := rowSource{data: m.Data[r*size:][:size]}
	if m.GroupScale != nil {
		src.scales = m.GroupScale[r*(m.Cols/16):][:m.Cols/16]
	}
	p := &layouts[m.Type]
	a := &l.args
	p.pack(rowPlanes{
		codes: ordered[:a.halves], halves: dst[a.halves:a.steps], steps: dst[a.steps:a.high], high: ordered[a.high:],
	}, src, int(m.Cols/p.cols))
	cols := align(m.Cols, unit)
	permute(dst, ordered[:cols*p.codes/p.cols], int(8*p.codes/p.cols))
	if p.high > 0 {
		permute(dst[a.high:], ordered[a.high:][:cols*p.high/p.cols], int(8*p.high/p.cols))
	}
}

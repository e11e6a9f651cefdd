package cuda

import (
	"fmt"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// Sizes tells what a model takes on a GPU, which is the same for all, without one.
type Sizes struct{}

// Info describes a GPU as far as they are alike.
func (Sizes) Info() kernels.Info {
	return kernels.Info{Name: "cuda", KVTypes: cacheTypes, StepRows: stepRows, Tables: mostTables}
}

// PackedBytes returns what Pack allocates, with what the driver adds to it.
func (Sizes) PackedBytes(m *kernels.Matrix) int64 {
	_, bytes := weightLayout(m, 0)
	return taken(bytes)
}

// ScratchBytes is 0: ops have a workspace that Open takes.
func (Sizes) ScratchBytes(*kernels.Steps) int64 { return 0 }

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
	pitch := l.args.pitch
	perBuffer := d.staging.size / pitch
	rows, _ := layouts[m.Type].strip()
	if perBuffer == 0 {
		return fmt.Errorf("%d rows together, %d bytes, are more than a staging buffer of %d", rows, pitch, d.staging.size)
	}
	all, p := pieces(m.Rows, rows), newPacker(m)
	for from := int64(0); from < all; from += perBuffer {
		n := min(perBuffer, all-from)
		err := d.load(l.args.data+addr(from*pitch), n*pitch, func(buffer []byte) {
			clear(buffer)
			for i := range n {
				p.pack(buffer[i*pitch:][:pitch], from+i)
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

// rowPlanes are the planes of one row, in the order of its columns.
type rowPlanes struct{ codes, halves, steps, high []byte }

// rowSource is one row as the checkpoint stores it.
type rowSource struct {
	data   []byte
	scales []byte // NVFP4x16
}

// packer packs the rows of a matrix. Its planes have room for one, and are zeros beyond
// the last column.
type packer struct {
	m      *kernels.Matrix
	rows   *kernels.Reader
	p      *planes
	cols   int64 // padded
	planes rowPlanes
}

// aheadRows is how many rows are made at once where the matrix has no data.
const aheadRows = 64

func newPacker(m *kernels.Matrix) *packer {
	p := &layouts[m.Type]
	_, cols := p.strip()
	k := &packer{m: m, rows: m.Reader(aheadRows), p: p, cols: align(m.Cols, cols)}
	plane := func(bytes int64) []byte { return make([]byte, k.cols*bytes/p.cols) }
	k.planes = rowPlanes{plane(p.codes), plane(p.halves), plane(p.steps), plane(p.high)}
	return k
}

// pack writes row or strip number i to dst, which is zeros.
func (k *packer) pack(dst []byte, i int64) {
	rows, _ := k.p.strip()
	bits := int(8 * k.p.codes / k.p.cols)
	for r := range min(rows, k.m.Rows-i*rows) {
		k.read(i*rows + r)
		if k.p.panels() {
			k.spread(dst, r)
			continue
		}
		for at := int64(0); at < k.cols; at += unit {
			permute(dst[at*int64(bits)/8:], k.planes.codes[at*int64(bits)/8:], bits)
		}
	}
}

// read fills the planes with row r.
func (k *packer) read(r int64) {
	src := rowSource{data: k.rows.Rows(r, 1)}
	if k.m.GroupScale != nil {
		src.scales = k.m.GroupScale[r*(k.m.Cols/16):][:k.m.Cols/16]
	}
	k.p.pack(k.planes, src, int(k.m.Cols/k.p.cols))
}

// spread writes the planes to row r of a strip's panels.
func (k *packer) spread(strip []byte, r int64) {
	from := k.planes
	for range k.cols / panelCols {
		strip = k.spreadCodes(strip, &from.codes, r, k.p.codes)
		strip = k.spreadCodes(strip, &from.high, r, k.p.high)
		strip = k.spreadScales(strip, &from.steps, r, k.p.steps, unit)
		strip = k.spreadScales(strip, &from.halves, r, k.p.halves, max(unit, k.p.cols))
	}
}

// spreadCodes writes what row r has of a plane of codes in a panel, takes it from `from`,
// and returns what comes after the plane.
func (k *packer) spreadCodes(to []byte, from *[]byte, r, bytes int64) []byte {
	size := unit * bytes / k.p.cols // of a unit of a row
	if size == 0 {
		return to
	}
	bits, piece := int(8*bytes/k.p.cols), min(lanePiece, size/4)
	for range panelCols / unit {
		permute(to[4*piece*r:], *from, bits)
		if k.p.float4 {
			permuteFloats(to[4*piece*r:][:size])
		}
		to, *from = to[stripRows*size:], (*from)[size:]
	}
	return to
}

// spreadScales does so with a plane of scales, of which a row's for `cols` columns stand
// side by side.
func (k *packer) spreadScales(to []byte, from *[]byte, r, bytes, cols int64) []byte {
	size := cols * bytes / k.p.cols
	for range panelCols / cols {
		copy(to[size*r:][:size], *from)
		to, *from = to[stripRows*size:], (*from)[size:]
	}
	return to
}

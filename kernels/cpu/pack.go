package cpu

import (
	"encoding/binary"
	"fmt"

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

// packing is an interleaved layout: blocks of cols columns of 16 rows, block
// after block, group after group.
type packing struct {
	cols, bytes int
	// pack writes n blocks of 16 rows to dst.
	pack func(dst []byte, src *[lanes][]byte, n int)
}

// packings lists the types with an interleaved layout. The others, and those
// with scales beside the tensor, keep the checkpoint's rows.
var packings = [numTypes]packing{
	kernels.F32:  {1, 4 * lanes, packF32},
	kernels.F16:  {1, 2 * lanes, pack16},
	kernels.BF16: {1, 2 * lanes, pack16},
	kernels.Q8_0: {32, 34 * lanes, packQ8_0},
	kernels.Q4_0: {32, 18 * lanes, packQ4_0},
	kernels.Q4_K: {256, 148 * lanes, packQ4_K},
	kernels.Q5_K: {256, 180 * lanes, packQ5_K},
	kernels.Q6_K: {256, 210 * lanes, packQ6_K},
}

// layout describes a packed weight.
type layout struct {
	packing            // zero: rows as in the checkpoint
	groupBytes int64   // distance of two groups of 16 rows
	rows       rawRows // where packing is zero
}

// interleaved reports whether m is packed in groups.
func interleaved(m *kernels.Matrix) bool { return packings[m.Type].pack != nil && m.Scale == nil }

func align64(n int64) int64 { return (n + 63) &^ 63 }

// PackedBytes returns what Pack allocates.
func (d *Device) PackedBytes(m *kernels.Matrix) int64 {
	if !interleaved(m) {
		return rawBytes(m)
	}
	return (m.Rows + lanes - 1) / lanes * groupBytes(m)
}

func groupBytes(m *kernels.Matrix) int64 {
	p := packings[m.Type]
	return align64(m.Cols / int64(p.cols) * int64(p.bytes))
}

// Pack copies m into the layout that unpack and matvec read.
func (d *Device) Pack(m *kernels.Matrix) (kernels.Weight, error) {
	if err := checkMatrix(m); err != nil {
		return kernels.Weight{}, err
	}
	w := kernels.Weight{Type: m.Type, Rows: m.Rows, Cols: m.Cols, Bytes: d.PackedBytes(m)}
	addr, err := d.Alloc(w.Bytes)
	if err != nil {
		return kernels.Weight{}, fmt.Errorf("pack %v: %w", m, err)
	}
	w.Addr = addr
	if !interleaved(m) {
		w.Layout = &layout{rows: packRaw(addr, m)}
		return w, nil
	}
	l := &layout{packing: packings[m.Type], groupBytes: groupBytes(m)}
	rowBytes := m.Type.RowBytes(m.Cols)
	blocks := int(m.Cols) / l.cols
	zeros := make([]byte, rowBytes)
	for g := int64(0); g*lanes < m.Rows; g++ {
		var src [lanes][]byte
		for i := range src {
			src[i] = zeros
			if r := g*lanes + int64(i); r < m.Rows {
				src[i] = m.Data[r*rowBytes : (r+1)*rowBytes]
			}
		}
		l.pack(bytesOf(addr+uintptr(g*l.groupBytes), l.groupBytes), &src, blocks)
	}
	w.Layout = l
	return w, nil
}

// checkMatrix reports a matrix whose parts do not fit together.
func checkMatrix(m *kernels.Matrix) error {
	if !m.Type.Valid() || m.Type == kernels.I32 || m.Rows <= 0 || m.Cols <= 0 || m.Cols%int64(m.Type.Block()) != 0 {
		return fmt.Errorf("cpu: pack %v: no such weight", m)
	}
	if want := m.Rows * m.Type.RowBytes(m.Cols); int64(len(m.Data)) != want {
		return fmt.Errorf("cpu: pack %v: %d bytes of data, want %d", m, len(m.Data), want)
	}
	if want := groupScaleBytes(m); int64(len(m.GroupScale)) != want {
		return fmt.Errorf("cpu: pack %v: %d bytes of group scales, want %d", m, len(m.GroupScale), want)
	}
	if m.Scale != nil {
		if m.ScaleRows <= 0 || m.ScaleCols <= 0 || int64(len(m.Scale)) != scales(m) {
			return fmt.Errorf("cpu: pack %v: %d scales for tiles of [%d %d]", m, len(m.Scale), m.ScaleRows, m.ScaleCols)
		}
	}
	return nil
}

// packF32 and pack16 transpose: [16, n] to [n, 16].
func packF32(dst []byte, src *[lanes][]byte, n int) {
	for r, row := range src {
		for k := range n {
			copy(dst[(k*lanes+r)*4:][:4], row[k*4:])
		}
	}
}

func pack16(dst []byte, src *[lanes][]byte, n int) {
	for r, row := range src {
		for k := range n {
			binary.LittleEndian.PutUint16(dst[(k*lanes+r)*2:], binary.LittleEndian.Uint16(row[k*2:]))
		}
	}
}

// Packed block of Q8_0, 32 columns: d F16 [16]; codes i8 [32, 16].
func packQ8_0(dst []byte, src *[lanes][]byte, n int) {
	for b := range n {
		block := dst[b*34*lanes:][:34*lanes]
		for r, row := range src {
			q := row[b*34:][:34]
			copy(block[2*r:], q[:2])
			for k, c := range q[2:] {
				block[2*lanes+k*lanes+r] = c
			}
		}
	}
}

// putNibbles writes 8 codes of 4 bits as one dword, the first in the low bits.
func putNibbles(dst []byte, codes []uint8) {
	var v uint32
	for i, c := range codes[:8] {
		v |= uint32(c&15) << (4 * i)
	}
	binary.LittleEndian.PutUint32(dst, v)
}

// Packed block of Q4_0, 32 columns: d F16 [16]; codes u32 [4, 16], 8 columns each.
func packQ4_0(dst []byte, src *[lanes][]byte, n int) {
	var codes [32]uint8
	for b := range n {
		block := dst[b*18*lanes:][:18*lanes]
		for r, row := range src {
			q := row[b*18:][:18]
			copy(block[2*r:], q[:2])
			for i, c := range q[2:] {
				codes[i], codes[i+16] = c&15, c>>4
			}
			for i := range 4 {
				putNibbles(block[2*lanes+(i*lanes+r)*4:], codes[8*i:])
			}
		}
	}
}

// scaleMin returns group j's 6-bit scale and min of a Q4_K or Q5_K block.
func scaleMin(q []byte, j int) (scale, min uint8) {
	if j < 4 {
		return q[j] & 63, q[j+4] & 63
	}
	return q[j+4]&15 | q[j-4]>>6<<4, q[j+4]>>4 | q[j]>>6<<4
}

// packKHead writes what Q4_K and Q5_K share, 320 bytes: d F16 [16]; dmin F16
// [16]; for each 32 columns scale u8 [16], min u8 [16].
func packKHead(block, q []byte, r int) {
	copy(block[2*r:], q[0:2])
	copy(block[2*lanes+2*r:], q[2:4])
	for j := range 8 {
		s, m := scaleMin(q[4:16], j)
		block[64+32*j+r], block[64+32*j+lanes+r] = s, m
	}
}

// Packed block of Q4_K, 256 columns: the head; codes u32 [32, 16], 8 columns each.
func packQ4_K(dst []byte, src *[lanes][]byte, n int) {
	var codes [256]uint8
	for b := range n {
		block := dst[b*148*lanes:][:148*lanes]
		for r, row := range src {
			q := row[b*144:][:144]
			packKHead(block, q, r)
			for i, c := range q[16:] {
				k := i/32*64 + i%32
				codes[k], codes[k+32] = c&15, c>>4
			}
			for i := range 32 {
				putNibbles(block[320+(i*lanes+r)*4:], codes[8*i:])
			}
		}
	}
}

// Packed block of Q5_K, 256 columns: the head; for each 32 columns the fifth
// bits u32 [16], column k in bit k, then the low bits u32 [4, 16].
func packQ5_K(dst []byte, src *[lanes][]byte, n int) {
	var codes [256]uint8
	for b := range n {
		block := dst[b*180*lanes:][:180*lanes]
		for r, row := range src {
			q := row[b*176:][:176]
			packKHead(block, q, r)
			for i, c := range q[48:] {
				k, h := i/32*64+i%32, q[16+i%32]>>(i/32*2)
				codes[k], codes[k+32] = c&15|h&1<<4, c>>4|h>>1&1<<4
			}
			for g := range 8 {
				var high uint32
				for i, c := range codes[32*g:][:32] {
					high |= uint32(c>>4) << i
				}
				group := block[320+320*g:]
				binary.LittleEndian.PutUint32(group[4*r:], high)
				for i := range 4 {
					putNibbles(group[64+(i*lanes+r)*4:], codes[32*g+8*i:])
				}
			}
		}
	}
}

// Packed block of Q6_K, 256 columns: d F16 [16]; scales i8 [16 groups, 16];
// for each 32 columns the low bits u32 [4, 16], then the high bits u32 [2, 16],
// 16 columns of 2 bits each.
func packQ6_K(dst []byte, src *[lanes][]byte, n int) {
	var codes [256]uint8
	for b := range n {
		block := dst[b*210*lanes:][:210*lanes]
		for r, row := range src {
			q := row[b*210:][:210]
			copy(block[2*r:], q[208:210])
			for g, s := range q[192:208] {
				block[2*lanes+g*lanes+r] = s
			}
			for k := range codes {
				half, part, i := k/128, k%128/32, k%32
				low := q[64*half+part%2*32+i] >> (part / 2 * 4) & 15
				codes[k] = low | q[128+32*half+i]>>(2*part)&3<<4
			}
			for g := range 8 {
				group := block[288+384*g:]
				for i := range 4 {
					putNibbles(group[(i*lanes+r)*4:], codes[32*g+8*i:])
				}
				for i := range 2 {
					var high uint32
					for j, c := range codes[32*g+16*i:][:16] {
						high |= uint32(c>>4) << (2 * j)
					}
					binary.LittleEndian.PutUint32(group[256+(i*lanes+r)*4:], high)
				}
			}
		}
	}
}

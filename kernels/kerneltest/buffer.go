package kerneltest

import (
	"bytes"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// guardBytes is the width of a guard band. It keeps the alignment of 64.
const guardBytes = 256

const guardByte = 0xA5

// buffer is device memory between two guard bands.
type buffer struct {
	base   uintptr
	tensor kernels.Tensor
}

// empty returns a tensor filled with NaN (bytes 0xFF: -1 as an integer).
func (c *context) empty(t kernels.DType, shape ...int64) kernels.Tensor {
	c.Helper()
	v := kernels.View(1, t, shape...)
	n := v.Bytes()
	base, err := c.dev.Alloc(n + 2*guardBytes)
	require.NoError(c, err)
	v.Addr = base + guardBytes
	c.buffers = append(c.buffers, &buffer{base, v})
	all := bytes.Repeat([]byte{0xFF}, int(n+2*guardBytes))
	fill(all[:guardBytes])
	fill(all[guardBytes+n:])
	c.dev.Upload(kernels.View(base, kernels.I8, n+2*guardBytes), all)
	return v
}

func fill(b []byte) {
	for i := range b {
		b[i] = guardByte
	}
}

// floats returns a tensor with these values.
func (c *context) floats(x []float32, shape ...int64) kernels.Tensor {
	v := c.empty(kernels.F32, shape...)
	c.dev.Upload(v, bytesOf(x))
	return v
}

func (c *context) ints(x []int32) kernels.Tensor {
	v := c.empty(kernels.I32, int64(len(x)))
	c.dev.Upload(v, bytesOf(x))
	return v
}

func bytesOf[T float32 | int32 | uint16](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
}

// read returns a tensor's values.
func (c *context) read(t kernels.Tensor) []float32 {
	c.Helper()
	x := make([]float32, t.Len())
	c.dev.Download(bytesOf(x), t)
	require.NoError(c, c.dev.Sync())
	return x
}

// pack packs a weight and checks PackedBytes.
func (c *context) pack(m *kernels.Matrix) kernels.Weight {
	c.Helper()
	sizes := *m
	sizes.Data, sizes.Fill, sizes.GroupScale = nil, nil, nil
	if m.Scale != nil {
		sizes.Scale = []float32{}
	}
	want := c.dev.PackedBytes(&sizes)
	w, err := c.dev.Pack(m)
	require.NoError(c, err)
	require.Equal(c, want, w.Bytes, "PackedBytes and Pack disagree")
	require.Equal(c, [2]int64{m.Rows, m.Cols}, [2]int64{w.Rows, w.Cols})
	c.Cleanup(func() { c.dev.Free(w.Addr) })
	return w
}

// release checks all guard bands and frees the buffers.
func (c *context) release() {
	c.Helper()
	band := make([]byte, guardBytes)
	want := make([]byte, guardBytes)
	fill(want)
	for _, b := range c.buffers {
		for i, at := range [2]uintptr{b.base, b.tensor.Addr + uintptr(b.tensor.Bytes())} {
			c.dev.Download(band, kernels.View(at, kernels.I8, guardBytes))
			require.Equal(c, want, band, "guard band %d of %v", i, b.tensor)
		}
		c.dev.Free(b.base)
	}
	c.buffers = nil
	require.NoError(c, c.dev.Sync())
}

// testMemory: memory comes zeroed and aligned, and keeps what is put there.
func testMemory(c *context) {
	for _, n := range []int64{1, 63, 4096, 3<<20 + 7} {
		addr, err := c.dev.Alloc(n)
		require.NoError(c, err)
		require.Zero(c, addr%64, "alignment")
		got := make([]byte, n)
		view := kernels.View(addr, kernels.I8, n)
		c.dev.Download(got, view)
		require.Equal(c, make([]byte, n), got, "not zeroed")
		for i := range got {
			got[i] = byte(i * 7)
		}
		c.dev.Upload(view, got)
		back := make([]byte, n)
		c.dev.Download(back, view)
		require.Equal(c, got, back)
		c.dev.Free(addr)
	}
	_, err := c.dev.Alloc(1 << 62)
	require.Error(c, err)
	require.NoError(c, c.dev.Sync())
}

package model

import (
	"cmp"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// cutter is a device that cuts the checkpoint short before it reads a weight
// from it, as a copy over the file would.
type cutter struct {
	kernels.Device
	t    *testing.T
	path string
	once sync.Once
}

func (c *cutter) Pack(m *kernels.Matrix) (kernels.Weight, error) {
	c.once.Do(func() { require.NoError(c.t, os.Truncate(c.path, 0)) })
	return c.Device.Pack(m)
}

// A file that is cut short while it is read is an error of loading; without the
// guard it is the end of the process.
func TestFileCutWhileLoading(t *testing.T) {
	h := llamaGGUF(nil)
	path := h.write(t)
	c, err := Open(path)
	require.NoError(t, err)
	defer c.Close()
	_, err = Load(c, &cutter{Device: openCPU(t), t: t, path: path}, LoadOptions{MaxRows: 1, MaxLogits: 1})
	require.ErrorContains(t, err, "the file changed while it was read")
	require.Len(t, c.Digest(), 64)
}

// order notes the sizes of what is packed.
type order struct {
	kernels.Device
	mu    sync.Mutex // guards sizes
	sizes []int
}

func (o *order) Pack(m *kernels.Matrix) (kernels.Weight, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sizes = append(o.sizes, len(m.Data))
	return o.Device.Pack(m)
}

// releases counts the tensors that were given back.
type releases struct {
	source
	mu   sync.Mutex // guards list
	list []int
}

func (r *releases) release(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, i)
}

// TestMemoryOfLoading: the largest matrices are read first, and what was packed is
// given back.
func TestMemoryOfLoading(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so many matrices are read at once, in no order
	c, err := Open(llamaGGUF(nil).write(t))
	require.NoError(t, err)
	defer c.Close()
	r, o := &releases{source: c.source}, &order{Device: openCPU(t)}
	c.source = r
	_, err = Load(c, o, LoadOptions{MaxRows: 1, MaxLogits: 1})
	require.NoError(t, err)
	require.Len(t, r.list, len(o.sizes))
	require.Greater(t, len(o.sizes), 3)
	require.True(t, slices.IsSortedFunc(o.sizes, func(a, b int) int { return cmp.Compare(b, a) }), o.sizes)
	require.Greater(t, o.sizes[0], o.sizes[len(o.sizes)-1])
}

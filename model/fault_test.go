package model

import (
	"os"
	"path/filepath"
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

func TestGuarded(t *testing.T) {
	require.ErrorIs(t, guarded(func() error { return os.ErrClosed }), os.ErrClosed)
	require.PanicsWithValue(t, "ours", func() { guarded(func() error { panic("ours") }) })
	require.Panics(t, func() {
		guarded(func() error {
			var none *Config
			return os.WriteFile(filepath.Join(t.TempDir(), none.Architecture), nil, 0)
		})
	})
}

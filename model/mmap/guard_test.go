package mmap

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Errors and panics of others pass; a mistake of the program is none of a file.
func TestGuard(t *testing.T) {
	require.NoError(t, Guard(func() error { return nil }))
	require.ErrorIs(t, Guard(func() error { return os.ErrClosed }), os.ErrClosed)
	require.PanicsWithValue(t, "ours", func() { Guard(func() error { panic("ours") }) })
	require.Panics(t, func() {
		Guard(func() error {
			var none *File
			return os.Truncate(filepath.Join(t.TempDir(), "absent"), none.size)
		})
	})
}

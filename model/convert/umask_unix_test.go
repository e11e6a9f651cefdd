//go:build unix

package convert_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"trona/model/convert"
	"trona/model/modeltest"
)

// TestUmask: who may read a file is for the umask to say.
func TestUmask(t *testing.T) {
	before := unix.Umask(0o027)
	defer unix.Umask(before)
	dst := filepath.Join(t.TempDir(), "out.gguf")
	_, err := convert.File(context.Background(), open(t, modeltest.Folder(t, modeltest.Tiny())), dst, convert.Options{Target: target(t, "F32")})
	require.NoError(t, err)
	info, err := os.Stat(dst)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
}

package mmap

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// fileMemory returns the bytes of mapped files that this process has in memory.
func fileMemory(t *testing.T) int64 {
	text, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	field := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(text)
	require.NotNil(t, field, "%s", text)
	n, err := strconv.ParseInt(string(field[1]), 10, 64)
	require.NoError(t, err)
	return n << 10
}

// TestRelease: what is given back takes no memory, and can be read again.
func TestRelease(t *testing.T) {
	const size = 32<<20 + 5
	content := bytes.Repeat([]byte("Trona"), size/5)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	b, err := f.Bytes(0, int64(len(content)))
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, b))
	before := fileMemory(t)
	f.Release(3, int64(len(b))-3)
	require.Less(t, fileMemory(t), before-size*3/4)
	require.True(t, bytes.Equal(content, b))
	f.Release(5, 7) // no whole page
	f.Release(int64(len(b)), 0)
	require.NoError(t, f.Close())
	f.Release(0, 5)
}

// Bytes that are no mapping have nothing to be read from again.
func TestReleaseMemory(t *testing.T) {
	content := bytes.Repeat([]byte{7}, 1<<16)
	f := Memory(bytes.Clone(content))
	f.Release(0, 1<<16)
	b, err := f.Bytes(0, 1<<16)
	require.NoError(t, err)
	require.Equal(t, content, b)
}

package mmap

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBytes(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 1000)
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	open := func(plain bool) *File {
		f, err := Open(path)
		require.NoError(t, err)
		f.plain = plain
		return f
	}
	for name, f := range map[string]*File{"mapped": open(false), "plain": open(true), "memory": Memory(content)} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, int64(10_000), f.Size())
			for _, at := range [][2]int64{{0, 10_000}, {5, 3}, {9999, 1}, {10_000, 0}, {0, 0}} {
				b, err := f.Bytes(at[0], at[1])
				require.NoError(t, err)
				require.True(t, bytes.Equal(content[at[0]:at[0]+at[1]], b))
				require.Len(t, b, cap(b), "an append must not write on")
			}
			for _, at := range [][2]int64{{0, 10_001}, {10_000, 1}, {-1, 1}, {1, -1}, {1<<63 - 1, 1}, {1, 1<<63 - 1}} {
				_, err := f.Bytes(at[0], at[1])
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
			some := make([]byte, 4)
			n, err := f.ReadAt(some, 9998)
			require.Equal(t, 2, n)
			require.ErrorIs(t, err, io.EOF)
			n, err = f.ReadAt(some, 3)
			require.NoError(t, err)
			require.Equal(t, "3456", string(some[:n]))
			_, err = f.ReadAt(some, 20_000)
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, f.Close())
			require.NoError(t, f.Close())
			_, err = f.Bytes(0, 1)
			require.ErrorIs(t, err, os.ErrClosed)
		})
	}
}

func TestShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, make([]byte, 100), 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Bytes(50, 50)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, 99))
	_, err = f.Bytes(50, 50)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	f.plain = true
	_, err = f.read(50, 50)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	b, err := f.Bytes(0, 0)
	require.NoError(t, err)
	require.Empty(t, b)
}

func TestOnlyRegularFiles(t *testing.T) {
	for _, path := range []string{t.TempDir(), os.DevNull} {
		_, err := Open(path)
		require.ErrorContains(t, err, "no regular file")
	}
	_, err := Open(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestAdvicePipe: what a pipe has is not looked at, which would wait for one who writes.
func TestAdvicePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	for _, command := range []string{"inspect", "tokenize"} {
		r := trona(t, "", command, path)
		require.Equal(t, exitFailed, r.code)
		require.Contains(t, r.err, "no regular file")
	}
}

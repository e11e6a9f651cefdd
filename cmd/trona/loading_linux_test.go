package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// beginLoading starts a server whose loading takes until release: the test has a lease on the
// tokenizer's file, which keeps others from opening it.
func beginLoading(t *testing.T) (s *serving, release func()) {
	folder := t.TempDir()
	for _, name := range []string{"config.json", "model.safetensors"} {
		require.NoError(t, os.Symlink(sharedModel(t, filepath.Join("llama-tiny", name)), filepath.Join(folder, name)))
	}
	text, err := os.ReadFile(sharedModel(t, "llama-tiny/tokenizer.json"))
	require.NoError(t, err)
	file, err := os.CreateTemp("/dev/shm", "trona") // the file system of a container may have no leases
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, file.Close())
		require.NoError(t, os.Remove(file.Name()))
	})
	_, err = file.Write(text)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(file.Name(), filepath.Join(folder, "tokenizer.json")))
	lease := func(kind int) {
		_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, kind)
		require.NoError(t, err)
	}
	lease(unix.F_WRLCK)
	return begin(t, folder), func() { lease(unix.F_UNLCK) }
}

// TestLoading asks a server while its model loads: it lives and is not ready.
func TestLoading(t *testing.T) {
	s, release := beginLoading(t)
	require.Equal(t, http.StatusServiceUnavailable, s.get(t, "/v1/health/ready"))
	require.Equal(t, http.StatusServiceUnavailable, s.get(t, "/health"))
	require.Equal(t, http.StatusOK, s.get(t, "/v1/health/live"))
	status, refused := s.post(t, "/v1/completions", object{"prompt": "early"})
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotNil(t, refused.Error)

	release()
	s.find(t, readyLine)
	require.Equal(t, http.StatusOK, s.get(t, "/v1/health/ready"))
	s.signal(t)
	require.Equal(t, exitDone, s.exit(t), s.log)
}

// TestSignalWhileLoading ends a server that has nothing to finish.
func TestSignalWhileLoading(t *testing.T) {
	s, _ := beginLoading(t)
	s.signal(t)
	require.Equal(t, exitDone, s.exit(t), s.log)
}

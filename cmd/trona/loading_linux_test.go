package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// beginLoading starts a server whose tokenizer is a pipe, so that loading takes
// until somebody writes to it.
func beginLoading(t *testing.T) (s *serving, tokenizer string) {
	folder := t.TempDir()
	for _, name := range []string{"config.json", "model.safetensors"} {
		require.NoError(t, os.Symlink(sharedModel(t, filepath.Join("llama-tiny", name)), filepath.Join(folder, name)))
	}
	tokenizer = filepath.Join(folder, "tokenizer.json")
	require.NoError(t, unix.Mkfifo(tokenizer, 0o600))
	return begin(t, folder), tokenizer
}

// TestLoading asks a server while its model loads: it lives and is not ready.
func TestLoading(t *testing.T) {
	s, tokenizer := beginLoading(t)
	require.Equal(t, http.StatusServiceUnavailable, s.get(t, "/v1/health/ready"))
	require.Equal(t, http.StatusServiceUnavailable, s.get(t, "/health"))
	require.Equal(t, http.StatusOK, s.get(t, "/v1/health/live"))
	status, refused := s.post(t, "/v1/completions", object{"prompt": "early"})
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.NotNil(t, refused.Error)

	text, err := os.ReadFile(sharedModel(t, "llama-tiny/tokenizer.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(tokenizer, text, 0o600))
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

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAdvice gives what people take for a model; the error says what to name.
func TestAdvice(t *testing.T) {
	root := t.TempDir()
	write := func(text string, elem ...string) string {
		path := filepath.Join(append([]string{root}, elem...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
	gguf := write("GGUF", "download", "nano-Q4_K_M.gguf")
	config := write("{}", "folder", "config.json")
	weights := write("", "folder", "model.safetensors")
	snapshot := write("{}", "models--org--name", "snapshots", "1234", "config.json")
	clone := write(pointer, "clone", "tokenizer.json")
	write("{}", "clone", "config.json")
	link := filepath.Join(root, "link.gguf")
	require.NoError(t, os.Symlink("nowhere.gguf", link))
	mounted := filepath.Join(root, "mounted", "config.json")
	require.NoError(t, os.Mkdir(filepath.Dir(mounted), 0o700))
	require.NoError(t, os.Symlink("../../blobs/4d7a", mounted))
	// What no model is read from hides nothing.
	lost := func(elem ...string) {
		path := filepath.Join(append([]string{root}, elem...)...)
		require.NoError(t, os.Symlink("gone", path))
	}
	lost("download", "README.md")
	lost("download", "lost.gguf")
	write(pointer, "download", "benchmark.png")
	adapter := write("{}", "adapter", "adapter_config.json")
	lost("adapter", "adapter_model.safetensors")
	good := write(`{"architectures": ["Mamba"]}`, "strange", "config.json")
	lost("strange", "LICENSE")
	for _, c := range []struct{ path, want string }{
		{filepath.Dir(gguf), "as in " + gguf},
		{filepath.Dir(filepath.Dir(filepath.Dir(snapshot))), filepath.Join("snapshots", "REVISION")},
		{weights, "name the folder of the model: " + filepath.Dir(weights)},
		{config, "name the folder of the model: " + filepath.Dir(config)},
		{write(pointer, "pointer.gguf"), "pointer of Git LFS"},
		{filepath.Dir(clone), clone + " is a pointer of Git LFS"},
		{filepath.Dir(adapter), "merge it into its model first"},
		{gguf, "was it downloaded whole?"},
		{"org/name", "nothing is downloaded"},
		{link, "is a link to nowhere.gguf, which is not there"},
		{filepath.Dir(mounted), mounted + " is a link to ../../blobs/4d7a, which is not there"},
	} {
		for _, command := range []string{"inspect", "tokenize"} {
			if command == "tokenize" && c.path == config {
				continue // it may be a tokenizer.json
			}
			r := trona(t, "", command, c.path)
			require.Equal(t, exitFailed, r.code)
			require.Contains(t, r.err, c.want, command)
		}
	}
	r := trona(t, "", "inspect", filepath.Dir(good))
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "Mamba")
	require.NotContains(t, r.err, "link")
}

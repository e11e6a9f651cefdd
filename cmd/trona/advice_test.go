package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/gguf"
)

// ggufOfType returns a GGUF file that says what it is, and has no tensors.
func ggufOfType(t *testing.T, kind string) []byte {
	var out bytes.Buffer
	w := gguf.NewWriter(&out)
	require.NoError(t, w.Set("general.architecture", "llama"))
	require.NoError(t, w.Set("general.type", kind))
	require.NoError(t, w.Close())
	return out.Bytes()
}

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
	file := write("GGUF", "downloads", "nano", "nano-Q4_K_M.gguf")
	config := write("{}", "folder", "config.json")
	weights := write("", "folder", "model.safetensors")
	lora, vision := ggufOfType(t, "adapter"), ggufOfType(t, "mmproj")
	snapshot := write(`{"architectures": ["LlamaForCausalLM"]}`, "hub", "models--org--name", "snapshots", "1234", "config.json")
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
	lost("downloads", "nano", "README.md")
	lost("downloads", "nano", "lost.gguf")
	write(pointer, "downloads", "nano", "benchmark.png")
	adapter := write("{}", "adapter", "adapter_config.json")
	lost("adapter", "adapter_model.safetensors")
	write(`{"auths": {}}`, "downloads", "another program", "config.json")
	require.NoError(t, os.Mkdir(filepath.Join(root, "downloads", "folder.gguf"), 0o700))
	good := write(`{"architectures": ["Mamba"]}`, "strange", "config.json")
	lost("strange", "LICENSE")
	for _, c := range []struct{ path, want string }{
		{filepath.Dir(file), "as in " + file},
		{filepath.Dir(filepath.Dir(file)), "as in " + file},
		{filepath.Join(root, "hub", "models--org--name"), "as in " + filepath.Dir(snapshot)},
		{filepath.Join(root, "hub"), "as in " + filepath.Dir(snapshot)},
		{write("PK\x03\x04", "torch", "pytorch_model.bin"), "weights of PyTorch are not read"},
		{write("<!DOCTYPE html><html>", "page.gguf"), "/resolve/"},
		{write("Access to model org/name is restricted.\n", "refusal.gguf"), `it says: "Access to model org/name is restricted."`},
		{write(string(lora), "lora.gguf"), "merge it into its model first"},
		{write(string(lora), "lora.bin"), "merge it into its model first"},
		{write(string(vision), "mmproj.gguf"), "sees or hears"},
		{weights, "name the folder of the model: " + filepath.Dir(weights)},
		{config, "name the folder of the model: " + filepath.Dir(config)},
		{write(pointer, "pointer.gguf"), "pointer of Git LFS"},
		{filepath.Dir(clone), clone + " is a pointer of Git LFS"},
		{filepath.Dir(adapter), "merge it into its model first"},
		{file, "was it downloaded whole?"},
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
	shape, err := os.ReadFile("../../testdata/shapes/llama-1b/config.json")
	require.NoError(t, err)
	bare := filepath.Dir(write(string(shape), "bare", "config.json"))
	r := trona(t, "", "plan", bare)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "random:"+bare+" needs its config.json alone")
	ok(t, "", "plan", "random:"+bare)
	r = trona(t, "", "inspect", filepath.Dir(good))
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.err, "Mamba")
	require.NotContains(t, r.err, "link")
}

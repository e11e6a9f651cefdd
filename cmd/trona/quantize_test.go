package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// inspected is what trona inspect says.
func inspected(t *testing.T, path string) (in inspection) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(ok(t, "", "inspect", "--json", path)), &in))
	return in
}

// TestQuantize: a folder becomes a file that says and tokenizes the same.
func TestQuantize(t *testing.T) {
	source, dst := testdata.Shared(t, "models", "nas-super"), filepath.Join(t.TempDir(), "out.gguf")
	r := trona(t, "", "quantize", source, dst, "--type", "Q8_0")
	require.Equal(t, exitDone, r.code, r.err)
	require.Empty(t, r.out)
	require.Contains(t, r.err, "out.gguf: Q8_0")
	want, got := inspected(t, source), inspected(t, dst)
	require.Equal(t, "deci", got.Architecture)
	require.Equal(t, want.Layers, got.Layers)
	require.Equal(t, want.Parameters, got.Parameters)
	require.Less(t, got.Bytes, want.Bytes)
	require.Empty(t, got.Unread)
	const text = "The wind doesn't carry 12345 grains of salt; Ветер 風\n\n  <|eot_id|>"
	for _, flags := range [][]string{nil, {"--special"}, {"--bos"}} {
		require.Equal(t, ok(t, text, append([]string{"tokenize", source}, flags...)...),
			ok(t, text, append([]string{"tokenize", dst}, flags...)...))
	}
	const conversation = `{"messages": [{"role": "user", "content": "hi"}]}`
	require.Equal(t, ok(t, conversation, "render", source), ok(t, conversation, "render", dst))

	for typ, adds := range map[string]bool{"q4_k_m": true, "iq4_nl": true, "f16": false} {
		again := filepath.Join(t.TempDir(), "again.gguf")
		r = trona(t, "", "quantize", dst, again, "--type", typ, "-t", "1")
		require.Equal(t, exitDone, r.code, r.err)
		require.Equal(t, adds, strings.Contains(r.err, "were quantised before"), typ)
		require.Equal(t, got.Layers, inspected(t, again).Layers)
	}
}

// TestQuantizeDemo: what is written of the demo model still answers.
func TestQuantizeDemo(t *testing.T) {
	dst := filepath.Join(t.TempDir(), "demo.gguf")
	r := trona(t, "", "quantize", "demo", dst, "--type", "BF16")
	require.Equal(t, exitDone, r.code, r.err)
	args := []string{"run", "--temperature", "0", "--max-tokens", "40", "--think", "off"}
	prompt := "What is 12 + 30?"
	require.Equal(t, ok(t, "", append(args, "demo", prompt)...), ok(t, "", append(args, dst, prompt)...))
}

// TestQuantizeKeeps: a file that is there stays, the source above all.
func TestQuantizeKeeps(t *testing.T) {
	data, err := os.ReadFile(testdata.Shared(t, "models", "llama-tied-F16.gguf"))
	require.NoError(t, err)
	folder := t.TempDir()
	path := filepath.Join(folder, "model.gguf")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	link := filepath.Join(folder, "link.gguf")
	require.NoError(t, os.Symlink(path, link))
	for _, dst := range []string{path, link} {
		r := trona(t, "", "quantize", path, dst, "--type", "Q8_0")
		require.Equal(t, exitFailed, r.code)
		require.Contains(t, r.err, "exists already")
	}
	now, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, data, now)
	for _, args := range [][]string{
		{"quantize", path}, {"quantize", path, filepath.Join(folder, "x")}, {"quantize", path, filepath.Join(folder, "x"), "--type", "IQ3_S"},
		{"quantize", path, filepath.Join(folder, "x"), "--type", "F16", "--threads", "-1"}, {"quantize", path, "", "--type", "F16"},
	} {
		require.Equal(t, exitUsage, trona(t, "", args...).code, "%v", args)
	}
	require.Equal(t, exitFailed, trona(t, "", "quantize", filepath.Join(folder, "absent"), filepath.Join(folder, "x"), "--type", "F16").code)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

// TestQuantizeRandom: random weights become a file that can be measured.
func TestQuantizeRandom(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(`{"architectures": ["LlamaForCausalLM"],
		"vocab_size": 300, "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
		"intermediate_size": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000, "max_position_embeddings": 128, "hidden_act": "silu"}`), 0o600))
	dst := filepath.Join(folder, "random.gguf")
	r := trona(t, "", "quantize", "random:"+folder, dst, "--type", "Q4_K_M")
	require.Equal(t, exitDone, r.code, r.err)
	require.Equal(t, inspected(t, "random:"+folder).Parameters, inspected(t, dst).Parameters)
	require.Equal(t, inspected(t, "random:"+folder+":Q4_K_M").Bytes, inspected(t, dst).Bytes, "the same types")
	require.Contains(t, ok(t, "", "bench", dst, "-p", "4", "-n", "2", "-r", "1"), "| tg2")
	for _, typ := range []string{"Q4_K_M", "FP8", "nvfp4"} {
		require.Contains(t, ok(t, "", "bench", "random:"+folder+":"+typ, "-p", "4", "-n", "2", "-r", "1"), "| tg2", typ)
	}
	require.Less(t, inspected(t, "random:"+folder+":NVFP4").Bytes, inspected(t, "random:"+folder+":FP8").Bytes)
	require.Contains(t, trona(t, "", "bench", "random:"+folder+":FP7").err, "there is no model")
	require.Contains(t, trona(t, "", "run", dst, "hi").err, "the file has no tokenizer")
}

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

// TestInspectJSON holds the names that scripts rely on.
func TestInspectJSON(t *testing.T) {
	var in struct {
		Architecture  string
		Parameters    int64
		VocabSize     int `json:"vocab_size"`
		ContextLength int `json:"context_length"`
		Layers        []map[string]any
		Tensors       []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, "", "inspect", "demo", "--json")), &in))
	require.Equal(t, "deci", in.Architecture)
	require.EqualValues(t, 4_001_280, in.Parameters)
	require.Equal(t, 131072, in.ContextLength)
	require.Len(t, in.Layers, 8)
	require.Equal(t, map[string]any{"heads": 4.0, "kv_heads": 4.0, "head_dim": 64.0, "ffn": 512.0}, in.Layers[0])
	require.Equal(t, map[string]any{"heads": 0.0, "kv_heads": 0.0, "head_dim": 0.0, "ffn": 768.0}, in.Layers[2])
	require.Equal(t, map[string]any{"heads": 0.0, "kv_heads": 0.0, "head_dim": 0.0, "ffn": 0.0}, in.Layers[4])
	found := false
	for _, tensor := range in.Tensors {
		if tensor["name"] == "token_embd.weight" {
			found = true
			require.Equal(t, "BF16", tensor["type"])
			require.Equal(t, []any{1216.0, 256.0}, tensor["shape"])
			require.Equal(t, 2.0*1216*256, tensor["bytes"])
		}
	}
	require.True(t, found)
}

func TestInspectText(t *testing.T) {
	out := ok(t, "", "inspect", sharedModel(t, "nas-super"))
	require.Contains(t, out, "linear")
	require.Contains(t, out, "5-6     -")
	require.NotContains(t, out, "down_proj")
	require.Contains(t, ok(t, "", "inspect", sharedModel(t, "nas-super"), "--tensors"), "down_proj")
}

// TestInspectLimit: some rotations limit the context, which inspect and --max-model-len say.
func TestInspectLimit(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS(testdata.Path(t, "models", "biases", "llama"))))
	config, err := os.ReadFile(filepath.Join(folder, "config.json"))
	require.NoError(t, err)
	config = []byte(strings.Replace(string(config), `"rope_scaling": null`, `"rope_scaling": {"rope_type": "dynamic", "factor": 4, "original_max_position_embeddings": 64}`, 1))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), config, 0o600))
	require.Regexp(t, `\ncontext length +64\ncontext limit +rope_scaling\n`, ok(t, "", "inspect", folder))
	require.Contains(t, ok(t, "", "inspect", folder, "--json"), `"context_limit": "rope_scaling"`)
	longer := trona(t, "", "plan", folder, "--max-model-len", "65")
	require.Equal(t, exitFailed, longer.code)
	require.Contains(t, longer.err, "rope_scaling limits the model to 64")
}

// TestInspectWindow: inspect says which layers have a window.
func TestInspectWindow(t *testing.T) {
	folder := testdata.Path(t, "models", "family", "ministral")
	require.Regexp(t, `\n0 +4 +2 +8 +64\n1 +4 +2 +8 +64 +window 12\n`, ok(t, "", "inspect", folder))
	require.Contains(t, ok(t, "", "inspect", folder, "--json"), `"window": 12`)
}

// TestRotary: inspect and plan say which factors a context takes.
func TestRotary(t *testing.T) {
	folder := testdata.Path(t, "models", "family", "phi3-long")
	require.Regexp(t, `\nrotary +theta 10000, 6 of 8 dimensions, longrope: short factors up to a context of 16, long ones above\n`, ok(t, "", "inspect", folder))
	require.Contains(t, ok(t, "", "inspect", folder, "--json"), `"original_context": 16`)
	require.Regexp(t, `\nrotary +theta 500000\n`, ok(t, "", "inspect", "demo"))
	for length, want := range map[string]string{"0": "long", "17": "long", "16": "short"} {
		require.Contains(t, ok(t, "", "plan", folder, "--max-model-len", length), " tokens ("+want+" rotary factors), ")
		require.Contains(t, ok(t, "", "plan", folder, "--max-model-len", length, "--json"), `"rotary_factors": "`+want+`"`)
	}
	require.NotContains(t, ok(t, "", "plan", "demo"), "factors")
}

// TestInspectBiases: which parts of a layer have biases.
func TestInspectBiases(t *testing.T) {
	for name, want := range map[string]string{"llama": "q k v o gate up down", "qwen2": "q k v"} {
		folder := testdata.Path(t, "models", "biases", name)
		require.Regexp(t, `\n0-1 +4 +2 +16 +64 +biases: `+want+`\n`, ok(t, "", "inspect", folder))
		var in struct{ Layers []map[string]any }
		require.NoError(t, json.Unmarshal([]byte(ok(t, "", "inspect", folder, "--json")), &in))
		require.Equal(t, true, in.Layers[1]["qkv_bias"])
		require.Equal(t, name == "llama", in.Layers[1]["o_bias"] == true && in.Layers[1]["ffn_bias"] == true)
	}
	require.NotContains(t, ok(t, "", "inspect", "demo"), "bias")
}

// TestBadModels gives every command that opens a model a bad one: one clear
// line, exit code 1.
func TestBadModels(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	whole, err := os.ReadFile(filepath.Join("..", "..", "model", "demo", "demo.gguf"))
	require.NoError(t, err)
	changed := func(old, new string) []byte {
		require.Contains(t, string(whole), old)
		return []byte(strings.Replace(string(whole), old, new, 1))
	}
	for name, path := range map[string]string{
		"header only":  write("header.gguf", whole[:24]),
		"cut":          write("cut.gguf", whole[:len(whole)-1]),
		"half":         write("half.gguf", whole[:len(whole)/2]),
		"version":      write("version.gguf", append([]byte("GGUF\x09\x00\x00\x00"), whole[8:]...)),
		"architecture": write("architecture.gguf", changed("\x04\x00\x00\x00\x00\x00\x00\x00deci", "\x04\x00\x00\x00\x00\x00\x00\x00rwkv")),
		"tensor":       write("tensor.gguf", changed("blk.0.attn_q.weight", "blk.0.attn_x.weight")),
		"empty":        write("empty.gguf", nil),
		"config":       filepath.Dir(write(filepath.Join("config", "config.json"), []byte(`{"architectures": ["LlamaForCausalLM"]}`))),
		"no JSON":      filepath.Dir(write(filepath.Join("json", "config.json"), []byte(`{"architectures": [`))),
		"device":       os.DevNull,
	} {
		t.Run(name, func(t *testing.T) {
			for _, args := range [][]string{{"inspect", path}, {"plan", path}, {"bench", path}, {"run", path, "x"}, {"serve", path, "--port", "0"}} {
				r := trona(t, "", args...)
				if cut := name == "cut" || name == "half"; cut && (args[0] == "inspect" || args[0] == "plan") {
					require.Equal(t, exitDone, r.code, "a file that is not complete can be looked at: %s", r.err)
					continue
				}
				require.Equal(t, exitFailed, r.code, "%v: %s", args, r.err)
				require.Empty(t, r.out)
				lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
				if args[0] == "serve" {
					require.Contains(t, lines[0], "trona: listening on port")
					lines = lines[1:]
				}
				require.Len(t, lines, 1, r.err)
				require.Contains(t, lines[0], "trona: ")
				require.Greater(t, len(lines[0]), 20)
				require.NotContains(t, lines[0], "panic")
			}
		})
	}
}

package model

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// biasesOf says which biases a layer has: of q, k and v, of the output, of the FFN.
func biasesOf(l *Layer) (b [3]bool) {
	if l.Attention != nil {
		b[0], b[1] = l.Attention.QKVBias, l.Attention.OBias
	}
	if l.FFN != nil {
		b[2] = l.FFN.Bias
	}
	return b
}

// TestBiasKeys: which biases a config.json asks for depends on its architecture, and
// those that an architecture does not have are refused.
func TestBiasKeys(t *testing.T) {
	const attention, mlp = "attention_bias", "mlp_bias"
	for _, tc := range []struct {
		architecture string
		keys         string
		want         [3]bool
		refused      string
	}{
		{"LlamaForCausalLM", "", [3]bool{}, ""},
		{"LlamaForCausalLM", attention, [3]bool{true, true, false}, ""},
		{"LlamaForCausalLM", mlp, [3]bool{false, false, true}, ""},
		{"LlamaForCausalLM", attention + " " + mlp, [3]bool{true, true, true}, ""},
		{"Qwen2ForCausalLM", "", [3]bool{true, false, false}, ""},
		{"Qwen2ForCausalLM", mlp, [3]bool{}, mlp},
		{"Qwen3ForCausalLM", attention, [3]bool{true, true, false}, ""},
		{"Qwen3ForCausalLM", mlp, [3]bool{}, mlp},
		{"MistralForCausalLM", attention, [3]bool{}, attention},
	} {
		replace := map[string]string{"architectures": `["` + tc.architecture + `"]`}
		for _, key := range strings.Fields(tc.keys) {
			replace[key] = "true"
		}
		f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(replace)}))
		if tc.refused != "" {
			var ce *ConfigError
			require.True(t, errors.As(err, &ce), "%v: error %v", tc, err)
			require.Equal(t, tc.refused, ce.Field)
			continue
		}
		require.NoError(t, err, "%v", tc)
		require.Empty(t, f.unread)
		for i := range f.config.Layers {
			require.Equal(t, tc.want, biasesOf(&f.config.Layers[i]), "%v", tc)
		}
	}
}

// TestBlockBiases: what a layer of DeciLM lacks, or has a linear map for, has no bias.
func TestBlockBiases(t *testing.T) {
	const none, linear = `{"no_op": true}`, `{"replace_with_linear": true}`
	for block, want := range map[string][3]bool{
		`{"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 1}}`:   {true, true, true},
		`{"attention": {"n_heads_in_group": 2}, "ffn": ` + none + `}`:      {true, true, false},
		`{"attention": ` + none + `, "ffn": {"ffn_mult": 1}}`:              {false, false, true},
		`{"attention": ` + linear + `, "ffn": ` + linear + `}`:             {},
		`{"attention": ` + linear + `, "ffn": {"intermediate_size": 300}}`: {false, false, true},
		`{"attention": {"n_heads_in_group": 4}, "ffn": ` + linear + `}`:    {true, true, false},
		`{"attention": ` + none + `, "ffn": ` + none + `}`:                 {},
	} {
		text := strings.TrimSuffix(deciJSON(block), "}") + `, "attention_bias": true, "mlp_bias": true}`
		f, err := readFolder(writeFolder(t, map[string]string{"config.json": text}))
		require.NoError(t, err)
		require.Equal(t, want, biasesOf(&f.config.Layers[0]), block)
	}
}

// addBias adds a bias to a header.
func (h *ggufHeader) addBias(name string, typ uint32, length int64) {
	h.tensors = append(h.tensors, ggufTensor{name: name + ".bias", typ: typ, dims: []int64{length}})
}

// TestGGUFBiases: a GGUF file's layers have the biases whose tensors it has.
func TestGGUFBiases(t *testing.T) {
	type biases map[string]int64
	qkv := func(p string) biases { return biases{p + "attn_q": 256, p + "attn_k": 128, p + "attn_v": 128} }
	for name, tc := range map[string]struct {
		architecture string // "": llama
		biases       biases
		typ          uint32
		want         [2][3]bool // of both layers
		refused      string
	}{
		"none":          {},
		"one layer":     {biases: qkv("blk.1."), want: [2][3]bool{1: {0: true}}},
		"output":        {biases: biases{"blk.0.attn_output": 256}, want: [2][3]bool{0: {1: true}}},
		"FFN":           {biases: biases{"blk.1.ffn_gate": 512, "blk.1.ffn_up": 512, "blk.1.ffn_down": 256}, want: [2][3]bool{1: {2: true}}},
		"in BF16":       {biases: qkv("blk.0."), typ: ggmlBF16, want: [2][3]bool{0: {0: true}}},
		"in Q4_K":       {biases: biases{"blk.0.attn_output": 256}, typ: ggmlQ4K, refused: "blk.0.attn_output.bias"},
		"no k":          {biases: biases{"blk.0.attn_q": 256, "blk.0.attn_v": 128}, refused: "blk.0.attn_k.bias"},
		"no down":       {biases: biases{"blk.0.ffn_gate": 512, "blk.0.ffn_up": 512}, refused: "blk.0.ffn_down.bias"},
		"shape":         {biases: biases{"blk.0.attn_output": 255}, refused: "blk.0.attn_output.bias"},
		"of a norm":     {biases: biases{"blk.0.attn_norm": 256}, refused: "blk.0.attn_norm.bias"},
		"of no layer":   {biases: biases{"blk.2.attn_q": 256}, refused: "blk.2.attn_q.bias"},
		"of no number":  {biases: biases{"blk.x.attn_q": 256}, refused: "blk.x.attn_q.bias"},
		"of the output": {biases: biases{"output": 384}, refused: "output.bias"},
		"qwen2 without": {architecture: "qwen2", refused: "blk.0.attn_q.bias"},
	} {
		t.Run(name, func(t *testing.T) {
			h := llamaGGUF(nil)
			if tc.architecture != "" {
				for key, value := range h.keys {
					if rest, ok := strings.CutPrefix(key, "llama."); ok {
						h.keys[tc.architecture+"."+rest] = value
					}
				}
				h.keys["general.architecture"] = tc.architecture
			}
			for name, length := range tc.biases {
				h.addBias(name, tc.typ, length)
			}
			c, err := Open(h.write(t))
			if tc.refused != "" {
				var ce *ConfigError
				require.True(t, errors.As(err, &ce), "error %v", err)
				require.Equal(t, tc.refused, ce.Field)
				return
			}
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, tc.want, [2][3]bool{biasesOf(&c.Config.Layers[0]), biasesOf(&c.Config.Layers[1])})
			require.Equal(t, countParameters(&c.Config), c.Parameters())
		})
	}
}

// TestStoredBias: a bias is one of floats, whatever its weight is stored in.
func TestStoredBias(t *testing.T) {
	const rows, cols = 256, 320
	weight := part{name: "m", rows: rows, cols: cols, weight: new(kernels.Weight)}
	bias := part{name: "m", bias: true, rows: 1, cols: rows, vector: new(kernels.Tensor)}
	tensor := func(name, typ string, shape ...int64) TensorInfo {
		return TensorInfo{Name: "m." + name, Type: typ, Shape: shape}
	}
	for name, tensors := range map[string][]TensorInfo{
		"bf16": {tensor("weight", "BF16", rows, cols)},
		"fp8":  {tensor("weight", "F8_E4M3", rows, cols), tensor("weight_scale", "F32", rows)},
		"nvfp4 packed": {
			tensor("weight_packed", "U8", rows, cols/2), tensor("weight_scale", "F8_E4M3", rows, cols/16), tensor("weight_global_scale", "F32", 1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := newFinder("f", append(tensors, tensor("bias", "F16", rows)), newQuantization())
			require.NoError(t, err)
			_, err = f.hf(&weight)
			require.NoError(t, err)
			s, err := f.hf(&bias)
			require.NoError(t, err)
			require.Equal(t, kernels.Matrix{Type: kernels.F16, Rows: 1, Cols: rows}, s.matrix)
			require.NoError(t, f.rest())
			for _, bad := range []TensorInfo{tensor("bias", "F8_E4M3", rows), tensor("bias", "BF16", cols), tensor("bias", "U8", rows), {Name: "m.b"}} {
				f, err := newFinder("f", append(tensors, bad), newQuantization())
				require.NoError(t, err)
				_, err = f.hf(&bias)
				requireTensor(t, err, "m.bias")
			}
		})
	}
}

// TestRandomBiases: random weights have biases of 0 where config.json asks for some.
func TestRandomBiases(t *testing.T) {
	folder := writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{"attention_bias": "true", "mlp_bias": "true"})})
	c, err := OpenRandom(folder, nil)
	require.NoError(t, err)
	defer c.Close()
	parts, err := c.Parts()
	require.NoError(t, err)
	found := 0
	for i := range parts {
		if strings.HasSuffix(parts[i].Name, ".bias") {
			found++
			m, err := c.ReadPart(&parts[i])
			require.NoError(t, err)
			require.Equal(t, make([]byte, len(m.Data)), m.Data)
		}
	}
	require.Equal(t, 2*7, found)
}

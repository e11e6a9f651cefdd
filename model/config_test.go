package model

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/testdata"
)

const bf16 = kernels.BF16

// writeFolder writes JSON files into a new folder.
func writeFolder(t testing.TB, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// llamaJSON is a valid config.json with some members replaced or added; an
// empty value removes one.
func llamaJSON(replace map[string]string) string {
	members := map[string]json.RawMessage{}
	base := `{"architectures": ["LlamaForCausalLM"], "vocab_size": 384, "hidden_size": 256, "num_hidden_layers": 2,
		"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 512, "max_position_embeddings": 16384,
		"rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": [2, 3]}`
	if err := json.Unmarshal([]byte(base), &members); err != nil {
		panic(err)
	}
	var extra strings.Builder
	for k, v := range replace {
		delete(members, k)
		if v != "" {
			extra.WriteString(`, "` + k + `": ` + v)
		}
	}
	out, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return strings.TrimSuffix(string(out), "}") + extra.String() + "}"
}

// layerArrays is the form of expected-layer-arrays.json.
type layerArrays struct {
	Hidden int   `json:"hidden_size"`
	Heads  []int `json:"head_count"`
	KV     []int `json:"head_count_kv"`
	FFN    []int `json:"feed_forward_length"`
	Params int64 `json:"params"`
	KVSize int64 `json:"kv_bytes_per_token_16bit"`
}

func expectedArrays(t testing.TB) map[string]layerArrays {
	data, err := os.ReadFile(testdata.Path(t, "nemotron", "expected-layer-arrays.json"))
	require.NoError(t, err)
	var want map[string]layerArrays
	require.NoError(t, json.Unmarshal(data, &want))
	return want
}

// countParameters sums the weights that a configuration asks for.
func countParameters(c *Config) int64 {
	var n int64
	for _, p := range new(weights).parts(c, &hfNames) {
		n += p.rows * p.cols
	}
	return n
}

func TestNemotronConfigs(t *testing.T) {
	for name, want := range expectedArrays(t) {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(testdata.Shared(t, "nemotron", "config-"+name+".json"))
			require.NoError(t, err)
			f, err := readFolder(writeFolder(t, map[string]string{"config.json": string(text)}))
			require.NoError(t, err)
			c := &f.config
			require.Equal(t, want.Hidden, c.HiddenSize)
			require.Len(t, c.Layers, len(want.Heads))
			for i, l := range c.Layers {
				var a Attention
				var w FFN
				if l.Attention != nil {
					a = *l.Attention
					require.Equal(t, 128, a.HeadDim)
				}
				if l.FFN != nil {
					w = *l.FFN
				}
				require.Equal(t, [3]int{want.Heads[i], want.KV[i], want.FFN[i]}, [3]int{a.Heads, a.KVHeads, w.Width}, "layer %d", i)
			}
			require.Equal(t, want.Params, countParameters(c))
			require.Equal(t, want.KVSize, KVBytesPerToken(c, bf16))
			require.Equal(t, "llama3", c.Rotary.Scaling)
			require.Equal(t, []int32{128001, 128008, 128009}, c.EOS)
			require.Empty(t, f.unread)
		})
	}
}

func TestNano4B(t *testing.T) {
	text, err := os.ReadFile(testdata.Shared(t, "nemotron", "config-nano-4b-v1.1-derived.json"))
	require.NoError(t, err)
	f, err := readFolder(writeFolder(t, map[string]string{"config.json": string(text)}))
	require.NoError(t, err)
	require.Equal(t, int64(4512746496), countParameters(&f.config))
	require.Equal(t, 128, f.config.Layers[0].Attention.HeadDim, "given, not hidden/heads")
	require.Equal(t, 3565775107.2609234, f.config.Rotary.Theta)
	ones, fours := divisors(&f.config.Rotary)
	require.Equal(t, [2]int{17, 43}, [2]int{ones, fours})
}

// divisors counts the frequencies that are kept and those divided by Factor.
func divisors(r *Rotary) (kept, divided int) {
	plain := *r
	plain.Scaling = ""
	scaled := r.Frequencies()
	for i, f := range plain.Frequencies() {
		switch q := float64(f) / float64(scaled[i]); {
		case math.Abs(q-1) < 1e-6:
			kept++
		case math.Abs(q-r.Factor) < 1e-5:
			divided++
		}
	}
	return kept, divided
}

func TestRotary(t *testing.T) {
	r := Rotary{Theta: 500000, Dim: 128, Scaling: "llama3", Factor: 8, LowFreq: 1, HighFreq: 4, OriginalContext: 8192}
	kept, divided := divisors(&r)
	require.Equal(t, [2]int{29, 29}, [2]int{kept, divided})
	inv := r.Frequencies()
	r.Scaling = ""
	between := []float64{1.2075, 1.5534, 2.0263, 2.6945, 3.6843, 5.2573}
	for i, want := range between {
		require.InDelta(t, want, float64(r.Frequencies()[29+i])/float64(inv[29+i]), 1e-4)
	}
	linear := Rotary{Theta: 10000, Dim: 4, Scaling: "linear", Factor: 2}
	require.Equal(t, []float32{0.5, 0.005}, linear.Frequencies())
	divided4 := Rotary{Theta: 10000, Dim: 4, Divisors: []float32{1, 4}}
	require.Equal(t, []float32{1, 0.0025}, divided4.Frequencies())
}

// TestYarn: frequencies and scales that a script computed from the formulas of the
// paper (arXiv 2309.00071), with the fields as Hugging Face's transformers reads them.
func TestYarn(t *testing.T) {
	for name, tc := range map[string]struct {
		replace map[string]string
		scale   float64
		want    map[int]float64
	}{
		"defaults": {
			map[string]string{"head_dim": "128", "rope_theta": "1000000.0",
				"rope_scaling": `{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}`},
			1.138629436111989,
			map[int]float64{0: 1, 16: 0.03162277660168379, 21: 0.010746078283213174, 32: 0.0006029411764705882, 42: 2.8869549617236455e-05, 63: 3.102344401879299e-07},
		},
		"no whole pairs": {
			map[string]string{"rope_theta": "10000.0", "max_position_embeddings": "4096",
				"rope_scaling": `{"type": "yarn", "factor": 16, "beta_fast": 24, "beta_slow": 2, "truncate": false, "finetuned": true,
					"attn_factor": 1.0, "extrapolation_factor": 1}`},
			1.2772588722239782,
			map[int]float64{0: 1, 8: 0.1, 10: 0.056234132519034905, 16: 0.0050828073003118404, 21: 0.00014821085660385343, 31: 8.334508951020775e-06},
		},
		"two scales": {
			map[string]string{"rope_theta": "10000.0",
				"rope_scaling": `{"rope_type": "yarn", "factor": 40, "original_max_position_embeddings": 4096, "mscale": 1.0, "mscale_all_dim": 0.707}`},
			1.0857263992561355,
			map[int]float64{0: 1, 8: 0.1, 10: 0.056234132519034905, 16: 0.0055, 21: 0.00041499039849078964, 31: 3.3338035804083097e-06},
		},
		"a context of few turns": {
			map[string]string{"head_dim": "16",
				"rope_parameters": `{"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 8, "attention_factor": 0.5, "beta_fast": null}`},
			0.5,
			map[int]float64{0: 1, 2: 0.018803015465431967, 4: 0.0007071067811865475, 5: 0.00013712408783810365, 7: 5.15669268860623e-06},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(tc.replace)}))
			require.NoError(t, err)
			r := &f.config.Rotary
			require.InEpsilon(t, tc.scale, r.Scale, 1e-12)
			inv := r.Frequencies()
			for i, want := range tc.want {
				require.InEpsilon(t, want, inv[i], 1e-6, "pair %d", i)
			}
		})
	}
}

func TestConfigAccepts(t *testing.T) {
	llama3 := `{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 256}`
	for name, tc := range map[string]struct {
		replace map[string]string
		check   func(t *testing.T, c *Config)
	}{
		"plain": {nil, func(t *testing.T, c *Config) {
			require.Equal(t, Rotary{Theta: 500000, Dim: 64}, c.Rotary)
			require.Equal(t, []int32{2, 3}, c.EOS)
		}},
		"no kv heads": {map[string]string{"num_key_value_heads": ""}, func(t *testing.T, c *Config) {
			require.Equal(t, 4, c.Layers[0].Attention.KVHeads)
		}},
		"head_dim": {map[string]string{"head_dim": "128"}, func(t *testing.T, c *Config) {
			require.Equal(t, 128, c.Layers[1].Attention.HeadDim)
			require.Equal(t, 128, c.Rotary.Dim)
		}},
		"default theta": {map[string]string{"rope_theta": ""}, func(t *testing.T, c *Config) {
			require.Equal(t, 10000.0, c.Rotary.Theta)
		}},
		"llama3": {map[string]string{"rope_scaling": llama3}, func(t *testing.T, c *Config) {
			require.Equal(t, Rotary{Theta: 500000, Dim: 64, Scaling: "llama3", Factor: 8, LowFreq: 1, HighFreq: 4, OriginalContext: 256}, c.Rotary)
		}},
		"rope_parameters": {map[string]string{"rope_theta": "", "rope_parameters": strings.Replace(llama3, "{", `{"rope_theta": 1e6, `, 1)},
			func(t *testing.T, c *Config) {
				require.Equal(t, "llama3", c.Rotary.Scaling)
				require.Equal(t, 1e6, c.Rotary.Theta)
			}},
		"both, alike": {map[string]string{"rope_scaling": llama3, "rope_parameters": llama3}, func(t *testing.T, c *Config) {
			require.Equal(t, "llama3", c.Rotary.Scaling)
		}},
		"both, by default": {map[string]string{"rope_theta": "", "rope_scaling": `{"type": "linear", "factor": 2}`, "rope_parameters": `{"rope_type": "linear", "factor": 2, "rope_theta": 1e4}`}, nil},
		"original twice": {map[string]string{"rope_scaling": llama3, "original_max_position_embeddings": "256"}, func(t *testing.T, c *Config) {
			require.Equal(t, 256, c.Rotary.OriginalContext)
		}},
		"swish": {map[string]string{"hidden_act": `"swish"`}, nil},
		"old type key": {map[string]string{"rope_scaling": `{"type": "linear", "factor": 2}`}, func(t *testing.T, c *Config) {
			require.Equal(t, "linear", c.Rotary.Scaling)
		}},
		"default type": {map[string]string{"rope_scaling": `{"rope_type": "default"}`}, func(t *testing.T, c *Config) {
			require.Empty(t, c.Rotary.Scaling)
		}},
		"window off": {map[string]string{"sliding_window": "128", "use_sliding_window": "false"}, nil},
		"window":     {map[string]string{"sliding_window": "4096"}, limited(16384, "")},
		"dynamic":    {map[string]string{"rope_scaling": `{"type": "dynamic", "factor": 4}`}, limited(16384, "")},
		"dynamic, original": {map[string]string{"rope_scaling": `{"rope_type": "dynamic", "factor": 4, "original_max_position_embeddings": 2048}`}, func(t *testing.T, c *Config) {
			limited(2048, "rope_scaling")(t, c)
			require.Equal(t, Rotary{Theta: c.Rotary.Theta, Dim: c.Rotary.Dim}, c.Rotary)
		}},
		"window null":        {map[string]string{"sliding_window": "null"}, nil},
		"full attention":     {map[string]string{"layer_types": `["full_attention", "full_attention"]`}, nil},
		"neutral values":     {map[string]string{"attention_bias": "false", "partial_rotary_factor": "1.0", "num_experts": "null"}, nil},
		"remote code":        {map[string]string{"auto_map": `{"AutoConfig": "configuration_decilm.DeciLMConfig"}`}, nil},
		"endless context":    {map[string]string{"max_position_embeddings": "1099511627776"}, nil},
		"one eos":            {map[string]string{"eos_token_id": "7"}, func(t *testing.T, c *Config) { require.Equal(t, []int32{7}, c.EOS) }},
		"no eos":             {map[string]string{"eos_token_id": "null"}, func(t *testing.T, c *Config) { require.Empty(t, c.EOS) }},
		"modelopt":           {map[string]string{"quantization_config": `{"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head"]}`}, nil},
		"several algorithms": {map[string]string{"quantization_config": mixed(`{"a.b": {"quant_algo": "FP8"}, "a.c": {"quant_algo": "NVFP4", "group_size": 16}}`)}, nil},
		"not sparse": {map[string]string{"quantization_config": `{"quant_method": "compressed-tensors", "format": "float-quantized",
			"sparsity_config": {"format": "dense", "ignore": []}, "transform_config": {}}`}, nil},
		"fbgemm":         {map[string]string{"quantization_config": `{"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0, "modules_to_not_convert": ["lm_head"]}`}, nil},
		"mistral":        {map[string]string{"architectures": `["MistralForCausalLM"]`, "sliding_window": "null"}, nil},
		"q and k norms":  {map[string]string{"architectures": `["Qwen3ForCausalLM"]`}, func(t *testing.T, c *Config) { require.True(t, c.Layers[0].Attention.QKNorm) }},
		"KV alone":       {map[string]string{"quantization_config": `{"quant_method": "modelopt", "quant_algo": null, "kv_cache_scheme": {"num_bits": 8}}`}, nil},
		"whole as float": {map[string]string{"max_position_embeddings": "16384.0", "num_hidden_layers": "2e0"}, func(t *testing.T, c *Config) { require.Len(t, c.Layers, 2) }},
		"model type": {map[string]string{"architectures": "null", "model_type": `"qwen3"`}, func(t *testing.T, c *Config) {
			require.Equal(t, "Qwen3ForCausalLM", c.Architecture)
		}},
		"KV heads of layers": {map[string]string{"architectures": `["DeciLMForCausalLM"]`, "num_key_value_heads": "", "num_key_value_heads_per_layer": "[4, 1]"}, func(t *testing.T, c *Config) {
			require.Equal(t, [2]int{4, 1}, [2]int{c.KVHeads(0), c.KVHeads(1)})
			require.Equal(t, 512, c.Layers[1].FFN.Width)
		}},
		"tied": {map[string]string{"tie_word_embeddings": "true"}, func(t *testing.T, c *Config) { require.True(t, c.TiedEmbedding) }},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(tc.replace)}))
			require.NoError(t, err)
			if tc.check != nil {
				tc.check(t, &f.config)
			}
		})
	}
}

// mixed is how ModelOpt says that modules have algorithms of their own.
func mixed(layers string) string {
	return `{"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": ` + layers + `}`
}

// limited checks the context and what limits it.
func limited(context int, key string) func(*testing.T, *Config) {
	return func(t *testing.T, c *Config) {
		require.Equal(t, context, c.ContextLength)
		require.Equal(t, key, c.Limit)
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, tc := range []struct{ field, value string }{
		{"hidden_size", "0"}, {"hidden_size", "-256"}, {"hidden_size", "1e18"}, {"hidden_size", "256.5"}, {"hidden_size", `"256"`},
		{"hidden_size", "1000000000000000000"}, {"hidden_size", "99999999999999999999999"}, {"hidden_size", "257"}, {"hidden_size", "null"},
		{"hidden_size", "[256]"}, {"hidden_size", "true"}, {"hidden_size", ""},
		{"num_hidden_layers", "0"}, {"num_hidden_layers", "1000000000"}, {"vocab_size", "0"}, {"vocab_size", "-1"}, {"vocab_size", ""},
		{"num_attention_heads", "0"}, {"num_key_value_heads", "3"}, {"num_key_value_heads", "8"}, {"num_key_value_heads", "0"},
		{"intermediate_size", "0"}, {"intermediate_size", ""}, {"intermediate_size", "null"}, {"max_position_embeddings", "0"},
		{"rope_theta", "0"}, {"rope_theta", "-1"}, {"rope_theta", `"big"`}, {"rope_theta", "1e999"},
		{"rms_norm_eps", "0"}, {"rms_norm_eps", "-1e-5"}, {"head_dim", "0"}, {"head_dim", "63"}, {"head_dim", "65536"},
		{"rope_scaling", `"linear"`}, {"rope_scaling", `[]`},
		{"rope_scaling.factor", `{"rope_type": "yarn"}`}, {"rope_scaling.factor", `{"rope_type": "yarn", "factor": -1}`},
		{"rope_scaling.beta_fast", `{"rope_type": "yarn", "factor": 4, "beta_fast": 2, "beta_slow": 3}`},
		{"rope_scaling.beta_slow", `{"rope_type": "yarn", "factor": 4, "beta_slow": -1}`},
		{"rope_scaling.attention_factor", `{"rope_type": "yarn", "factor": 4, "attention_factor": "x"}`},
		{"rope_scaling.attn_factor", `{"rope_type": "yarn", "factor": 4, "attn_factor": 2}`},
		{"rope_scaling.truncate", `{"rope_type": "yarn", "factor": 4, "truncate": 1}`},
		{"rope_scaling.original_max_position_embeddings", `{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 0}`},
		{"rope_scaling.rope_theta", `{"rope_type": "yarn", "factor": 4, "rope_theta": 1}`},
		{"rope_scaling.factor", `{"rope_type": "dynamic"}`}, {"rope_scaling.alpha", `{"rope_type": "dynamic", "factor": 1, "alpha": 1000}`},
		{"rope_scaling.rope_type", `{"type": "proportional"}`},
		{"rope_scaling.factor", `{"rope_type": "linear", "factor": 0}`},
		{"rope_scaling.factor", `{"rope_type": "linear"}`},
		{"rope_scaling.factor", `{"rope_type": "default", "factor": 4.0}`},
		{"rope_scaling.low_freq_factor", `{"rope_type": "llama3", "factor": 8, "high_freq_factor": 4}`},
		{"rope_scaling.high_freq_factor", `{"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}`},
		{"rope_scaling.mscale", `{"rope_type": "linear", "factor": 2, "mscale": 0.7}`},
		{"rope_parameters.rope_theta", `{"rope_type": "default", "rope_theta": 1.0}`},
		{"eos_token_id", "[]"}, {"eos_token_id", "[384]"}, {"eos_token_id", "-1"}, {"eos_token_id", `["a"]`},
		{"eos_token_id", "[" + strings.Repeat("1,", 1000000) + "1]"}, {"bos_token_id", "384"},
		{"hidden_act", `"gelu"`}, {"hidden_act", "7"}, {"attention_bias", `"yes"`}, {"mlp_bias", "1"}, {"qkv_bias", "true"},
		{"use_sliding_window", "true"}, {"layer_types", `["sliding_attention"]`}, {"layer_types", `["chunked_attention"]`},
		{"partial_rotary_factor", "0.5"}, {"num_experts", "8"}, {"num_local_experts", "8"}, {"final_logit_softcapping", "30.0"},
		{"embedding_multiplier", "12.0"}, {"tie_word_embeddings", `"no"`},
		{"architectures", `["MixtralForCausalLM"]`}, {"architectures", `[]`}, {"architectures", `null`}, {"architectures", `["LlamaForCausalLM", "x"]`},
		{"quantization_config.quant_method", `{"quant_method": "bitsandbytes", "load_in_8bit": true}`},
		{"quantization_config.quant_method", `{}`},
		{"quantization_config.quant_algo", `{"quant_method": "modelopt", "quant_algo": "W4A16_AWQ"}`},
		{"quantization_config.group_size", `{"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 32}`},
		{"quantization_config.format", `{"quant_method": "compressed-tensors", "format": "marlin-24"}`},
		{"quantization_config.ignore", `{"quant_method": "compressed-tensors", "format": "float-quantized", "ignore": ["re:(?=x)"]}`},
		{"quantization_config.config_groups.group_0.weights.type",
			`{"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "bool"}}}}`},
		{"quantization_config.config_groups.group_0", `{"quant_method": "modelopt", "quant_algo": "FP8", "config_groups": {"group_0": 8}}`},
		{"quantization_config.sparsity_config", `{"quant_method": "compressed-tensors", "format": "float-quantized", "sparsity_config": {"format": "sparse-24-bitmask"}}`},
		{"quantization_config.transform_config", `{"quant_method": "compressed-tensors", "format": "float-quantized", "transform_config": {"config_groups": {"R1": {}}}}`},
		{"quantization_config.quantized_layers.a.b.quant_algo", mixed(`{"a.b": {"quant_algo": "W4A8_AWQ"}}`)},
		{"quantization_config.quantized_layers.a.b.quant_algo", mixed(`{"a.b": {"quant_algo": "MIXED_PRECISION"}}`)},
		{"quantization_config.quantized_layers.a.b", mixed(`{"a.b": "FP8"}`)},
		{"quantization_config.quantized_layers", mixed(`["a.b"]`)},
		{"quantization_config.weight_block_size", `{"quant_method": "fp8", "weight_block_size": [128, 0]}`},
		{"quantization_config.fmt", `{"quant_method": "fp8", "fmt": "e5m2"}`},
		{"quantization_config", `"fp8"`},
	} {
		key, _, _ := strings.Cut(tc.field, ".")
		t.Run(tc.field+"="+tc.value[:min(40, len(tc.value))], func(t *testing.T) {
			dir := writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{key: tc.value})})
			requireField(t, dir, "config.json", tc.field)
		})
	}
}

// Two places that say different things: programs differ in which one they read.
func TestConfigContradictions(t *testing.T) {
	const linear = `{"rope_type": "linear", "factor": 2, "rope_theta": 1e6}`
	yarn := `{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 256}`
	for field, replace := range map[string]map[string]string{
		"rope_parameters.rope_theta":                       {"rope_parameters": linear},
		"rope_scaling":                                     {"rope_theta": "", "rope_parameters": linear, "rope_scaling": `{"rope_type": "linear", "factor": 2}`},
		"rope_scaling.original_max_position_embeddings":    {"rope_scaling": yarn, "original_max_position_embeddings": "512"},
		"rope_parameters.original_max_position_embeddings": {"rope_parameters": yarn, "original_max_position_embeddings": "512"},
	} {
		t.Run(field, func(t *testing.T) {
			requireField(t, writeFolder(t, map[string]string{"config.json": llamaJSON(replace)}), "config.json", field)
		})
	}
}

// requireFolder reads a folder, or, if its config.json has a field that must be refused, requires
// that and returns nil.
func requireFolder(t *testing.T, dir, refused string) *folder {
	if refused != "" {
		requireField(t, dir, "config.json", refused)
		return nil
	}
	f, err := readFolder(dir)
	require.NoError(t, err)
	return f
}

func requireField(t *testing.T, dir, file, field string) {
	_, err := readFolder(dir)
	var ce *ConfigError
	require.True(t, errors.As(err, &ce), "error %v", err)
	require.Equal(t, [2]string{file, field}, [2]string{ce.File, ce.Field}, "%v", err)
	require.NotEmpty(t, ce.Message)
	require.Less(t, len(err.Error()), 300)
}

func TestConfigRefusesFile(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "list": "[]", "null": "null", "cut off": `{"vocab_size": 3`, "not a number": `{"rope_theta": NaN}`,
		"infinite": `{"rope_theta": Infinity}`, "trailing": `{} {}`,
		"duplicate":       `{"vocab_size": 1, "vocab_size": 2}`,
		"inner duplicate": llamaJSON(map[string]string{"rope_scaling": `{"factor": 1, "factor": 2}`}),
		"depth":           strings.Repeat(`{"a":`, 100000) + "1" + strings.Repeat("}", 100000),
		"too long":        `{"a": "` + strings.Repeat("x", maxConfigBytes) + `"}`,
		"invalid utf-8":   "{\"a\": \"\xff\"}",
		"control":         llamaJSON(map[string]string{`\u001b[2J`: "1"}),
		"inner control":   llamaJSON(map[string]string{"rope_scaling": `{"\u009b2J": 1}`}),
	} {
		t.Run(name, func(t *testing.T) {
			requireField(t, writeFolder(t, map[string]string{"config.json": text}), "config.json", "")
		})
	}
	_, err := readFolder(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

// deciJSON is a config.json of one layer with that block.
func deciJSON(block string) string {
	return llamaJSON(map[string]string{
		"architectures": `["DeciLMForCausalLM"]`, "num_hidden_layers": "1", "intermediate_size": "null", "num_key_value_heads": "null",
		"block_configs": `[` + block + `]`,
	})
}

func TestBlockConfigs(t *testing.T) {
	at := func(s string) string { return `{"attention": ` + s + `, "ffn": {"no_op": true}}` }
	ffn := func(s string) string { return `{"attention": {"no_op": true}, "ffn": ` + s + `}` }
	for name, tc := range map[string]struct {
		block string
		want  Layer
	}{
		"grouped":  {at(`{"n_heads_in_group": 2, "no_op": false, "sparsify": null}`), Layer{Attention: &Attention{Heads: 4, KVHeads: 2, HeadDim: 64}}},
		"linear":   {at(`{"replace_with_linear": true}`), Layer{Attention: &Attention{Linear: true}}},
		"nothing":  {at(`{"no_op": true, "n_heads_in_group": null}`), Layer{}},
		"rounded":  {ffn(`{"ffn_mult": 0.5}`), Layer{FFN: &FFN{Width: 256}}},
		"exact":    {ffn(`{"ffn_mult": 1.5}`), Layer{FFN: &FFN{Width: 256}}},
		"above":    {ffn(`{"ffn_mult": 1.6}`), Layer{FFN: &FFN{Width: 512}}},
		"given":    {ffn(`{"intermediate_size": 300, "hidden_act": "silu", "ffn_mult": null, "gated": true}`), Layer{FFN: &FFN{Width: 300}}},
		"straight": {ffn(`{"replace_with_linear": true, "ffn_mult": null}`), Layer{FFN: &FFN{Linear: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := readFolder(writeFolder(t, map[string]string{"config.json": deciJSON(tc.block)}))
			require.NoError(t, err)
			require.Equal(t, tc.want, f.config.Layers[0])
		})
	}
	for _, tc := range []struct{ field, block string }{
		{"attention", `{"ffn": {"no_op": true}}`},
		{"ffn", `{"attention": {"no_op": true}}`},
		{"attention.n_heads_in_group", at(`{}`)},
		{"attention.n_heads_in_group", at(`{"n_heads_in_group": 3}`)},
		{"attention.n_heads_in_group", at(`{"n_heads_in_group": 0}`)},
		{"attention.replace_with_linear", at(`{"no_op": true, "replace_with_linear": true}`)},
		{"attention.window_length", at(`{"n_heads_in_group": 2, "window_length": 1024}`)},
		{"attention.num_sink_tokens", at(`{"n_heads_in_group": 2, "num_sink_tokens": 4}`)},
		{"attention.sparsify", at(`{"n_heads_in_group": 2, "sparsify": ["x"]}`)},
		{"attention.unshifted_sink", at(`{"n_heads_in_group": 2, "unshifted_sink": true}`)},
		{"attention.mamba", at(`{"n_heads_in_group": 2, "mamba": {}}`)},
		{"ffn.ffn_mult", ffn(`{}`)},
		{"ffn.ffn_mult", ffn(`{"ffn_mult": -1}`)},
		{"ffn.ffn_mult", ffn(`{"ffn_mult": 1e300}`)},
		{"ffn.intermediate_size", ffn(`{"intermediate_size": 0}`)},
		{"ffn.hidden_act", ffn(`{"ffn_mult": 1, "hidden_act": "relu2"}`)},
		{"ffn.gated", ffn(`{"ffn_mult": 1, "gated": false}`)},
		{"ffn.moe", ffn(`{"ffn_mult": 1, "moe": {"num_local_experts": 8}}`)},
		{"ffn.sparsify", ffn(`{"ffn_mult": 1, "sparsify": ["x"]}`)},
		{"parallel_blocks", `{"attention": {"no_op": true}, "ffn": {"no_op": true}, "parallel_blocks": [1]}`},
	} {
		t.Run(tc.field+" "+tc.block, func(t *testing.T) {
			requireField(t, writeFolder(t, map[string]string{"config.json": deciJSON(tc.block)}), "config.json", "block_configs[0]."+tc.field)
		})
	}
	requireField(t, writeFolder(t, map[string]string{"config.json": deciJSON(at(`{"no_op": true}`) + "," + at(`{"no_op": true}`))}),
		"config.json", "block_configs")
	for field, list := range map[string]string{
		"num_key_value_heads_per_layer": "[4]", "num_key_value_heads_per_layer[1]": "[4, 8]", "num_key_value_heads_per_layer[0]": "[0, 1]",
	} {
		text := llamaJSON(map[string]string{"architectures": `["DeciLMForCausalLM"]`, "num_key_value_heads_per_layer": list})
		requireField(t, writeFolder(t, map[string]string{"config.json": text}), "config.json", field)
	}
}

func TestGenerationConfig(t *testing.T) {
	files := map[string]string{"config.json": llamaJSON(nil)}
	files["generation_config.json"] = `{"do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "eos_token_id": [3, 9], "bos_token_id": 1}`
	f, err := readFolder(writeFolder(t, files))
	require.NoError(t, err)
	require.Equal(t, []int32{2, 3, 9}, f.config.EOS)
	require.Equal(t, 0.6, *f.config.Sampling.Temperature)
	require.Equal(t, 20, *f.config.Sampling.TopK)
	require.Nil(t, f.config.Sampling.MinP)
	files["generation_config.json"] = `{"do_sample": false, "temperature": 0.6}`
	f, err = readFolder(writeFolder(t, files))
	require.NoError(t, err)
	require.Zero(t, *f.config.Sampling.Temperature, "greedy")
	files["generation_config.json"] = `{"top_k": -1}`
	f, err = readFolder(writeFolder(t, files))
	require.NoError(t, err)
	require.Zero(t, *f.config.Sampling.TopK, "off")
	for _, tc := range [][2]string{
		{"temperature", "-1"}, {"top_p", "1.5"}, {"top_p", "0"}, {"top_k", "-3"}, {"eos_token_id", "[999]"}, {"min_p", `"x"`}, {"repetition_penalty", "0.0"},
	} {
		files["generation_config.json"] = `{"` + tc[0] + `": ` + tc[1] + `}`
		requireField(t, writeFolder(t, files), "generation_config.json", tc[0])
	}
}

func TestQuantizationFiles(t *testing.T) {
	files := map[string]string{"config.json": llamaJSON(nil)}
	files["hf_quant_config.json"] = `{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head", "model.layers.1.*"]}}`
	f, err := readFolder(writeFolder(t, files))
	require.NoError(t, err)
	require.True(t, f.quantization.ignores("lm_head"))
	require.True(t, f.quantization.ignores("model.layers.1.mlp.up_proj"))
	require.False(t, f.quantization.ignores("model.layers.0.mlp.up_proj"))
	files["config.json"] = llamaJSON(map[string]string{"quantization_config": `{"quant_algo": "NVFP4"}`})
	requireField(t, writeFolder(t, files), "hf_quant_config.json", "quantization.quant_algo")
	files["hf_quant_config.json"] = `{"quantization": {"quant_algo": null, "kv_cache_quant_algo": "FP8"}}`
	f, err = readFolder(writeFolder(t, files))
	require.NoError(t, err, "the KV cache alone")
	require.Equal(t, "NVFP4", f.quantization.algo, "what config.json says")
	files["hf_quant_config.json"] = `{"quantization": {"quant_algo": "INT8_SQ"}}`
	requireField(t, writeFolder(t, files), "hf_quant_config.json", "quantization.quant_algo")
	files["hf_quant_config.json"] = `{}`
	requireField(t, writeFolder(t, files), "hf_quant_config.json", "quantization")
}

func FuzzConfig(f *testing.F) {
	f.Add(llamaJSON(nil))
	f.Add(llamaJSON(map[string]string{"attention_bias": "true", "mlp_bias": "true"}))
	f.Add(deciJSON(`{"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 1.5}}`))
	f.Add(llamaJSON(map[string]string{"rope_scaling": `{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}`}))
	f.Add(llamaJSON(map[string]string{"quantization_config": `{"quant_method": "compressed-tensors", "format": "float-quantized",
		"config_groups": {"g": {"weights": {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}}}, "ignore": ["re:.*head"]}`}))
	f.Add(llamaJSON(map[string]string{"quantization_config": `{"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": true, "dynamic": {"-:.*down": {}}}`}))
	f.Add(llamaJSON(map[string]string{"quantization_config": `{"quant_method": "compressed-tensors", "format": "pack-quantized",
		"config_groups": {"g": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": false}}}}`}))
	f.Add(llamaJSON(map[string]string{"architectures": `["Phi3ForCausalLM"]`, "partial_rotary_factor": "0.0625", "original_max_position_embeddings": "512",
		"rope_scaling": `{"type": "longrope", "short_factor": [1, 1.5], "long_factor": [2, 40.5]}`}))
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseObject("config.json", []byte(text))
		if err != nil {
			return
		}
		a, err := hfArchitecture(o)
		if err != nil {
			return
		}
		if q := o.child("quantization_config"); q != nil {
			q.quantization()
		}
		c := hfDecoder(o, a)
		if o.result() != nil {
			return
		}
		// What passed can be computed with.
		require.Positive(t, countParameters(&c))
		require.GreaterOrEqual(t, KVBytesPerToken(&c, bf16), int64(0))
		_, size := newWorkspace(&c, 0, 512, 64)
		require.Positive(t, size)
		require.False(t, math.IsNaN(c.Rotary.Scale) || math.IsInf(c.Rotary.Scale, 0))
		for _, v := range c.Rotary.Frequencies() {
			require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0))
		}
	})
}

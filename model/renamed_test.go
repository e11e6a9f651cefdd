package model

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/gguf"
)

// TestRenamed: what a config.json of Llama under another name asks for.
func TestRenamed(t *testing.T) {
	hybrid := func(more map[string]string) map[string]string {
		keys := map[string]string{
			"num_local_experts": "0", "shared_intermediate_size": "128", "layer_types": `["attention", "attention"]`, "position_embedding_type": `"rope"`,
			"mamba_n_heads": "128", "rope_scaling": "null",
		}
		maps.Copy(keys, more)
		return keys
	}
	olmo3 := func(windowed string) map[string]string {
		return map[string]string{
			"sliding_window": "64", "rope_theta": "", "rope_scaling": "null",
			"rope_parameters": `{"full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500000.0}, "sliding_attention": ` + windowed + `}`,
		}
	}
	plain := Attention{Heads: 4, KVHeads: 2, HeadDim: 64}
	normed, normedJoint, normedAfter := plain, plain, plain
	normedAfter.QKNorm, normedAfter.QKNormAfterRoPE = true, true
	normed.QKNorm = true
	normedJoint.QKNorm, normedJoint.QKNormJoint = true, true
	unscaled := normedJoint
	unscaled.UnscaledRoPE = true
	normedStill := normed
	normedStill.NoRoPE = true
	within := func(a Attention, window int) *Attention {
		a.Window = window
		return &a
	}
	noRoPE, qkv, all := plain, plain, plain
	noRoPE.NoRoPE = true
	qkv.QKVBias = true
	all.QKVBias, all.OBias = true, true
	for name, tc := range map[string]struct {
		architecture string
		keys         map[string]string
		want         Layer
		refused      string
	}{
		"phi3":            {architecture: "Phi3ForCausalLM", want: Layer{&plain, &FFN{Width: 512}}},
		"glm of none":     {architecture: "GlmForCausalLM", keys: map[string]string{"attention_bias": "false"}, want: Layer{&plain, &FFN{Width: 512}}},
		"phi3 of lengths": {architecture: "Phi3ForCausalLM", keys: map[string]string{"rope_scaling": `{"type": "longrope", "short_factor": [1]}`}, refused: "rope_scaling.original_max_position_embeddings"},
		"seed":            {architecture: "SeedOssForCausalLM", want: Layer{&qkv, &FFN{Width: 512}}},
		"seed of none":    {architecture: "SeedOssForCausalLM", keys: map[string]string{"attention_bias": "false"}, want: Layer{&plain, &FFN{Width: 512}}},
		"seed of all":     {architecture: "SeedOssForCausalLM", keys: map[string]string{"attention_out_bias": "true"}, want: Layer{&all, &FFN{Width: 512}}},
		"exaone": {architecture: "ExaoneForCausalLM", keys: map[string]string{
			"num_hidden_layers": "", "num_layers": "2", "rms_norm_eps": "", "layer_norm_epsilon": "1e-5", "hidden_act": "", "activation_function": `"silu"`,
		}, want: Layer{&plain, &FFN{Width: 512}}},
		"exaone of gelu":  {architecture: "ExaoneForCausalLM", keys: map[string]string{"hidden_act": "", "activation_function": `"gelu"`}, refused: "activation_function"},
		"exaone of none":  {architecture: "ExaoneForCausalLM", keys: map[string]string{"num_hidden_layers": ""}, refused: "num_layers"},
		"llama of exaone": {architecture: "LlamaForCausalLM", keys: map[string]string{"num_hidden_layers": "", "num_layers": "2"}, refused: "num_hidden_layers"},
		"ministral":       {architecture: "MinistralForCausalLM", keys: map[string]string{"sliding_window": "32768", "layer_types": `["sliding_attention", "sliding_attention"]`}, want: Layer{&plain, &FFN{Width: 512}}},
		"iquest":          {architecture: "IQuestCoderForCausalLM", keys: map[string]string{"clip_qkv": "null", "use_sliding_window": "false", "sliding_window": "1024"}, want: Layer{&plain, &FFN{Width: 512}}},
		"mimo":            {architecture: "MiMoForCausalLM", keys: map[string]string{"attention_bias": "true", "num_nextn_predict_layers": "1", "use_sliding_window": "false"}, want: Layer{&qkv, &FFN{Width: 512}}},
		"qwen guessing":   {architecture: "Qwen2ForCausalLM", keys: map[string]string{"num_nextn_predict_layers": "1"}, refused: "num_nextn_predict_layers"},
		"internlm 2":      {architecture: "InternLM2ForCausalLM", keys: map[string]string{"bias": "true"}, want: Layer{&all, &FFN{Width: 512}}},
		"xverse":          {architecture: "XverseForCausalLM", want: Layer{&plain, &FFN{Width: 512}}},
		"cwm of all":      {architecture: "CwmForCausalLM", keys: map[string]string{"sliding_window": "null", "layer_types": `["sliding_attention", "full_attention"]`}, refused: "layer_types"},
		"hunyuan": {architecture: "HunYuanDenseV1ForCausalLM", keys: map[string]string{
			"num_experts": "1", "use_qk_norm": "true", "use_cla": "false", "norm_type": `"rms"`, "eod_token_id": "7", "rope_theta": "10000.0",
			"rope_scaling": `{"type": "dynamic", "alpha": 1000.0, "factor": 1.0, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 0.0}`,
		}, want: Layer{&normedAfter, &FFN{Width: 512}}},
		"hunyuan of both": {architecture: "HunYuanDenseV1ForCausalLM", keys: map[string]string{
			"rope_theta": "10000.0", "rope_scaling": "null", "rope_parameters": `{"rope_type": "dynamic", "alpha": 1000.0, "factor": 1.0, "rope_theta": 10000.0}`,
		}, want: Layer{&normedAfter, &FFN{Width: 512}}},
		"hunyuan of experts": {architecture: "HunYuanDenseV1ForCausalLM", keys: map[string]string{"num_experts": "64"}, refused: "num_experts"},
		"hunyuan of layers":  {architecture: "HunYuanDenseV1ForCausalLM", keys: map[string]string{"use_cla": "true"}, refused: "use_cla"},
		"hunyuan unnormed":   {architecture: "HunYuanDenseV1ForCausalLM", keys: map[string]string{"use_qk_norm": "false"}, refused: "use_qk_norm"},
		"llama stretched":    {architecture: "LlamaForCausalLM", keys: map[string]string{"rope_scaling": `{"type": "dynamic", "alpha": 1000.0, "factor": 1.0}`}, refused: "rope_scaling.alpha"},
		"pangu":              {architecture: "PanguEmbeddedForCausalLM", keys: map[string]string{"bias": "true"}, want: Layer{&all, &FFN{Width: 512}}},
		"iquest clipped":     {architecture: "IQuestCoderForCausalLM", keys: map[string]string{"clip_qkv": "8"}, refused: "clip_qkv"},
		"olmo 2":             {architecture: "Olmo2ForCausalLM", want: Layer{&normedJoint, &FFN{Width: 512}}},
		"exaone 4":           {architecture: "Exaone4ForCausalLM", keys: map[string]string{"sliding_window": "null", "sliding_window_pattern": `"LLLG"`}, want: Layer{&normed, &FFN{Width: 512}}},
		"exaone 4 of 32B":    {architecture: "Exaone4ForCausalLM", keys: map[string]string{"sliding_window": "4096", "layer_types": `["sliding_attention", "full_attention"]`}, want: Layer{&normedStill, &FFN{Width: 512}}},
		"exaone 4 of old":    {architecture: "Exaone4ForCausalLM", want: Layer{within(normed, 4096), &FFN{Width: 512}}},
		"exaone 4 letters":   {architecture: "Exaone4ForCausalLM", keys: map[string]string{"sliding_window_pattern": `"LG"`}, want: Layer{&normedStill, &FFN{Width: 512}}},
		"exaone 4 interval":  {architecture: "Exaone4ForCausalLM", keys: map[string]string{"sliding_window_pattern": `2`}, want: Layer{&normedStill, &FFN{Width: 512}}},
		"exaone 4 of few":    {architecture: "Exaone4ForCausalLM", keys: map[string]string{"layer_types": `["full_attention"]`}, refused: "layer_types"},
		"exaone 4 of states": {architecture: "Exaone4ForCausalLM", keys: map[string]string{"layer_types": `["full_attention", "mamba"]`}, refused: "layer_types"},
		"olmo 2 of windows":  {architecture: "Olmo2ForCausalLM", keys: map[string]string{"layer_types": `["sliding_attention", "full_attention"]`}, refused: "layer_types"},
		"olmo 3":             {architecture: "Olmo3ForCausalLM", keys: map[string]string{"sliding_window": "64", "layer_types": `["full_attention", "sliding_attention"]`}, want: Layer{within(unscaled, 64), &FFN{Width: 512}}},
		"olmo 3 of two":      {architecture: "Olmo3ForCausalLM", keys: olmo3(`{"rope_type": "default", "rope_theta": 500000.0}`), want: Layer{within(unscaled, 64), &FFN{Width: 512}}},
		"olmo 3 of bases":    {architecture: "Olmo3ForCausalLM", keys: olmo3(`{"rope_type": "default", "rope_theta": 10000.0}`), refused: "rope_parameters.sliding_attention.rope_theta"},
		"olmo 3 of three":    {architecture: "Olmo3ForCausalLM", keys: olmo3(`{"rope_type": "default"}, "chunked_attention": {"rope_type": "linear"}`), refused: "rope_parameters.chunked_attention"},
		"olmo 3 scaled":      {architecture: "Olmo3ForCausalLM", keys: olmo3(`{"rope_type": "linear", "rope_theta": 500000.0}`), refused: "rope_parameters.sliding_attention.rope_type"},
		"ernie of biases":    {architecture: "Ernie4_5ForCausalLM", keys: map[string]string{"use_bias": "true"}, refused: "use_bias"},
		"granite 4":          {architecture: "GraniteMoeHybridForCausalLM", keys: hybrid(nil), want: Layer{&plain, &FFN{Width: 128}}},
		"granite 4 no RoPE":  {architecture: "GraniteMoeHybridForCausalLM", keys: hybrid(map[string]string{"position_embedding_type": `"nope"`}), want: Layer{&noRoPE, &FFN{Width: 128}}},
		"of experts":         {architecture: "GraniteMoeHybridForCausalLM", keys: hybrid(map[string]string{"num_local_experts": "62"}), refused: "num_local_experts"},
		"of states":          {architecture: "GraniteMoeHybridForCausalLM", keys: hybrid(map[string]string{"layer_types": `["attention", "mamba"]`}), refused: "layer_types"},
		"of too few":         {architecture: "GraniteMoeHybridForCausalLM", keys: hybrid(map[string]string{"layer_types": `["attention"]`}), refused: "layer_types"},
	} {
		t.Run(name, func(t *testing.T) {
			keys := map[string]string{"architectures": `["` + tc.architecture + `"]`}
			maps.Copy(keys, tc.keys)
			dir := writeFolder(t, map[string]string{"config.json": llamaJSON(keys)})
			f := requireFolder(t, dir, tc.refused)
			if f == nil {
				return
			}
			require.Equal(t, tc.want, f.config.Layers[1])
			require.Empty(t, f.unread)
			c, err := OpenRandom(dir, nil)
			require.NoError(t, err)
			require.NoError(t, c.Close())
		})
	}
}

// TestModelType: where transformers 5 names Llama, the type of a model whose tensors have
// names of their own counts.
func TestModelType(t *testing.T) {
	for kind, want := range map[string]string{"exaone": "ExaoneForCausalLM", "llama": "LlamaForCausalLM", "internlm3": "LlamaForCausalLM", "mistral": "LlamaForCausalLM"} {
		f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{"model_type": `"` + kind + `"`})}))
		require.NoError(t, err)
		require.Equal(t, want, f.config.Architecture)
	}
}

// TestVisionFiles: GGUF files of Qwen3-VL are those of Qwen3, for text.
func TestVisionFiles(t *testing.T) {
	open := func(name string, keys map[string]any) *Checkpoint {
		h := ggufOf(name, keys)
		for _, norm := range []string{"blk.0.attn_q_norm", "blk.0.attn_k_norm", "blk.1.attn_q_norm", "blk.1.attn_k_norm"} {
			h.add(norm, ggmlF32, 0, 64)
		}
		c, err := Open(h.write(t))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		return c
	}
	plain, sees := open("qwen3", nil), open("qwen3vl", map[string]any{"rope.dimension_sections": []int32{24, 20, 20, 0}, "n_deepstack_layers": uint32(3)})
	want := plain.Config
	want.Architecture = "qwen3vl"
	require.Equal(t, want, sees.Config)
	require.Empty(t, sees.Unread)
}

// TestWindowPattern: GGUF files say which layers have a window. Where those of EXAONE 4 have one,
// others have no rotations.
func TestWindowPattern(t *testing.T) {
	window, wide := uint32(16), uint32(1<<20)
	for name, tc := range map[string]struct {
		keys    map[string]any
		windows [2]int
		noRoPE  [2]bool
		refused string
	}{
		"no window": {map[string]any{"attention.sliding_window_pattern": []bool{true, false}}, [2]int{}, [2]bool{}, ""},
		"each":      {map[string]any{"attention.sliding_window": window, "attention.sliding_window_pattern": []bool{false, true}}, [2]int{0, 16}, [2]bool{true, false}, ""},
		"numbers":   {map[string]any{"attention.sliding_window": window, "attention.sliding_window_pattern": []int32{0, 1}}, [2]int{0, 16}, [2]bool{true, false}, ""},
		"wide":      {map[string]any{"attention.sliding_window": wide, "attention.sliding_window_pattern": []bool{false, true}}, [2]int{}, [2]bool{true, false}, ""},
		"interval":  {map[string]any{"attention.sliding_window": window, "attention.sliding_window_pattern": uint32(2)}, [2]int{16, 0}, [2]bool{false, true}, ""},
		"all":       {map[string]any{"attention.sliding_window": window, "attention.sliding_window_pattern": uint32(0)}, [2]int{16, 16}, [2]bool{}, ""},
		"unsaid":    {map[string]any{"attention.sliding_window": window}, [2]int{16, 16}, [2]bool{}, ""},
		"too few":   {map[string]any{"attention.sliding_window": window, "attention.sliding_window_pattern": []bool{false}}, [2]int{}, [2]bool{}, "exaone4.attention.sliding_window_pattern: has 1 entries"},
		"text":      {map[string]any{"attention.sliding_window": window, "attention.sliding_window_pattern": "LG"}, [2]int{}, [2]bool{}, "exaone4.attention.sliding_window_pattern: must be"},
	} {
		t.Run(name, func(t *testing.T) {
			h := ggufOf("exaone4", tc.keys)
			k := &ggufKeys{problems: &problems{file: "f"}, arch: "exaone4", read: map[string]bool{}}
			f, err := gguf.Open(h.write(t))
			require.NoError(t, err)
			defer f.Close()
			k.file = f
			c := Config{ContextLength: 256, Layers: []Layer{{Attention: &Attention{}}, {Attention: &Attention{}}}}
			k.window(&c, &exaone4)
			if tc.refused != "" {
				require.ErrorContains(t, k.result(), tc.refused)
				return
			}
			require.NoError(t, k.result())
			for i, l := range c.Layers {
				require.Equal(t, Attention{Window: tc.windows[i], NoRoPE: tc.noRoPE[i]}, *l.Attention, "layer %d", i)
			}
		})
	}
}

// TestWindows: which layers of a config.json have a window. Each class was given such files with
// transformers 5.24, with eager attention whose weights past the window are 0.
func TestWindows(t *testing.T) {
	const on = "use_sliding_window"
	size := func(more ...string) map[string]string {
		keys := map[string]string{"sliding_window": "64"}
		for i := 0; i < len(more); i += 2 {
			keys[more[i]] = more[i+1]
		}
		return keys
	}
	all, mixed := types("ssssssss"), types("sfssfsff")
	of := [8]int{64, 0, 64, 64, 0, 64, 0, 0} // mixed
	fourth := [8]int{64, 64, 64, 0, 64, 64, 64, 0}
	for name, tc := range map[string]struct {
		architecture string
		keys         map[string]string
		want         [8]int
		refused      string
	}{
		"mistral":             {"MistralForCausalLM", nil, each(4096), ""},
		"mistral of 64":       {"MistralForCausalLM", size(), each(64), ""},
		"mistral later":       {"MistralForCausalLM", map[string]string{"sliding_window": "null", on: "false"}, each(0), ""},
		"mistral of few":      {"MistralForCausalLM", size("max_window_layers", "3", "sliding_window_pattern", "3"), each(64), ""},
		"mistral typed":       {"MistralForCausalLM", size("layer_types", all), each(64), ""},
		"mistral of types":    {"MistralForCausalLM", size("layer_types", mixed), each(0), "layer_types: \"full_attention\" of layer 1 is not what MistralForCausalLM does"},
		"mistral off":         {"MistralForCausalLM", size(on, "false"), each(0), "use_sliding_window: false is not what MistralForCausalLM does"},
		"as wide":             {"MistralForCausalLM", map[string]string{"sliding_window": "16384", on: "false", "layer_types": mixed}, each(0), ""},
		"mistral of 0":        {"MistralForCausalLM", map[string]string{"sliding_window": "0"}, each(0), "sliding_window"},
		"ministral":           {"MinistralForCausalLM", size("layer_types", mixed), of, ""},
		"ministral untyped":   {"MinistralForCausalLM", nil, each(4096), ""},
		"ministral3":          {"Ministral3ForCausalLM", nil, each(0), ""},
		"ministral3 of 64":    {"Ministral3ForCausalLM", size(), each(64), ""},
		"mistral3":            {"Mistral3ForConditionalGeneration", map[string]string{"model_type": `"mistral"`}, each(4096), ""},
		"mistral3 of one":     {"Mistral3ForConditionalGeneration", map[string]string{"model_type": `"ministral3"`}, each(0), ""},
		"mistral3 of 64":      {"Mistral3ForConditionalGeneration", size("model_type", `"ministral3"`), each(64), ""},
		"phi3":                {"Phi3ForCausalLM", size(), each(64), ""},
		"phi3 of none":        {"Phi3ForCausalLM", nil, each(0), ""},
		"qwen2":               {"Qwen2ForCausalLM", size(on, "true", "max_window_layers", "6"), [8]int{6: 64, 7: 64}, ""},
		"qwen2 by default":    {"Qwen2ForCausalLM", map[string]string{on: "true", "max_window_layers": "7"}, [8]int{7: 4096}, ""},
		"qwen2 unused":        {"Qwen2ForCausalLM", size("max_window_layers", "3"), each(0), ""},
		"qwen2 unused types":  {"Qwen2ForCausalLM", size("layer_types", mixed), each(0), "layer_types"},
		"qwen2.5 vl":          {"Qwen2_5_VLForConditionalGeneration", size(on, "true", "max_window_layers", "6"), [8]int{6: 64, 7: 64}, ""},
		"mimo":                {"MiMoForCausalLM", size(on, "true", "max_window_layers", "6"), [8]int{6: 64, 7: 64}, ""},
		"qwen3 of few":        {"Qwen3ForCausalLM", size(on, "true"), each(0), ""},
		"qwen3 of types":      {"Qwen3ForCausalLM", size(on, "true", "layer_types", mixed), of, ""},
		"smollm3":             {"SmolLM3ForCausalLM", size(on, "true"), [8]int{3: 64, 7: 64}, ""},
		"smollm3 of types":    {"SmolLM3ForCausalLM", size(on, "true", "layer_types", mixed), of, ""},
		"smollm3 unused":      {"SmolLM3ForCausalLM", size(), each(0), ""},
		"smollm3 of none":     {"SmolLM3ForCausalLM", map[string]string{on: "true"}, each(0), ""},
		"cwm":                 {"CwmForCausalLM", nil, [8]int{0, 8192, 8192, 8192, 0, 8192, 8192, 8192}, ""},
		"cwm typed":           {"CwmForCausalLM", size("layer_types", mixed), of, ""},
		"olmo 3":              {"Olmo3ForCausalLM", nil, [8]int{4096, 4096, 4096, 0, 4096, 4096, 4096, 0}, ""},
		"olmo 3 of a pattern": {"Olmo3ForCausalLM", size("sliding_window_pattern", "3"), fourth, ""},
		"olmo 3 of types":     {"Olmo3ForCausalLM", size("layer_types", mixed), of, ""},
		"exaone 4":            {"Exaone4ForCausalLM", size(), fourth, ""},
		"exaone 4 interval":   {"Exaone4ForCausalLM", size("sliding_window_pattern", "3"), [8]int{64, 64, 0, 64, 64, 0, 64, 64}, ""},
		"exaone 4 letters":    {"Exaone4ForCausalLM", size("sliding_window_pattern", `"LLG"`), [8]int{64, 64, 0, 64, 64, 0, 64, 64}, ""},
		"exaone 4 of types":   {"Exaone4ForCausalLM", size("layer_types", mixed), of, ""},
		"qwen3 vl on":         {"Qwen3VLForConditionalGeneration", size(on, "true"), each(0), "use_sliding_window: true is not what Qwen3VLForConditionalGeneration does"},
		"llama of types":      {"LlamaForCausalLM", size("layer_types", mixed), each(0), "layer_types: \"sliding_attention\" of layer 0 is not what LlamaForCausalLM does"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.refused != "" {
				_, err := readFolder(windowFolder(t, tc.architecture, tc.keys))
				require.ErrorContains(t, err, tc.refused)
				return
			}
			require.Equal(t, tc.want, windows(t, tc.architecture, tc.keys))
		})
	}
	for _, a := range architectures() {
		if a.hf == "" || a.windowed != nil {
			continue
		}
		t.Run("none of "+a.hf, func(t *testing.T) {
			keys := size(on, "false", "max_window_layers", "3")
			switch a {
			case &deci:
				keys["num_key_value_heads_per_layer"] = "[2, 2, 2, 2, 2, 2, 2, 2]"
			case &graniteHybrid:
				keys["layer_types"] = strings.ReplaceAll(types("ffffffff"), "full_attention", "attention")
				keys["num_local_experts"], keys["shared_intermediate_size"] = "0", "512"
			}
			require.Equal(t, each(0), windows(t, a.hf, keys))
		})
	}
}

func windowFolder(t *testing.T, architecture string, keys map[string]string) string {
	all := map[string]string{"architectures": `["` + architecture + `"]`, "num_hidden_layers": "8"}
	maps.Copy(all, keys)
	config := llamaJSON(all)
	if architecture == mistral3.hf {
		config = fmt.Sprintf(`{"architectures": ["%s"], "%s": %s}`, architecture, mistral3.text, config)
	}
	return writeFolder(t, map[string]string{"config.json": config})
}

// windows returns those of a config.json's layers; 0: none.
func windows(t *testing.T, architecture string, keys map[string]string) (sizes [8]int) {
	f, err := readFolder(windowFolder(t, architecture, keys))
	require.NoError(t, err)
	require.Empty(t, f.unread)
	for i, l := range f.config.Layers {
		sizes[i] = l.Attention.Window
	}
	require.Equal(t, 16384, f.config.ContextLength)
	return sizes
}

// each returns a window for each of 8 layers.
func each(window int) [8]int {
	return [8]int{window, window, window, window, window, window, window, window}
}

// types writes layer_types, a letter for each layer.
func types(letters string) string {
	list := strings.NewReplacer("s", `"sliding_attention", `, "f", `"full_attention", `).Replace(letters)
	return "[" + strings.TrimSuffix(list, ", ") + "]"
}

// TestStretched: a base may be stretched in GGUF files, too.
func TestStretched(t *testing.T) {
	h := ggufOf("hunyuan_vl", map[string]any{"rope.scaling.alpha": float32(1000), "rope.freq_base": float32(10000)})
	for _, norm := range []string{"blk.0.attn_q_norm", "blk.0.attn_k_norm", "blk.1.attn_q_norm", "blk.1.attn_k_norm"} {
		h.add(norm, ggmlF32, 0, 64)
	}
	c, err := Open(h.write(t))
	require.NoError(t, err)
	defer c.Close()
	require.InEpsilon(t, 10000*math.Pow(1000, 64.0/62), c.Config.Rotary.Theta, 1e-12)
	require.True(t, c.Config.Layers[0].Attention.QKNormAfterRoPE)
	// Heads of 2 have no lower frequency that could be stretched.
	f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{
		"architectures": `["HunYuanDenseV1ForCausalLM"]`, "head_dim": "2", "rope_scaling": `{"type": "dynamic", "alpha": 1000.0}`,
	})}))
	require.NoError(t, err)
	require.Equal(t, 500000.0, f.config.Rotary.Theta)
}

// TestSections: GGUF files of GLM-4 that see images have their rows in another order.
func TestSections(t *testing.T) {
	for sections, want := range map[[4]int32]bool{{}: true, {8, 12, 12, 0}: false} {
		c, err := Open(ggufOf("internlm2", map[string]any{"rope.dimension_sections": sections[:]}).write(t))
		require.NoError(t, err)
		require.Equal(t, want, c.Config.Rotary.Interleaved)
		require.Empty(t, c.Unread)
		require.NoError(t, c.Close())
	}
}

// TestTextConfig: of a model that sees images the part for text is read.
func TestTextConfig(t *testing.T) {
	const named = `{"architectures": ["Mistral3ForConditionalGeneration"], "vision_config": {}, "text_config": `
	text := llamaJSON(map[string]string{
		"architectures": "null", "rope_parameters": `{"type": "yarn", "factor": 16, "original_max_position_embeddings": 96, "llama_4_scaling_beta": 0.1, "max_position_embeddings": 1024}`,
		"rope_scaling": "null", "rope_theta": "", "sliding_window": "null",
	})
	f, err := readFolder(writeFolder(t, map[string]string{"config.json": named + text + "}"}))
	require.NoError(t, err)
	require.Empty(t, f.unread)
	require.Equal(t, 96, f.config.ContextLength)
	require.Equal(t, "llama_4_scaling_beta", f.config.Limit)
	require.Len(t, f.config.Layers, 2)
	requireField(t, writeFolder(t, map[string]string{"config.json": named + "null}"}), "config.json", "vocab_size")
	// Qwen2.5-VL has it in both places.
	flat := llamaJSON(map[string]string{"architectures": `["Qwen2_5_VLForConditionalGeneration"]`, "rope_scaling": `{"type": "mrope", "mrope_section": [16, 24, 24]}`})
	f, err = readFolder(writeFolder(t, map[string]string{"config.json": flat}))
	require.NoError(t, err)
	require.Empty(t, f.unread)
	require.Empty(t, f.config.Rotary.Scaling)
	require.True(t, f.config.Layers[1].Attention.QKVBias)
	linear := strings.Replace(text, "yarn", "linear", 1)
	requireField(t, writeFolder(t, map[string]string{"config.json": named + linear + "}"}), "config.json", "text_config.rope_parameters.llama_4_scaling_beta")
	f, err = readFolder(writeFolder(t, map[string]string{"config.json": named + strings.Replace(linear, "0.1", "0", 1) + "}"}))
	require.NoError(t, err)
	require.Empty(t, f.config.Limit, "0 is off")
}

// TestScaleOfWhole: FP8 may have one scale for all of a weight where others have blocks.
func TestScaleOfWhole(t *testing.T) {
	p := part{name: "w", rows: 300, cols: 320, weight: new(kernels.Weight)}
	f, err := newFinder("f", []TensorInfo{
		{Name: "w.weight", Type: "F8_E4M3", Shape: []int64{300, 320}}, {Name: "w.weight_scale_inv", Type: "BF16"}, {Name: "w.activation_scale", Type: "BF16"},
		{Name: "eye.weight", Type: "BF16", Shape: []int64{4}},
	}, newQuantization())
	require.NoError(t, err)
	f.beside = []string{"eye."}
	s, err := f.hf(&p)
	require.NoError(t, err)
	require.Equal(t, [2]int64{300, 320}, [2]int64{s.matrix.ScaleRows, s.matrix.ScaleCols})
	require.NoError(t, f.rest())
}

// TestTheta: what transformers takes where a config.json does not say.
func TestTheta(t *testing.T) {
	for architecture, want := range map[string]float64{"Llama": 1e4, "SmolLM3": 2e6, "Helium": 1e5, "Ernie4_5": 5e5} {
		keys := map[string]string{"architectures": `["` + architecture + `ForCausalLM"]`, "rope_theta": "", "rope_scaling": "null"}
		f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(keys)}))
		require.NoError(t, err, architecture)
		require.Equal(t, want, f.config.Rotary.Theta, architecture)
	}
}

// TestFusedBlock: a part of a fused tensor must not begin within a block that has one scale.
func TestFusedBlock(t *testing.T) {
	const rows, cols = 192, 320
	p := part{name: "up", rows: rows, cols: cols, weight: new(kernels.Weight), fused: fused{name: "both", rows: 2 * rows, first: rows}}
	for scale, refused := range map[string]bool{"both.weight_scale": false, "both.weight_scale_inv": true} {
		shape := []int64{2 * rows, 1}
		if refused {
			shape = []int64{3, 3}
		}
		f, err := newFinder("f", []TensorInfo{
			{Name: "both.weight", Type: "F8_E4M3", Shape: []int64{2 * rows, cols}}, {Name: scale, Type: "F32", Shape: shape},
		}, newQuantization())
		require.NoError(t, err)
		s, err := f.hf(&p)
		if refused {
			requireTensor(t, err, "both.weight")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, int64(rows), s.place.first)
		require.Equal(t, int64(rows), s.scales())
		require.NoError(t, f.rest())
	}
}

// TestGrouped: each KV head's queries, its key and its value may be together, in any form
// whose scales do not span two of them.
func TestGrouped(t *testing.T) {
	const rows, cols = 16, 4
	data, scales := make([]byte, rows*cols), make([]float32, rows)
	for i := range data {
		data[i] = byte(i)
		scales[i/cols] = float32(i/cols + 1)
	}
	filled := func(dst []byte, first int64) { copy(dst, data[first*cols:]) }
	wholes := map[string]*kernels.Matrix{
		"plain": {Data: data}, "filled": {Fill: filled}, "scale": {Data: data, Scale: scales[:1], ScaleRows: rows, ScaleCols: cols},
		"scales": {Data: data, Scale: scales, ScaleRows: 1, ScaleCols: cols}, "groups": {Data: data, GroupScale: data[:rows]},
	}
	var l layerWeights
	parts := l.attention(nil, internlm2Names(), &Attention{Heads: 4, KVHeads: 2, HeadDim: 2}, cols, partial{})
	for i, want := range [][]int64{{0, 1, 2, 3, 8, 9, 10, 11}, {4, 5, 12, 13}, {6, 7, 14, 15}} {
		for name, whole := range wholes {
			whole.Type, whole.Rows, whole.Cols = kernels.F8E4M3, rows, cols
			s := stored{matrix: *whole, place: parts[i].fused, scale: -1}
			s.matrix.Rows = parts[i].rows
			m := s.cut(whole)
			require.Equal(t, int64(len(want)), m.Rows)
			if m.Fill != nil {
				m.Data = make([]byte, m.Rows*cols)
				m.Fill(m.Data[cols:], 1)
				m.Fill(m.Data[:cols], 0)
			}
			for j, row := range want {
				require.Equal(t, data[row*cols:][:cols], m.Data[j*cols:][:cols], "%s: row %d of %d", name, j, i)
				switch {
				case whole.GroupScale != nil:
					require.Equal(t, byte(row), m.GroupScale[j])
				case whole.Scale != nil:
					require.Equal(t, whole.ScaleAt(row, 0), m.ScaleAt(int64(j), 0), "%s: row %d of %d", name, j, i)
				}
			}
		}
	}
}

// TestRenamedFiles: GGUF files of Llama under another name are Llama's.
func TestRenamedFiles(t *testing.T) {
	llama, err := Open(llamaGGUF(nil).write(t))
	require.NoError(t, err)
	defer llama.Close()
	for _, name := range []string{"mistral3", "internlm2", "xverse", "ernie4_5", "exaone"} {
		c, err := Open(ggufOf(name, nil).write(t))
		require.NoError(t, err)
		want := llama.Config
		want.Architecture = name
		want.Rotary.Interleaved = name != "exaone"
		require.Equal(t, want, c.Config)
		require.Empty(t, c.Unread)
		require.NoError(t, c.Close())
	}
	// Ministral 3 scales queries from some position on, others not at all.
	scaled := map[string]any{"attention.temperature_scale": float32(0.1), "rope.scaling.original_context_length": uint32(100)}
	for _, want := range []int{100, 64} {
		if want == 64 {
			scaled["attention.temperature_length"] = uint32(64)
		}
		c, err := Open(ggufOf("mistral3", scaled).write(t))
		require.NoError(t, err)
		require.Equal(t, want, c.Config.ContextLength)
		require.Equal(t, "mistral3.attention.temperature_scale", c.Config.Limit)
		require.NoError(t, c.Close())
	}
	_, err = Open(ggufOf("internlm2", map[string]any{"attention.temperature_scale": float32(0.1)}).write(t))
	require.ErrorContains(t, err, "internlm2.attention.temperature_scale")
	_, err = Open(ggufOf("exaone4", map[string]any{"rope.freq_base_swa": float32(1)}).write(t))
	require.ErrorContains(t, err, "exaone4.rope.freq_base_swa: 1 is not supported")
}

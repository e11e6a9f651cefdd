package model

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestIntegerConfigs: what config.json says of weights in integers, and what is refused.
func TestIntegerConfigs(t *testing.T) {
	read := func(t *testing.T, text string) (*folder, string) {
		dir := writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{"quantization_config": text})})
		f, err := readFolder(dir)
		require.NoError(t, err)
		return f, dir
	}
	for name, tc := range map[string]struct {
		text  string
		check func(q *quantization)
	}{
		"gptq": {`{"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": true, "desc_act": false, "damp_percent": 0.1}`, func(q *quantization) {
			require.Equal(t, [2]any{4, int64(128)}, [2]any{q.bits, q.group})
			require.Equal(t, [3]bool{true, true, false}, [3]bool{q.symmetric, q.zeroLess, q.ordered})
		}},
		"gptq v2": {`{"method": "gptq", "bits": 8, "group_size": -1, "checkpoint_format": "gptq_v2", "desc_act": true, "pack_dtype": "int32"}`, func(q *quantization) {
			require.Equal(t, [2]any{8, int64(math.MaxInt64)}, [2]any{q.bits, q.group})
			require.Equal(t, [3]bool{false, false, true}, [3]bool{q.symmetric, q.zeroLess, q.ordered})
		}},
		"gptq left out": {`{"quant_method": "gptq", "bits": 4, "group_size": 32, "dynamic": {"-:.*\\.down_proj": {}}}`, func(q *quantization) {
			require.True(t, q.ignores("model.layers.7.mlp.down_proj"))
			require.False(t, q.ignores("model.layers.7.mlp.up_proj"))
			require.True(t, q.mixed)
		}},
		"auto-round": {`{"quant_method": "auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4, "group_size": 128, "sym": true, "data_type": "int",
			"extra_config": {"lm_head": {"bits": 16, "data_type": "float"}, "model.layers.0.mlp.down_proj": {"bits": 8}}}`, func(q *quantization) {
			require.Equal(t, [2]any{"gptq", 4}, [2]any{q.algo, q.bits})
			require.True(t, q.symmetric && q.zeroLess && q.mixed)
			require.Equal(t, map[string]bool{"lm_head": true}, q.names)
		}},
		"auto-round as awq": {`{"quant_method": "auto-round", "packing_format": "auto_round:auto_awq", "bits": 4, "group_size": 128, "sym": true}`, func(q *quantization) {
			require.Equal(t, "awq", q.algo)
			require.True(t, q.symmetric)
			require.False(t, q.mixed || q.zeroLess)
		}},
		"awq": {`{"quant_method": "awq", "bits": 4, "group_size": 64, "version": "GEMM", "zero_point": true, "modules_to_not_convert": ["lm_head"]}`, func(q *quantization) {
			require.Equal(t, [2]any{4, int64(64)}, [2]any{q.bits, q.group})
			require.False(t, q.symmetric || q.zeroLess)
			require.True(t, q.ignores("lm_head"))
		}},
		"packed": {`{"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["re:.*lm_head"], "config_groups": {"group_0":
			{"weights": {"num_bits": 4, "type": "int", "symmetric": false, "strategy": "group", "group_size": 32, "actorder": "weight"}}}}`, func(q *quantization) {
			require.True(t, q.ignores("model.lm_head"))
		}},
		"bytes": {`{"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {"group_0":
			{"weights": {"num_bits": 8, "type": "int", "symmetric": true, "strategy": "channel", "group_size": null, "actorder": null}}}}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := read(t, tc.text)
			require.Empty(t, f.unread)
			if tc.check != nil {
				tc.check(f.quantization)
			}
		})
	}
	early := `{"quant_method": "compressed-tensors", "format": "int-quantized", "ignore": ["lm_head"]}`
	f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{"compression_config": early})}))
	require.NoError(t, err)
	require.True(t, f.quantization.ignores("lm_head"))
	const gptq, awq = `"quant_method": "gptq", "group_size": 128`, `"quant_method": "awq", "group_size": 128`
	weights := func(text string) string {
		return `{"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"group_0": {"weights": {"type": "int", ` + text + `}}}}`
	}
	const groups = "config_groups.group_0.weights."
	for _, tc := range []struct{ field, text string }{
		{"bits", `{` + gptq + `, "bits": 3}`},
		{"bits", `{` + gptq + `}`},
		{"bits", `{` + gptq + `, "bits": "4"}`},
		{"bits", `{` + awq + `, "bits": 8}`},
		{"group_size", `{"quant_method": "gptq", "bits": 4}`},
		{"group_size", `{"quant_method": "gptq", "bits": 4, "group_size": 48}`},
		{"group_size", `{"quant_method": "gptq", "bits": 4, "group_size": 0}`},
		{"group_size", `{"quant_method": "awq", "bits": 4, "group_size": -32}`},
		{"checkpoint_format", `{` + gptq + `, "bits": 4, "checkpoint_format": "marlin"}`},
		{"checkpoint_format", `{` + gptq + `, "bits": 4, "format": "bitblas"}`},
		{"is_marlin_format", `{` + gptq + `, "bits": 4, "is_marlin_format": true}`},
		{"pack_dtype", `{` + gptq + `, "bits": 4, "pack_dtype": "int16"}`},
		{"sym", `{` + gptq + `, "bits": 8, "sym": false}`},
		{"sym", `{` + gptq + `, "bits": 4, "sym": 1}`},
		{"dynamic", `{` + gptq + `, "bits": 4, "dynamic": ["-:.*down_proj"]}`},
		{"packing_format", `{"quant_method": "auto-round", "bits": 4, "group_size": 128}`},
		{"packing_format", `{"quant_method": "auto-round", "bits": 4, "group_size": 128, "packing_format": "auto_round:llm_compressor"}`},
		{"data_type", `{"quant_method": "auto-round", "packing_format": "auto_round:auto_gptq", "bits": 4, "group_size": 128, "data_type": "mx_fp"}`},
		{"extra_config.a", `{"quant_method": "auto-round", "packing_format": "auto_round:auto_awq", "bits": 4, "group_size": 128, "extra_config": {"a": 1}}`},
		{"dynamic", `{` + gptq + `, "bits": 4, "dynamic": {"-:(": {}}}`},
		{"version", `{` + awq + `, "bits": 4, "version": "gemv"}`},
		{"backend", `{` + awq + `, "bits": 4, "backend": "llm-awq"}`},
		{groups + "num_bits", weights(`"num_bits": 3`)},
		{groups + "symmetric", weights(`"num_bits": 8, "symmetric": false`)},
		{groups + "group_size", weights(`"num_bits": 4, "group_size": 16`)},
		{groups + "strategy", weights(`"num_bits": 4, "strategy": "block"`)},
		{groups + "actorder", weights(`"num_bits": 4, "actorder": "group"`)},
		{groups + "dynamic", weights(`"num_bits": 4, "dynamic": true`)},
	} {
		t.Run(strings.NewReplacer("/", " ").Replace(tc.text), func(t *testing.T) {
			dir := writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{"quantization_config": tc.text})})
			requireField(t, dir, "config.json", "quantization_config."+tc.field)
		})
	}
}

package model

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

// unrotated says which layers are not rotated.
func unrotated(c *Config) (layers []bool) {
	for _, l := range c.Layers {
		layers = append(layers, l.Attention.NoRoPE)
	}
	return layers
}

// TestNoRoPE: which layers of SmolLM3 are not rotated.
func TestNoRoPE(t *testing.T) {
	for name, tc := range map[string]struct {
		keys    map[string]string
		want    []bool
		refused string
	}{
		"neither":    {want: []bool{false, false, false, true, false}},
		"interval":   {keys: map[string]string{"no_rope_layer_interval": "2"}, want: []bool{false, true, false, true, false}},
		"list":       {keys: map[string]string{"no_rope_layer_interval": "2", "no_rope_layers": "[0, 1, 1, 1, 0]"}, want: []bool{true, false, false, false, true}},
		"longer":     {keys: map[string]string{"no_rope_layers": "[1, 1, 0, 1, 1, 0]"}, want: []bool{false, false, true, false, false}},
		"shorter":    {keys: map[string]string{"no_rope_layers": "[1, 1, 0, 1]"}, refused: "no_rope_layers"},
		"no 0 or 1":  {keys: map[string]string{"no_rope_layers": "[1, 1, 2, 1, 1]"}, refused: "no_rope_layers"},
		"every none": {keys: map[string]string{"no_rope_layer_interval": "0"}, refused: "no_rope_layer_interval"},
		"llama":      {keys: map[string]string{"architectures": `["LlamaForCausalLM"]`, "no_rope_layers": "[1, 1, 0, 1, 1]"}, refused: "no_rope_layers"},
	} {
		t.Run(name, func(t *testing.T) {
			keys := map[string]string{"architectures": `["SmolLM3ForCausalLM"]`, "num_hidden_layers": "5", "rope_theta": ""}
			maps.Copy(keys, tc.keys)
			dir := writeFolder(t, map[string]string{"config.json": llamaJSON(keys)})
			f := requireFolder(t, dir, tc.refused)
			if f == nil {
				return
			}
			require.Equal(t, tc.want, unrotated(&f.config))
			require.Equal(t, 2e6, f.config.Rotary.Theta)
			require.True(t, f.config.TiedEmbedding)
			require.Empty(t, f.unread)
		})
	}
}

// TestGGUFNoRoPE: a file of Granite says of all its layers whether they are rotated.
func TestGGUFNoRoPE(t *testing.T) {
	for rotated, want := range map[any][]bool{true: {false, false}, false: {true, true}} {
		c, err := Open(graniteGGUF(map[string]any{"logit_scale": float32(1), "rope.scaling.finetuned": rotated}).write(t))
		require.NoError(t, err)
		require.Equal(t, want, unrotated(&c.Config))
		require.Empty(t, c.Unread)
		require.NoError(t, c.Close())
	}
}

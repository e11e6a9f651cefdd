package model

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMultiplierKeys: what a config.json of each architecture says of its multipliers.
func TestMultiplierKeys(t *testing.T) {
	granite := map[string]string{"architectures": `["GraniteForCausalLM"]`}
	minicpm := map[string]string{"architectures": `["MiniCPMForCausalLM"]`}
	for name, tc := range map[string]struct {
		base, keys map[string]string
		want       Multipliers
		tied       bool
		refused    string
	}{
		"granite without": {base: granite, want: Multipliers{1, 1, 1, 1}},
		"granite": {
			base: granite, want: Multipliers{12, 0.25, 8, 0.015625},
			keys: map[string]string{"embedding_multiplier": "12", "residual_multiplier": "0.25", "logits_scaling": "8.0", "attention_multiplier": "0.015625"},
		},
		"granite of no residual":      {base: granite, keys: map[string]string{"residual_multiplier": "0"}, refused: "residual_multiplier"},
		"granite of a negative":       {base: granite, keys: map[string]string{"attention_multiplier": "-1"}, refused: "attention_multiplier"},
		"granite of another's":        {base: granite, keys: map[string]string{"scale_emb": "12"}, refused: "scale_emb"},
		"llama":                       {keys: map[string]string{"residual_multiplier": "0.22"}, refused: "residual_multiplier"},
		"minicpm without":             {base: minicpm, want: Multipliers{Embedding: 1, Residual: float32(1 / math.Sqrt2), Logits: 256}, tied: true},
		"minicpm":                     {base: minicpm, keys: map[string]string{"scale_emb": "12", "scale_depth": "1.4", "dim_model_base": "64"}, want: Multipliers{Embedding: 12, Residual: float32(1.4 / math.Sqrt2), Logits: 4}, tied: true},
		"minicpm untied":              {base: minicpm, keys: map[string]string{"tie_word_embeddings": "false"}, want: Multipliers{Embedding: 1, Residual: float32(1 / math.Sqrt2), Logits: 256}},
		"minicpm of a base of 0":      {base: minicpm, keys: map[string]string{"dim_model_base": "0"}, refused: "dim_model_base"},
		"minicpm of sparse attention": {base: minicpm, keys: map[string]string{"sparse_config": `{"topk": 64}`}, refused: "sparse_config"},
	} {
		t.Run(name, func(t *testing.T) {
			keys := map[string]string{}
			for _, some := range []map[string]string{tc.base, tc.keys} {
				for k, v := range some {
					keys[k] = v
				}
			}
			dir := writeFolder(t, map[string]string{"config.json": llamaJSON(keys)})
			f := requireFolder(t, dir, tc.refused)
			if f == nil {
				return
			}
			require.Equal(t, tc.want, f.config.Multipliers)
			require.Equal(t, tc.tied, f.config.TiedEmbedding)
			require.Empty(t, f.unread)
		})
	}
}

// graniteGGUF is a file of that architecture with some keys.
func graniteGGUF(keys map[string]any) *ggufHeader { return ggufOf("granite", keys) }

// ggufOf is a file of Llama under another name with some keys.
func ggufOf(architecture string, keys map[string]any) *ggufHeader {
	h := llamaGGUF(nil)
	h.keys["general.architecture"] = architecture
	for key, value := range h.keys {
		if rest, ok := strings.CutPrefix(key, "llama."); ok {
			h.keys[architecture+"."+rest] = value
			delete(h.keys, key)
		}
	}
	for key, value := range keys {
		h.keys[architecture+"."+key] = value
	}
	return h
}

// TestGGUFMultipliers: in GGUF files 0 is none, but logits must have one.
func TestGGUFMultipliers(t *testing.T) {
	for name, tc := range map[string]struct {
		keys    map[string]any
		want    Multipliers
		refused string
	}{
		"all": {
			keys: map[string]any{"logit_scale": float32(8), "embedding_scale": float32(12), "residual_scale": float32(0.25), "attention.scale": float32(0.5)},
			want: Multipliers{12, 0.25, 8, 0.5},
		},
		"logits":       {keys: map[string]any{"logit_scale": float32(8), "attention.scale": float32(0)}, want: Multipliers{Logits: 8}},
		"none":         {refused: "granite.logit_scale"},
		"a negative":   {keys: map[string]any{"logit_scale": float32(8), "residual_scale": float32(-1)}, refused: "granite.residual_scale"},
		"not a number": {keys: map[string]any{"logit_scale": "8"}, refused: "granite.logit_scale"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Open(graniteGGUF(tc.keys).write(t))
			if tc.refused != "" {
				var ce *ConfigError
				require.True(t, errors.As(err, &ce), "error %v", err)
				require.Equal(t, tc.refused, ce.Field)
				return
			}
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, tc.want, c.Config.Multipliers)
			require.Empty(t, c.Unread)
		})
	}
}

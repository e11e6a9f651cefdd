package model

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// factorList is a list of n factors in JSON.
func factorList(n int, v string) string { return "[" + strings.Repeat(v+",", n-1) + v + "]" }

// TestLongrope: configurations of LongRoPE, with the scale that transformers computes.
func TestLongrope(t *testing.T) {
	scaling := func(more string) string {
		return fmt.Sprintf(`{"short_factor": %s, "long_factor": %s, %s}`, factorList(32, "1.5"), factorList(32, "4"), more)
	}
	for name, tc := range map[string]struct {
		keys  map[string]string
		scale float64
	}{
		"Phi-3.5":   {map[string]string{"rope_scaling": scaling(`"type": "longrope"`), "original_max_position_embeddings": "512"}, 1.2472191289246473},
		"Phi-3":     {map[string]string{"rope_scaling": scaling(`"type": "su"`), "original_max_position_embeddings": "512"}, 1.2472191289246473},
		"MiniCPM4":  {map[string]string{"rope_scaling": scaling(`"rope_type": "longrope", "original_max_position_embeddings": 16384`)}, 1},
		"factor":    {map[string]string{"rope_scaling": scaling(`"type": "longrope", "original_max_position_embeddings": 16384, "factor": 4`)}, 1.0690449676496976},
		"attention": {map[string]string{"rope_scaling": scaling(`"type": "longrope", "original_max_position_embeddings": 512, "attention_factor": 1.25`)}, 1.25},
		"both homes": {map[string]string{
			"rope_scaling":    scaling(`"type": "longrope", "original_max_position_embeddings": 512`),
			"rope_parameters": scaling(`"rope_type": "longrope", "original_max_position_embeddings": 512`),
		}, 1.2472191289246473},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := readFolder(writeFolder(t, map[string]string{"config.json": llamaJSON(tc.keys)}))
			require.NoError(t, err)
			r := &f.config.Rotary
			require.Equal(t, "longrope", r.Scaling)
			require.InDelta(t, tc.scale, r.Scale, 1e-12)
			require.Equal(t, "short", r.Factors(r.OriginalContext))
			require.Equal(t, "long", r.Factors(r.OriginalContext+1))
			require.Equal(t, 16384, f.config.ContextLength)
			require.Empty(t, f.unread)
			for context, divisor := range map[int]float32{r.OriginalContext: 1.5, r.OriginalContext + 1: 4} {
				settled := *r
				settled.settle(context)
				require.Equal(t, 1/divisor, settled.Frequencies()[0])
			}
		})
	}
	require.Empty(t, (&Rotary{Scaling: "llama3", OriginalContext: 8192}).Factors(9000))
}

func TestLongropeRefuses(t *testing.T) {
	good := map[string]string{
		"type": `"longrope"`, "original_max_position_embeddings": "512", "short_factor": factorList(32, "1"), "long_factor": factorList(32, "2"),
	}
	for _, tc := range []struct{ field, key, value string }{
		{"original_max_position_embeddings", "original_max_position_embeddings", "null"},
		{"original_max_position_embeddings", "original_max_position_embeddings", "1"},
		{"short_factor", "short_factor", factorList(31, "1")}, {"long_factor", "long_factor", "null"}, {"long_factor", "long_factor", `"4"`},
		{"long_factor", "long_factor", `[1, "2"]`}, {"short_factor[0]", "short_factor", factorList(32, "0")}, {"long_factor[0]", "long_factor", factorList(32, "-1")},
		{"factor", "factor", "-1"}, {"attention_factor", "attention_factor", `"x"`}, {"long_mscale", "long_mscale", "1.24"}, {"short_mscale", "short_mscale", "1.25"},
	} {
		t.Run(tc.key+"="+tc.value[:min(8, len(tc.value))], func(t *testing.T) {
			members := []string{fmt.Sprintf("%q: %s", tc.key, tc.value)}
			for key, value := range good {
				if key != tc.key {
					members = append(members, fmt.Sprintf("%q: %s", key, value))
				}
			}
			keys := map[string]string{"rope_scaling": "{" + strings.Join(members, ", ") + "}"}
			requireField(t, writeFolder(t, map[string]string{"config.json": llamaJSON(keys)}), "config.json", "rope_scaling."+tc.field)
		})
	}
}

// TestLongropeFile: in GGUF files factors are tensors, which alone may say it.
func TestLongropeFile(t *testing.T) {
	file := func(keys map[string]any, short, long int64) *ggufHeader {
		h := llamaGGUF(keys)
		if long != 0 {
			h.add("rope_factors_long", ggmlF32, 0, long)
		}
		if short != 0 {
			h.add("rope_factors_short", ggmlF32, 0, short)
		}
		return h
	}
	keys := map[string]any{"llama.rope.scaling.original_context_length": uint32(512), "llama.rope.scaling.attn_factor": float32(1.25)}
	for _, kind := range []any{nil, "longrope"} {
		keys["llama.rope.scaling.type"] = kind
		c, err := Open(file(keys, 32, 32).write(t))
		require.NoError(t, err)
		require.Equal(t, Rotary{Theta: 500000, Dim: 64, Interleaved: true, Scaling: "longrope", OriginalContext: 512, Scale: 1.25}, c.Config.Rotary)
		require.Empty(t, c.Unread)
		require.NoError(t, c.Close())
	}
	for field, h := range map[string]*ggufHeader{
		"rope_factors_short.weight": file(keys, 0, 32), "rope_factors_long.weight": file(keys, 32, 31),
		"llama.rope.scaling.factor": file(map[string]any{"llama.rope.scaling.factor": float32(2)}, 32, 32),
	} {
		_, err := Open(h.write(t))
		require.ErrorContains(t, err, field)
	}
	_, err := Open(file(map[string]any{"llama.rope.scaling.type": "none"}, 32, 32).write(t))
	require.ErrorContains(t, err, "rope_factors_long.weight: is not part of this architecture")
}

// TestLongropeContext: a model takes the factors of the context that it is loaded for.
func TestLongropeContext(t *testing.T) {
	c, err := Open(testdata.Path(t, "models", "family", "phi3-long"))
	require.NoError(t, err)
	defer c.Close()
	short, long := c.Config.Rotary.Divisors, c.Config.Rotary.Long
	require.NotEqual(t, short, long)
	for context, want := range map[int][]float32{1: short, 16: short, 17: long, 256: long, 0: long} {
		m, err := Load(c, openCPU(t), LoadOptions{MaxRows: 8, MaxLogits: 1, Context: context})
		require.NoError(t, err)
		require.Equal(t, want, m.Config.Rotary.Divisors, "context %d", context)
		m.Close()
	}
}

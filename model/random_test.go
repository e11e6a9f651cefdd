package model

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// A model of random weights loads and answers; its numbers have the deviation
// that keeps activations in bounds.
func TestOpenRandom(t *testing.T) {
	c, err := OpenRandom(writeFolder(t, map[string]string{"config.json": llamaJSON(nil)}), nil)
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, countParameters(&c.Config), c.Parameters())
	parts, err := c.Parts()
	require.NoError(t, err)
	for i := range parts {
		m, err := c.ReadPart(&parts[i])
		require.NoError(t, err)
		numbers, err := floats("BF16", m.Data)
		require.NoError(t, err)
		require.Len(t, numbers, int(parts[i].Rows*parts[i].Cols))
		mean, square := 0.0, 0.0
		for _, v := range numbers {
			mean += float64(v) / float64(len(numbers))
			square += float64(v) * float64(v) / float64(len(numbers))
		}
		if parts[i].Vector {
			require.Equal(t, [2]float64{1, 1}, [2]float64{mean, square})
			continue
		}
		require.InDelta(t, 0, mean, 0.005)
		require.InDelta(t, 1, math.Sqrt(square)*math.Sqrt(float64(c.Config.HiddenSize)), 0.05)
	}

	logits := loadCheckpoint(t, openCPU(t), c, kernels.F16, 3, 3).feed(t, []int32{1, 2, 3}, 0, false, 2)[0]
	require.Len(t, logits, c.Config.VocabSize)
	require.False(t, slices.ContainsFunc(logits, func(v float32) bool { return v != v || math.Abs(float64(v)) > 100 }))
}

// Parts may be stored in any type that can be written.
func TestOpenRandomTypes(t *testing.T) {
	folder := writeFolder(t, map[string]string{"config.json": llamaJSON(nil)})
	for _, typ := range []kernels.DType{kernels.F32, kernels.Q8_0, kernels.Q4_0} {
		c, err := OpenRandom(folder, func(c *Config, parts []Part) []kernels.DType {
			require.Equal(t, "token_embd.weight", parts[0].Name)
			types := make([]kernels.DType, len(parts))
			for i := range parts {
				types[i] = typ
				if parts[i].Vector {
					types[i] = kernels.F32
				}
			}
			return types
		})
		require.NoError(t, err)
		defer c.Close()
		parts, err := c.Parts()
		require.NoError(t, err)
		m, err := c.ReadPart(&parts[0])
		require.NoError(t, err)
		require.Equal(t, typ, m.Type)
		logits := loadCheckpoint(t, openCPU(t), c, kernels.F16, 3, 3).feed(t, []int32{1, 2, 3}, 0, false, 2)[0]
		require.False(t, slices.ContainsFunc(logits, func(v float32) bool { return v != v || math.Abs(float64(v)) > 100 }))
	}
}

func TestOpenRandomRefuses(t *testing.T) {
	_, err := OpenRandom(t.TempDir(), nil)
	require.ErrorContains(t, err, "config.json")
	_, err = OpenRandom(writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{
		"quantization_config": `{"quant_method": "modelopt", "quant_algo": "FP8"}`})}), nil)
	var e *ConfigError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "quantization_config", e.Field)
}

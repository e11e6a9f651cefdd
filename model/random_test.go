package model

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/quant"
	"trona/testdata"
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

// Weights of quantised checkpoints: layers in the type, all else in BF16, numbers
// of the deviation that BF16 has.
func TestLayerTypes(t *testing.T) {
	folder := writeFolder(t, map[string]string{"config.json": llamaJSON(nil)})
	for _, typ := range []kernels.DType{kernels.F8E4M3, kernels.NVFP4} {
		c, err := OpenRandom(folder, LayerTypes(typ))
		require.NoError(t, err)
		defer c.Close()
		parts, err := c.Parts()
		require.NoError(t, err)
		for i := range parts {
			m, err := c.ReadPart(&parts[i])
			require.NoError(t, err)
			if parts[i].Vector || !strings.HasPrefix(parts[i].Name, "blk.") {
				require.Equal(t, kernels.BF16, m.Type, parts[i].Name)
				continue
			}
			require.Equal(t, typ, m.Type, parts[i].Name)
			square := 0.0
			row := make([]float32, m.Cols)
			for r := range m.Rows {
				quant.Row(row, m, r)
				for _, v := range row {
					square += float64(v) * float64(v) / float64(m.Rows*m.Cols)
				}
			}
			require.InDelta(t, 1, math.Sqrt(square)*math.Sqrt(float64(c.Config.HiddenSize)), 0.05, "%v: %s", typ, parts[i].Name)
		}
		logits := loadCheckpoint(t, openCPU(t), c, kernels.F16, 3, 3).feed(t, []int32{1, 2, 3}, 0, false, 2)[0]
		require.False(t, slices.ContainsFunc(logits, func(v float32) bool { return v != v || math.Abs(float64(v)) > 100 }))
	}
}

// The committed shape of Super is that of the published configuration.
func TestSuperShape(t *testing.T) {
	want := expectedArrays(t)["super-49b-v1"]
	c, err := OpenRandom(testdata.Path(t, "shapes", "super-49b"), LayerTypes(kernels.NVFP4))
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, want.Params, c.Parameters())
	require.Equal(t, want.KVSize, KVBytesPerToken(&c.Config, kernels.BF16))
	require.Len(t, c.Config.Layers, len(want.FFN))
	for i, l := range c.Config.Layers {
		require.Equal(t, want.FFN[i], l.FFN.Width, "layer %d", i)
		require.Equal(t, want.Heads[i] > 0, l.Attention != nil, "layer %d", i)
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

package quant

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/testdata"
)

// vectors is index.json of the fixture.
type vectors struct {
	Types map[string]struct {
		BlockValues int `json:"block_values"`
		BlockBytes  int `json:"block_bytes"`
		Blocks      int
		Sections    []struct {
			Name       string
			FirstBlock int `json:"first_block"`
			Blocks     int
			Note       string
		}
	}
	Formats map[string]struct {
		Count             int
		Shape             [2]int64
		WeightScale2      float32 `json:"weight_scale_2"`
		WeightGlobalScale float32 `json:"weight_global_scale"`
	}
	Quantisers map[string]struct {
		Rows, Columns int
		RMSE          []float64
	}
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(testdata.Shared(t, "quant", name))
	require.NoError(t, err)
	return data
}

func index(t *testing.T) *vectors {
	t.Helper()
	v := new(vectors)
	require.NoError(t, json.Unmarshal(fixture(t, "index.json"), v))
	return v
}

func fixtureFloats(t *testing.T, name string) []float32 {
	t.Helper()
	return testdata.Floats(t, testdata.Shared(t, "quant", name))
}

// equal demands the same numbers; NaN equals NaN, and +0 equals -0.
func equal(t *testing.T, want, got float32, what string, args ...any) {
	t.Helper()
	if want != got && (want == want || got == got) {
		require.Equal(t, want, got, append([]any{what}, args...)...)
	}
}

// TestBlocks: every type of blocks gives the bits that ggml gives.
func TestBlocks(t *testing.T) {
	all := index(t).Types
	require.Len(t, all, 14)
	for name, v := range all {
		t.Run(name, func(t *testing.T) {
			typ, err := kernels.ParseDType(name)
			require.NoError(t, err)
			require.Equal(t, [2]int{v.BlockValues, v.BlockBytes}, [2]int{typ.Block(), typ.BlockBytes()})
			blocks, want := fixture(t, name+".bin"), fixtureFloats(t, name+".f32")
			require.Len(t, want, v.Blocks*v.BlockValues)
			got := make([]float32, len(want))
			Decode(got, typ, blocks)
			for _, s := range v.Sections {
				for i := s.FirstBlock * v.BlockValues; i < (s.FirstBlock+s.Blocks)*v.BlockValues; i++ {
					equal(t, want[i], got[i], "%s: block %d, value %d", s.Name, i/v.BlockValues, i%v.BlockValues)
				}
			}
		})
	}
}

// TestNVFP4x16: codes, scales of 16 columns and one factor, as ModelOpt
// (multiply) and compressed-tensors (divide) store them.
func TestNVFP4x16(t *testing.T) {
	for name, f := range index(t).Formats {
		if !strings.HasPrefix(name, "nvfp4-") {
			continue
		}
		factor := f.WeightScale2
		if f.WeightGlobalScale != 0 {
			factor = 1 / f.WeightGlobalScale
		}
		m := &kernels.Matrix{
			Type: kernels.NVFP4x16, Rows: f.Shape[0], Cols: f.Shape[1],
			Data: fixture(t, name+".bin"), GroupScale: fixture(t, name+".scale"),
			Scale: []float32{factor}, ScaleRows: f.Shape[0], ScaleCols: f.Shape[1],
		}
		want := fixtureFloats(t, name+".f32")
		row := make([]float32, m.Cols)
		for r := range m.Rows {
			Row(row, m, r)
			for c, v := range row {
				w := want[r*m.Cols+int64(c)]
				require.InDelta(t, w, v, math.Abs(float64(w))*0x1p-22, "%s: row %d, column %d", name, r, c)
			}
		}
	}
}

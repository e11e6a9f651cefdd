package quant

import (
	"encoding/binary"
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
	data := fixture(t, name)
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
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

// TestCodes: every code of the 8-bit and 4-bit floats, and the edges of the
// 16-bit ones, have the value of the reference.
func TestCodes(t *testing.T) {
	for name, value := range map[string]func(c uint16) float32{
		"e4m3": func(c uint16) float32 { return E4M3(byte(c)) },
		"e2m1": func(c uint16) float32 { return E2M1(byte(c)) },
		"f16":  F16,
		"bf16": BF16,
	} {
		codes, want := fixture(t, name+".bin"), fixtureFloats(t, name+".f32")
		size := len(codes) / len(want)
		for i, w := range want {
			c := uint16(codes[size*i])
			if size == 2 {
				c = binary.LittleEndian.Uint16(codes[2*i:])
			}
			equal(t, w, value(c), "%s: code %#x", name, c)
			require.Equal(t, math.Signbit(float64(w)), math.Signbit(float64(value(c))), "%s: code %#x", name, c)
		}
	}
}

// TestRounding: exact values, midpoints and their neighbours, and overflow.
func TestRounding(t *testing.T) {
	for name, code := range map[string]func(v float32) uint16{
		"to-e4m3": func(v float32) uint16 { return uint16(ToE4M3(v)) },
		"to-e2m1": func(v float32) uint16 { return uint16(ToE2M1(v)) },
		"to-f16":  ToF16,
		"to-bf16": ToBF16,
	} {
		values, want := fixtureFloats(t, name+".f32"), fixture(t, name+".bin")
		size := len(want) / len(values)
		for i, v := range values {
			c := uint16(want[size*i])
			if size == 2 {
				c = binary.LittleEndian.Uint16(want[2*i:])
			}
			require.Equal(t, c, code(v), "%s: %v", name, v)
		}
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

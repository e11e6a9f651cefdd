package model

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/quant"
)

// TestPartialOrder: which rows of a head of 16 dimensions, 12 of them rotated, change places.
func TestPartialOrder(t *testing.T) {
	r := Rotary{Dim: 16, Rotated: 12, Scale: 2}
	halves := r.partial(&Attention{})
	r.Interleaved = true
	neighbours := r.partial(&Attention{})
	want := []int64{0, 1, 2, 3, 4, 5, 12, 13, 6, 7, 8, 9, 10, 11, 14, 15}
	for i := range int64(32) {
		row, factor := halves.source(i)
		require.Equal(t, i/16*16+want[i%16], row)
		require.Equal(t, map[bool]float32{false: 1, true: 0.5}[row%16 >= 12], factor)
		row, factor = neighbours.source(i)
		require.Equal(t, i, row)
		require.Equal(t, map[bool]float32{false: 1, true: 0.5}[row%16 >= 12], factor)
	}
	require.Zero(t, r.partial(&Attention{NoRoPE: true}))
}

// TestPartialMatrix: rows of every form keep their values, and a header says what scales
// there will be.
func TestPartialMatrix(t *testing.T) {
	const rows, cols = 48, 64
	bytes := func(n int) []byte {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i*7+i/64) & 0x5f
		}
		return data
	}
	scales := func(n int) []float32 {
		list := make([]float32, n)
		for i := range list {
			list[i] = float32(1 + i)
		}
		return list
	}
	q8 := bytes(rows * 68)
	for name, m := range map[string]kernels.Matrix{
		"plain":   {Type: kernels.Q8_0, Data: q8},
		"made":    {Type: kernels.Q8_0, Fill: func(dst []byte, first int64) { copy(dst, q8[first*68:]) }},
		"one":     {Type: kernels.F8E4M3, Data: bytes(rows * cols), Scale: scales(1), ScaleRows: rows, ScaleCols: cols},
		"rows":    {Type: kernels.F8E4M3, Data: bytes(rows * cols), Scale: scales(rows), ScaleRows: 1, ScaleCols: cols},
		"blocks":  {Type: kernels.F8E4M3, Data: bytes(rows * cols), Scale: scales(5 * 2), ScaleRows: 10, ScaleCols: 32},
		"grouped": {Type: kernels.NVFP4x16, Data: bytes(rows * cols / 2), GroupScale: bytes(rows * 4), Scale: scales(1), ScaleRows: rows, ScaleCols: cols},
	} {
		for _, p := range []partial{
			{dim: 16, rotated: 12}, {dim: 16, rotated: 12, rest: 0.5}, {dim: 16, rotated: 12, neighbours: true}, {dim: 16, rotated: 12, neighbours: true, rest: 0.5},
		} {
			t.Run(name, func(t *testing.T) {
				m.Rows, m.Cols = rows, cols
				got, header := m, m
				header.Data, header.Fill, header.GroupScale = nil, nil, nil
				p.matrix(&got)
				p.matrix(&header)
				tiles := func(m *kernels.Matrix) [3]any { return [3]any{m.Scale != nil, m.ScaleRows, m.ScaleCols} }
				require.Equal(t, tiles(&got), tiles(&header))
				require.Nil(t, header.Data)
				require.True(t, got.HasData())
				a, b := make([]float32, cols), make([]float32, cols)
				for i := range int64(rows) {
					row, factor := p.source(i)
					quant.RowOf(a, &m, row, m.Reader(1).Rows(row, 1))
					quant.RowOf(b, &got, i, got.Reader(1).Rows(i, 1))
					for j := range a {
						require.Equal(t, a[j]*factor, b[j], "row %d", i)
					}
				}
			})
		}
	}
}

// TestRotated: which part of a head of 64 a config.json says is rotated.
func TestRotated(t *testing.T) {
	const name, nested = "partial_rotary_factor", "rope_parameters.partial_rotary_factor"
	in := func(v string) string { return `{"rope_type": "default", "partial_rotary_factor": ` + v + `}` }
	for _, tc := range []struct {
		architecture, top, parameters string
		want                          int
		refused                       string
	}{
		{"Phi3", "", "", 0, ""}, {"Phi3", "0.75", "", 48, ""}, {"Phi3", "1.0", "", 0, ""},
		{"Phi3", "", in("0.75"), 48, ""}, {"Phi3", "0.75", in("0.75"), 48, ""}, {"Phi3", "0.75", in("0.5"), 0, nested},
		{"Glm", "", "", 32, ""}, {"Glm", "1", "", 0, ""},
		{"Phi3", "0.01", "", 0, name}, {"Phi3", "0.8", "", 0, name}, {"Phi3", "2", "", 0, name}, {"Phi3", "-1", "", 0, name},
		{"Llama", "1.0", "", 0, ""}, {"Llama", "", in("0.5"), 0, name},
	} {
		keys := map[string]string{"architectures": `["` + tc.architecture + `ForCausalLM"]`, name: tc.top, "rope_parameters": tc.parameters}
		dir := writeFolder(t, map[string]string{"config.json": llamaJSON(keys)})
		f := requireFolder(t, dir, tc.refused)
		if f == nil {
			continue
		}
		require.Equal(t, tc.want, f.config.Rotary.Rotated, "%+v", tc)
	}
}

// TestRotatedFile: in a GGUF file it must be an even number, and less than a head.
func TestRotatedFile(t *testing.T) {
	for _, n := range []uint32{0, 47, 66} {
		_, err := Open(ggufOf("phi3", map[string]any{"rope.dimension_count": n}).write(t))
		require.ErrorContains(t, err, "phi3.rope.dimension_count")
	}
}

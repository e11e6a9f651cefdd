package quant

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/testdata"
)

// made are the bytes that testdata/quant/recast/make.py makes.
func made(n int64) []byte {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func TestRecastValues(t *testing.T) {
	var digests map[string]struct {
		Half   int64
		SHA256 string
	}
	data, err := os.ReadFile(testdata.Path(t, "quant", "recast", "digests.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &digests))
	for i := range recasts {
		x := &recasts[i]
		if x.Type == kernels.Q4_0 {
			continue // TestRecastQ4_0
		}
		t.Run(x.Name, func(t *testing.T) {
			const rows, cols = 100, 4 * 256
			m := &kernels.Matrix{Rows: rows, Cols: cols, Data: made(rows * x.RowBytes(cols))}
			for at := digests[x.Name].Half + 1; at < int64(len(m.Data)); at += x.bytes {
				m.Data[at] &= 0xbf
			}
			x.Matrix(m)
			require.NoError(t, m.CheckTable())
			require.True(t, m.HasData())
			values := make([]byte, 0, 4*rows*cols)
			row := make([]float32, cols)
			for r := range int64(rows) {
				Row(row, m, r)
				for _, v := range row {
					values = binary.LittleEndian.AppendUint32(values, math.Float32bits(v+0))
				}
			}
			sum := sha256.Sum256(values)
			require.Equal(t, digests[x.Name].SHA256, hex.EncodeToString(sum[:]))
		})
	}
}

// TestRecastQ4_0: gguf-py does not know these two.
func TestRecastQ4_0(t *testing.T) {
	const d, half = 0x42, 3. // 3, as F16 with a byte of zeros before
	for name, value := range map[string]func(codes []byte, i int) float32{
		"Q1_0": func(codes []byte, i int) float32 { return half * float32(2*int(codes[i/8]>>(i%8)&1)-1) },
		"Q2_0": func(codes []byte, i int) float32 { return half * float32(int(codes[i/4]>>(i%4*2)&3)-1) },
	} {
		x := RecastOf(name)
		m := &kernels.Matrix{Rows: 20, Cols: 384, Data: made(20 * x.RowBytes(384))}
		for at := int64(0); at < int64(len(m.Data)); at += x.bytes {
			m.Data[at], m.Data[at+1] = 0, d
		}
		data, row := m.Data, make([]float32, m.Cols)
		x.Matrix(m)
		for r := range m.Rows {
			Row(row, m, r)
			for i, v := range row {
				b := data[r*x.RowBytes(m.Cols)+int64(i)/x.Block*x.bytes:]
				require.Equal(t, value(b[2:], i%int(x.Block)), v, "%s, row %d, column %d", name, r, i)
			}
		}
	}
}

func TestRecastHeader(t *testing.T) {
	x := RecastOf("IQ2_S")
	m := &kernels.Matrix{Rows: 3, Cols: 512, Scale: []float32{2, 4, 8}, ScaleRows: 1, ScaleCols: 512}
	x.Matrix(m)
	require.False(t, m.HasData())
	require.Equal(t, kernels.Q3_K, m.Type)
	require.Equal(t, []float32{0.25, 0.5, 1}, m.Scale)
	require.EqualValues(t, 164, x.RowBytes(512))
	require.Nil(t, RecastOf("Q4_K"))
}

func BenchmarkRecast(b *testing.B) {
	for i := range recasts {
		x := &recasts[i]
		b.Run(x.Name, func(b *testing.B) {
			src, dst := made(64*x.bytes), make([]byte, 64*x.Type.RowBytes(x.Block))
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				x.fill(dst, src)
			}
		})
	}
}

package cuda

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/kerneltest"
	"trona/model/quant"
)

// TestGreatestWeights: rows whose scales are the greatest there are do not
// overflow when they become F16, and keep its precision.
func TestGreatestWeights(t *testing.T) {
	const rows, cols, n = 9, 512, 40
	dev := kerneltest.Open(t, "emulator", opener)
	x := make([]float32, n*cols) // row i picks column 7i
	for i := range n {
		x[i*cols+7*i] = 1
	}
	check := func(typ kernels.DType, table []int8) {
		m := randomMatrix(newRand(), typ, rows, cols)
		m.Table = table
		for at := 0; at < len(m.Data); at += typ.BlockBytes() {
			for i, h := range halvesAt[typ] {
				binary.LittleEndian.PutUint16(m.Data[at+h:], uint16(0x7bff|i<<15))
			}
		}
		if typ == kernels.BF16 || typ == kernels.F16 {
			m.Scale, m.ScaleRows, m.ScaleCols = []float32{3}, rows, cols // so that they are unpacked
		}
		got := product(t, dev, m, x, 0)
		row := make([]float32, cols)
		for r := range int64(rows) {
			quant.Row(row, m, r)
			most := 0.0
			for _, v := range row {
				most = max(most, math.Abs(float64(v)))
			}
			for i := range int64(n) {
				want := float64(row[7*i])
				require.InDelta(t, want, got[i*rows+r], math.Abs(want)*0x1p-10+most*0x1p-36, "%v: row %d column %d", typ, r, 7*i)
			}
		}
	}
	for _, typ := range packed() {
		if typ == kernels.F32 {
			continue // its products are of floats
		}
		check(typ, nil)
		if table := randomTable(newRand(), typ); table != nil {
			check(typ, table)
		}
	}
}

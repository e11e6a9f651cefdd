package cpu

import (
	"encoding/binary"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/testdata"
)

// TestReferenceBlocks: every block type gives the values that ggml gives.
func TestReferenceBlocks(t *testing.T) {
	for typ := kernels.Q4_0; typ <= kernels.NVFP4; typ++ {
		t.Run(typ.String(), func(t *testing.T) {
			blocks, err := os.ReadFile(testdata.Shared(t, "quant", typ.String()+".bin"))
			require.NoError(t, err)
			raw, err := os.ReadFile(testdata.Shared(t, "quant", typ.String()+".f32"))
			require.NoError(t, err)
			dev, err := Open(Options{Threads: 1})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			rows := int64(len(blocks) / typ.BlockBytes())
			got := rowsOfTable(t, dev, &kernels.Matrix{Type: typ, Rows: rows, Cols: int64(typ.Block()), Data: blocks})
			for i, v := range got {
				want := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
				if v != want && (v == v || want == want) {
					require.Equal(t, want, v, "block %d, element %d", i/typ.Block(), i%typ.Block())
				}
			}
		})
	}
}

// rowsOfTable embeds every row of a table.
func rowsOfTable(t *testing.T, dev kernels.Device, m *kernels.Matrix) []float32 {
	w, err := dev.Pack(m)
	require.NoError(t, err)
	ids := make([]byte, 4*m.Rows)
	for i := range m.Rows {
		binary.LittleEndian.PutUint32(ids[4*i:], uint32(i))
	}
	at := kernels.View(1, kernels.I32, m.Rows)
	out := kernels.View(1, kernels.F32, m.Rows, m.Cols)
	at.Addr, err = dev.Alloc(at.Bytes())
	require.NoError(t, err)
	out.Addr, err = dev.Alloc(out.Bytes())
	require.NoError(t, err)
	dev.Upload(at, ids)
	dev.Embed(out, w, at)
	require.NoError(t, dev.Sync())
	return floatsOf(out.Addr, out.Len())
}

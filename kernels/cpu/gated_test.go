package cpu

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// TestGated: gated products have the bits of two products and a gate, of few rows and of many.
func TestGated(t *testing.T) {
	for _, v := range variants() {
		if v.tiles != nil {
			continue
		}
		for _, typ := range []kernels.DType{kernels.Q4_0, kernels.Q4_K, kernels.BF16} {
			testGated(t, &v, typ)
		}
	}
}

func testGated(t *testing.T, v *variant, typ kernels.DType) {
	const rows, cols, tokens = 200, 512, 70
	dev, err := Open(Options{Threads: 2, Variant: v.name})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	tensor := func(shape ...int64) kernels.Tensor {
		x := kernels.View(1, kernels.F32, shape...)
		x.Addr, err = dev.Alloc(x.Bytes())
		require.NoError(t, err)
		return x
	}
	rng := rand.New(rand.NewPCG(2, 2))
	var w [2]kernels.Weight
	var want [2]kernels.Tensor
	x, out := tensor(tokens, cols), tensor(tokens, rows)
	copy(floatsOf(x.Addr, x.Len()), rows8(rng, tokens*cols))
	for i := range w {
		w[i], err = dev.Pack(&kernels.Matrix{Type: typ, Rows: rows, Cols: cols, Data: randomBlocks(rng, int(rows*typ.RowBytes(cols)))})
		require.NoError(t, err)
		want[i] = tensor(tokens, rows)
		dev.MatMul(x, 0, []kernels.Product{{Out: want[i], W: w[i]}})
	}
	gate, up := floatsOf(want[0].Addr, out.Len()), floatsOf(want[1].Addr, out.Len())
	v.swiglu(&gate[0], &gate[0], &up[0], len(gate))
	for _, n := range []int64{21, tokens} {
		dev.GatedMatMul(out.Slice(0, n), x.Slice(0, n), w[0], w[1], 0)
		same(t, gate[:n*rows], floatsOf(out.Addr, n*rows), "%s: %v, %d tokens", v.name, typ, n)
	}
}

package kernels

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTensor(t *testing.T) {
	x := View(4096, F16, 6, 4, 8)
	require.Equal(t, 3, x.Rank())
	require.EqualValues(t, 192, x.Len())
	require.EqualValues(t, 24, x.Rows())
	require.EqualValues(t, 8, x.Cols())
	require.EqualValues(t, 384, x.Bytes())
	require.Equal(t, View(4096+2*64, F16, 3, 4, 8), x.Slice(2, 5))
	require.Equal(t, View(4096, F16, 24, 8), x.Reshape(24, 8))
	require.Equal(t, "F16[6 4 8]", x.String())
	require.EqualValues(t, 2*144, View(64, Q4_K, 2, 256).Bytes())
	require.True(t, Tensor{}.Absent())
	require.Zero(t, Tensor{}.Len())
	require.Equal(t, "absent", Tensor{}.String())
	require.Panics(t, func() { x.Slice(2, 7) })
	require.Panics(t, func() { x.Reshape(5) })
	require.Panics(t, func() { View(0, F32) })
	require.Panics(t, func() { View(64, Q4_K, 2, 100).Bytes() })
}

func TestDType(t *testing.T) {
	for d := F32; d.Valid(); d++ {
		got, err := ParseDType(d.String())
		require.NoError(t, err)
		require.Equal(t, d, got)
	}
	got, err := ParseDType("q4_k")
	require.NoError(t, err)
	require.Equal(t, Q4_K, got)
	_, err = ParseDType("Q9_Z")
	require.Error(t, err)
	_, err = ParseDType("")
	require.Error(t, err)
	require.Equal(t, "DType(200)", DType(200).String())
}

func TestScaleAt(t *testing.T) {
	m := &Matrix{Type: F8E4M3, Rows: 3, Cols: 5, Scale: []float32{1, 2, 3, 4, 5, 6}, ScaleRows: 2, ScaleCols: 2}
	require.EqualValues(t, 1, m.ScaleAt(1, 1))
	require.EqualValues(t, 3, m.ScaleAt(0, 4))
	require.EqualValues(t, 6, m.ScaleAt(2, 4))
	require.EqualValues(t, 1, (&Matrix{}).ScaleAt(7, 7))
}

// TestCosts: worked by hand for small shapes.
func TestCosts(t *testing.T) {
	x := View(64, F32, 3, 8)
	w := Weight{Type: Q8_0, Rows: 16, Cols: 8, Bytes: 200}
	q := View(64, F32, 3, 4, 2)
	cache := KV{K: View(64, I8, 1, 2, BlockSize, 2), V: View(64, I8, 1, 2, BlockSize, 2)}
	plan := &AttentionPlan{Seqs: []AttentionSeq{{Rows: 3, Position: 10}}}
	for op, c := range map[Op]struct{ got, want Cost }{
		OpEmbed:        {EmbedCost(x, w), Cost{Bytes: 96 + 3*(4+12)}},
		OpRMSNorm:      {RMSNormCost(x), Cost{Bytes: 2*96 + 32, Flops: 96}},
		OpAddRMSNorm:   {AddRMSNormCost(x), Cost{Bytes: 4*96 + 32, Flops: 120}},
		OpAdd:          {AddCost(x), Cost{Bytes: 288, Flops: 24}},
		OpMatMul:       {MatMulCost(x, w, w), Cost{Bytes: 96 + 2*(200+3*16*4), Flops: 2 * 2 * 3 * 16 * 8}},
		OpRoPEAppendKV: {RoPEAppendKVCost(cache, q, q), Cost{Bytes: 192 + 2*(96+24), Flops: 144}},
		// 13 positions, K and V, 2 heads of 2 codes and a scale; rows see 11, 12 and 13.
		OpAttention:   {AttentionCost(q, cache, 0, plan), Cost{Bytes: 192 + 13*2*2*(2+4), Flops: 4 * 36 * 4 * 2}},
		OpGatedMatMul: {GatedMatMulCost(x, w, w), Cost{Bytes: 400 + 96 + 3*16*4, Flops: 2*2*3*16*8 + 3*16*12}},
		OpAddBias: {
			AddBiasCost([]Biased{{x, View(64, F32, 8)}, {View(64, F32, 3, 2), View(64, F32, 2)}}),
			Cost{Bytes: 2*96 + 32 + 2*24 + 8, Flops: 24 + 6},
		},
		OpSwiGLU: {SwiGLUCost(Biased{x, View(64, F32, 8)}), Cost{Bytes: 3*96 + 2*32, Flops: 24 * 14}},
		OpGather: {GatherCost(x), Cost{Bytes: 192 + 12}},
		OpSample: {SampleCost(x), Cost{Bytes: 96, Flops: 24}},
	} {
		require.Equal(t, c.want, c.got, op.String())
	}
	// Of 13 positions rows see 11, 12 and 12, or each the last 5 of 7.
	for window, seen := range map[int64][2]int64{12: {13, 35}, 5: {7, 15}, 13: {13, 36}} {
		want := Cost{Bytes: 192 + seen[0]*2*2*(2+4), Flops: 4 * seen[1] * 4 * 2}
		require.Equal(t, want, AttentionCost(q, cache, window, plan), "window of %d", window)
	}
}

package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

func TestArchitectures(t *testing.T) {
	for _, c := range []struct {
		major, minor int
		want         []string
	}{
		{8, 0, []string{"sm_80"}}, {8, 6, []string{"sm_80"}}, {8, 7, []string{"sm_80"}}, {8, 9, []string{"sm_89", "sm_80"}},
		{9, 0, []string{"sm_90a"}}, {10, 0, []string{"sm_100"}}, {10, 3, []string{"sm_100"}}, {12, 0, []string{"sm_120"}},
		{11, 0, []string{"compute_80"}}, {13, 0, []string{"compute_80"}},
	} {
		got, err := architectures(c.major, c.minor)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%d.%d", c.major, c.minor)
	}
	for _, c := range []struct {
		major, minor, driver int
		want                 bool
	}{
		{8, 9, 12040, false}, {9, 0, 12020, false}, {9, 0, 12030, true}, {10, 3, 12090, true}, {12, 0, 12080, true},
		{11, 0, 13000, false}, {13, 0, 13000, false}, // whose code cannot wait
	} {
		archs, err := architectures(c.major, c.minor)
		require.NoError(t, err)
		require.Equal(t, c.want, beginsEarly(c.major, c.driver, archs), "%+v", c)
	}
	_, err := architectures(7, 5)
	require.ErrorContains(t, err, "7.5: trona needs 8.0")
}

func TestChooseGEMV(t *testing.T) {
	for _, c := range []struct{ n, size, tokens int64 }{
		{1, 1, 1}, {2, 4, 2}, {3, 4, 3}, {4, 4, 4}, {5, 8, 5}, {8, 8, 8}, {9, 8, 8}, {1000, 8, 8},
	} {
		size, tokens := chooseGEMV(c.n)
		require.Equal(t, [2]int64{c.size, c.tokens}, [2]int64{gemvSizes[size], tokens}, "%d rows", c.n)
	}
}

func TestChooseMatmul(t *testing.T) {
	for n, want := range map[int64]int64{1: 8, 8: 8, 9: 32, 32: 32, 300: 32} {
		require.Equal(t, want, matmulSizes[chooseMatmul(n)], "%d tokens", n)
	}
}

// TestChooseTile: large tiles where they fill the processors, smaller ones where
// some would be idle, and none larger than it must be.
func TestChooseTile(t *testing.T) {
	for _, c := range []struct{ n, rows, processors, want int64 }{
		{1, 4096, 108, 16}, {16, 4096, 108, 16}, {17, 14336, 108, 64}, {64, 4096, 108, 64}, {64, 1024, 108, 16}, {65, 1024, 108, 16}, {65, 4096, 108, 128},
		{128, 4096, 108, 128}, {128, 1024, 108, 64}, {512, 4096, 108, 128}, {512, 14336, 108, 128}, {5000, 1024, 108, 128}, {100, 40, 3, 64},
	} {
		size := chooseTile(gemmSizes[:], gemmRows, c.n, c.rows, c.processors)
		require.Equal(t, c.want, gemmSizes[size], "%+v", c)
	}
	for _, c := range []struct{ n, rows, processors, want int64 }{
		{1, 4096, 132, 64}, {64, 128256, 132, 64}, {65, 14336, 132, 128}, {65, 4096, 132, 64}, {128, 14336, 132, 128}, {256, 14336, 132, 256},
		{512, 1024, 132, 64}, {512, 4096, 132, 128}, {512, 14336, 132, 256}, {1024, 4096, 132, 256}, {2048, 4096, 132, 256},
		{8192, 1024, 132, 256}, {512, 4096, 78, 256},
	} {
		size := chooseTile(sm90GemmSizes[:], sm90GemmRows, c.n, c.rows, c.processors)
		require.Equal(t, c.want, sm90GemmSizes[size], "%+v", c)
	}
}

// TestPlanPrefill: both inputs fit the workspace, and all work is done in
// pieces that are not silly.
func TestPlanPrefill(t *testing.T) {
	for _, c := range []struct {
		n, rows, cols, workspace int64
		tokens, unpackedRows     int64
	}{
		{512, 4096, 4096, 256 << 20, 512, 4096},
		{512, 128256, 16384, 256 << 20, 512, 7616},
		{8192, 53248, 16384, 256 << 20, 2047, 6080},
		{1, 16, 77, 1 << 20, 1, 16},
		{100, 300, 4096, 1 << 20, 31, 64},
		{4, 4, 1 << 18, 2 << 20, 1, 2},
	} {
		p, ok := planPrefill(c.n, c.rows, c.cols, c.workspace)
		require.True(t, ok)
		require.Equal(t, [2]int64{c.tokens, c.unpackedRows}, [2]int64{p.tokens, p.rows}, "%+v", c)
		require.Zero(t, p.ld%gemmAlign)
		require.GreaterOrEqual(t, p.scales, 2*p.tokens*p.ld)
		require.GreaterOrEqual(t, p.weights, p.scales+4*p.tokens)
		require.GreaterOrEqual(t, p.weightScale, p.weights+2*p.rows*p.ld)
		require.LessOrEqual(t, p.weightScale+4*p.rows, c.workspace)
	}
	_, ok := planPrefill(1, 1, 1<<20, 1<<20)
	require.False(t, ok)
}

// TestPlanEncode: what a step may have at most is no more than a plan has room for.
func TestPlanEncode(t *testing.T) {
	const seqs, rows = 128, 1 << 16
	blocks := make([]int32, mostTables/seqs)
	plan := &kernels.AttentionPlan{Decode: seqs - 1}
	for i := range int64(seqs - 1) {
		plan.Seqs = append(plan.Seqs, kernels.AttentionSeq{Row: i, Rows: 1, Position: kernels.BlockSize*int64(len(blocks)) - 1, Blocks: blocks})
	}
	last := kernels.AttentionSeq{Row: seqs - 1, Rows: rows - seqs + 1, Blocks: blocks}
	last.Position = kernels.BlockSize*int64(len(blocks)) - last.Rows
	plan.Seqs = append(plan.Seqs, last)
	require.NoError(t, new(planBuffer).encode(plan, shapeOf(plan, rows)))
	plan.Seqs = append(plan.Seqs, plan.Seqs...)
	require.ErrorContains(t, new(planBuffer).encode(plan, shapeOf(plan, rows)), "is too large")
}

// TestManyHeads: more KV heads than a grid has room for are told.
func TestManyHeads(t *testing.T) {
	const heads, dim = 1024, 8
	need(t)
	dev := openEmulated(t)
	kv := deviceCache(t, dev, newRand(), 1, heads, dim)
	at, err := dev.Alloc(2 * 2 * 4 * heads * dim)
	require.NoError(t, err)
	q, out := kernels.View(at, kernels.F32, 2, heads, dim), kernels.View(at+2*4*heads*dim, kernels.F32, 2, heads, dim)
	plan := &kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{{Rows: 2, Blocks: []int32{0}}}}
	dev.Attention(out, q, kv, 0, plan)
	require.ErrorContains(t, dev.Sync(), "1024 KV heads of 8 in a cache of type F16, at most 1023; heads of [64 128]")
	require.Error(t, dev.Close())
}

package cuda

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/kerneltest"
)

// TestSampleInPieces: rows whose logits or results do not fit at once are drawn one after
// another, as they would be alone.
func TestSampleInPieces(t *testing.T) {
	const n, vocab, most = 300, 2000, 5000
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	rng := newRand()
	logits := randomFloats(rng, n*vocab)
	at, err := dev.Alloc(4 * n * vocab)
	require.NoError(t, err)
	x := kernels.View(at, kernels.F32, n, vocab)
	rows := make([]kernels.SampleRow, n)
	for i := range rows {
		rows[i] = kernels.SampleRow{Temperature: float32(i % 2), Seed: uint64(i), Banned: []int32{int32(i)}}
	}
	draw := func(from, to int64) []kernels.Sampled {
		dev.Upload(x, bytesOf(logits))
		dst := make([]kernels.Sampled, to-from)
		dev.Sample(dst, x.Slice(from, to), rows[from:to])
		require.NoError(t, dev.Sync())
		return dst
	}
	var alone []kernels.Sampled
	for i := range int64(n) {
		alone = append(alone, draw(i, i+1)...)
	}
	require.Equal(t, alone, draw(0, n))
	for i := range rows {
		rows[i].Logprobs = most
	}
	all := draw(0, n)
	for i, s := range all {
		require.Len(t, s.Top, vocab)
		row := logits[i*vocab:][:vocab]
		require.Equal(t, slices.Max(row), row[s.Top[0].Token])
		require.True(t, slices.IsSortedFunc(s.Top, func(a, b kernels.TokenLogprob) int { return cmp.Compare(row[b.Token], row[a.Token]) }), "row %d", i)
		s.Top = nil
		require.Equal(t, alone[i], s)
	}
	require.Equal(t, all[n-1], draw(n-1, n)[0])
}

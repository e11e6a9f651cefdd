package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels/cpu"
)

func TestSum(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 31, 32, 33, 64, 1000} {
		words := make([]uint64, n)
		want := uint64(0)
		for i := range words {
			words[i] = uint64(i*i) << 20
			want += words[i]
		}
		require.Equal(t, want, sumScalar(words), n)
		for _, sum := range sums() {
			require.Equal(t, want, sum(words), n)
		}
	}
}

// TestPeakBF16 runs what multiplies BF16 where the device has it.
func TestPeakBF16(t *testing.T) {
	dev, err := cpu.Open(cpu.Options{Threads: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	loop := bf16Peak(dev)
	if loop == nil {
		t.Skip("the CPU device multiplies no BF16 here")
	}
	require.Contains(t, []int64{10 * 6 * 16 * 16 * 32 * 2, 80 * 12 * 32 * 2}, loop(80)) // tiles, pairs
}

func TestCeilings(t *testing.T) {
	require.EqualValues(t, 160, multiplyAddScalar(10))
	c := newGauge(1, nil, 0).measure()
	require.Positive(t, c.Bandwidth)
	require.Positive(t, c.Compute)
	t.Logf("%.1f GB/s, %.0f GFLOP/s with one thread", c.Bandwidth/1e9, c.Compute/1e9)
}

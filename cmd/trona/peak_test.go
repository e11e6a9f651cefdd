package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSum(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 31, 32, 33, 64, 1000} {
		words := make([]uint64, n)
		want := uint64(0)
		for i := range words {
			words[i] = uint64(i*i) << 20
			want += words[i]
		}
		require.Equal(t, want, sum(words), n)
		require.Equal(t, want, sumScalar(words), n)
	}
}

func TestCeilings(t *testing.T) {
	require.EqualValues(t, 160, multiplyAddScalar(10))
	c := measureCeilings(1)
	require.Positive(t, c.Bandwidth)
	require.Positive(t, c.Compute)
	t.Logf("%.1f GB/s, %.0f GFLOP/s with one thread", c.Bandwidth/1e9, c.Compute/1e9)
}

package kernels

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMultiply: a factor is one of each scale that a weight has already.
func TestMultiply(t *testing.T) {
	m := Matrix{Rows: 4, Cols: 2, Scale: []float32{1, 2}, ScaleRows: 2, ScaleCols: 2}
	m.Multiply(3)
	require.Equal(t, []float32{3, 6}, m.Scale)
	m = Matrix{Rows: 4, Cols: 2}
	m.Multiply(1)
	require.Nil(t, m.Scale)
	m.Multiply(3)
	require.Equal(t, Matrix{Rows: 4, Cols: 2, Scale: []float32{3}, ScaleRows: 4, ScaleCols: 2}, m)
}

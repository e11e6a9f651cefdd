package model_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model"
	"trona/model/modeltest"
)

// A digest tells models and trainings apart, wherever they are stored.
func TestDigest(t *testing.T) {
	digest := func(path string) string {
		c, err := model.Open(path)
		require.NoError(t, err)
		defer c.Close()
		return c.Digest()
	}
	shape := modeltest.Tiny()
	first := digest(modeltest.GGUF(t, shape))
	require.Equal(t, first, digest(modeltest.GGUF(t, shape)))
	other := shape
	other.Seed = 1
	require.NotEqual(t, first, digest(modeltest.GGUF(t, other)), "another training")
	longer := shape
	longer.Context *= 2
	require.NotEqual(t, first, digest(modeltest.GGUF(t, longer)), "another configuration")
	path := modeltest.GGUF(t, shape)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()/2))
	require.NotEqual(t, first, digest(path), "half a download")
}

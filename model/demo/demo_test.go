package demo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The binary holds the whole model, and nothing in it is left over.
func TestOpen(t *testing.T) {
	c, err := Open()
	require.NoError(t, err)
	require.Equal(t, Name, c.Path)
	require.Empty(t, c.Unread)
	require.NotEmpty(t, c.Config.EOS)
	require.Zero(t, *c.Config.Sampling.Temperature)
	_, bounds, ok := c.GGUF().Texts("tokenizer.ggml.tokens")
	require.True(t, ok)
	require.Len(t, bounds, c.Config.VocabSize+1)
	sum := int64(0)
	for _, x := range c.Tensors() {
		sum += x.Bytes
	}
	require.InDelta(t, len(file), sum, 0.1*float64(len(file)))
	for _, x := range c.GGUF().Tensors() {
		data, err := c.GGUF().Data(x)
		require.NoError(t, err)
		require.Len(t, data, int(x.Bytes))
	}
	require.NoError(t, c.Close())
}

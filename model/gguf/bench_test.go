package gguf

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A header as large as those of Llama 3's vocabulary.
func BenchmarkParse(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	texts := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("%0*d", 1+rng.IntN(12), i)
		}
		return list
	}
	var out buffer
	w := NewWriter(&out)
	require.NoError(b, w.Set("tokenizer.ggml.tokens", texts(128_256)))
	require.NoError(b, w.Set("tokenizer.ggml.token_type", make([]int32, 128_256)))
	require.NoError(b, w.Set("tokenizer.ggml.merges", texts(280_147)))
	for i := range 700 {
		require.NoError(b, w.Add(fmt.Sprintf("blk.%d.weight", i), F32, 0))
	}
	require.NoError(b, w.Close())
	b.SetBytes(int64(len(out)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := Parse(out)
		require.NoError(b, err)
	}
}

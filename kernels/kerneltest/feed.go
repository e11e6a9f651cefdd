package kerneltest

import (
	"math"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// testFeed: the tokens of a step reach the next one on the device, and the host
// without waiting for that.
func testFeed(c *context) {
	dev, ok := c.dev.(kernels.Pipeliner)
	if !ok {
		c.Skip("the host cannot be a step ahead of the device")
	}
	three := c.ints([]int32{-1, -1, -1})
	require.Contains(c, panicOf(func() { dev.Feed(three, c.ints([]int32{0})) }), "feed: ids is")
	require.Contains(c, panicOf(func() { dev.Feed(three, c.empty(kernels.F32, 3)) }), "feed: rows is")
	const vocab = 300
	for _, n := range []int64{1, 3, 700} {
		logits := make([]float32, n*vocab)
		want := make([]int32, n)
		for i := range want {
			want[i] = c.rng.Int32N(vocab)
			logits[i*vocab+int(want[i])] = 1
		}
		bad := c.rng.IntN(int(n)) // draws nothing
		logits[bad*vocab+7] = float32(math.NaN())
		rows := make([]int32, n+5)
		before := make([]int32, n+5)
		after := make([]int32, n+5)
		for i := range rows {
			rows[i], before[i] = c.rng.Int32N(int32(n)+1)-1, c.rng.Int32()
			switch after[i] = before[i]; {
			case int(rows[i]) == bad:
				after[i] = 0
			case rows[i] >= 0:
				after[i] = want[rows[i]]
			}
		}
		ids, from := c.empty(kernels.I32, n+5), c.ints(rows)
		dst := make([]kernels.Sampled, n)
		c.dev.Sample(dst, c.floats(logits, n, vocab), make([]kernels.SampleRow, n))
		dev.Mark()
		c.dev.Upload(ids, bytesOf(before)) // of the next step
		dev.Feed(ids, from)
		require.NoError(c, dev.Await())
		for i, s := range dst {
			if i == bad {
				require.Equal(c, kernels.Sampled{Token: -1, Invalid: true}, s)
			} else {
				require.Equal(c, kernels.Sampled{Token: want[i]}, s)
			}
		}
		c.dev.Download(bytesOf(before), ids)
		require.NoError(c, c.dev.Sync())
		require.Equal(c, after, before, "%d rows", n)
		c.noAllocs(func() { dev.Feed(ids, from) })
		// The next step.
		c.dev.Sample(dst[:1], c.floats(logits[:vocab], 1, vocab), make([]kernels.SampleRow, 1))
		dev.Mark()
		require.NoError(c, dev.Await())
		c.release()
	}
}

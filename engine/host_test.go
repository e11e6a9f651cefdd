package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// idle is a device that takes no time: it computes nothing and draws the token 1.
type idle struct{ kernels.Device }

func (d *idle) Embed(kernels.Tensor, kernels.Weight, kernels.Tensor)                              {}
func (d *idle) RMSNorm(_, _, _ kernels.Tensor, _ float32)                                         {}
func (d *idle) AddRMSNorm(_, _, _, _ kernels.Tensor, _ float32)                                   {}
func (d *idle) Add(_, _ kernels.Tensor)                                                           {}
func (d *idle) MatMul(kernels.Tensor, int64, []kernels.Product)                                   {}
func (d *idle) GatedMatMul(kernels.Tensor, kernels.Tensor, kernels.Weight, kernels.Weight, int64) {}
func (d *idle) RoPEAppendKV(_ kernels.KV, _, _, _, _, _ kernels.Tensor, _ kernels.Rotary)         {}
func (d *idle) Attention(_, _ kernels.Tensor, _ kernels.KV, _ int64, _ *kernels.AttentionPlan)    {}
func (d *idle) Gather(_, _, _ kernels.Tensor)                                                     {}
func (d *idle) Feed(_, _ kernels.Tensor)                                                          {}
func (d *idle) Mark()                                                                             {}
func (d *idle) Await() error                                                                      { return nil }

func (d *idle) Sample(dst []kernels.Sampled, _ kernels.Tensor, _ []kernels.SampleRow) {
	for i := range dst {
		dst[i] = kernels.Sampled{Token: 1}
	}
}

// What the host needs for a step, of which a device that is busy longer hides all.
func BenchmarkHost(b *testing.B) {
	for _, seqs := range []int{1, 32, 256} {
		for _, synchronous := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d,synchronous=%v", seqs, synchronous), func(b *testing.B) {
				wrap := func(dev kernels.Device) kernels.Device { return &idle{Device: dev} }
				e := rig{rows: 512, logits: seqs, blocks: 40 * seqs, wrap: wrap, Options: Options{Synchronous: synchronous}}.engine(b)
				for b.Loop() {
					streams := submitAll(b, e, slices.Repeat([]Request{plain([]int32{1, 2, 3}, 2000)}, seqs)...)
					for _, s := range streams {
						require.NoError(b, read(b.Context(), s).err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(e.Stats().Steps), "µs/step")
			})
		}
	}
}

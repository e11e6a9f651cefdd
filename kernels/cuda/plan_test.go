package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/kerneltest"
	"trona/model"
	"trona/model/modeltest"
)

// driverPage is what the driver gives memory out in.
const driverPage = 2 << 20

// TestPlan: a whole model, loaded with its cache and recorded steps, takes the
// memory that its plan says, as the driver counts: within 1 %, but for the last
// pages of the workspace, of small weights and of each layer's cache, which this
// model is too small to hide.
func TestPlan(t *testing.T) {
	attention := func(kv int) *model.Attention { return &model.Attention{Heads: 8, KVHeads: kv, HeadDim: 64} }
	path := modeltest.Folder(t, modeltest.Shape{
		Vocab: 2000, Hidden: 512, Heads: 8, HeadDim: 64, Context: 8192, EOS: []int32{2},
		Layers: []model.Layer{
			{Attention: attention(4), FFN: &model.FFN{Width: 1536}},
			{FFN: &model.FFN{Width: 1024}},
			{Attention: attention(8), FFN: &model.FFN{Width: 1536}},
		},
	})
	ckpt, err := model.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, ckpt.Close()) }()
	for _, kv := range []kernels.DType{kernels.F16, kernels.F8E4M3, kernels.I8} {
		t.Run(kv.String(), func(t *testing.T) {
			dev := kerneltest.Open(t, "emulator", opener)
			plan, err := model.MakePlan(ckpt, dev, model.PlanOptions{MaxModelLen: 8192, MaxNumSeqs: 4, KVType: kv})
			require.NoError(t, err)
			before := freeMemory(t, dev)
			m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: plan.Options.MaxRows, MaxLogits: plan.Options.MaxLogits})
			require.NoError(t, err)
			cache, err := model.NewKVCache(dev, &ckpt.Config, kv, int(plan.Blocks))
			require.NoError(t, err)
			require.NoError(t, m.Record(cache))
			used := before - freeMemory(t, dev)
			require.GreaterOrEqual(t, used, plan.Total)
			require.LessOrEqual(t, used, plan.Total+plan.Total/100+4*driverPage)
			cache.Close()
			m.Close()
			require.Equal(t, before, freeMemory(t, dev))
		})
	}
}

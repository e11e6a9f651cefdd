package cuda

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/kerneltest"
	"trona/model"
	"trona/testdata"
)

// TestRecordedSteps: decode steps that are one launch, of which kernels begin as early
// as they may, give the same bits as those done op by op, one kernel after the other,
// for any number of sequences, and take no memory.
func TestRecordedSteps(t *testing.T) {
	for name, open := range map[string]func() (kernels.Device, error){"usual": opener, "chosen": hopperOpener} {
		t.Run(name, func(t *testing.T) { recordedSteps(t, open) })
	}
}

func recordedSteps(t *testing.T, open func() (kernels.Device, error)) {
	schedule(t, "1")
	emulate(t, map[string][2]string{"TRONA_EMU_FAULT": {"", ""}})
	ckpt, err := model.Open(testdata.Shared(t, "models", "nas-super-Q4_K_M.gguf"))
	require.NoError(t, err)
	defer func() { require.NoError(t, ckpt.Close()) }()
	var want [][]float32
	for _, record := range []bool{false, true} {
		dev := kerneltest.Open(t, "emulator", open)
		if !record {
			dev.(*Device).early = false
		}
		m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: 16, MaxLogits: 7})
		require.NoError(t, err)
		cache, err := model.NewKVCache(dev, &ckpt.Config, kernels.F16, 16)
		require.NoError(t, err)
		if record {
			require.NoError(t, m.Record(cache))
		}
		ready := freeMemory(t, dev)
		got := decodeSteps(t, dev, m, cache, ckpt.Config.VocabSize, record)
		require.Equal(t, ready, freeMemory(t, dev), "steps allocate nothing")
		if !record {
			want = got
		}
		require.Equal(t, want, got)
		m.Close()
	}
}

// decodeSteps runs prompts of a few sequences and steps that decode 1 to 7 of
// them at a time, and returns all logits. Where steps are recorded, a step on the
// emulated device fails by any launch but one of a recording, and by an allocation.
func decodeSteps(t *testing.T, dev kernels.Device, m *model.Model, cache *model.KVCache, vocab int, record bool) [][]float32 {
	var all [][]float32
	forward := func(b *model.Batch) {
		out := m.Forward(b, cache)
		flat := make([]float32, out.Len())
		dev.Download(bytesOf(flat), out)
		require.NoError(t, dev.Sync())
		all = append(all, slices.Collect(slices.Chunk(flat, vocab))...)
	}
	for seq := range 7 {
		forward(&model.Batch{
			Tokens: []int32{1, 2, int32(seq)}, Logits: []int32{2},
			Seqs: []model.BatchSeq{{Rows: 3, Blocks: []int32{int32(seq)}}},
		})
	}
	position := int64(3)
	for _, n := range []int{1, 2, 3, 5, 7, 4, 7} {
		b := &model.Batch{}
		for seq := range n {
			b.Tokens = append(b.Tokens, int32(20*seq+n))
			b.Logits = append(b.Logits, int32(seq))
			b.Seqs = append(b.Seqs, model.BatchSeq{Rows: 1, Position: position, Blocks: []int32{int32(seq)}, Decode: true})
		}
		if record && os.Getenv(cudatest.Emulated) == "1" {
			cudatest.Set(t, "TRONA_EMU_FAULT", "cuGraphLaunch@2=1,cuLaunchKernel@1=1,cuLaunchKernelEx@1=1,"+noMemory)
		}
		forward(b)
		position++
	}
	// Not all logits are wanted: no recording is of that.
	if os.Getenv(cudatest.Emulated) == "1" {
		cudatest.Set(t, "TRONA_EMU_FAULT", "")
	}
	b := &model.Batch{Tokens: []int32{1, 2, 3}, Logits: []int32{1}}
	for seq := range 3 {
		b.Seqs = append(b.Seqs, model.BatchSeq{Rows: 1, Position: position, Blocks: []int32{int32(seq)}, Decode: true})
	}
	forward(b)
	return all
}

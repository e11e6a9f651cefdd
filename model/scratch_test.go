package model

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/testdata"
)

// What steps of a plan's size take of Go's heap is at most what it says, with every
// instruction set: a server leaves that room.
func TestScratch(t *testing.T) {
	wide := writeFolder(t, map[string]string{"config.json": llamaJSON(map[string]string{"hidden_size": "128", "intermediate_size": "16384"})})
	for _, variant := range cpu.Variants() {
		plain := strings.HasPrefix(variant, "generic")
		if plain && testing.Short() {
			continue // it takes long
		}
		for _, name := range []string{"llama-tiny-F16.gguf", "llama-tiny-Q8_0.gguf", "nas-super-Q4_K_M.gguf"} {
			t.Run(variant+" "+name, func(t *testing.T) {
				ckpt, err := Open(testdata.Shared(t, "models", name))
				require.NoError(t, err)
				testScratch(t, openVariant(t, variant), ckpt)
			})
		}
		for _, typ := range []kernels.DType{kernels.F32, kernels.BF16, kernels.Q8_0} {
			if plain {
				continue // wide weights take longer
			}
			t.Run(variant+" wide "+typ.String(), func(t *testing.T) {
				ckpt, err := OpenRandom(wide, LayerTypes(typ))
				require.NoError(t, err)
				testScratch(t, openVariant(t, variant), ckpt)
			})
		}
	}
}

func testScratch(t *testing.T, dev kernels.Device, ckpt *Checkpoint) {
	const rows, decode = 512, 16
	defer ckpt.Close()
	plan, err := MakePlan(ckpt, dev, PlanOptions{MaxNumSeqs: decode, MaxRows: rows})
	require.NoError(t, err)
	l := loadCheckpoint(t, dev, ckpt, dev.Info().KVTypes[0], rows, 4096)
	before := heap()
	l.Forward(oneRun(l, 0, rows, false), l.cache)
	l.Forward(oneRun(l, rows, 100, false), l.cache)
	l.Forward(oneRun(l, 3000, 1, true), l.cache)
	logits := l.Forward(oneRun(l, 4000, decode, true), l.cache)
	draws := make([]kernels.SampleRow, decode)
	for i := range draws {
		draws[i].Temperature = 1
	}
	dev.Sample(make([]kernels.Sampled, decode), logits, draws)
	require.NoError(t, dev.Sync())
	require.LessOrEqual(t, heap()-before, plan.Scratch)
	runtime.KeepAlive(l)
}

// oneRun is a run of tokens of one sequence from a position on, with logits of up to 16.
func oneRun(l *loaded, position int64, rows int, decode bool) *Batch {
	b := &Batch{Tokens: make([]int32, rows), Seqs: []BatchSeq{{Rows: rows, Position: position, Blocks: l.blocks, Decode: decode}}}
	for i := range min(rows, 16) {
		b.Logits = append(b.Logits, int32(i))
	}
	return b
}

// heap returns the bytes of Go's heap that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

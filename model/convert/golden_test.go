package convert_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/convert"
	"trona/model/golden"
	"trona/testdata"
)

func target(t testing.TB, name string) convert.Target {
	t.Helper()
	v, err := convert.ParseTarget(name)
	require.NoError(t, err)
	return v
}

func open(t testing.TB, path string) *model.Checkpoint {
	t.Helper()
	c, err := model.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// file converts a checkpoint and opens the result.
func file(t testing.TB, src, to string) (*model.Checkpoint, convert.Result) {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "out.gguf")
	result, err := convert.File(context.Background(), open(t, src), dst, convert.Options{Target: target(t, to), Name: "test"})
	require.NoError(t, err)
	info, err := os.Stat(dst)
	require.NoError(t, err)
	require.Equal(t, info.Size(), result.Bytes)
	return open(t, dst), result
}

// compare computes g's stored logits of prompts up to 200 tokens, at once, and
// calls what with each row, the one that is wanted and the prompt's tolerance.
func compare(t testing.TB, g *golden.Golden, ckpt *model.Checkpoint, what func(want, got []float32, tol float64)) {
	t.Helper()
	dev, err := cpu.Open(cpu.Options{Variant: "exact"})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: 256, MaxLogits: 64})
	require.NoError(t, err)
	defer m.Close()
	kv, err := model.NewKVCache(dev, &ckpt.Config, kernels.F32, 4)
	require.NoError(t, err)
	defer kv.Close()
	compared := 0
	for _, p := range g.Prompts {
		if len(p.Tokens) > 200 {
			continue
		}
		b := model.Batch{Tokens: slices.Concat(p.Tokens, p.Greedy)}
		b.Seqs = []model.BatchSeq{{Rows: len(b.Tokens), Blocks: []int32{2, 0, 3, 1}}}
		for _, l := range p.Logits {
			b.Logits = append(b.Logits, int32(l.Position))
		}
		out := m.Forward(&b, kv)
		got := make([]float32, g.Vocab)
		for i, l := range p.Logits {
			dev.Download(unsafe.Slice((*byte)(unsafe.Pointer(&got[0])), 4*len(got)), out.Slice(int64(i), int64(i)+1))
			require.NoError(t, dev.Sync())
			what(g.Row(l.Row), got, p.TolExact)
			compared++
		}
	}
	require.Positive(t, compared)
}

// TestExact: a target that holds every weight of the source gives its logits.
func TestExact(t *testing.T) {
	for _, c := range []struct{ source, target string }{
		{"llama-tiny", "BF16"}, {"llama-tied", "BF16"}, {"nas-super", "BF16"}, {"nas-ultra", "BF16"},
		{"llama-tiny", "F16"}, {"llama-tied", "F32"},
		{"llama-tiny-fp8", "F32"}, {"llama-tiny-fp8-channel", "F32"}, {"llama-tiny-fp8-block", "F32"},
		{"llama-tiny-nvfp4", "F32"}, {"llama-tiny-nvfp4-ct", "F32"}, {"nas-super-nvfp4", "F32"},
		{"llama-tiny-NVFP4-scaled.gguf", "F32"}, {"llama-tiny-Q4_K_M.gguf", "F32"}, {"llama-spm-F16.gguf", "F16"},
		{"nas-super-Q8_0-00001-of-00003.gguf", "F32"},
	} {
		t.Run(c.source+"/"+c.target, func(t *testing.T) {
			ckpt, _ := file(t, testdata.Shared(t, "models", c.source), c.target)
			compare(t, golden.Read(t, goldenOf(c.source)), ckpt, func(want, got []float32, tol float64) {
				for i := range want {
					require.InDelta(t, want[i], got[i], tol, "logit %d", i)
				}
			})
		})
	}
}

// goldenOf is the name of the golden of a source.
func goldenOf(source string) string {
	switch source {
	case "llama-spm-F16.gguf":
		return "llama-spm"
	case "nas-super-Q8_0-00001-of-00003.gguf":
		return "nas-super-Q8_0"
	}
	return source[:len(source)-len(filepath.Ext(source))]
}

// TestQuantised: the answers are as near to the source's as those of the files
// that llama.cpp made, by the divergence of the distributions.
func TestQuantised(t *testing.T) {
	for _, c := range []struct{ source, target, reference string }{
		{"llama-tiny", "Q8_0", "llama-tiny-Q8_0.gguf"},
		{"llama-tiny", "Q6_K", "llama-tiny-Q6_K.gguf"},
		{"llama-tiny", "Q5_K_M", "llama-tiny-Q5_K_M.gguf"},
		{"llama-tiny", "Q5_K_S", "llama-tiny-Q5_0.gguf"},
		{"llama-tiny", "Q5_1", "llama-tiny-Q5_1.gguf"},
		{"llama-tiny", "Q5_0", "llama-tiny-Q5_0.gguf"},
		{"llama-tiny", "Q4_K_M", "llama-tiny-Q4_K_M.gguf"},
		{"llama-tiny", "Q4_K_S", "llama-tiny-Q4_K_S.gguf"},
		{"llama-tiny", "Q4_1", "llama-tiny-Q4_1.gguf"},
		{"llama-tiny", "Q4_0", "llama-tiny-Q4_0.gguf"},
		{"llama-tiny", "IQ4_NL", "llama-tiny-IQ4_NL.gguf"},
		{"llama-tiny", "IQ4_XS", "llama-tiny-IQ4_XS.gguf"},
		{"llama-tiny", "Q3_K_M", "llama-tiny-Q3_K_M.gguf"},
		{"llama-tiny", "Q2_K", "llama-tiny-Q2_K.gguf"},
		{"nas-super", "Q8_0", "nas-super-Q8_0-00001-of-00003.gguf"},
		{"nas-super", "Q4_K_M", "nas-super-Q4_K_M.gguf"},
		{"nas-ultra", "Q4_K_M", "nas-ultra-Q4_K_M.gguf"},
	} {
		t.Run(c.source+"/"+c.target, func(t *testing.T) {
			if testing.Short() && c.target != "Q4_K_M" {
				t.Skip("one type is enough")
			}
			g := golden.Read(t, c.source)
			ckpt, result := file(t, testdata.Shared(t, "models", c.source), c.target)
			require.Zero(t, result.Requantised)
			got := divergence(t, g, ckpt)
			want := divergence(t, g, open(t, testdata.Shared(t, "models", c.reference)))
			t.Logf("KL %.5f, reference %.5f (%.2f)", got, want, got/want)
			require.Less(t, got, 1.3*want)
		})
	}
}

// divergence is the mean KL(golden || checkpoint) of a token, in nats.
func divergence(t *testing.T, g *golden.Golden, ckpt *model.Checkpoint) float64 {
	sum, n := 0.0, 0
	compare(t, g, ckpt, func(want, got []float32, _ float64) {
		sum += golden.Divergence(want, got)
		n++
	})
	return sum / float64(n)
}

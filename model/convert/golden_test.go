package convert_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
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

// golden is what is used here of golden/NAME.json.
type golden struct {
	Vocab   int
	Prompts []struct {
		Tokens, Greedy []int32
		Logits         []struct{ Position, Row int }
		TolExact       float64 `json:"tol_exact"`
	}
	rows []float32
}

func readGolden(t testing.TB, name string) *golden {
	t.Helper()
	data, err := os.ReadFile(testdata.Shared(t, "models", "golden", name+".json"))
	require.NoError(t, err)
	g := new(golden)
	require.NoError(t, json.Unmarshal(data, g))
	data, err = os.ReadFile(testdata.Shared(t, "models", "golden", name+".f32"))
	require.NoError(t, err)
	for b := range slices.Chunk(data, 4) {
		g.rows = append(g.rows, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return g
}

// compare computes the stored logits of prompts up to 200 tokens, at once, and
// calls what with each row, the one that is wanted and the prompt's tolerance.
func (g *golden) compare(t testing.TB, ckpt *model.Checkpoint, what func(want, got []float32, tol float64)) {
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
			what(g.rows[l.Row*g.Vocab:][:g.Vocab], got, p.TolExact)
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
			readGolden(t, goldenOf(c.source)).compare(t, ckpt, func(want, got []float32, tol float64) {
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
			g := readGolden(t, c.source)
			ckpt, result := file(t, testdata.Shared(t, "models", c.source), c.target)
			require.Zero(t, result.Requantised)
			got := g.divergence(t, ckpt)
			want := g.divergence(t, open(t, testdata.Shared(t, "models", c.reference)))
			t.Logf("KL %.5f, reference %.5f (%.2f)", got, want, got/want)
			require.Less(t, got, 1.3*want)
		})
	}
}

// divergence is the mean KL(golden || checkpoint) of a token, in nats.
func (g *golden) divergence(t *testing.T, ckpt *model.Checkpoint) float64 {
	sum, n := 0.0, 0
	g.compare(t, ckpt, func(want, got []float32, _ float64) {
		sum += divergence(want, got)
		n++
	})
	return sum / float64(n)
}

// divergence is KL(softmax(p) || softmax(q)) in nats.
func divergence(p, q []float32) float64 {
	normal := func(x []float32) float64 {
		sum := 0.0
		for _, v := range x {
			sum += math.Exp(float64(v))
		}
		return math.Log(sum)
	}
	zp, zq, kl := normal(p), normal(q), 0.0
	for i := range p {
		lp, lq := float64(p[i])-zp, float64(q[i])-zq
		kl += math.Exp(lp) * (lp - lq)
	}
	return kl
}

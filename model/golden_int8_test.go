package model

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/kernels/kerneltest"
	"trona/testdata"
)

func TestMain(m *testing.M) {
	kerneltest.EmulateAMX()
	os.Exit(m.Run())
}

// TestGoldensInt8: products in 8 bits stay within the tolerances for them, and
// lose no more than a peer with blocks of the same size loses.
func TestGoldensInt8(t *testing.T) {
	names := cpu.Variants()
	slices.Reverse(names)
	variant := names[slices.IndexFunc(names, func(v string) bool { return strings.HasSuffix(v, "-int8") })]
	folder := testdata.Shared(t, "models", "golden")
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	tested := 0
	for _, path := range files {
		if strings.HasPrefix(filepath.Base(path), "tokenizer-") {
			continue
		}
		g := readGolden(t, path)
		// Plain Go takes long, and other variants have its bits.
		if few := testing.Short() || variant == "generic-int8"; g.TolQ8 == 0 || few && tested == 4 {
			continue
		}
		tested++
		t.Run(g.Files[0], func(t *testing.T) {
			g.checkInt8(t, loadOn(t, openVariant(t, variant), filepath.Join(folder, "..", g.Files[0]), kernels.F32, 512, 256))
		})
	}
	require.Positive(t, tested)
}

// TestGoldensVariants: with every instruction set logits stay within the tolerances of
// its arithmetic.
func TestGoldensVariants(t *testing.T) {
	for _, name := range []string{"nas-super", "llama-tiny-Q4_K_M"} {
		g := readGolden(t, testdata.Shared(t, "models", "golden", name+".json"))
		for _, variant := range cpu.Variants() {
			rounds := strings.HasSuffix(variant, "-int8")
			if rounds && g.TolQ8 == 0 {
				continue // tolerances are of blocks
			}
			t.Run(name+"/"+variant, func(t *testing.T) {
				l := loadOn(t, openVariant(t, variant), testdata.Shared(t, "models", g.Files[0]), kernels.F32, 512, 256)
				if rounds {
					g.checkInt8(t, l)
					return
				}
				for i := range g.Prompts {
					if p := &g.Prompts[i]; len(p.Tokens) <= 200 {
						g.check(t, l, p, []int{64, 512, 37}[i%3], p.TolExact, true)
					}
				}
			})
		}
	}
}

func (g *golden) checkInt8(t *testing.T, l *loaded) {
	for i := range g.Prompts {
		p := &g.Prompts[i]
		if len(p.Tokens) > 200 || i != g.KLPrompt && testing.Short() {
			continue
		}
		rows := g.check(t, l, p, []int{64, 512, 37}[i%3], p.TolQ8, false)
		if i == g.KLPrompt {
			g.checkKL(t, rows)
		}
	}
}

// checkKL bounds the divergence of the stored rows by that of the peer, as the
// fixture's README says.
func (g *golden) checkKL(t *testing.T, rows map[int][]float32) {
	peer, ok := g.Engines["llama.cpp as is"]
	if !ok {
		peer, ok = g.Engines["llama.cpp converted"]
	}
	require.True(t, ok, "a peer that rounds to 8 bits")
	mean, most := 0.0, 0.0
	for i, got := range rows {
		kl := klDivergence(g.row(i), got)
		mean += kl / float64(len(rows))
		most = max(most, kl)
	}
	t.Logf("KL mean %.3g, largest %.3g; peer %+v", mean, most, peer.KL)
	require.Less(t, mean, 1.5*max(peer.KL.Mean, peer.KL.MeanStored))
	require.Less(t, most, 3*max(peer.KL.Max, peer.KL.MaxStored))
}

// klDivergence returns KL(p || q) of two rows of logits.
func klDivergence(p, q []float32) float64 {
	lp, lq := logSoftmax(p), logSoftmax(q)
	kl := 0.0
	for i := range lp {
		kl += math.Exp(lp[i]) * (lp[i] - lq[i])
	}
	return kl
}

func logSoftmax(logits []float32) []float64 {
	most := float64(slices.Max(logits))
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - most)
	}
	out := make([]float64, len(logits))
	for i, v := range logits {
		out[i] = float64(v) - most - math.Log(sum)
	}
	return out
}

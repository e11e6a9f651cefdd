package model

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/kernels/kerneltest"
	"trona/model/golden"
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
	tested := 0
	for _, g := range golden.All(t) {
		// Plain Go takes long, and other variants have its bits.
		if few := testing.Short() || variant == "generic-int8"; g.TolQ8 == 0 || few && tested == 4 {
			continue
		}
		tested++
		t.Run(g.Files[0], func(t *testing.T) {
			loadOn(t, openVariant(t, variant), testdata.Shared(t, "models", g.Files[0]), kernels.F32, 512, 256).checkInt8(t, g)
		})
	}
	require.Positive(t, tested)
}

// TestGoldensVariants: with every instruction set logits stay within the tolerances of
// its arithmetic.
func TestGoldensVariants(t *testing.T) {
	for _, name := range []string{"nas-super", "llama-tiny-Q4_K_M"} {
		g := golden.Read(t, name)
		for _, variant := range cpu.Variants() {
			rounds := strings.HasSuffix(variant, "-int8")
			if rounds && g.TolQ8 == 0 {
				continue // tolerances are of blocks
			}
			t.Run(name+"/"+variant, func(t *testing.T) {
				l := loadOn(t, openVariant(t, variant), testdata.Shared(t, "models", g.Files[0]), kernels.F32, 512, 256)
				if rounds {
					l.checkInt8(t, g)
					return
				}
				for i := range g.Prompts {
					if p := &g.Prompts[i]; len(p.Tokens) <= 200 {
						l.check(t, g, p, []int{64, 512, 37}[i%3], p.TolExact, true)
					}
				}
			})
		}
	}
}

func (l *loaded) checkInt8(t *testing.T, g *golden.Golden) {
	for i := range g.Prompts {
		p := &g.Prompts[i]
		if len(p.Tokens) > 200 || i != g.KLPrompt && testing.Short() {
			continue
		}
		rows := l.check(t, g, p, []int{64, 512, 37}[i%3], p.TolQ8, false)
		if i == g.KLPrompt {
			checkKL(t, g, rows)
		}
	}
}

// checkKL bounds the divergence of the stored rows by that of the peer, as the
// fixture's README says.
func checkKL(t *testing.T, g *golden.Golden, rows map[int][]float32) {
	peer, ok := g.Engines["llama.cpp as is"]
	if !ok {
		peer, ok = g.Engines["llama.cpp converted"]
	}
	require.True(t, ok, "a peer that rounds to 8 bits")
	mean, most := 0.0, 0.0
	for i, got := range rows {
		kl := golden.Divergence(g.Row(i), got)
		mean += kl / float64(len(rows))
		most = max(most, kl)
	}
	t.Logf("KL mean %.3g, largest %.3g; peer %+v", mean, most, peer.KL)
	require.Less(t, mean, 1.5*max(peer.KL.Mean, peer.KL.MeanStored))
	require.Less(t, most, 3*max(peer.KL.Max, peer.KL.MaxStored))
}

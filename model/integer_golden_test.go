package model_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels/cpu"
	"trona/model"
	"trona/model/modeltest"
	"trona/testdata"
)

// TestIntegerGoldens: checkpoints that others packed have the logits and greedy tokens
// that transformers computes from the values they stand for.
func TestIntegerGoldens(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(testdata.Path(t, "models", "integers"), "*", "config.json"))
	require.NoError(t, err)
	require.Len(t, folders, 9)
	for _, path := range folders {
		folder := filepath.Dir(path)
		for _, variant := range []string{"exact", ""} {
			t.Run(filepath.Base(folder)+"/"+variant, func(t *testing.T) {
				dev, err := cpu.Open(cpu.Options{Variant: variant})
				require.NoError(t, err)
				defer func() { require.NoError(t, dev.Close()) }()
				ckpt, err := model.Open(folder)
				require.NoError(t, err)
				defer func() { require.NoError(t, ckpt.Close()) }()
				g := modeltest.ReadContinuation(t, folder)
				tolerance := 5e-5
				switch {
				case variant == "": // products in 8 bits
					tolerance = 0.3
				case slices.Contains([]string{"w4a16-asymmetric", "gptq-asymmetric", "gptq-v2", "awq"}, filepath.Base(folder)):
					tolerance = 0.02 // what zeros add is rounded
				}
				worst := g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, tolerance)
				t.Logf("within %g", worst)
			})
		}
	}
}

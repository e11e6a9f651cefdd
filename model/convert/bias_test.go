package convert_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/convert"
	"trona/model/modeltest"
	"trona/testdata"
)

// biasesOf returns the data of all biases of a file.
func biasesOf(t *testing.T, c *model.Checkpoint) map[string][]byte {
	biases := map[string][]byte{}
	parts, err := c.Parts()
	require.NoError(t, err)
	for i := range parts {
		if strings.HasSuffix(parts[i].Name, ".bias") {
			m, err := c.ReadPart(&parts[i])
			require.NoError(t, err)
			require.Equal(t, kernels.F32, m.Type, parts[i].Name)
			biases[parts[i].Name] = m.Data
		}
	}
	return biases
}

// TestBiases: a file has the answers of a folder with biases, those of q and k in the
// order of their rows; quantising it keeps them to the bit.
func TestBiases(t *testing.T) {
	for name, count := range map[string]int{"llama": 2 * 7, "qwen2": 2 * 3} {
		t.Run(name, func(t *testing.T) {
			folder := testdata.Path(t, "models", "biases", name)
			g := modeltest.ReadContinuation(t, folder)
			dev, err := cpu.Open(cpu.Options{Variant: "exact"})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			var want map[string][]byte
			for _, to := range []string{"F32", "BF16"} {
				ckpt, _ := file(t, folder, to)
				require.Equal(t, name, ckpt.Config.Architecture)
				g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, 3e-4)
				want = biasesOf(t, ckpt)
				require.Len(t, want, count)
			}
			src, _ := file(t, folder, "F32")
			for _, to := range []string{"Q8_0", "Q4_0"} {
				fromFolder, _ := file(t, folder, to)
				require.Equal(t, want, biasesOf(t, fromFolder))
				dst := filepath.Join(t.TempDir(), "out.gguf")
				_, err := convert.File(t.Context(), src, dst, convert.Options{Target: target(t, to)})
				require.NoError(t, err)
				fromFile := open(t, dst)
				require.Equal(t, want, biasesOf(t, fromFile))
				for i, parts := 0, must(t, fromFile); i < len(parts); i++ {
					a, err := fromFile.ReadPart(&parts[i])
					require.NoError(t, err)
					b, err := fromFolder.ReadPart(&must(t, fromFolder)[i])
					require.NoError(t, err)
					require.True(t, bytes.Equal(a.Data, b.Data), parts[i].Name)
				}
			}
		})
	}
}

// TestFamily: files of checkpoints that are nearly Llama answer as these do, but for one
// of which GGUF has no name.
func TestFamily(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testdata.Path(t, "models", "family"), "*", "config.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			if filepath.Base(folder) == "hyperclovax-behind" {
				_, err := convert.File(t.Context(), open(t, folder), filepath.Join(t.TempDir(), "out.gguf"), convert.Options{Target: target(t, "F32")})
				require.ErrorContains(t, err, "GGUF has no name for an architecture with these norms")
				return
			}
			g := modeltest.ReadContinuation(t, folder)
			dev, err := cpu.Open(cpu.Options{Variant: "exact"})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			ckpt, _ := file(t, folder, "F32")
			require.Equal(t, open(t, folder).GGUFArchitecture(), ckpt.Config.Architecture)
			require.Empty(t, ckpt.Unread)
			g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, 1e-4)
		})
	}
}

func must(t *testing.T, c *model.Checkpoint) []model.Part {
	parts, err := c.Parts()
	require.NoError(t, err)
	return parts
}

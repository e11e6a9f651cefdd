package cuda

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/kerneltest"
	"trona/model"
	"trona/model/modeltest"
	"trona/testdata"
)

// TestIntegers: checkpoints in integers that others packed have the logits and greedy
// tokens that they must have, of prompts and of recorded steps.
func TestIntegers(t *testing.T) { testFolders(t, "integers") }

// TestFamily: so do checkpoints that are nearly Llama.
func TestFamily(t *testing.T) { testFolders(t, "family") }

func testFolders(t *testing.T, kind string) {
	paths, err := filepath.Glob(filepath.Join(testdata.Path(t, "models", kind), "*", "config.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for device, open := range map[string]func() (kernels.Device, error){"usual": opener, "chosen": hopperOpener} {
		for _, path := range paths {
			folder := filepath.Dir(path)
			t.Run(device+"/"+filepath.Base(folder), func(t *testing.T) {
				ckpt, err := model.Open(folder)
				require.NoError(t, err)
				defer func() { require.NoError(t, ckpt.Close()) }()
				g := modeltest.ReadContinuation(t, folder)
				dev := kerneltest.Open(t, "emulator", open)
				worst := g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, 0.02)
				t.Logf("within %g", worst)
			})
		}
	}
}

package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/kerneltest"
	"trona/model"
	"trona/model/modeltest"
	"trona/testdata"
)

// TestBiases: checkpoints with biases have the logits and greedy tokens that they must
// have, of prompts and of recorded steps; kernels begin as early as they may.
func TestBiases(t *testing.T) {
	schedule(t, "1")
	for device, open := range map[string]func() (kernels.Device, error){"usual": opener, "chosen": hopperOpener} {
		for _, name := range []string{"llama", "qwen2"} {
			t.Run(device+"/"+name, func(t *testing.T) {
				folder := testdata.Path(t, "models", "biases", name)
				ckpt, err := model.Open(folder)
				require.NoError(t, err)
				defer func() { require.NoError(t, ckpt.Close()) }()
				g := modeltest.ReadGolden(t, folder)
				dev := kerneltest.Open(t, "emulator", open)
				worst := g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, 0.05)
				t.Logf("within %g", worst)
			})
		}
	}
}

// TestNoBiases: the steps of a model without biases have no launch more.
func TestNoBiases(t *testing.T) {
	ckpt, err := model.Open(modeltest.Folder(t, modeltest.Tiny()))
	require.NoError(t, err)
	defer func() { require.NoError(t, ckpt.Close()) }()
	dev := kerneltest.Open(t, "emulator", opener)
	before := cudatest.Launches(t)
	modeltest.Logits(t, ckpt, dev, []int32{1, 2, 3, 4, 5}, 3, 3)
	after := cudatest.Launches(t)
	for _, name := range []string{"add_bias", "swiglu"} {
		require.Equal(t, before[name], after[name], name)
	}
}

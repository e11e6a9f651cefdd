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
				g := modeltest.ReadContinuation(t, folder)
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

// TestBiasedInputs: products of what had a bias added do not find the inputs that stood
// for it before.
func TestBiasedInputs(t *testing.T) {
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	const n, d = 3, 256
	rng := newRand()
	bias := deviceFloats(t, dev, randomFloats(rng, d), d)
	up := deviceFloats(t, dev, randomFloats(rng, n*d), n, d)
	const rows = 21
	m := randomMatrix(rng, kernels.Q4_K, rows, d)
	w, err := dev.Pack(m)
	require.NoError(t, err)
	out := deviceFloats(t, dev, make([]float32, n*rows), n, rows)
	for name, change := range map[string]func(x kernels.Biased){
		"add_bias": func(x kernels.Biased) { dev.AddBias([]kernels.Biased{x}) },
		"swiglu":   func(x kernels.Biased) { dev.SwiGLU(x, kernels.Biased{X: up, Bias: bias}) },
	} {
		x := deviceFloats(t, dev, make([]float32, n*d), n, d)
		dev.RMSNorm(x, deviceFloats(t, dev, randomFloats(rng, n*d), n, d), bias, 1e-5)
		require.Equal(t, addr(x.Addr), dev.converted.x, "the norm has converted it")
		change(kernels.Biased{X: x, Bias: bias})
		dev.MatMul(x, n, []kernels.Product{{Out: out, W: w}})
		require.Equal(t, product(t, dev, m, hostFloats(dev, x), n), hostFloats(dev, out), name)
	}
}

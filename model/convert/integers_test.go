package convert_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels/cpu"
	"trona/model/modeltest"
	"trona/model/quant"
	"trona/testdata"
)

// TestIntegers: checkpoints in integers are written exactly, as numbers and as the blocks
// that hold the same.
func TestIntegers(t *testing.T) {
	for _, c := range []struct {
		source, target string
		tolerance      float64
	}{{"gptq", "Q4_0", 5e-5}, {"awq", "Q4_1", 0.02}, {"w4a16-asymmetric", "Q4_1", 0.02}, {"w8a8", "Q8_0", 5e-5}} {
		t.Run(c.source, func(t *testing.T) {
			folder := testdata.Path(t, "models", "integers", c.source)
			numbers, result := file(t, folder, "F32")
			require.Equal(t, 7, result.Requantised)
			dev, err := cpu.Open(cpu.Options{Variant: "exact"})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			g := modeltest.ReadContinuation(t, folder)
			g.Check(t, modeltest.Logits(t, numbers, dev, g.Tokens(), 64, len(g.Prompt)), numbers.Config.EOS, c.tolerance)

			blocks, result := file(t, folder, c.target)
			require.Zero(t, result.Requantised)
			want, err := numbers.Parts()
			require.NoError(t, err)
			got, err := blocks.Parts()
			require.NoError(t, err)
			for i := range want {
				if !strings.HasPrefix(want[i].Name, "blk.") {
					continue // embedding and output are no integers
				}
				a, err := numbers.ReadPart(&want[i])
				require.NoError(t, err)
				b, err := blocks.ReadPart(&got[i])
				require.NoError(t, err)
				if !want[i].Vector {
					require.Equal(t, c.target, b.Type.String(), want[i].Name)
				}
				x, y := make([]float32, a.Cols), make([]float32, a.Cols)
				for r := range a.Rows {
					quant.Row(x, a, r)
					quant.Row(y, b, r)
					require.Equal(t, x, y, "%s, row %d", want[i].Name, r)
				}
			}
		})
	}
}

package cuda

import (
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/kerneltest"
	"trona/model"
	"trona/model/demo"
	"trona/model/golden"
	"trona/testdata"
)

// tolerance is that of an engine which rounds the inputs of products to F16.
// Where it was not measured: F16 has three bits more than BF16.
func tolerance(p *golden.Prompt) float64 {
	if p.TolF16Act > 0 {
		return p.TolF16Act
	}
	return p.TolBF16Act / 8
}

// goldenRun is a model on the device with a cache for several sequences, whose
// blocks are not in order.
type goldenRun struct {
	*testing.T
	dev   kernels.Device
	model *model.Model
	cache *model.KVCache
	seqs  []model.BatchSeq // of the next step
}

// newGoldenRun makes room for sequences of up to `positions` tokens, of `rows`
// tokens in all.
func newGoldenRun(t *testing.T, open func() (kernels.Device, error), ckpt *model.Checkpoint, sequences, positions, rows int) *goldenRun {
	defer func() { require.NoError(t, ckpt.Close()) }()
	var err error
	r := &goldenRun{T: t, dev: kerneltest.Open(t, "emulator", open)}
	r.model, err = model.Load(ckpt, r.dev, model.LoadOptions{MaxRows: rows, MaxLogits: min(rows, 64)})
	require.NoError(t, err)
	each := (positions + kernels.BlockSize - 1) / kernels.BlockSize
	n := sequences * each
	r.cache, err = model.NewKVCache(r.dev, &ckpt.Config, r.dev.Info().KVTypes[0], n+1)
	require.NoError(t, err)
	for s := range sequences {
		var blocks []int32
		for i := range each {
			blocks = append(blocks, int32(n-i*sequences-s))
		}
		r.seqs = append(r.seqs, model.BatchSeq{Blocks: blocks})
	}
	require.NoError(t, r.model.Record(r.cache))
	return r
}

// feed runs a step, the next tokens of each sequence, and returns the logits of
// the wanted rows.
func (r *goldenRun) feed(tokens [][]int32, decode bool, wanted []int32) [][]float32 {
	for i := range r.seqs {
		s := &r.seqs[i]
		s.Position += int64(s.Rows)
		s.Rows, s.Decode = len(tokens[i]), decode
	}
	out := r.model.Forward(&model.Batch{Tokens: slices.Concat(tokens...), Logits: wanted, Seqs: r.seqs}, r.cache)
	flat := make([]float32, out.Len())
	r.dev.Download(bytesOf(flat), out)
	require.NoError(r, r.dev.Sync())
	return slices.Collect(slices.Chunk(flat, int(out.Shape[1])))
}

// goldenTokens is the length of the longest prompts that are tested always, and
// longTokens of those that are where asked for and a tolerance is known.
const goldenTokens, longTokens = 200, 2100

var long = flag.Bool("long", false, "TestGoldens has long prompts too")

// TestGoldens: every model has the logits and greedy tokens that it must have,
// by the rule for engines that round the inputs of products.
func TestGoldens(t *testing.T) {
	for _, g := range golden.All(t) {
		name := g.Files[0]
		if testing.Short() && name != "llama-tiny-Q4_K_M.gguf" && name != "nas-super" {
			continue
		}
		g.Prompts = slices.DeleteFunc(g.Prompts, func(p golden.Prompt) bool {
			n := len(p.Tokens)
			return n > goldenTokens && (!*long || n > longTokens || p.TolF16Act == 0)
		})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ckpt, err := model.Open(testdata.Shared(t, "models", name))
			require.NoError(t, err)
			rows, longest := 0, 0
			for i := range g.Prompts {
				n := len(g.Prompts[i].Tokens)
				rows, longest = rows+n, max(longest, n)
			}
			newGoldenRun(t, opener, ckpt, len(g.Prompts), longest+kernels.BlockSize, rows).check(g)
		})
	}
}

// check feeds all prompts in one step and then their greedy tokens, one of each
// a step: each stored row must be within the tolerance, each token follow whose
// margin is above twice that.
func (r *goldenRun) check(g *golden.Golden) {
	stored := make([]map[int][]float32, len(g.Prompts)) // by prompt and position
	tokens := make([][]int32, len(g.Prompts))
	var wanted []int32 // rows of the first step: those stored, and the last of each prompt
	begin := 0
	for i, p := range g.Prompts {
		stored[i] = map[int][]float32{}
		for _, s := range p.Logits {
			stored[i][s.Position] = g.Row(s.Row)
		}
		for at := range p.Tokens {
			if stored[i][at] != nil || at == len(p.Tokens)-1 {
				wanted = append(wanted, int32(begin+at))
			}
		}
		tokens[i] = p.Tokens
		begin += len(p.Tokens)
	}
	compare := func(i, position int, got []float32) {
		for j, v := range stored[i][position] {
			require.InDelta(r, v, got[j], tolerance(&g.Prompts[i]), "prompt %d, position %d, logit %d", i, position, j)
		}
		delete(stored[i], position)
	}
	last := make([][]float32, len(g.Prompts))
	for k, row := range r.feed(tokens, false, wanted) {
		i, at := 0, int(wanted[k])
		for at >= len(tokens[i]) {
			at -= len(tokens[i])
			i++
		}
		compare(i, at, row)
		last[i] = row
	}
	wanted = wanted[:0]
	for i := range g.Prompts {
		wanted = append(wanted, int32(i))
	}
	for step := range g.Prompts[0].Greedy {
		for i := range g.Prompts {
			p := &g.Prompts[i]
			if p.Margins[step] > 2*tolerance(p) {
				require.Equal(r, p.Greedy[step], golden.Greedy(last[i]), "prompt %d, greedy token %d", i, step)
			}
			tokens[i] = p.Greedy[step : step+1]
		}
		last = r.feed(tokens, true, wanted)
		for i := range g.Prompts {
			compare(i, len(g.Prompts[i].Tokens)+step, last[i])
		}
	}
	for i := range stored {
		require.Empty(r, stored[i], "stored rows of prompt %d that were never reached", i)
	}
}

// TestDemoGoldens: the demo model gives the greedy tokens that it must give, with
// the kernels for every device and with those that the program chooses.
func TestDemoGoldens(t *testing.T) {
	for name, open := range map[string]func() (kernels.Device, error){"usual": opener, "chosen": hopperOpener} {
		t.Run(name, func(t *testing.T) {
			schedule(t, "1") // kernels begin as early as they may
			demoGoldens(t, open)
		})
	}
}

// demoGoldens has all prompts in one batch; on the emulated device the beginning
// of two.
func demoGoldens(t *testing.T, open func() (kernels.Device, error)) {
	answers := golden.Demo(t)
	if os.Getenv(cudatest.Emulated) == "1" {
		answers = answers[:2]
	}
	var prompts, outputs [][]int32
	rows, longest := 0, 0
	for _, a := range answers {
		if os.Getenv(cudatest.Emulated) == "1" {
			a.OutputIDs = a.OutputIDs[:min(6, len(a.OutputIDs))]
		}
		prompts, outputs = append(prompts, a.PromptIDs), append(outputs, a.OutputIDs)
		rows, longest = rows+len(a.PromptIDs), max(longest, len(a.PromptIDs)+len(a.OutputIDs))
	}
	ckpt, err := demo.Open()
	require.NoError(t, err)
	r := newGoldenRun(t, open, ckpt, len(prompts), longest, rows)
	var wanted []int32
	end := 0
	for _, p := range prompts {
		end += len(p)
		wanted = append(wanted, int32(end-1))
	}
	last := r.feed(prompts, false, wanted)
	for step := 0; len(prompts) > 0; step++ {
		// Those that have said all leave the batch.
		next, k := [][]int32{}, 0
		for i := range prompts {
			require.Equal(t, outputs[i][step], golden.Greedy(last[i]), "prompt of %d tokens, token %d", len(prompts[i]), step)
			if step+1 < len(outputs[i]) {
				prompts[k], outputs[k], r.seqs[k] = prompts[i], outputs[i], r.seqs[i]
				next = append(next, outputs[i][step:step+1])
				k++
			}
		}
		prompts, outputs, r.seqs = prompts[:k], outputs[:k], r.seqs[:k]
		wanted = wanted[:0]
		for i := range next {
			wanted = append(wanted, int32(i))
		}
		if k > 0 {
			last = r.feed(next, true, wanted)
		}
	}
}

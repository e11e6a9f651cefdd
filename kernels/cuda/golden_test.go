package cuda

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/kerneltest"
	"trona/model"
	"trona/testdata"
)

// golden is the form of the models' golden/NAME.json.
type golden struct {
	Files   []string
	Vocab   int
	Prompts []goldenPrompt
	rows    []float32
}

type goldenPrompt struct {
	Tokens, Greedy []int32
	Margins        []float64
	Logits         []struct{ Position, Row int }
	TolBF16Act     float64 `json:"tol_bf16act"`
	TolF16Act      float64 `json:"tol_f16act"`
}

// tolerance is that of an engine which rounds the inputs of products to F16.
// Where it was not measured: F16 has three bits more than BF16.
func (p *goldenPrompt) tolerance() float64 {
	if p.TolF16Act > 0 {
		return p.TolF16Act
	}
	return p.TolBF16Act / 8
}

func readGolden(t *testing.T, path string) *golden {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	g := new(golden)
	require.NoError(t, json.Unmarshal(data, g))
	data, err = os.ReadFile(strings.TrimSuffix(path, ".json") + ".f32")
	require.NoError(t, err)
	for b := range slices.Chunk(data, 4) {
		g.rows = append(g.rows, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return g
}

// goldenRun is a model on the device with a cache for one sequence, whose
// blocks are not in order.
type goldenRun struct {
	*testing.T
	dev    kernels.Device
	model  *model.Model
	cache  *model.KVCache
	blocks []int32
}

func newGoldenRun(t *testing.T, path string, positions int) *goldenRun {
	ckpt, err := model.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, ckpt.Close()) }()
	r := &goldenRun{T: t, dev: kerneltest.Open(t, "emulator", opener)}
	r.model, err = model.Load(ckpt, r.dev, model.LoadOptions{MaxRows: 256, MaxLogits: 64})
	require.NoError(t, err)
	n := (positions + kernels.BlockSize - 1) / kernels.BlockSize
	r.cache, err = model.NewKVCache(r.dev, &ckpt.Config, r.dev.Info().KVTypes[0], n+1)
	require.NoError(t, err)
	for i := range n {
		r.blocks = append(r.blocks, int32(n-i))
	}
	require.NoError(t, r.model.Record(r.cache))
	return r
}

// feed runs tokens at a position and returns the logits of the wanted ones.
func (r *goldenRun) feed(tokens []int32, position int, decode bool, wanted ...int32) [][]float32 {
	out := r.model.Forward(&model.Batch{
		Tokens: tokens, Logits: wanted,
		Seqs: []model.BatchSeq{{Rows: len(tokens), Position: int64(position), Blocks: r.blocks, Decode: decode}},
	}, r.cache)
	require.NoError(r, r.dev.Sync())
	if len(wanted) == 0 {
		return nil
	}
	flat := make([]float32, out.Len())
	r.dev.Download(bytesOf(flat), out)
	require.NoError(r, r.dev.Sync())
	return slices.Collect(slices.Chunk(flat, int(out.Shape[1])))
}

// TestGoldens: every model has the logits and greedy tokens that it must have,
// by the rule for engines that round the inputs of products. Prompts of
// 200 tokens are for one form of each model, unless TRONA_LONG=1 asks for all.
func TestGoldens(t *testing.T) {
	folder := testdata.Shared(t, "models", "golden")
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasPrefix(filepath.Base(path), "tokenizer-") {
			continue
		}
		g := readGolden(t, path)
		name := g.Files[0]
		if testing.Short() && name != "llama-tiny-Q4_K_M.gguf" && name != "nas-super" {
			continue
		}
		most := 65
		if !strings.Contains(name, "-tiny-") || os.Getenv("TRONA_LONG") == "1" {
			most = 200
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g.check(newGoldenRun(t, filepath.Join(folder, "..", name), 256), most)
		})
	}
}

func (g *golden) check(r *goldenRun, most int) {
	for i := range g.Prompts {
		if p := &g.Prompts[i]; len(p.Tokens) <= most {
			g.checkPrompt(r, p)
		}
	}
}

// checkPrompt feeds a prompt and then its greedy tokens one by one: each stored
// row must be within the tolerance, each token follow whose margin is above
// twice that.
func (g *golden) checkPrompt(r *goldenRun, p *goldenPrompt) {
	tol, last := p.tolerance(), len(p.Tokens)-1
	want := map[int][]float32{}
	wanted := []int32{}
	for _, s := range p.Logits {
		want[s.Position] = g.rows[s.Row*g.Vocab:][:g.Vocab]
		if s.Position < last {
			wanted = append(wanted, int32(s.Position))
		}
	}
	compare := func(position int, got []float32) {
		for i, v := range want[position] {
			require.InDelta(r, v, got[i], tol, "position %d, logit %d", position, i)
		}
		delete(want, position)
	}
	slices.Sort(wanted)
	wanted = append(wanted, int32(last))
	rows := r.feed(p.Tokens, 0, false, wanted...)
	for i, at := range wanted {
		compare(int(at), rows[i])
	}
	got := rows[len(rows)-1]
	for i, id := range p.Greedy {
		if p.Margins[i] > 2*tol {
			require.Equal(r, id, largest(got), "greedy token %d", i)
		}
		got = r.feed([]int32{id}, len(p.Tokens)+i, true, 0)[0]
		compare(len(p.Tokens)+i, got)
	}
	require.Empty(r, want, "stored rows that were never reached")
}

func largest(row []float32) int32 {
	best := 0
	for i, v := range row {
		if v > row[best] {
			best = i
		}
	}
	return int32(best)
}

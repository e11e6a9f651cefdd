package model

import (
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model/golden"
	"trona/testdata"
)

// openCPU opens a device that the test closes. Its products are exact.
func openCPU(t testing.TB) kernels.Device { return openVariant(t, "exact") }

// openVariant opens the device with an instruction set; "": the default.
func openVariant(t testing.TB, variant string) kernels.Device {
	dev, err := cpu.Open(cpu.Options{Variant: variant})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	return dev
}

// loaded is a model with a cache and one sequence, for tests.
type loaded struct {
	*Model
	dev    kernels.Device
	cache  *KVCache
	blocks []int32
}

// load opens and loads a checkpoint with a cache for one sequence. The
// sequence's blocks are not in order, as in real use.
func load(t testing.TB, path string, kv kernels.DType, rows, positions int) *loaded {
	return loadOn(t, openCPU(t), path, kv, rows, positions)
}

func loadOn(t testing.TB, dev kernels.Device, path string, kv kernels.DType, rows, positions int) *loaded {
	ckpt, err := Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, ckpt.Close()) }()
	return loadCheckpoint(t, dev, ckpt, kv, rows, positions)
}

func loadCheckpoint(t testing.TB, dev kernels.Device, ckpt *Checkpoint, kv kernels.DType, rows, positions int) *loaded {
	l := &loaded{dev: dev}
	var err error
	l.Model, err = Load(ckpt, l.dev, LoadOptions{MaxRows: rows, MaxLogits: min(rows, 64)})
	require.NoError(t, err)
	n := int(kvBlocks(positions))
	l.cache, err = NewKVCache(l.dev, &ckpt.Config, kv, n+1)
	require.NoError(t, err)
	for i := range n {
		l.blocks = append(l.blocks, int32(n-i))
	}
	return l
}

// rows downloads logits.
func (l *loaded) rows(logits kernels.Tensor) [][]float32 {
	n, vocab := int(logits.Shape[0]), int(logits.Shape[1])
	flat := make([]float32, n*vocab)
	l.dev.Download(unsafe.Slice((*byte)(unsafe.Pointer(&flat[0])), 4*len(flat)), logits)
	return slices.Collect(slices.Chunk(flat, vocab))
}

// feed runs tokens at a position and returns the logits of the wanted ones.
func (l *loaded) feed(t testing.TB, tokens []int32, position int, decode bool, wanted ...int32) [][]float32 {
	out := l.Forward(&Batch{
		Tokens: tokens, Logits: wanted,
		Seqs: []BatchSeq{{Rows: len(tokens), Position: int64(position), Blocks: l.blocks, Decode: decode}},
	}, l.cache)
	require.NoError(t, l.dev.Sync())
	if len(wanted) == 0 {
		require.True(t, out.Absent())
		return nil
	}
	return l.rows(out)
}

// check feeds a prompt of g in chunks and then its greedy tokens one by one. Every
// stored row must be within tol, and every greedy token must follow whose
// margin is above twice tol (all of them where exact is set). It returns what
// came for the stored rows, by their number.
func (l *loaded) check(t *testing.T, g *golden.Golden, p *golden.Prompt, chunk int, tol float64, exact bool) map[int][]float32 {
	rows, stored := map[int][]float32{}, map[int]int{}
	for _, s := range p.Logits {
		stored[s.Position] = s.Row
	}
	compare := func(position int, got []float32) {
		row, ok := stored[position]
		if !ok {
			return
		}
		for i, want := range g.Row(row) {
			require.InDelta(t, want, got[i], tol, "position %d, logit %d", position, i)
		}
		rows[row] = got
		delete(stored, position)
	}
	next := func(i int, got []float32) {
		if i < len(p.Greedy) && (exact || p.Margins[i] > 2*tol) {
			require.Equal(t, p.Greedy[i], golden.Greedy(got), "greedy token %d", i)
		}
	}
	for from := 0; from < len(p.Tokens); from += chunk {
		tokens := p.Tokens[from:min(from+chunk, len(p.Tokens))]
		var wanted []int32
		for i := range tokens {
			if _, ok := stored[from+i]; ok || from+i == len(p.Tokens)-1 {
				wanted = append(wanted, int32(i))
			}
		}
		for i, got := range l.feed(t, tokens, from, false, wanted...) {
			compare(from+int(wanted[i]), got)
			if from+int(wanted[i]) == len(p.Tokens)-1 {
				next(0, got)
			}
		}
	}
	for i, id := range p.Greedy {
		got := l.feed(t, []int32{id}, len(p.Tokens)+i, true, 0)[0]
		compare(len(p.Tokens)+i, got)
		next(i+1, got)
	}
	require.Empty(t, stored, "stored rows that were never reached")
	return rows
}

func TestGoldens(t *testing.T) {
	for _, g := range golden.All(t) {
		for i, name := range g.Files {
			t.Run(name, func(t *testing.T) {
				testCheckpoint(t, g, testdata.Shared(t, "models", name), i == 0)
			})
		}
	}
}

func testCheckpoint(t *testing.T, g *golden.Golden, path string, first bool) {
	types := []kernels.DType{kernels.F32}
	if g.TolF16KV != 0 && first {
		types = append(types, kernels.F16, kernels.BF16)
	}
	for _, kv := range types {
		l := load(t, path, kv, 512, 2200)
		for i := range g.Prompts {
			p := &g.Prompts[i]
			if len(p.Tokens) > 2100 || len(p.Tokens) > 200 && (testing.Short() || !first) {
				continue
			}
			chunk := []int{64, 512, 37}[i%3]
			tol := map[kernels.DType]float64{kernels.F32: p.TolExact, kernels.F16: p.TolF16KV, kernels.BF16: p.TolBF16KV}[kv]
			if tol == 0 {
				continue // long prompts were not measured with 16-bit caches
			}
			l.check(t, g, p, chunk, tol, kv == kernels.F32)
		}
	}
}

func TestLongPrompt(t *testing.T) {
	if testing.Short() {
		t.Skip("9000 tokens")
	}
	g := golden.Read(t, "llama-tiny")
	l := load(t, testdata.Shared(t, "models", "llama-tiny"), kernels.F32, 512, 9100)
	p := &g.Prompts[len(g.Prompts)-1]
	require.Len(t, p.Tokens, 9000)
	l.check(t, g, p, 512, p.TolExact, true)
}

func TestDemoGoldens(t *testing.T) {
	l := load(t, filepath.Join("demo", "demo.gguf"), kernels.F32, 512, 2048)
	answers := golden.Demo(t)
	if testing.Short() {
		answers = answers[:5]
	}
	for _, want := range answers {
		var got []int32
		n := len(want.PromptIDs)
		id := golden.Greedy(l.feed(t, want.PromptIDs, 0, false, int32(n-1))[0])
		for len(got) < len(want.OutputIDs) {
			got = append(got, id)
			id = golden.Greedy(l.feed(t, []int32{id}, n+len(got)-1, true, 0)[0])
		}
		require.Equal(t, want.OutputIDs, got, "%s", want.Prompt)
		require.Equal(t, want.Finished, slices.Contains(l.Config.EOS, id), "%s", want.Prompt)
	}
}

package modeltest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"trona/kernels"
	"trona/model"
)

// Continuation is what another implementation makes of a checkpoint: the greedy tokens that
// follow a prompt, and the logits after some of all tokens. No end token is greedy.
type Continuation struct {
	Prompt, Greedy []int32
	Margins        []float64 // by how much each greedy token led
	Logits         []struct {
		Position int
		Values   []float64
	}
}

// ReadContinuation reads golden.json of a folder.
func ReadContinuation(t testing.TB, folder string) *Continuation {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := new(Continuation)
	if err := json.Unmarshal(data, c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Tokens returns the prompt and what follows.
func (c *Continuation) Tokens() []int32 { return slices.Concat(c.Prompt, c.Greedy) }

// Check demands that rows, the logits after each of c.Tokens, are within tolerance, and
// those greedy tokens whose margin is above twice that. It returns the greatest
// difference.
func (c *Continuation) Check(t testing.TB, rows [][]float32, ends []int32, tolerance float64) float64 {
	t.Helper()
	worst := 0.0
	for _, l := range c.Logits {
		for i, want := range l.Values {
			diff := max(want-float64(rows[l.Position][i]), float64(rows[l.Position][i])-want)
			if !(diff <= tolerance) {
				t.Fatalf("position %d, logit %d: got %v, want %v", l.Position, i, rows[l.Position][i], want)
			}
			worst = max(worst, diff)
		}
	}
	for i, want := range c.Greedy {
		if got := greedy(rows[len(c.Prompt)-1+i], ends); c.Margins[i] > 2*tolerance && got != want {
			t.Fatalf("greedy token %d: got %d, want %d", i, got, want)
		}
	}
	return worst
}

// greedy returns the likeliest token that is no end.
func greedy(row []float32, ends []int32) int32 {
	best := int32(-1)
	for i := range int32(len(row)) {
		if !slices.Contains(ends, i) && (best < 0 || row[i] > row[best]) {
			best = i
		}
	}
	return best
}

// Logits feeds tokens, up to 512, in chunks and returns the logits after each. The
// first `prefill` tokens get prefill arithmetic, the others decode arithmetic, one at a
// time; steps of these are recorded where the device does so.
func Logits(t testing.TB, ckpt *model.Checkpoint, dev kernels.Device, tokens []int32, chunk, prefill int) [][]float32 {
	t.Helper()
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: chunk, MaxLogits: chunk})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	kv, err := model.NewKVCache(dev, &ckpt.Config, kernels.F32, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	if err := m.Record(kv); err != nil {
		t.Fatal(err)
	}
	var all [][]float32
	for from := 0; from < len(tokens); {
		to := min(from+chunk, prefill)
		if from >= prefill {
			to = from + 1
		}
		b := model.Batch{Tokens: tokens[from:to]}
		b.Seqs = []model.BatchSeq{{Rows: to - from, Position: int64(from), Blocks: []int32{3, 1, 4, 7, 5, 2, 6, 0}, Decode: from >= prefill}}
		for i := range b.Tokens {
			b.Logits = append(b.Logits, int32(i))
		}
		logits := m.Forward(&b, kv)
		for i := range b.Tokens {
			row := make([]float32, ckpt.Config.VocabSize)
			dev.Download(unsafe.Slice((*byte)(unsafe.Pointer(&row[0])), 4*len(row)), logits.Slice(int64(i), int64(i)+1))
			all = append(all, row)
		}
		if err := dev.Sync(); err != nil {
			t.Fatal(err)
		}
		from = to
	}
	return all
}

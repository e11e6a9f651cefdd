// Package golden reads what other implementations make of the checkpoints that tests
// have: the logits after tokens, and the greedy tokens that follow a prompt.
package golden

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trona/testdata"
)

// Golden is golden/NAME.json and NAME.f32 of the shared fixtures, whose README says how
// they were made.
type Golden struct {
	Files    []string // checkpoints of one model, the golden's own first
	Vocab    int
	TolF16KV float64 `json:"tol_f16kv"` // of 16-bit caches; 0: not measured
	TolQ8    float64 `json:"tol_q8act"` // of inputs rounded to 8 bits
	KLPrompt int     `json:"kl_prompt"` // the prompt of Engines' divergences
	Engines  map[string]struct{ KL KL }
	Prompts  []Prompt
	rows     []float32
}

// Prompt is a prompt, its greedy tokens and by how much each of them led, and which rows
// of logits are those after which of all tokens. Tolerances are of logits; 0: not measured.
type Prompt struct {
	Tokens, Greedy []int32
	Margins        []float64
	Logits         []struct{ Position, Row int }
	TolExact       float64 `json:"tol_exact"`
	TolF16KV       float64 `json:"tol_f16kv"`
	TolBF16KV      float64 `json:"tol_bf16kv"`
	TolQ8          float64 `json:"tol_q8act"`
	TolBF16Act     float64 `json:"tol_bf16act"`
	TolF16Act      float64 `json:"tol_f16act"`
}

// KL is the divergence of an engine from the reference, in nats, over all positions of the
// KL prompt and over the stored ones.
type KL struct {
	Mean, Max  float64
	MeanStored float64 `json:"mean_stored"`
	MaxStored  float64 `json:"max_stored"`
}

// folder is where the goldens are.
func folder(t testing.TB) string {
	t.Helper()
	return testdata.Shared(t, "models", "golden")
}

// Read reads the golden of a name.
func Read(t testing.TB, name string) *Golden {
	t.Helper()
	stem := filepath.Join(folder(t), name)
	data, err := os.ReadFile(stem + ".json")
	if err != nil {
		t.Fatal(err)
	}
	g := new(Golden)
	if err := json.Unmarshal(data, g); err != nil {
		t.Fatalf("%s.json: %v", stem, err)
	}
	g.rows = testdata.Floats(t, stem+".f32")
	return g
}

// All reads every golden.
func All(t testing.TB) []*Golden {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder(t), "*.f32"))
	if err != nil {
		t.Fatal(err)
	}
	var all []*Golden
	for _, path := range files {
		all = append(all, Read(t, strings.TrimSuffix(filepath.Base(path), ".f32")))
	}
	if len(all) == 0 {
		t.Fatalf("no goldens in %s", folder(t))
	}
	return all
}

// Row returns stored row i of logits, [Vocab].
func (g *Golden) Row(i int) []float32 { return g.rows[i*g.Vocab:][:g.Vocab] }

// Answer is what the demo model answers, greedily.
type Answer struct {
	Messages, Tools json.RawMessage // in the order of their members
	Prompt          string
	PromptIDs       []int32 `json:"prompt_ids"`
	OutputIDs       []int32 `json:"output_ids"`
	Text            string
	Finished        bool    // an end token follows
	MinMargin       float64 `json:"min_margin"` // the least by which a token led
}

// Demo reads the demo model's answers, without those that rounding decides.
func Demo(t testing.TB) []Answer {
	t.Helper()
	data, err := os.ReadFile(testdata.Path(t, "models", "demo", "greedy.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Answer
	for line := range strings.Lines(string(data)) {
		var a Answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		if a.MinMargin >= 0.05 {
			all = append(all, a)
		}
	}
	if len(all) <= 20 {
		t.Fatalf("%d answers of the demo model", len(all))
	}
	return all
}

// Greedy returns the likeliest token.
func Greedy(logits []float32) int32 { return int32(slices.Index(logits, slices.Max(logits))) }

// Divergence returns KL(softmax(p) || softmax(q)) of two rows of logits, in nats.
func Divergence(p, q []float32) float64 {
	lp, lq := logSoftmax(p), logSoftmax(q)
	kl := 0.0
	for i := range lp {
		kl += math.Exp(lp[i]) * (lp[i] - lq[i])
	}
	return kl
}

func logSoftmax(logits []float32) []float64 {
	most := float64(slices.Max(logits))
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - most)
	}
	out := make([]float64, len(logits))
	for i, v := range logits {
		out[i] = float64(v) - most - math.Log(sum)
	}
	return out
}

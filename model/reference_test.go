package model_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/modeltest"
	"trona/model/safetensors"
	"trona/testdata"
)

// reference is the forward pass in its plainest form: float64, one sequence,
// no cache. It reads the weights past the package under test.
type reference struct {
	c       *model.Config
	tensors map[string][]float64
}

func newReference(t *testing.T, dir string, c *model.Config) *reference {
	r := &reference{c: c, tensors: map[string][]float64{}}
	f, err := safetensors.Open(filepath.Clean(dir))
	require.NoError(t, err)
	defer f.Close()
	for _, x := range f.Tensors() {
		data, err := f.Data(x)
		require.NoError(t, err)
		values := make([]float64, len(data)/2) // all bf16
		for i := range values {
			values[i] = float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[2*i:])) << 16))
		}
		r.tensors[x.Name] = values
	}
	return r
}

func (r *reference) linear(name string, x []float64) []float64 {
	w := r.tensors[name+".weight"]
	y := make([]float64, len(w)/len(x))
	for i := range y {
		for j, v := range x {
			y[i] += w[i*len(x)+j] * v
		}
	}
	if bias, ok := r.tensors[name+".bias"]; ok {
		addTo(y, bias)
	}
	return y
}

// norm is RMSNorm of every run of the weight's length.
func (r *reference) norm(name string, x []float64) []float64 {
	w := r.tensors[name+".weight"]
	y := make([]float64, len(x))
	for from := 0; from < len(x); from += len(w) {
		sum := 0.0
		for _, v := range x[from : from+len(w)] {
			sum += v * v
		}
		scale := 1 / math.Sqrt(sum/float64(len(w))+float64(r.c.NormEps))
		for i := range w {
			y[from+i] = x[from+i] * scale * w[i]
		}
	}
	return y
}

func (r *reference) rope(x []float64, dim, position int) {
	scaled := r.c.Rotary.Frequencies() // TestYarn knows them
	n := cmp.Or(r.c.Rotary.Rotated, dim)
	for from := 0; from < len(x); from += dim {
		for i := range n / 2 {
			f := math.Pow(r.c.Rotary.Theta, -2*float64(i)/float64(n))
			if r.c.Rotary.Scaling != "" {
				f = float64(scaled[i])
			}
			sin, cos := math.Sincos(float64(position) * f)
			if s := r.c.Rotary.Scale; s != 0 {
				sin, cos = s*sin, s*cos
			}
			a, b := x[from+i], x[from+i+n/2]
			x[from+i], x[from+i+n/2] = a*cos-b*sin, b*cos+a*sin
		}
	}
}

func addTo(x, delta []float64) {
	for i := range x {
		x[i] += delta[i]
	}
}

// logits returns those of every position.
func (r *reference) logits(tokens []int32) [][]float64 {
	d := r.c.HiddenSize
	xs := make([][]float64, len(tokens))
	for i, id := range tokens {
		xs[i] = append(xs[i], r.tensors["model.embed_tokens.weight"][int(id)*d:][:d]...)
	}
	for i, l := range r.c.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		if l.Attention != nil {
			r.attention(p, l.Attention, xs)
		}
		if l.FFN == nil {
			continue
		}
		for _, x := range xs {
			h := r.norm(p+"post_attention_layernorm", x)
			if l.FFN.Linear {
				addTo(x, r.linear(p+"mlp.linear_mlp", h))
				continue
			}
			gate, up := r.linear(p+"mlp.gate_proj", h), r.linear(p+"mlp.up_proj", h)
			for j := range gate {
				gate[j] *= up[j] / (1 + math.Exp(-gate[j]))
			}
			addTo(x, r.linear(p+"mlp.down_proj", gate))
		}
	}
	head := "lm_head"
	if r.c.TiedEmbedding {
		head = "model.embed_tokens"
	}
	out := make([][]float64, len(xs))
	for i, x := range xs {
		out[i] = r.linear(head, r.norm("model.norm", x))
	}
	return out
}

func (r *reference) attention(p string, a *model.Attention, xs [][]float64) {
	var ks, vs [][]float64
	for pos, x := range xs {
		h := r.norm(p+"input_layernorm", x)
		if a.Linear {
			addTo(x, r.linear(p+"self_attn.linear_attn", h))
			continue
		}
		q, k := r.linear(p+"self_attn.q_proj", h), r.linear(p+"self_attn.k_proj", h)
		if a.QKNorm {
			q, k = r.norm(p+"self_attn.q_norm", q), r.norm(p+"self_attn.k_norm", k)
		}
		r.rope(q, a.HeadDim, pos)
		r.rope(k, a.HeadDim, pos)
		ks, vs = append(ks, k), append(vs, r.linear(p+"self_attn.v_proj", h))
		out := make([]float64, len(q))
		for head := range a.Heads {
			from := head / (a.Heads / a.KVHeads) * a.HeadDim
			first := kernels.FirstSeen(int64(pos), int64(a.Window))
			attend(out[head*a.HeadDim:][:a.HeadDim], q[head*a.HeadDim:][:a.HeadDim], ks[first:], vs[first:], from)
		}
		addTo(x, r.linear(p+"self_attn.o_proj", out))
	}
}

// attend is one head: softmax(q kᵀ / sqrt(dim)) v.
func attend(out, q []float64, ks, vs [][]float64, from int) {
	weights, sum := make([]float64, len(ks)), 0.0
	for j, k := range ks {
		for i := range q {
			weights[j] += q[i] * k[from+i]
		}
		weights[j] = math.Exp(weights[j] / math.Sqrt(float64(len(q))))
		sum += weights[j]
	}
	for j, v := range vs {
		for i := range out {
			out[i] += weights[j] / sum * v[from+i]
		}
	}
}

// uniform is a model whose layers are alike.
func uniform(architecture string, norm bool) modeltest.Shape {
	s := modeltest.Tiny()
	s.Architecture = architecture
	l := model.Layer{
		Attention: &model.Attention{Heads: 4, KVHeads: 2, HeadDim: 16, QKNorm: norm},
		FFN:       &model.FFN{Width: 48},
	}
	s.Layers = []model.Layer{l, l, l}
	return s
}

// biased gives a model's layers every bias that they may have.
func biased(s modeltest.Shape) modeltest.Shape {
	s.Layers = slices.Clone(s.Layers)
	for i, l := range s.Layers {
		if l.Attention != nil && !l.Attention.Linear {
			a := *l.Attention
			a.QKVBias, a.OBias = true, true
			s.Layers[i].Attention = &a
		}
		if l.FFN != nil && !l.FFN.Linear {
			f := *l.FFN
			f.Bias = true
			s.Layers[i].FFN = &f
		}
	}
	return s
}

// qwen2 has biases of q, k and v alone.
func qwen2() modeltest.Shape {
	s := uniform("Qwen2ForCausalLM", false)
	for i := range s.Layers {
		a := *s.Layers[i].Attention
		a.QKVBias = true
		s.Layers[i].Attention = &a
	}
	return s
}

// Every kind of layer and every architecture against plain float64.
func TestReference(t *testing.T) {
	mixed := modeltest.Tiny()
	mixed.Layers = append(mixed.Layers,
		model.Layer{Attention: &model.Attention{Linear: true}, FFN: &model.FFN{Linear: true}},
		model.Layer{Attention: &model.Attention{Heads: 4, KVHeads: 4, HeadDim: 16}},
		model.Layer{})
	qwen3Biased := biased(uniform("Qwen3ForCausalLM", true))
	for i := range qwen3Biased.Layers {
		qwen3Biased.Layers[i].FFN.Bias = false
	}
	tied := modeltest.Tiny()
	tied.Tied = true
	for name, s := range map[string]modeltest.Shape{
		"llama": uniform("LlamaForCausalLM", false), "mistral": uniform("MistralForCausalLM", false),
		"qwen3": uniform("Qwen3ForCausalLM", true), "nemotron": mixed,
		"llama with biases": biased(uniform("LlamaForCausalLM", false)), "nemotron with biases": biased(mixed),
		"qwen2": qwen2(), "qwen3 with biases": qwen3Biased, "tied": tied, "yarn": uniform("LlamaForCausalLM", false),
		"partial": biased(uniform("LlamaForCausalLM", false)), "partial with norms": uniform("Qwen3ForCausalLM", true),
		"windows": uniform("LlamaForCausalLM", false).Windowed(70), "nemotron with windows": mixed,
		"nothing": {Vocab: 32, Hidden: 16, Heads: 1, HeadDim: 16, Context: 64, EOS: []int32{2}, Layers: make([]model.Layer, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := modeltest.Folder(t, s)
			ckpt, err := model.Open(dir)
			require.NoError(t, err)
			defer ckpt.Close()
			if r := &ckpt.Config.Rotary; name == "yarn" {
				r.Scaling, r.Factor, r.OriginalContext, r.BetaFast, r.BetaSlow = "yarn", 4, 32, 4, 0.5
				r.Scale = model.YarnScale(r.Factor, 1)
			}
			if a := ckpt.Config.Layers[0].Attention; name == "nemotron with windows" {
				a.Window = 9
			}
			if r := &ckpt.Config.Rotary; strings.HasPrefix(name, "partial") {
				r.Rotated, r.Scale = 12, 1.5
			}
			dev, err := cpu.Open(cpu.Options{Variant: "exact"})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			tokens := make([]int32, 90)
			for i := range tokens {
				tokens[i] = int32(i * i % s.Vocab)
			}
			want := newReference(t, dir, &ckpt.Config).logits(tokens)
			for _, chunk := range []int{90, 13} {
				got := modeltest.Logits(t, ckpt, dev, tokens, chunk, len(tokens))
				for i := range want {
					for j := range want[i] {
						require.InDelta(t, want[i][j], got[i][j], 1e-4, "position %d, logit %d", i, j)
					}
				}
			}
		})
	}
}

// An output matrix that is stored counts, whatever tie_word_embeddings says.
func TestStoredOutput(t *testing.T) {
	s := uniform("LlamaForCausalLM", false)
	dir := modeltest.Folder(t, s)
	dev, err := cpu.Open(cpu.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	logits := func() [][]float32 {
		ckpt, err := model.Open(dir)
		require.NoError(t, err)
		defer ckpt.Close()
		return modeltest.Logits(t, ckpt, dev, []int32{5, 6, 7}, 3, 3)
	}
	want := logits()
	path := filepath.Join(dir, "config.json")
	untied, err := os.ReadFile(path)
	require.NoError(t, err)
	tied := bytes.Replace(untied, []byte(`"tie_word_embeddings":false`), []byte(`"tie_word_embeddings":true`), 1)
	require.NotEqual(t, untied, tied)
	require.NoError(t, os.WriteFile(path, tied, 0o600))
	require.Equal(t, want, logits())
}

// An FFN too wide for one tile gives the same bits as rows that fit one.
func TestWideFFN(t *testing.T) {
	if testing.Short() {
		t.Skip("half a gigabyte")
	}
	for name, c := range map[string]struct{ tile, rows int }{"plain": {64, 70}, "biases": {32, 40}} {
		t.Run(name, func(t *testing.T) {
			s := uniform("LlamaForCausalLM", false)
			s.Layers = s.Layers[:1]
			s.Hidden, s.HeadDim = 8, 2
			s.Layers[0].Attention = &model.Attention{Heads: 4, KVHeads: 2, HeadDim: 2}
			s.Layers[0].FFN = &model.FFN{Width: 1 << 20, Bias: name == "biases"}
			ckpt, err := model.Open(modeltest.Folder(t, s))
			require.NoError(t, err)
			defer ckpt.Close()
			dev, err := cpu.Open(cpu.Options{})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			workspace := func(rows int) int64 {
				plan, err := model.MakePlan(ckpt, dev, model.PlanOptions{MaxRows: rows, MaxLogits: 1})
				require.NoError(t, err)
				return plan.Workspace
			}
			require.GreaterOrEqual(t, workspace(c.tile)-workspace(c.tile-1), int64(4<<20), "a row of the FFN's values")
			require.Less(t, workspace(c.rows)-workspace(c.tile), int64(1<<20), "none beyond a tile")
			tokens := make([]int32, c.rows)
			for i := range tokens {
				tokens[i] = int32(i % s.Vocab)
			}
			require.Equal(t, modeltest.Logits(t, ckpt, dev, tokens, 10, c.rows), modeltest.Logits(t, ckpt, dev, tokens, c.rows, c.rows))
		})
	}
}

// TestFamily: checkpoints with biases, and of models that are nearly Llama, have the logits
// and greedy tokens that transformers gives them.
func TestFamily(t *testing.T) {
	var paths []string
	for _, folder := range []string{"biases", "family"} {
		some, err := filepath.Glob(filepath.Join(testdata.Path(t, "models", folder), "*", "config.json"))
		require.NoError(t, err)
		require.NotEmpty(t, some)
		paths = append(paths, some...)
	}
	for _, path := range paths {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			ckpt, err := model.Open(folder)
			require.NoError(t, err)
			defer ckpt.Close()
			require.Empty(t, ckpt.Unread)
			dev, err := cpu.Open(cpu.Options{Variant: "exact"})
			require.NoError(t, err)
			defer func() { require.NoError(t, dev.Close()) }()
			g := modeltest.ReadContinuation(t, folder)
			for _, chunk := range []int{64, 7} {
				worst := g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), chunk, len(g.Prompt)), ckpt.Config.EOS, 1e-4)
				t.Logf("within %g", worst)
			}
		})
	}
}

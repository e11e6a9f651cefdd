// Package modeltest writes tiny random models into a test's temporary folder,
// in the forms that real checkpoints have.
package modeltest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"trona/model"
)

// Shape describes a random model.
type Shape struct {
	// Architecture as config.json names it; empty: "DeciLMForCausalLM", whose
	// layers may each have a shape of their own.
	Architecture string
	Vocab        int
	Hidden       int
	Heads        int // query heads of every layer with attention
	HeadDim      int
	Context      int
	Layers       []model.Layer
	Tied         bool
	EOS          []int32
	Seed         uint64
}

// Tiny is a model of four layers, of which one lacks attention and one is
// empty: 10,000 positions, 96 tokens, about 50,000 weights.
func Tiny() Shape {
	attention := func(kv int) *model.Attention { return &model.Attention{Heads: 4, KVHeads: kv, HeadDim: 16} }
	return Shape{
		Vocab: 96, Hidden: 32, Heads: 4, HeadDim: 16, Context: 10_000, EOS: []int32{2},
		Layers: []model.Layer{
			{Attention: attention(2), FFN: &model.FFN{Width: 64}},
			{FFN: &model.FFN{Width: 128}},
			{},
			{Attention: attention(1), FFN: &model.FFN{Width: 64}},
		},
	}
}

// Windowed returns a Ministral: as many layers, all like the first, of which all but the last have
// a window.
func (s Shape) Windowed(window int) Shape {
	within := *s.Layers[0].Attention
	within.Window = window
	last := s.Layers[0]
	s.Layers = slices.Repeat([]model.Layer{{Attention: &within, FFN: last.FFN}}, len(s.Layers)-1)
	s.Layers, s.Architecture = append(s.Layers, last), "MinistralForCausalLM"
	return s
}

// tensor is one random weight; vectors have one dimension.
type tensor struct {
	name   string
	shape  []int64
	values []float32
}

// names of the weights of a layer, in the two schemes.
type scheme struct {
	embedding, norm, head, layer                            string
	attnNorm, q, k, v, o, linearAttn, qNorm, kNorm, ffnNorm string
	gate, up, down, linearFFN                               string
}

var hfNames = scheme{
	"model.embed_tokens", "model.norm", "lm_head", "model.layers.%d.",
	"input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "self_attn.linear_attn",
	"self_attn.q_norm", "self_attn.k_norm", "post_attention_layernorm",
	"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "mlp.linear_mlp",
}

var ggufNames = scheme{
	"token_embd", "output_norm", "output", "blk.%d.",
	"attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "attn_output", "attn_q_norm", "attn_k_norm", "ffn_norm",
	"ffn_gate", "ffn_up", "ffn_down", "",
}

// draw collects random weights.
type draw struct {
	rng *rand.Rand
	all []tensor
}

// add draws a weight: matrices keep the size of what passes through them, norms are
// near 1, and the values are exact in bf16.
func (d *draw) add(name string, shape ...int) {
	t := tensor{name: name + ".weight"}
	count, scale, mean := 1, 0.2, 1.0
	for _, n := range shape {
		t.shape = append(t.shape, int64(n))
		count *= n
	}
	if len(shape) == 2 {
		scale, mean = 1/math.Sqrt(float64(shape[1])), 0
	}
	t.values = make([]float32, count)
	for i := range t.values {
		v := float32(mean + scale*d.rng.NormFloat64())
		t.values[i] = math.Float32frombits(math.Float32bits(v) &^ 0xffff)
	}
	d.all = append(d.all, t)
}

// bias draws a bias, large enough that it shows where one is forgotten.
func (d *draw) bias(name string, length int) {
	d.add(name, length)
	t := &d.all[len(d.all)-1]
	t.name = name + ".bias"
	for i, v := range t.values {
		t.values[i] = 2 * (v - 1) // exact too
	}
}

// tensors draws the weights of a model.
func (s Shape) tensors(n *scheme) []tensor {
	d := &draw{rng: rand.New(rand.NewPCG(s.Seed, 0x5eed))}
	d.add(n.embedding, s.Vocab, s.Hidden)
	for i, l := range s.Layers {
		p := fmt.Sprintf(n.layer, i)
		if l.Attention != nil {
			s.attention(d, n, p, l.Attention)
		}
		if l.FFN != nil {
			s.ffn(d, n, p, l.FFN)
		}
	}
	d.add(n.norm, s.Hidden)
	if !s.Tied {
		d.add(n.head, s.Vocab, s.Hidden)
	}
	return d.all
}

func (s Shape) attention(d *draw, n *scheme, p string, a *model.Attention) {
	d.add(p+n.attnNorm, s.Hidden)
	if a.Linear {
		d.add(p+n.linearAttn, s.Hidden, s.Hidden)
		return
	}
	q, kv := a.Heads*a.HeadDim, a.KVHeads*a.HeadDim
	d.add(p+n.q, q, s.Hidden)
	d.add(p+n.k, kv, s.Hidden)
	d.add(p+n.v, kv, s.Hidden)
	if a.QKNorm {
		d.add(p+n.qNorm, a.HeadDim)
		d.add(p+n.kNorm, a.HeadDim)
	}
	d.add(p+n.o, s.Hidden, q)
	if a.QKVBias {
		d.bias(p+n.q, q)
		d.bias(p+n.k, kv)
		d.bias(p+n.v, kv)
	}
	if a.OBias {
		d.bias(p+n.o, s.Hidden)
	}
}

func (s Shape) ffn(d *draw, n *scheme, p string, f *model.FFN) {
	d.add(p+n.ffnNorm, s.Hidden)
	if f.Linear {
		d.add(p+n.linearFFN, s.Hidden, s.Hidden)
		return
	}
	d.add(p+n.gate, f.Width, s.Hidden)
	d.add(p+n.up, f.Width, s.Hidden)
	d.add(p+n.down, s.Hidden, f.Width)
	if f.Bias {
		d.bias(p+n.gate, f.Width)
		d.bias(p+n.up, f.Width)
		d.bias(p+n.down, s.Hidden)
	}
}

// config returns config.json.
func (s Shape) config() map[string]any {
	c := map[string]any{
		"architectures": []string{s.Architecture}, "vocab_size": s.Vocab, "hidden_size": s.Hidden,
		"num_hidden_layers": len(s.Layers), "num_attention_heads": s.Heads, "head_dim": s.HeadDim,
		"max_position_embeddings": s.Context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
		"tie_word_embeddings": s.Tied, "bos_token_id": 1, "eos_token_id": s.EOS, "torch_dtype": "bfloat16",
	}
	for _, l := range s.Layers {
		if a := l.Attention; a != nil && a.OBias {
			c["attention_bias"] = true
		}
		if f := l.FFN; f != nil && f.Bias {
			c["mlp_bias"] = true
		}
	}
	s.windows(c)
	if s.Architecture != "" && s.Architecture != "DeciLMForCausalLM" {
		c["num_key_value_heads"] = s.Layers[0].Attention.KVHeads
		c["intermediate_size"] = s.Layers[0].FFN.Width
		return c
	}
	c["architectures"] = []string{"DeciLMForCausalLM"}
	var blocks []map[string]any
	for _, l := range s.Layers {
		attention, ffn := map[string]any{"no_op": l.Attention == nil}, map[string]any{"no_op": l.FFN == nil}
		if a := l.Attention; a != nil {
			attention["replace_with_linear"] = a.Linear
			if !a.Linear {
				attention["n_heads_in_group"] = a.Heads / a.KVHeads
			}
		}
		if f := l.FFN; f != nil {
			ffn["replace_with_linear"] = f.Linear
			if !f.Linear {
				ffn["intermediate_size"] = f.Width
			}
		}
		blocks = append(blocks, map[string]any{"attention": attention, "ffn": ffn})
	}
	c["block_configs"] = blocks
	return c
}

// windows adds the window of some layers.
func (s Shape) windows(c map[string]any) {
	kinds := make([]string, len(s.Layers))
	for i, l := range s.Layers {
		kinds[i] = "full_attention"
		if l.Attention != nil && l.Attention.Window > 0 {
			kinds[i], c["sliding_window"] = "sliding_attention", l.Attention.Window
		}
	}
	if c["sliding_window"] != nil {
		c["layer_types"] = kinds
	}
}

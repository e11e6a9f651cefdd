package model

import (
	"strconv"

	"trona/kernels"
)

// weights are a model's parameters on a device. What a layer lacks is zero.
// Shapes: d hidden, q = heads*dim, kv = kvHeads*dim, w FFN width.
type weights struct {
	embedding kernels.Weight // [vocab, d]
	layers    []layerWeights
	finalNorm kernels.Tensor // [d]
	head      kernels.Weight // [vocab, d]; the embedding where they are tied
}

// layerWeights are one layer's parameters.
type layerWeights struct {
	attnNorm kernels.Tensor // [d]
	q, k, v  kernels.Weight // [q, d], [kv, d], [kv, d]
	qBias    kernels.Tensor // [q]
	kBias    kernels.Tensor // [kv]
	vBias    kernels.Tensor // [kv]
	qNorm    kernels.Tensor // [dim]; of all heads together [q]
	kNorm    kernels.Tensor // [dim]; of all heads together [kv]
	o        kernels.Weight // [d, q]; of a linear attention: all of it, [d, d]
	oBias    kernels.Tensor // [d]

	ffnNorm  kernels.Tensor // [d]
	gate, up kernels.Weight // [w, d]
	gateBias kernels.Tensor // [w]
	upBias   kernels.Tensor // [w]
	down     kernels.Weight // [d, w]; of a linear FFN: all of it, [d, d]
	downBias kernels.Tensor // [d]

	attnPostNorm, ffnPostNorm kernels.Tensor // [d]: norms of what these parts give
}

// part is one weight that a configuration asks for: its name in the checkpoint
// without ".weight" or ".bias", its shape, and where it goes.
type part struct {
	name       string
	bias       bool            // of the weight with that name
	rows, cols int64           // rows 1 with a vector
	weight     *kernels.Weight // exactly one of weight and vector is set
	vector     *kernels.Tensor
	factor     float32 // multiplies what the checkpoint stores; 0: nothing does
	partial    partial // of q and k
	fused      fused   // where it may stand instead
}

// tensor returns the whole name in the checkpoint.
func (p *part) tensor() string {
	if p.bias {
		return p.name + ".bias"
	}
	return p.name + ".weight"
}

// prepare makes of a matrix that the checkpoint stores what the device gets.
func (p *part) prepare(m *kernels.Matrix) {
	if p.factor != 0 {
		m.Multiply(p.factor)
	}
	p.partial.matrix(m)
}

// names says how a kind of checkpoint calls its tensors; those of a layer
// follow the prefix, its number and a dot.
type names struct {
	embedding, finalNorm, head, layer string

	attnNorm, q, k, v, qkv, qNorm, kNorm, o, linearAttn string
	ffnNorm, gate, up, gateUp, down, linearFFN          string
	attnPostNorm, ffnPostNorm                           string // norms

	// grouped: of qkv each KV head's queries come first, then its key and its value.
	grouped bool
}

// ggufNames are those of llama.cpp, whose converter can write q, k and v as one tensor.
// There is no name for a linear FFN: it knows none.
var ggufNames = names{
	embedding: "token_embd", finalNorm: "output_norm", head: "output", layer: "blk.",
	attnNorm: "attn_norm", q: "attn_q", k: "attn_k", v: "attn_v", qkv: "attn_qkv", qNorm: "attn_q_norm", kNorm: "attn_k_norm",
	o: "attn_output", linearAttn: "attn_output",
	ffnNorm: "ffn_norm", gate: "ffn_gate", up: "ffn_up", down: "ffn_down", linearFFN: "ffn_linear",
	attnPostNorm: "post_attention_norm", ffnPostNorm: "post_ffw_norm",
}

// hfNames are those of Hugging Face's Llama and of the Nemotron checkpoints, with the
// fused tensors of Phi-3.
var hfNames = names{
	embedding: "model.embed_tokens", finalNorm: "model.norm", head: "lm_head", layer: "model.layers.",
	attnNorm: "input_layernorm", q: "self_attn.q_proj", k: "self_attn.k_proj", v: "self_attn.v_proj", qkv: "self_attn.qkv_proj",
	qNorm: "self_attn.q_norm", kNorm: "self_attn.k_norm", o: "self_attn.o_proj", linearAttn: "self_attn.linear_attn",
	ffnNorm: "post_attention_layernorm", gate: "mlp.gate_proj", up: "mlp.up_proj", gateUp: "mlp.gate_up_proj", down: "mlp.down_proj",
	linearFFN: "mlp.linear_mlp", attnPostNorm: "post_self_attn_layernorm", ffnPostNorm: "post_mlp_layernorm",
}

// parts lists every weight that c asks for, in the order of the forward pass.
func (w *weights) parts(c *Config, n *names) []part {
	d, vocab := int64(c.HiddenSize), int64(c.VocabSize)
	w.layers = make([]layerWeights, len(c.Layers))
	all := []part{{name: n.embedding, rows: vocab, cols: d, weight: &w.embedding, factor: float32(c.embeddingFactor())}}
	for i := range c.Layers {
		all = w.layers[i].parts(all, c, n, i)
	}
	all = append(all, part{name: n.finalNorm, rows: 1, cols: d, vector: &w.finalNorm, factor: float32(c.outputFactor())})
	if !c.TiedEmbedding {
		all = append(all, part{name: n.head, rows: vocab, cols: d, weight: &w.head})
	}
	return all
}

// parts appends those of layer i.
func (l *layerWeights) parts(all []part, c *Config, n *names, i int) []part {
	from, d := len(all), int64(c.HiddenSize)
	norm := func(at Norms, name string, vector *kernels.Tensor) {
		if c.Norms == at || c.Norms == SandwichNorm {
			all = append(all, part{name: name, rows: 1, cols: d, vector: vector})
		}
	}
	if a := c.Layers[i].Attention; a != nil {
		norm(PreNorm, n.attnNorm, &l.attnNorm)
		all = l.attention(all, n, a, d, c.Rotary.partial(a))
		norm(PostNorm, n.attnPostNorm, &l.attnPostNorm)
	}
	if f := c.Layers[i].FFN; f != nil {
		norm(PreNorm, n.ffnNorm, &l.ffnNorm)
		all = l.ffn(all, n, f, d)
		norm(PostNorm, n.ffnPostNorm, &l.ffnPostNorm)
	}
	prefix := n.layer + strconv.Itoa(i) + "."
	for j := range all[from:] {
		p := &all[from+j]
		p.name = prefix + p.name
		if p.fused.name != "" {
			p.fused.name = prefix + p.fused.name
		}
	}
	return all
}

func (l *layerWeights) attention(all []part, n *names, a *Attention, d int64, rotated partial) []part {
	if a.Linear {
		return append(all, part{name: n.linearAttn, rows: d, cols: d, weight: &l.o})
	}
	dim := int64(a.HeadDim)
	q, kv := int64(a.Heads)*dim, int64(a.KVHeads)*dim
	rows := q + 2*kv
	inQ, inK, inV := fused{name: n.qkv, rows: rows}, fused{name: n.qkv, rows: rows, first: q}, fused{name: n.qkv, rows: rows, first: q + kv}
	if n.grouped {
		group := q / int64(a.KVHeads)
		stride := group + 2*dim
		inQ, inK, inV = fused{n.qkv, rows, 0, group, stride}, fused{n.qkv, rows, group, dim, stride}, fused{n.qkv, rows, group + dim, dim, stride}
	}
	normed := rotated
	if a.QKNorm {
		rotated.rest = 0 // of the norms alone
	}
	all = append(all,
		part{name: n.q, rows: q, cols: d, weight: &l.q, fused: inQ, partial: rotated},
		part{name: n.k, rows: kv, cols: d, weight: &l.k, fused: inK, partial: rotated},
		part{name: n.v, rows: kv, cols: d, weight: &l.v, fused: inV})
	if a.QKVBias {
		all = append(all,
			part{name: n.q, bias: true, rows: 1, cols: q, vector: &l.qBias, fused: inQ, partial: rotated},
			part{name: n.k, bias: true, rows: 1, cols: kv, vector: &l.kBias, fused: inK, partial: rotated},
			part{name: n.v, bias: true, rows: 1, cols: kv, vector: &l.vBias, fused: inV})
	}
	if a.QKNorm {
		ofQ, ofK := dim, dim
		if a.QKNormJoint {
			ofQ, ofK = q, kv
		}
		all = append(all,
			part{name: n.qNorm, rows: 1, cols: ofQ, vector: &l.qNorm, partial: normed},
			part{name: n.kNorm, rows: 1, cols: ofK, vector: &l.kNorm, partial: normed})
	}
	all = append(all, part{name: n.o, rows: d, cols: q, weight: &l.o})
	if a.OBias {
		all = append(all, part{name: n.o, bias: true, rows: 1, cols: d, vector: &l.oBias})
	}
	return all
}

func (l *layerWeights) ffn(all []part, n *names, f *FFN, d int64) []part {
	if f.Linear {
		return append(all, part{name: n.linearFFN, rows: d, cols: d, weight: &l.down})
	}
	w := int64(f.Width)
	all = append(all,
		part{name: n.gate, rows: w, cols: d, weight: &l.gate, fused: fused{name: n.gateUp, rows: 2 * w}},
		part{name: n.up, rows: w, cols: d, weight: &l.up, fused: fused{name: n.gateUp, rows: 2 * w, first: w}},
		part{name: n.down, rows: d, cols: w, weight: &l.down})
	if f.Bias {
		all = append(all,
			part{name: n.gate, bias: true, rows: 1, cols: w, vector: &l.gateBias},
			part{name: n.up, bias: true, rows: 1, cols: w, vector: &l.upBias},
			part{name: n.down, bias: true, rows: 1, cols: d, vector: &l.downBias})
	}
	return all
}

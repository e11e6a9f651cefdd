package model

import "fmt"

// deci is the family that neural architecture search made of Llama: Nemotron
// Super and Ultra (Puzzle, arXiv 2411.19146; FFN Fusion, arXiv 2503.18908).
// Every layer has a shape of its own and may lack either part.
var deci = architecture{
	gguf:     "deci",
	hf:       "DeciLMForCausalLM",
	hfType:   "nemotron-nas",
	hfLayers: blockConfigs,

	attentionBias: true,
	mlpBias:       true,
}

// blockConfigs reads block_configs, one entry a layer.
func blockConfigs(o *object, s hfShape) []Layer {
	if list := o.integers("num_key_value_heads_per_layer", maxLayers); list != nil {
		return kvHeads(o, s, list)
	}
	n := o.size("num_hidden_layers", maxLayers)
	blocks := o.children("block_configs")
	if len(blocks) != n {
		o.fail("block_configs", "has %d entries for %d layers", len(blocks), n)
		return nil
	}
	// Both stand in the blocks; what the top level says, if anything, is older.
	o.take("num_key_value_heads")
	o.take("intermediate_size")
	layers := make([]Layer, n)
	for i, b := range blocks {
		layers[i] = Layer{Attention: b.blockAttention(s), FFN: b.blockFFN(s)}
		b.refuseRest()
	}
	return layers
}

// kvHeads gives the layers of DeciLM-7B, which are otherwise alike, each its own
// number of KV heads.
func kvHeads(o *object, s hfShape, list []int64) []Layer {
	const name = "num_key_value_heads_per_layer"
	o.take("num_key_value_heads") // the list counts
	layers := hfUniform(o, s)
	if o.err == nil && len(layers) != len(list) {
		o.fail(name, "has %d entries for %d layers", len(list), len(layers))
	}
	if o.err != nil {
		return nil
	}
	for i, v := range list {
		kv := o.between(fmt.Sprintf("%s[%d]", name, i), v, 1, int64(s.heads))
		o.groups(name, s.heads, kv)
		layers[i].Attention.KVHeads = kv
	}
	return layers
}

// blockAttention reads the attention part of one block.
func (o *object) blockAttention(s hfShape) *Attention {
	a := o.child("attention")
	if a == nil {
		o.fail("attention", "is missing")
		return nil
	}
	none, linear := a.flag("no_op"), a.flag("replace_with_linear")
	group, grouped := a.integer("n_heads_in_group")
	// Sinks, windows and sparsity are not supported; off, they say null or false.
	a.refuseRest()
	switch {
	case none && linear:
		a.fail("replace_with_linear", "contradicts no_op")
	case none:
		return nil
	case linear:
		return &Attention{Linear: true}
	case !grouped:
		a.fail("n_heads_in_group", "is missing")
		return nil
	}
	g := a.between(a.prefix+"n_heads_in_group", group, 1, int64(s.heads))
	if s.heads%g != 0 {
		a.fail("n_heads_in_group", "%d does not divide %d heads", g, s.heads)
	}
	return &Attention{Heads: s.heads, KVHeads: s.heads / g, HeadDim: s.headDim}
}

// blockFFN reads the feed-forward part of one block. Its width is given, or
// follows from ffn_mult.
func (o *object) blockFFN(s hfShape) *FFN {
	f := o.child("ffn")
	if f == nil {
		o.fail("ffn", "is missing")
		return nil
	}
	none, linear := f.flag("no_op"), f.flag("replace_with_linear")
	mult, haveMult := f.number("ffn_mult")
	width, haveWidth := f.integer("intermediate_size")
	f.silu()
	f.neutral("gated", "true")
	f.refuseRest()
	switch {
	case none && linear:
		f.fail("replace_with_linear", "contradicts no_op")
	case none:
		return nil
	case linear:
		return &FFN{Linear: true}
	case haveWidth:
		return &FFN{Width: f.between(f.prefix+"intermediate_size", width, 1, maxFFN)}
	case !haveMult:
		f.fail("ffn_mult", "is missing")
		return nil
	}
	return &FFN{Width: f.ffnWidth(mult, s.hidden)}
}

// ffnWidth is the rule of the Nemotron checkpoints: two thirds of mult times
// hidden, cut to a whole number and rounded up to a multiple of 256.
func (o *object) ffnWidth(mult float64, hidden int) int {
	n := 2 * mult * float64(hidden) / 3
	if !(n >= 1 && n <= maxFFN-256) {
		o.fail("ffn_mult", "%v gives a width outside 1 to %d", mult, maxFFN-256)
		return 256
	}
	return (int(n) + 255) / 256 * 256
}

package model

import (
	"slices"
	"strconv"
	"strings"

	"trona/model/gguf"
)

// ggufKeys reads the metadata of one architecture; names in messages are those
// of the file, "llama.block_count".
type ggufKeys struct {
	*problems
	file *gguf.File
	arch string
	read map[string]bool // keys that were looked at
}

// key returns the full name and notes that somebody knows it.
func (k *ggufKeys) key(name string) string {
	full := k.arch + "." + name
	k.read[full] = true
	return full
}

// size takes a count from 1 to most that must be there.
func (k *ggufKeys) size(name string, most int64) int {
	full := k.key(name)
	v, ok := k.file.Int(full)
	if !ok {
		k.add(full, "is missing or no whole number")
		return 1
	}
	return k.between(full, v, 1, most)
}

// integer takes a whole number that may be absent; of another type it is bad.
func (k *ggufKeys) integer(name string) (int64, bool) {
	full := k.key(name)
	v, ok := k.file.Int(full)
	if !ok && k.file.Has(full) {
		k.add(full, "must be a whole number")
	}
	return v, ok
}

// number takes a number that may be absent; of another type it is bad.
func (k *ggufKeys) number(name string) (float64, bool) {
	full := k.key(name)
	v, ok := k.file.Float(full)
	if !ok && k.file.Has(full) {
		k.add(full, "must be a number")
	}
	return v, ok
}

// perLayer takes a whole number, or one for each of n layers; nil where absent.
func (k *ggufKeys) perLayer(name string, n int, most int64) []int {
	full := k.key(name)
	list, ok := k.file.Ints(full)
	if !ok {
		v, ok := k.integer(name)
		if !ok {
			return nil
		}
		list = slices.Repeat([]int64{v}, n)
	}
	if len(list) != n {
		k.add(full, "has %d entries for %d layers", len(list), n)
		return nil
	}
	sizes := make([]int, n)
	for i, v := range list {
		sizes[i] = k.between(full, v, 0, most)
	}
	return sizes
}

// ggufConfig reads the configuration of a GGUF file. vocab is the number of
// rows of the embedding table.
func ggufConfig(f *gguf.File, a *architecture, path string, vocab int64) (Config, []string, error) {
	k := &ggufKeys{problems: &problems{file: path}, file: f, arch: a.gguf, read: map[string]bool{}}
	c := Config{
		Architecture:  a.gguf,
		HiddenSize:    k.size("embedding_length", maxHidden),
		ContextLength: k.size("context_length", 1<<48),
		Norms:         a.norms,
		BOS:           -1,
	}
	c.VocabSize = k.between("token_embd.weight", vocab, 1, maxVocab)
	if v, ok := k.integer("vocab_size"); ok && v != vocab {
		k.add(k.key("vocab_size"), "is %d, but token_embd.weight has %d rows", v, vocab)
	}
	eps, ok := k.number("attention.layer_norm_rms_epsilon")
	if !ok {
		k.add(k.key("attention.layer_norm_rms_epsilon"), "is missing")
	}
	c.NormEps = float32(k.within(k.key("attention.layer_norm_rms_epsilon"), eps, minEps, maxEps))
	k.layers(&c, a)
	k.rotary(&c, a)
	if a.multipliers != nil {
		k.multipliers(&c.Multipliers)
	}
	if a.tempered {
		k.tempered(&c)
	}
	k.neutral()
	k.window(&c, a)
	k.tokens(&c)
	k.sampling(&c.Sampling)
	return c, k.unread(), k.result()
}

// layers reads the shapes of the layers. A layer without query heads has no
// attention, one with query heads and no KV heads a linear one, one of FFN
// width 0 no FFN.
func (k *ggufKeys) layers(c *Config, a *architecture) {
	n := k.size("block_count", maxLayers)
	heads := k.perLayer("attention.head_count", n, maxHeads)
	kv := k.perLayer("attention.head_count_kv", n, maxHeads)
	width := k.perLayer("feed_forward_length", n, maxFFN)
	if kv == nil {
		kv = heads
	}
	if heads == nil {
		k.add(k.key("attention.head_count"), "is missing")
	}
	if width == nil {
		k.add(k.key("feed_forward_length"), "is missing")
	}
	if k.err != nil {
		return
	}
	most := max(1, slices.Max(heads))
	dim := k.headSize(c.HiddenSize, most)
	c.Layers = make([]Layer, n)
	for i := range c.Layers {
		switch {
		case heads[i] == 0 && kv[i] != 0:
			k.add(k.key("attention.head_count_kv"), "is %d for layer %d, which has no query heads", kv[i], i)
		case heads[i] != 0 && kv[i] == 0:
			c.Layers[i].Attention = &Attention{Linear: true}
		case heads[i] != 0:
			k.groups(k.key("attention.head_count_kv"), heads[i], kv[i])
			c.Layers[i].Attention = &Attention{
				Heads: heads[i], KVHeads: kv[i], HeadDim: dim, QKNorm: a.qkNorm, QKNormJoint: a.normJoint, QKNormAfterRoPE: a.normAfterRoPE,
				QKVBias: a.qkvBias,
			}
			c.Layers[i].Attention.NoRoPE = a.noRoPE != nil && a.noRoPE(k, i)
		}
		if width[i] != 0 {
			c.Layers[i].FFN = &FFN{Width: width[i]}
		}
	}
	c.Rotary.Dim, c.Rotary.Rotated = dim, k.rotated(a, dim)
	k.biases(c.Layers)
}

// biases notes which parts of the layers have biases: no key says so, but their
// tensors do. Where one of q, k and v has one, or of an FFN, all must. A bias of what
// a layer lacks is not part of the architecture.
func (k *ggufKeys) biases(layers []Layer) {
	for _, t := range k.file.Tensors() {
		name, bias := strings.CutSuffix(t.Name, ".bias")
		name, ofLayer := strings.CutPrefix(name, ggufNames.layer)
		number, part, _ := strings.Cut(name, ".")
		i, err := strconv.Atoi(number)
		if !bias || !ofLayer || err != nil || i < 0 || i >= len(layers) {
			continue
		}
		a, f := layers[i].Attention, layers[i].FFN
		switch part {
		case ggufNames.q, ggufNames.k, ggufNames.v, ggufNames.qkv:
			if a != nil && !a.Linear {
				a.QKVBias = true
			}
		case ggufNames.o:
			if a != nil && !a.Linear {
				a.OBias = true
			}
		case ggufNames.gate, ggufNames.up, ggufNames.down:
			if f != nil {
				f.Bias = true
			}
		}
	}
}

// headSize takes the size of a head, or derives it where the file does not
// give it. Keys and values must have the same.
func (k *ggufKeys) headSize(hidden, heads int) int {
	v, given := k.integer("attention.key_length")
	if !given {
		if hidden%heads != 0 {
			k.add(k.key("embedding_length"), "%d does not divide by %d heads, and %s is not given",
				hidden, heads, k.key("attention.key_length"))
			return 2
		}
		v = int64(hidden / heads)
	}
	if other, ok := k.integer("attention.value_length"); ok && other != v {
		k.add(k.key("attention.value_length"), "is %d, heads have %d: not supported", other, v)
	}
	return k.headDim(k.key("attention.key_length"), v)
}

// rotated takes how many dimensions of a head are rotated; 0: all.
func (k *ggufKeys) rotated(a *architecture, dim int) int {
	const name = "rope.dimension_count"
	n, ok := k.integer(name)
	switch {
	case !ok || n == int64(dim):
		return 0
	case a.partial == 0 || n < 2 || n > int64(dim) || n%2 != 0:
		k.add(k.key(name), "is %d, heads have %d: not supported", n, dim)
		return 0
	}
	return int(n)
}

// rotary reads the position encoding. llama3 scaling stands in the tensor
// rope_freqs.weight alone.
func (k *ggufKeys) rotary(c *Config, a *architecture) {
	theta, ok := k.number("rope.freq_base")
	if !ok {
		theta = 10000
	}
	c.Rotary.Theta = k.within(k.key("rope.freq_base"), theta, 1, maxTheta)
	if v, ok := k.number("rope.freq_base_swa"); ok && v != theta {
		k.add(k.key("rope.freq_base_swa"), "%v is not supported, only that of all layers, %v", v, theta)
	}
	if a.alpha {
		if alpha, ok := k.number("rope.scaling.alpha"); ok && alpha > 0 {
			c.Rotary.stretch(k.within(k.key("rope.scaling.alpha"), alpha, minFactor, maxFactor))
		}
	}
	c.Rotary.Interleaved = !k.sectioned() && !a.neox
	kind := ""
	if full := k.key("rope.scaling.type"); k.file.Has(full) {
		kind, _ = k.file.String(full)
	}
	factor, ok := k.number("rope.scaling.factor")
	if !ok {
		if factor, ok = k.number("rope.scale_linear"); !ok { // its name until 2023
			factor = 1
		}
	}
	switch {
	case kind == "yarn":
		k.yarn(&c.Rotary, factor, c.ContextLength)
		return
	case kind == "longrope", kind == "" && k.long():
		k.longrope(&c.Rotary, factor, c.ContextLength)
		return
	case kind != "" && kind != "none" && kind != "linear":
		k.add(k.key("rope.scaling.type"), "%q is not supported, only \"linear\", \"yarn\", \"longrope\" and \"none\"", kind)
	case kind != "none" && factor != 1 && factor != 0:
		c.Rotary.Scaling, c.Rotary.Factor = "linear", k.within(k.key("rope.scaling.factor"), factor, minFactor, maxFactor)
	}
	if v, ok := k.number("rope.scaling.attn_factor"); ok && v != 1 && v != 0 {
		k.add(k.key("rope.scaling.attn_factor"), "%v is not supported without yarn and longrope", v)
	}
}

// sectioned reports whether dimensions are divided among the positions of images (M-RoPE), which
// are all the same for text. llama.cpp then keeps the pairs (i, i+dim/2), whatever the architecture.
func (k *ggufKeys) sectioned() bool {
	sections, _ := k.file.Ints(k.key("rope.dimension_sections"))
	return slices.ContainsFunc(sections, func(n int64) bool { return n != 0 })
}

// long reports whether the file has divisors of longrope, as those of Phi-3 do that name no
// type of scaling.
func (k *ggufKeys) long() bool {
	return slices.ContainsFunc(k.file.Tensors(), func(t gguf.Tensor) bool { return t.Name == longName })
}

// longrope reads LongRoPE, whose divisors are tensors.
func (k *ggufKeys) longrope(r *Rotary, factor float64, context int) {
	if factor != 1 && factor != 0 {
		k.add(k.key("rope.scaling.factor"), "%v is not supported with longrope", factor)
	}
	r.Scaling, r.Scale = "longrope", k.optional("rope.scaling.attn_factor", 1)
	r.OriginalContext = k.original(context)
}

// optional takes a factor, for which absent or 0 means another.
func (k *ggufKeys) optional(name string, other float64) float64 {
	v, ok := k.number(name)
	if !ok || v == 0 {
		return other
	}
	return k.within(k.key(name), v, minFactor, maxFactor)
}

// original takes the context that frequencies were made for.
func (k *ggufKeys) original(context int) int {
	v, ok := k.integer("rope.scaling.original_context_length")
	if !ok {
		v = int64(context)
	}
	return k.between(k.key("rope.scaling.original_context_length"), v, 1, 1<<31)
}

// yarn reads YaRN as llama.cpp writes it: the scale of sines and cosines is the paper's,
// the quotient of two or the file's own, times a factor of the file's.
func (k *ggufKeys) yarn(r *Rotary, factor float64, context int) {
	r.Scaling, r.Factor = "yarn", k.within(k.key("rope.scaling.factor"), factor, minFactor, maxFactor)
	r.BetaFast, r.BetaSlow = k.optional("rope.scaling.yarn_beta_fast", 32), k.optional("rope.scaling.yarn_beta_slow", 1)
	r.Scale = YarnScale(r.Factor, 1)
	if m := k.optional("rope.scaling.yarn_log_multiplier", 0); m != 0 {
		r.Scale /= YarnScale(r.Factor, m)
	}
	// Converters write transformers' attention_factor here, which is the whole scale, or
	// attn_factor of the paper's code, which multiplies it and is 1. Negative: not given.
	if v, ok := k.number("rope.scaling.yarn_attn_factor"); ok && v > 0 && v != 1 {
		r.Scale = k.within(k.key("rope.scaling.yarn_attn_factor"), v, minFactor, maxFactor)
	}
	r.Scale *= k.optional("rope.scaling.attn_factor", 1)
	r.OriginalContext = k.original(context)
	const ext = "rope.scaling.yarn_ext_factor"
	if v, ok := k.number(ext); ok && v != 1 && v >= 0 {
		k.add(k.key(ext), "%v is not supported", v)
	}
	if r.BetaFast < r.BetaSlow {
		k.add(k.key("rope.scaling.yarn_beta_fast"), "%v is below yarn_beta_slow %v", r.BetaFast, r.BetaSlow)
	}
	if r.Theta <= 1 {
		k.add(k.key("rope.freq_base"), "%v is too small for yarn", r.Theta)
	}
}

// ggufNeutral lists the keys that change a model's results and that this
// program supports only at the value that changes nothing.
var ggufNeutral = []struct {
	name    string
	neutral float64
}{
	{"expert_count", 0}, {"expert_used_count", 0}, {"expert_shared_count", 0},
	{"logit_scale", 1}, {"residual_scale", 1}, {"embedding_scale", 1},
	{"attention.scale", 0}, {"attention.clamp_kqv", 0}, {"attention.max_alibi_bias", 0},
	{"attn_logit_softcapping", 0}, {"final_logit_softcapping", 0},
	{"attention.temperature_scale", 0},
	{"nextn_predict_layers", 0}, {"attention.chunk_size", 0},
}

// neutral refuses what would change results and is not supported.
func (k *ggufKeys) neutral() {
	for _, n := range ggufNeutral {
		if k.read[k.arch+"."+n.name] {
			continue // the architecture has it
		}
		// Writers also say 0 for "off".
		if v, ok := k.number(n.name); ok && v != n.neutral && v != 0 {
			k.add(k.key(n.name), "%v is not supported", v)
		}
	}
	if v, ok := k.file.Bool(k.key("attention.causal")); ok && !v {
		k.add(k.key("attention.causal"), "false is not supported")
	}
	if v, ok := k.file.Bool(k.key("use_parallel_residual")); ok && v {
		k.add(k.key("use_parallel_residual"), "true is not supported")
	}
	if v, ok := k.file.String(k.key("tensor_data_layout")); ok && v != "" {
		k.add(k.key("tensor_data_layout"), "%q is not supported", v)
	}
}

// endNames are texts of tokens that end a turn in some chat format. Files name one such
// id as their eos; a model may well use the others.
var endNames = []string{
	"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|im_end|>", "<|endoftext|>", "<|end|>", "<end_of_turn>", "<|observation|>", "</s>",
}

// tokens takes the ids that begin a text and end a turn.
func (k *ggufKeys) tokens(c *Config) {
	const none = 1<<32 - 1 // how some writers say "no such token"
	id := func(name string) (int32, bool) {
		full := "tokenizer.ggml." + name
		v, ok := k.file.Int(full)
		if !ok || v == none {
			return 0, false
		}
		return k.token(full, v, c.VocabSize), true
	}
	add := func(id int32) {
		if !slices.Contains(c.EOS, id) {
			c.EOS = append(c.EOS, id)
		}
	}
	if v, ok := id("bos_token_id"); ok {
		c.BOS = v
	}
	for _, name := range []string{"eos_token_id", "eot_token_id", "eom_token_id"} {
		if v, ok := id(name); ok {
			add(v)
		}
	}
	texts, bounds, _ := k.file.Texts("tokenizer.ggml.tokens")
	kinds, _ := k.file.Ints("tokenizer.ggml.token_type")
	const control, userDefined = 3, 4 // early converters write the second for any added token
	for i := range min(len(bounds)-1, len(kinds), c.VocabSize) {
		if (kinds[i] == control || kinds[i] == userDefined) && slices.Contains(endNames, texts[bounds[i]:bounds[i+1]]) {
			add(int32(i))
		}
	}
}

// sampling takes the checkpoint's own recommendations.
func (k *ggufKeys) sampling(s *SamplingDefaults) {
	ratio := func(name string, most float64) *float64 {
		full := "general.sampling." + name
		v, ok := k.file.Float(full)
		if !ok {
			return nil
		}
		if !(v >= 0 && v <= most) {
			k.add(full, "must be 0 to %v, not %v", most, v)
		}
		return &v
	}
	positive := func(name string, most float64) *float64 {
		v := ratio(name, most)
		if v != nil && *v == 0 {
			k.add("general.sampling."+name, "must be above 0")
		}
		return v
	}
	s.Temperature, s.TopP, s.MinP = ratio("temp", 100), positive("top_p", 1), ratio("min_p", 1)
	s.RepetitionPenalty = positive("penalty_repeat", 100)
	if v, ok := k.file.Int("general.sampling.top_k"); ok {
		n := max(0, k.between("general.sampling.top_k", v, -1, maxVocab)) // both -1 and 0 are off
		s.TopK = &n
	}
}

// ggufHarmless lists keys of an architecture that do not bear on inference.
var ggufHarmless = []string{
	"rope.scaling.original_context_length", "rope.scaling.finetuned", "attention.layer_norm_epsilon", "pooling_type",
	"n_deepstack_layers", // of images
}

// unread returns the architecture's keys that nobody understood, sorted.
func (k *ggufKeys) unread() []string {
	var names []string
	for _, key := range k.file.Keys() {
		name, ok := strings.CutPrefix(key, k.arch+".")
		if ok && !k.read[key] && !slices.Contains(ggufHarmless, name) {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	return names
}

package model

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
)

// folder is what the JSON files of a checkpoint say.
type folder struct {
	config       Config
	architecture *architecture
	quantization *quantization // nil: none
	unread       []string      // keys of config.json that nobody understood
}

// readFolder reads config.json and the files that may stand beside it.
func readFolder(dir string) (*folder, error) {
	o, err := readObject(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, err
	}
	f := &folder{}
	if f.architecture, err = hfArchitecture(o); err != nil {
		return nil, err
	}
	if f.quantization, err = readQuantization(dir, o); err != nil {
		return nil, err
	}
	if text := f.architecture.text; text != "" {
		if part := o.child(text); part != nil {
			o = part
		}
	}
	o.rename(f.architecture.keys)
	f.config = hfDecoder(o, f.architecture)
	if err := o.result(); err != nil {
		return nil, err
	}
	f.unread = unread(o)
	return f, readGeneration(dir, &f.config)
}

// hfArchitecture finds the architecture that a config.json names, or else the
// one of its model_type: where there is no name, and where transformers 5 names Llama
// and the tensors have names of their own.
func hfArchitecture(o *object) (*architecture, error) {
	named, kind := o.texts("architectures"), o.text("model_type")
	for _, a := range architectures() {
		unnamed := len(named) == 0 || len(named) == 1 && named[0] == llama.hf && a.folderNames != nil
		if unnamed && a.hfType == kind && kind != "" {
			return a, nil
		}
	}
	if len(named) != 1 {
		o.fail("architectures", "must name one architecture, not %d", len(named))
		return nil, o.result()
	}
	for _, a := range architectures() {
		if a.hf == named[0] && a.hf != "" {
			return a, nil
		}
	}
	o.fail("architectures", "%s", unknownArchitecture(named[0]))
	return nil, o.result()
}

// hfDecoder reads what all decoders of a config.json share. Where an
// architecture departs from Llama, its own file says so.
func hfDecoder(o *object, a *architecture) Config {
	c := Config{
		Architecture:  a.hf,
		VocabSize:     o.size("vocab_size", maxVocab),
		HiddenSize:    o.size("hidden_size", maxHidden),
		ContextLength: o.size("max_position_embeddings", 1<<48),
		TiedEmbedding: o.tied(a),
		Norms:         a.norms,
		BOS:           -1,
	}
	eps, ok := o.number("rms_norm_eps")
	if !ok {
		eps = 1e-6 // the default of Hugging Face's LlamaConfig
	}
	c.NormEps = float32(o.within("rms_norm_eps", eps, minEps, maxEps))
	o.silu()
	o.endTokens(&c)
	heads := o.size("num_attention_heads", maxHeads)
	dim := o.hfHeadDim(c.HiddenSize, heads)
	layers := a.hfLayers(o, hfShape{hidden: c.HiddenSize, heads: heads, headDim: dim})
	o.finishLayers(layers, a)
	c.Layers = layers
	if a.multipliers != nil {
		a.multipliers(o, &c)
	}
	c.Rotary = hfRotary(o, a, dim, c.ContextLength)
	if r := &c.Rotary; r.Scaling == "dynamic" { // stretched only beyond these positions
		c.limit(r.OriginalContext, "rope_scaling")
		*r = Rotary{Theta: r.Theta, Dim: r.Dim, Rotated: r.Rotated, Interleaved: r.Interleaved}
	}
	if r := &c.Rotary; r.Tempered { // only from these positions on
		c.limit(r.OriginalContext, "llama_4_scaling_beta")
		r.Tempered = false
	}
	o.hfWindow(&c, a)
	for _, n := range hfNeutral {
		o.neutral(n.name, n.value)
	}
	return c
}

// tied reads whether the embedding is the output matrix too.
func (o *object) tied(a *architecture) bool {
	if v, ok := o.members["tie_word_embeddings"]; !ok || v.Kind() == 'n' {
		return a.tied
	}
	return o.flag("tie_word_embeddings")
}

// silu refuses other activations; "swish" is another name of it.
func (o *object) silu() {
	if act := o.text("hidden_act"); act != "" && act != "silu" && act != "swish" {
		o.fail("hidden_act", "%q is not supported, only \"silu\"", act)
	}
}

// finishLayers adds what all layers of an architecture share.
func (o *object) finishLayers(layers []Layer, a *architecture) {
	attention := a.attentionBias && o.flag("attention_bias")
	mlp := a.mlpBias && o.flag("mlp_bias")
	for i := range layers {
		if at := layers[i].Attention; at != nil && !at.Linear {
			at.QKNorm, at.QKNormJoint, at.QKNormAfterRoPE = a.qkNorm, a.normJoint, a.normAfterRoPE
			at.QKVBias, at.OBias = at.QKVBias || a.qkvBias || attention, at.OBias || attention
		}
		if f := layers[i].FFN; f != nil && !f.Linear {
			f.Bias = mlp
		}
	}
}

// hfShape is what the layers of a config.json share.
type hfShape struct{ hidden, heads, headDim int }

// hfUniform reads layers that are all alike.
func hfUniform(o *object, s hfShape) []Layer {
	n := o.size("num_hidden_layers", maxLayers)
	kv := s.heads
	if v, ok := o.integer("num_key_value_heads"); ok {
		kv = o.between("num_key_value_heads", v, 1, int64(s.heads))
		o.groups("num_key_value_heads", s.heads, kv)
	}
	width := o.size("intermediate_size", maxFFN)
	if o.err != nil {
		return nil
	}
	layers := make([]Layer, n)
	for i := range layers {
		layers[i] = Layer{
			Attention: &Attention{Heads: s.heads, KVHeads: kv, HeadDim: s.headDim},
			FFN:       &FFN{Width: width},
		}
	}
	return layers
}

// size takes a count from 1 to most that must be there.
func (o *object) size(name string, most int64) int {
	v, ok := o.integer(name)
	if !ok {
		o.fail(name, "is missing")
		return 1
	}
	return o.between(o.prefix+name, v, 1, most)
}

// hfHeadDim takes head_dim, or derives it where the file does not give it.
func (o *object) hfHeadDim(hidden, heads int) int {
	if v, ok := o.integer("head_dim"); ok {
		return o.headDim("head_dim", v)
	}
	if hidden%heads != 0 {
		o.fail("hidden_size", "%d does not divide by %d heads, and head_dim is not given", hidden, heads)
		return 2
	}
	return o.headDim("hidden_size / num_attention_heads", int64(hidden/heads))
}

// endTokens takes the ids that begin a text and end a turn, from config.json
// or from generation_config.json.
func (o *object) endTokens(c *Config) {
	if v, ok := o.integer("bos_token_id"); ok {
		c.BOS = o.token("bos_token_id", v, c.VocabSize)
	}
	for _, v := range o.integers("eos_token_id", maxEOS) {
		if id := o.token("eos_token_id", v, c.VocabSize); !slices.Contains(c.EOS, id) {
			c.EOS = append(c.EOS, id)
		}
	}
}

// readGeneration adds what generation_config.json says, where there is one.
func readGeneration(dir string, c *Config) error {
	o, err := readObject(filepath.Join(dir, "generation_config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	o.endTokens(c)
	s := &c.Sampling
	s.Temperature = o.ratio("temperature", 100)
	s.TopP = o.positive("top_p", 1)
	s.MinP = o.ratio("min_p", 1)
	s.RepetitionPenalty = o.positive("repetition_penalty", 100)
	if v, ok := o.integer("top_k"); ok {
		k := max(0, o.between("top_k", v, -1, maxVocab)) // both -1 and 0 are off
		s.TopK = &k
	}
	if v, ok := o.take("do_sample"); ok && string(v) == "false" {
		s.Temperature = new(float64) // greedy
	}
	return o.result()
}

// ratio takes a number from 0 to most.
func (o *object) ratio(name string, most float64) *float64 {
	v, ok := o.number(name)
	if !ok {
		return nil
	}
	if v < 0 || v > most {
		o.fail(name, "must be 0 to %v, not %v", most, v)
	}
	return &v
}

// positive takes a number above 0, to most.
func (o *object) positive(name string, most float64) *float64 {
	v := o.ratio(name, most)
	if v != nil && *v == 0 {
		o.fail(name, "must be above 0")
	}
	return v
}

// hfNeutral lists the keys that change a model's results and that this program
// supports only at the value that changes nothing.
var hfNeutral = []struct{ name, value string }{
	{"attention_bias", "false"},
	{"mlp_bias", "false"},
	{"qkv_bias", "false"},
	{"use_bias", "false"},
	{"bias", "false"},
	{"lm_head_bias", "false"},
	{"rotary_pct", "1"},
	{"interpolate_factor", "1"},
	{"full_attn_mod", "1"},
	{"rope_interleaved", "false"},
	{"rope_interleave", "false"},
	{"no_rope_layers", "[]"},
	{"no_rope_layer_interval", "0"},
	{"alibi", "false"},
	{"position_embedding_type", `"rope"`},
	{"qk_norm", "false"},
	{"use_qk_norm", "false"},
	{"qk_layernorm", "false"},
	{"v_head_dim", "null"},
	{"clip_qkv", "null"},
	{"attn_logit_softcapping", "null"},
	{"final_logit_softcapping", "null"},
	{"logit_cap", "0"},
	{"query_pre_attn_scalar", "null"},
	{"attention_multiplier", "null"},
	{"embedding_multiplier", "1"},
	{"residual_multiplier", "1"},
	{"logits_scaling", "1"},
	{"logit_scale", "1"},
	{"scale_emb", "1"},
	{"scale_depth", "null"},
	{"attention_chunk_size", "null"},
	{"attn_temperature_tuning", "false"},
	{"num_attention_sinks", "0"},
	{"num_sink_tokens", "0"},
	{"num_experts", "0"},
	{"num_local_experts", "0"},
	{"n_routed_experts", "0"},
	{"num_nextn_predict_layers", "0"},
	{"sparsify", "null"},
	{"sparse_config", "null"},
	{"add_cross_attention", "false"},
	{"compression_config", "null"},
	{"quantization", "null"},
}

// hfHarmless lists keys that do not bear on inference; any other key that is
// not understood is reported.
var hfHarmless = []string{
	"_name_or_path", "attention_dropout", "attn_implementation", "_attn_implementation", "architectures", "auto_map",
	"dtype", "hidden_dropout", "embd_pdrop", "embed_dropout", "initializer_range", "is_decoder", "max_window_layers", "model_type", "num_key_value_heads",
	"output_attentions", "output_hidden_states", "pad_token_id", "pretraining_tp", "resid_pdrop", "residual_dropout", "return_dict",
	"sliding_window_pattern", "torch_dtype",
	"transformers_version", "use_cache", "id2label", "label2id", "task_specific_params", "unsloth_version",
}

// unread returns the keys of config.json that nobody understood.
func unread(o *object) []string {
	var names []string
	for _, name := range o.rest() {
		if o.members[name].Kind() != 'n' && !slices.Contains(hfHarmless, name) {
			names = append(names, name)
		}
	}
	return names
}

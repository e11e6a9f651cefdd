package convert

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"trona/model"
	"trona/model/gguf"
)

// quantizationVersion is that of ggml's blocks as package quant writes them.
const quantizationVersion = uint32(2)

// keyWriter sets keys until the first error.
type keyWriter struct {
	w   *gguf.Writer
	err error
}

func (k *keyWriter) set(key string, value any) {
	if k.err == nil {
		k.err = k.w.Set(key, value)
	}
}

// copyKeys keeps the metadata of a GGUF file, but for what depends on its types
// and on how it is split.
func (k *keyWriter) copyKeys(f *gguf.File, t *Target) {
	for _, key := range f.Keys() {
		switch {
		case key == "general.file_type", key == "general.quantization_version", key == "general.alignment":
		case strings.HasPrefix(key, "split."), strings.HasPrefix(key, "quantize."):
		default:
			value, _ := f.Value(key)
			k.set(key, value)
		}
	}
	k.types(t)
}

func (k *keyWriter) types(t *Target) {
	k.set("general.file_type", t.fileType)
	k.set("general.quantization_version", quantizationVersion)
}

// folderKeys writes what the files of a folder say about the architecture.
func (k *keyWriter) folderKeys(c *model.Checkpoint, t *Target, name string) {
	arch := c.GGUFArchitecture()
	if !c.GGUFNorms() {
		k.err = &model.ConfigError{File: c.Path, Message: "GGUF has no name for an architecture with these norms"}
	}
	k.set("general.architecture", arch)
	k.set("general.type", "model")
	k.set("general.name", name)
	k.types(t)
	k.sampling(&c.Config.Sampling)
	prefixed := &archKeys{keyWriter: k, arch: arch}
	prefixed.config(&c.Config)
}

// sampling writes the checkpoint's own recommendations.
func (k *keyWriter) sampling(s *model.SamplingDefaults) {
	for _, v := range []struct {
		name  string
		value *float64
	}{{"temp", s.Temperature}, {"top_p", s.TopP}, {"min_p", s.MinP}, {"penalty_repeat", s.RepetitionPenalty}} {
		if v.value != nil {
			k.set("general.sampling."+v.name, float32(*v.value))
		}
	}
	if s.TopK != nil {
		k.set("general.sampling.top_k", int32(*s.TopK))
	}
}

// archKeys are keys that begin with the name of the architecture.
type archKeys struct {
	*keyWriter
	arch string
}

func (k *archKeys) set(key string, value any) { k.keyWriter.set(k.arch+"."+key, value) }

// config writes the shapes of the layers and the position encoding. llama3
// scaling stands in the tensor rope_freqs.weight, factors of longrope in others.
func (k *archKeys) config(c *model.Config) {
	k.set("vocab_size", uint32(c.VocabSize))
	k.set("context_length", uint32(c.ContextLength))
	k.set("embedding_length", uint32(c.HiddenSize))
	k.set("block_count", uint32(len(c.Layers)))
	k.layers(c.Layers)
	k.set("attention.key_length", uint32(c.Rotary.Dim))
	k.set("attention.value_length", uint32(c.Rotary.Dim))
	k.set("attention.layer_norm_rms_epsilon", c.NormEps)
	k.set("rope.dimension_count", uint32(cmp.Or(c.Rotary.Rotated, c.Rotary.Dim)))
	k.set("rope.freq_base", float32(c.Rotary.Theta))
	k.multipliers(&c.Multipliers)
	k.window(c)
	switch r := &c.Rotary; r.Scaling {
	case "linear":
		k.set("rope.scaling.type", "linear")
		k.set("rope.scaling.factor", float32(r.Factor))
	case "yarn":
		k.yarn(r)
	case "longrope":
		k.set("rope.scaling.type", "longrope")
		k.set("rope.scaling.original_context_length", uint32(r.OriginalContext))
		k.set("rope.scaling.attn_factor", float32(r.Scale))
	}
}

// window writes which layers have a sliding window, if any has. Where layers with one have
// rotations of their own, it may be as long as the context.
func (k *archKeys) window(c *model.Config) {
	size, windows, some := c.ContextLength, make([]bool, len(c.Layers)), false
	for i, l := range c.Layers {
		a := l.Attention
		if a == nil {
			continue
		}
		if a.Window > 0 {
			size = a.Window
		}
		windows[i] = a.Window > 0 || a.UnscaledRoPE || k.arch == "exaone4" && !a.NoRoPE
		some = some || a.Window > 0 || a.UnscaledRoPE || k.arch == "exaone4" && a.NoRoPE
	}
	if some {
		k.set("attention.sliding_window", uint32(size))
		k.set("attention.sliding_window_pattern", windows)
	}
}

// multipliers writes those that there are.
func (k *archKeys) multipliers(m *model.Multipliers) {
	for _, f := range []struct {
		key   string
		value float32
	}{
		{"embedding_scale", m.Embedding}, {"residual_scale", m.Residual}, {"logit_scale", m.Logits}, {"attention.scale", m.Attention},
	} {
		if f.value != 0 {
			k.set(f.key, f.value)
		}
	}
}

// yarn writes YaRN; its scale as a factor of what readers compute.
func (k *archKeys) yarn(r *model.Rotary) {
	if r.Fractional && k.err == nil {
		k.err = errors.New("rope_scaling.truncate: GGUF has no key for false")
	}
	k.set("rope.scaling.type", "yarn")
	k.set("rope.scaling.factor", float32(r.Factor))
	k.set("rope.scaling.original_context_length", uint32(r.OriginalContext))
	k.set("rope.scaling.yarn_beta_fast", float32(r.BetaFast))
	k.set("rope.scaling.yarn_beta_slow", float32(r.BetaSlow))
	k.set("rope.scaling.attn_factor", float32(r.Scale/model.YarnScale(r.Factor, 1)))
}

// layers writes one number for all layers where they are alike, else a list. A
// layer with a linear map in place of attention has query heads and no KV
// heads.
func (k *archKeys) layers(layers []model.Layer) {
	var heads, kv, width []int32
	most := 1
	for _, l := range layers {
		if l.Attention != nil {
			most = max(most, l.Attention.Heads)
		}
	}
	for _, l := range layers {
		h, g, w := 0, 0, 0
		if a := l.Attention; a != nil {
			h, g = a.Heads, a.KVHeads
			if a.Linear {
				h = most
			}
		}
		if l.FFN != nil {
			w = l.FFN.Width
		}
		heads, kv, width = append(heads, int32(h)), append(kv, int32(g)), append(width, int32(w))
	}
	for _, list := range []struct {
		key    string
		values []int32
	}{{"attention.head_count", heads}, {"attention.head_count_kv", kv}, {"feed_forward_length", width}} {
		if slices.Min(list.values) == slices.Max(list.values) && k.arch != "deci" {
			k.set(list.key, uint32(list.values[0]))
		} else {
			k.set(list.key, list.values)
		}
	}
}

// tokenizerKeys passes on the keys of a tokenizer and notes what ends needs.
type tokenizerKeys struct {
	*keyWriter
	texts []string
	eos   int32 // -1: none
}

// Set sets a key.
func (k *tokenizerKeys) Set(key string, value any) error {
	switch v := value.(type) {
	case []string:
		if key == "tokenizer.ggml.tokens" {
			k.texts = v
		}
	case uint32:
		if key == "tokenizer.ggml.eos_token_id" {
			k.eos = int32(v)
		}
	}
	k.set(key, value)
	return k.err
}

// ends writes the end tokens beside the tokenizer's own: those that end a turn
// or a message by their names, and others where a key is left. Readers know the
// names of those that end a text.
func (k *tokenizerKeys) ends(all []int32) {
	if k.eos < 0 && len(all) > 0 {
		k.eos = all[0]
		k.set("tokenizer.ggml.eos_token_id", uint32(k.eos))
	}
	slots := [2]int32{-1, -1} // eot, eom
	var others []int32
	for _, id := range all {
		text := ""
		if int(id) < len(k.texts) {
			text = k.texts[id]
		}
		switch text {
		case "<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>":
			slots[0] = id
		case "<|eom_id|>":
			slots[1] = id
		case "<|end_of_text|>", "<|endoftext|>", "</s>":
		default:
			others = append(others, id)
		}
	}
	for _, id := range others {
		if i := slices.Index(slots[:], -1); i >= 0 && id != k.eos {
			slots[i] = id
		}
	}
	for i, key := range [2]string{"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"} {
		if slots[i] >= 0 && slots[i] != k.eos {
			k.set(key, uint32(slots[i]))
		}
	}
}

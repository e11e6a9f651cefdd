package model

import (
	"strconv"

	"github.com/go-json-experiment/json"
)

// These have norms behind attention and FFN, and none before them. Where they have a sliding
// window, some layers have none.

// olmo2 is OLMo 2 (arXiv 2501.00656). GGUF files of OLMo 3 have its name.
var olmo2 = architecture{
	gguf: "olmo2", hf: "Olmo2ForCausalLM", hfType: "olmo2", hfLayers: hfUniform, plain: olmo3Plain, folderNames: olmo2Names(), neox: true,
	attentionBias: true, norms: NormsBehind, qkNorm: true, joint: true, windowless: true,
}

// olmo3 is OLMo 3, within its sliding window. Rotations of layers with the window are not
// scaled.
var olmo3 = architecture{
	gguf: "olmo2", hf: "Olmo3ForCausalLM", hfType: "olmo3", hfLayers: olmo3Layers, folderNames: olmo2Names(), neox: true, attentionBias: true,
	norms: NormsBehind, qkNorm: true, joint: true, window: 4096, theta: 5e5,
}

// exaone4 is EXAONE 4, within its sliding window where it has one. Layers without the window
// then have no rotations.
var exaone4 = architecture{
	gguf: "exaone4", hf: "Exaone4ForCausalLM", hfType: "exaone4", hfLayers: exaone4Layers, still: exaone4Still, folderNames: olmo2Names(), neox: true,
	norms: NormsBehind, qkNorm: true, window: 4096,
}

func exaone4Layers(o *object, s hfShape) []Layer {
	layers := hfUniform(o, s)
	for i, window := range o.windows(len(layers)) {
		layers[i].Attention.Still = !window
	}
	return layers
}

func exaone4Still(k *ggufKeys, i int) bool {
	window, some := k.window(i)
	return some && !window
}

func olmo3Layers(o *object, s hfShape) []Layer {
	o.olmo3Rotary()
	layers := hfUniform(o, s)
	for i, window := range o.windows(len(layers)) {
		layers[i].Attention.Plain = window
	}
	return layers
}

func olmo3Plain(k *ggufKeys, i int) bool {
	window, _ := k.window(i)
	return window
}

// olmo3Rotary puts the rotations of layers without a window, which transformers 5 writes beside
// those of the others, where other models have theirs.
func (o *object) olmo3Rotary() {
	const name, other = "rope_parameters", "sliding_attention"
	params := o.child(name)
	if params == nil {
		return
	}
	full, given := params.take("full_attention")
	if !given {
		o.members[name], _ = json.Marshal(params.members)
		return
	}
	o.members[name] = full
	windowed, theta := params.child(other), params.descend("full_attention", full)
	if windowed == nil || theta == nil {
		params.fail(other, "is missing")
		return
	}
	all, _ := theta.number("rope_theta")
	windowed.neutral("rope_type", `"default"`)
	windowed.neutral("rope_theta", strconv.FormatFloat(all, 'g', -1, 64))
	windowed.refuseRest()
	params.refuseRest()
}

// windowInterval: each so many layers one has no window, where a file does not say which.
const windowInterval = 4

// windows reads which of n layers have a window: those of layer_types, or of a pattern that is
// an interval or a letter for each layer, L with a window; nil: none has.
func (o *object) windows(n int) []bool {
	const name, pattern = "layer_types", "sliding_window_pattern"
	if raw, given := o.members["sliding_window"]; given && raw.Kind() == 'n' {
		return nil
	}
	kinds, letters, every := o.texts(name), "", windowInterval
	if kinds != nil && len(kinds) != n && o.err == nil {
		o.fail(name, "has %d entries for %d layers", len(kinds), n)
		return nil
	}
	if raw, given := o.members[pattern]; given && json.Unmarshal(raw, &letters) != nil {
		v, _ := o.integer(pattern)
		every = o.between(pattern, v, 1, maxLayers)
	}
	list := make([]bool, n)
	for i := range list {
		switch {
		case kinds != nil:
			if list[i] = kinds[i] == "sliding_attention"; !list[i] && kinds[i] != "full_attention" {
				o.fail(name, "%q is not supported", kinds[i])
			}
		case letters != "":
			list[i] = letters[i%len(letters)] == 'L'
		default:
			list[i] = (i+1)%every != 0
		}
	}
	return list
}

// window reports whether layer i of a GGUF file has a window, and whether some have.
func (k *ggufKeys) window(i int) (window, some bool) {
	if w, ok := k.integer("attention.sliding_window"); !ok || w == 0 {
		return false, false
	}
	every := windowInterval
	switch v, _ := k.file.Value(k.key("attention.sliding_window_pattern")); pattern := v.(type) {
	case []bool:
		if i >= len(pattern) {
			k.add(k.key("attention.sliding_window_pattern"), "has %d entries, not one for each layer", len(pattern))
			return false, false
		}
		return pattern[i], true
	case uint32:
		every = k.between(k.key("attention.sliding_window_pattern"), int64(pattern), 1, maxLayers)
	case nil:
	default:
		k.add(k.key("attention.sliding_window_pattern"), "must be a whole number or a truth value for each layer")
	}
	return (i+1)%every != 0, true
}

func olmo2Names() *names {
	n := hfNames
	n.attnBehind, n.ffnBehind = "post_attention_layernorm", "post_feedforward_layernorm"
	return &n
}

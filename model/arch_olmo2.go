package model

import "github.com/go-json-experiment/json"

// These have norms behind attention and FFN, and none before them.

// olmo2 is OLMo 2 (arXiv 2501.00656). In files with a sliding window, which are OLMo 3, layers
// differ in their rotations, too.
var olmo2 = architecture{
	gguf: "olmo2", hf: "Olmo2ForCausalLM", hfType: "olmo2", hfLayers: hfUniform, folderNames: olmo2Names(), neox: true, attentionBias: true,
	norms: NormsBehind, qkNorm: true, joint: true, windowless: true,
}

// exaone4 is EXAONE 4, within its sliding window where it has one. Layers without the window
// then have no rotations.
var exaone4 = architecture{
	gguf: "exaone4", hf: "Exaone4ForCausalLM", hfType: "exaone4", hfLayers: exaone4Layers, still: exaone4Still, folderNames: olmo2Names(), neox: true,
	norms: NormsBehind, qkNorm: true, window: 4096,
}

// exaone4Interval: each so many layers one has no window, where a file does not say which.
const exaone4Interval = 4

// exaone4Layers reads which layers have a window: those of layer_types, or of a pattern that is
// an interval or a letter for each layer, L with a window.
func exaone4Layers(o *object, s hfShape) []Layer {
	const name, pattern = "layer_types", "sliding_window_pattern"
	layers := hfUniform(o, s)
	if raw, given := o.members["sliding_window"]; given && raw.Kind() == 'n' {
		return layers
	}
	kinds, letters := o.texts(name), ""
	if kinds != nil && len(kinds) != len(layers) && o.err == nil {
		o.fail(name, "has %d entries for %d layers", len(kinds), len(layers))
		return nil
	}
	every := exaone4Interval
	if raw, given := o.members[pattern]; given && json.Unmarshal(raw, &letters) != nil {
		n, _ := o.integer(pattern)
		every = o.between(pattern, n, 1, maxLayers)
	}
	for i := range layers {
		still := &layers[i].Attention.Still
		switch {
		case kinds != nil:
			if *still = kinds[i] == "full_attention"; !*still && kinds[i] != "sliding_attention" {
				o.fail(name, "%q is not supported", kinds[i])
			}
		case letters != "":
			*still = letters[i%len(letters)] != 'L'
		default:
			*still = (i+1)%every == 0
		}
	}
	return layers
}

// exaone4Still does so in a GGUF file.
func exaone4Still(k *ggufKeys, i int) bool {
	if w, ok := k.integer("attention.sliding_window"); !ok || w == 0 {
		return false
	}
	every := exaone4Interval
	switch v, _ := k.file.Value(k.key("attention.sliding_window_pattern")); pattern := v.(type) {
	case []bool:
		if i >= len(pattern) {
			k.add(k.key("attention.sliding_window_pattern"), "has %d entries, not one for each layer", len(pattern))
			return false
		}
		return !pattern[i]
	case uint32:
		every = k.between(k.key("attention.sliding_window_pattern"), int64(pattern), 1, maxLayers)
	case nil:
	default:
		k.add(k.key("attention.sliding_window_pattern"), "must be a whole number or a truth value for each layer")
	}
	return (i+1)%every == 0
}

func olmo2Names() *names {
	n := hfNames
	n.attnBehind, n.ffnBehind = "post_attention_layernorm", "post_feedforward_layernorm"
	return &n
}

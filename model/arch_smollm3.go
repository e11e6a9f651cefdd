package model

// smollm3 is SmolLM3: Llama whose every fourth layer, or those that a config.json names,
// does not turn queries and keys by their positions (NoPE, arXiv 2305.19466).
var smollm3 = architecture{
	gguf:     "smollm3",
	hf:       "SmolLM3ForCausalLM",
	hfType:   "smollm3",
	hfLayers: smollm3Layers,
	noRoPE:   func(_ *ggufKeys, i int) bool { return (i+1)%smollm3Interval == 0 },
	theta:    2e6,

	attentionBias: true,
	mlpBias:       true,
	tied:          true,
	windowed:      noRoPEWindows,
	windowTyped:   true,
	windowFlag:    true,
}

const smollm3Interval = 4

// noRoPEWindows: layers without rotations have the window.
func noRoPEWindows(_ *object, layers []Layer) []bool {
	has := make([]bool, len(layers))
	for i := range has {
		has[i] = layers[i].Attention.NoRoPE
	}
	return has
}

// smollm3Layers reads which of the layers are rotated: those that have 1 in a list, or
// all but each so many.
func smollm3Layers(o *object, s hfShape) []Layer {
	const name = "no_rope_layers"
	interval, given := o.integer("no_rope_layer_interval")
	if !given {
		interval = smollm3Interval
	}
	every := o.between("no_rope_layer_interval", interval, 1, maxLayers)
	list := o.integers(name, maxLayers)
	layers := hfUniform(o, s)
	if list != nil && len(list) < len(layers) {
		o.fail(name, "has %d entries for %d layers", len(list), len(layers))
		return nil
	}
	for i := range layers {
		layers[i].Attention.NoRoPE = (i+1)%every == 0
		if list != nil {
			layers[i].Attention.NoRoPE = o.between(name, list[i], 0, 1) == 0
		}
	}
	return layers
}

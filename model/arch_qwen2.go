package model

// qwen2 is Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases of q, k and v.
var qwen2 = architecture{
	gguf:     "qwen2",
	hf:       "Qwen2ForCausalLM",
	hfType:   "qwen2",
	hfLayers: hfUniform,
	qkvBias:  true,
	neox:     true,

	windowed:    qwenWindows(28),
	windowTyped: true,
	windowFlag:  true,
	window:      4096,
}

// qwenWindows: layers from one on have the window.
func qwenWindows(first int) func(o *object, layers []Layer) []bool {
	return func(o *object, layers []Layer) []bool {
		from := first
		if v, ok := o.integer("max_window_layers"); ok {
			from = o.between("max_window_layers", v, 0, maxLayers)
		}
		has := make([]bool, len(layers))
		for i := range has {
			has[i] = i >= from
		}
		return has
	}
}

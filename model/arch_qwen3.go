package model

// qwen3 is dense Qwen3 (arXiv 2505.09388): Llama with norms on q and k.
var qwen3 = architecture{
	gguf:     "qwen3",
	hf:       "Qwen3ForCausalLM",
	hfType:   "qwen3",
	hfLayers: hfUniform,
	qkNorm:   true,
	neox:     true,

	attentionBias: true,
	windowed:      qwenWindows(28),
	windowTyped:   true,
	windowFlag:    true,
	window:        4096,
}

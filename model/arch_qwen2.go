package model

// qwen2 is Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama with biases of q, k and v.
var qwen2 = architecture{
	gguf:     "qwen2",
	hf:       "Qwen2ForCausalLM",
	hfType:   "qwen2",
	hfLayers: hfUniform,
	qkvBias:  true,
	neox:     true,

	windowFlag: true,
}

package model

// llama is Llama 2 to 3.3 and its many relatives, among them Nemotron Nano.
var llama = architecture{
	gguf:     "llama",
	hf:       "LlamaForCausalLM",
	hfType:   "llama",
	hfLayers: hfUniform,

	attentionBias: true,
	mlpBias:       true,
}

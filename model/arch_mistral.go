package model

// mistral is Mistral (arXiv 2310.06825), within its sliding window where it has
// one: Llama under another name. Its GGUF files call themselves "llama".
var mistral = architecture{
	hf:       "MistralForCausalLM",
	hfType:   "mistral",
	hfLayers: hfUniform,
	window:   4096, // the default of Hugging Face's MistralConfig
}

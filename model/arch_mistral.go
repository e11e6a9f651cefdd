package model

// mistral is Mistral (arXiv 2310.06825): Llama under another name, and with a sliding window
// in its first version. Its GGUF files call themselves "llama".
var mistral = architecture{
	hf:       "MistralForCausalLM",
	hfType:   "mistral",
	hfLayers: hfUniform,
	windowed: allWindows,
	window:   4096, // the default of Hugging Face's MistralConfig
}

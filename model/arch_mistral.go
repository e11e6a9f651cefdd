package model

// mistral is Mistral without a sliding window: Llama under another name. Its
// GGUF files call themselves "llama".
var mistral = architecture{
	hf:       "MistralForCausalLM",
	hfType:   "mistral",
	hfLayers: hfUniform,
}

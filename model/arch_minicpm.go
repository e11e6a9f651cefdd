package model

import "math"

// minicpm is MiniCPM 1, 2 and 4 (arXiv 2404.06395): Llama with multipliers that follow
// from its size.
var minicpm = architecture{
	gguf:     "minicpm",
	hf:       "MiniCPMForCausalLM",
	hfType:   "minicpm",
	hfLayers: hfUniform,

	attentionBias: true,
	tied:          true,
	multipliers:   minicpmMultipliers,
}

// minicpmMultipliers reads those of MiniCPM: scale_depth is spread over the layers, and
// logits are divided by how much wider the model is than dim_model_base.
func minicpmMultipliers(o *object, c *Config) {
	depth, base := o.multiplier("scale_depth", 1), o.multiplier("dim_model_base", 1)
	c.Multipliers = Multipliers{
		Embedding: o.multiplier("scale_emb", 1),
		Residual:  float32(float64(depth) / math.Sqrt(float64(max(1, len(c.Layers))))),
		Logits:    float32(float64(c.HiddenSize) / float64(base)),
	}
}

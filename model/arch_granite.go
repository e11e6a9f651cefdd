package model

// granite is dense Granite since 3.0: Llama with multipliers.
var granite = architecture{
	gguf:     "granite",
	hf:       "GraniteForCausalLM",
	hfType:   "granite",
	hfLayers: hfUniform,
	still:    graniteStill,

	attentionBias: true,
	mlpBias:       true,
	multipliers:   graniteMultipliers,
}

// graniteStill reads a key that in these files says whether layers have rotations, and in
// others how they were trained.
func graniteStill(k *ggufKeys, _ int) bool {
	rotated, given := k.file.Bool(k.key("rope.scaling.finetuned"))
	return given && !rotated
}

// graniteMultipliers reads those of Granite. All are 1 where a file does not say, that of
// attention too.
func graniteMultipliers(o *object, c *Config) {
	c.Multipliers = Multipliers{
		Embedding: o.multiplier("embedding_multiplier", 1), Residual: o.multiplier("residual_multiplier", 1),
		Logits: o.multiplier("logits_scaling", 1), Attention: o.multiplier("attention_multiplier", 1),
	}
}

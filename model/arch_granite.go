package model

// granite is dense Granite since 3.0: Llama with multipliers.
var granite = architecture{
	gguf:     "granite",
	hf:       "GraniteForCausalLM",
	hfType:   "granite",
	hfLayers: hfUniform,
	noRoPE:   graniteNoRoPE,

	attentionBias: true,
	mlpBias:       true,
	multipliers:   graniteMultipliers,
}

// graniteNoRoPE reads a key that in these files says whether layers have rotations, and in
// others how they were trained.
func graniteNoRoPE(k *ggufKeys, _ int) bool {
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

// hyperCLOVAX is HyperCLOVA X SEED Think: Granite, mostly with norms of what attention and FFN
// give, too.
var hyperCLOVAX = architecture{
	gguf: granite.gguf, hf: "HyperCLOVAXForCausalLM", hfType: "hyperclovax", hfLayers: hfUniform, folderNames: hyperCLOVAXNames(),
	norms: SandwichNorm, attentionBias: true, mlpBias: true, multipliers: hyperCLOVAXMultipliers,
}

func hyperCLOVAXNames() *names {
	n := hfNames
	n.attnPostNorm, n.ffnPostNorm = "post_norm1", "post_norm2"
	return &n
}

// hyperCLOVAXMultipliers: logits are multiplied, not divided, and attention is as usual
// where a file does not say.
func hyperCLOVAXMultipliers(o *object, c *Config) {
	c.Multipliers = Multipliers{
		Embedding: o.multiplier("embedding_multiplier", 1), Residual: o.multiplier("residual_multiplier", 1),
		Logits: 1 / o.multiplier("logits_scaling", 1),
	}
	if v, ok := o.number("attention_multiplier"); ok {
		c.Multipliers.Attention = float32(o.within(o.prefix+"attention_multiplier", v, minMultiplier, maxMultiplier))
	}
	if _, given := o.members["use_post_norm"]; given && !o.flag("use_post_norm") {
		c.Norms = PreNorm
	}
}

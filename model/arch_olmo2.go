package model

// These have norms behind attention and FFN, and none before them. In files with a sliding
// window (OLMo 3, the larger EXAONE 4) layers differ in their rotations, too.

// olmo2 is OLMo 2 (arXiv 2501.00656).
var olmo2 = architecture{
	gguf: "olmo2", hf: "Olmo2ForCausalLM", hfType: "olmo2", hfLayers: hfUniform, folderNames: olmo2Names(), neox: true, attentionBias: true,
	norms: NormsBehind, qkNorm: true, joint: true, windowless: true,
}

// exaone4 is EXAONE 4.
var exaone4 = architecture{
	gguf: "exaone4", hf: "Exaone4ForCausalLM", hfType: "exaone4", hfLayers: hfUniform, folderNames: olmo2Names(), neox: true,
	norms: NormsBehind, qkNorm: true, window: 4096, windowless: true,
}

func olmo2Names() *names {
	n := hfNames
	n.attnBehind, n.ffnBehind = "post_attention_layernorm", "post_feedforward_layernorm"
	return &n
}

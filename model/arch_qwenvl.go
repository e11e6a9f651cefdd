package model

// These see images, too, and read text here. Of text the three positions that a token has for
// them (M-RoPE, arXiv 2409.12191) are the same, and so are the rotations of Qwen2 and Qwen3.

// qwen2VL is Qwen2.5-VL.
var qwen2VL = architecture{
	gguf: qwen2.gguf, hf: "Qwen2_5_VLForConditionalGeneration", hfType: "qwen2_5_vl", hfLayers: hfUniform, neox: true,
	text: "text_config", beside: []string{"visual."}, tied: true, qkvBias: true, theta: 1e6,
	windowed: qwenWindows(80), windowTyped: true, windowFlag: true, window: 4096,
}

// qwen3VL is Qwen3-VL, dense.
var qwen3VL = architecture{
	gguf: qwen3.gguf, hf: "Qwen3VLForConditionalGeneration", hfType: "qwen3_vl", hfLayers: hfUniform, folderNames: qwen3VLNames(), neox: true,
	text: "text_config", beside: []string{"model.visual."}, tied: true, qkNorm: true, attentionBias: true, theta: 5e5,
}

// GGUF files of these have names of their own.
var (
	qwen2VLFile = architecture{gguf: "qwen2vl", neox: true, qkvBias: true}
	qwen3VLFile = architecture{gguf: "qwen3vl", neox: true, qkNorm: true}
)

func qwen3VLNames() *names {
	n := hfNames
	n.embedding, n.finalNorm, n.layer = "model.language_model.embed_tokens", "model.language_model.norm", "model.language_model.layers."
	return &n
}

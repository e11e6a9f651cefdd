package model

// hunyuan is dense Hunyuan (HunYuanDenseV1), Hunyuan-MT among them: norms on q and k come after
// the rotation.
var hunyuan = architecture{
	gguf: "hunyuan-dense", hf: "HunYuanDenseV1ForCausalLM", hfType: "hunyuan_v1_dense", hfLayers: hunyuanLayers, folderNames: hunyuanNames(),
	neox: true, attentionBias: true, qkNorm: true, normAfterRoPE: true, alpha: true,
}

// hunyuanVLFile is a GGUF file of a Hunyuan that sees images, for text.
var hunyuanVLFile = architecture{gguf: "hunyuan_vl", neox: true, qkNorm: true, normAfterRoPE: true, alpha: true}

func hunyuanNames() *names {
	n := hfNames
	n.qNorm, n.kNorm = "self_attn.query_layernorm", "self_attn.key_layernorm"
	return &n
}

// hunyuanLayers: keys for a mixture of one expert, which is none, and for others of the family.
func hunyuanLayers(o *object, s hfShape) []Layer {
	if n, ok := o.integer("num_experts"); ok && n > 1 {
		o.fail("num_experts", "%d is not supported", n)
	}
	if _, given := o.members["use_qk_norm"]; given && !o.flag("use_qk_norm") {
		o.fail("use_qk_norm", "must be true")
	}
	o.take("eod_token_id") // ends a document; the end of a turn is among eos_token_id
	o.neutral("use_cla", "false")
	o.neutral("norm_type", `"rms"`)
	return hfUniform(o, s)
}

package model

import (
	"slices"
	"strings"
)

// These are Llama under other names. Where they have none in GGUF files, those are written as
// Llama's.

// phi3 is Phi-3 and Phi-4 (arXiv 2404.14219, 2503.01743), with fused tensors.
var phi3 = architecture{
	gguf: "phi3", hf: "Phi3ForCausalLM", hfType: "phi3", hfLayers: hfUniform, fileNames: upBehindGate(), neox: true, partial: 1, windowed: allWindows,
}

// glm is GLM-4-9B (arXiv 2406.12793), which rotates neighbours in half of a head.
var glm = architecture{
	gguf: "chatglm", hf: "GlmForCausalLM", hfType: "glm", hfLayers: biasedLayers, fileNames: upBehindGate(), pairs: true, partial: 0.5,
}

// glm4 is GLM-4-0414 and GLM-Z1, with norms of what attention and FFN give, too.
var glm4 = architecture{
	gguf: "glm4", hf: "Glm4ForCausalLM", hfType: "glm4", hfLayers: biasedLayers, fileNames: upBehindGate(), pairs: true, partial: 0.5,
	norms: SandwichNorm,
}

// upBehindGate: in GGUF files up stands behind gate, under its name.
func upBehindGate() *names {
	n := ggufNames
	n.gateUp = n.up
	return &n
}

// xverse is XVERSE.
var xverse = architecture{gguf: "xverse", hf: "XverseForCausalLM", hfType: "xverse", hfLayers: hfUniform}

// internlm2 is InternLM2, whose folders have names of their own, and queries, keys and values
// in one tensor.
var internlm2 = architecture{
	gguf: "internlm2", hf: "InternLM2ForCausalLM", hfType: "internlm2", hfLayers: hfUniform, folderNames: internlm2Names(), attentionBias: true,
	keys: [][2]string{{"bias", "attention_bias"}},
}

func internlm2Names() *names {
	return &names{
		embedding: "model.tok_embeddings", finalNorm: "model.norm", head: "output", layer: "model.layers.",
		attnNorm: "attention_norm", q: "attention.wq", k: "attention.wk", v: "attention.wv", qkv: "attention.wqkv", grouped: true, o: "attention.wo",
		ffnNorm: "ffn_norm", gate: "feed_forward.w1", up: "feed_forward.w3", down: "feed_forward.w2",
	}
}

// mimo is MiMo-7B: Qwen2, without the layers that guess further tokens.
var mimo = architecture{
	gguf: qwen2.gguf, hf: "MiMoForCausalLM", hfType: "mimo", hfLayers: mimoLayers, neox: true, beside: []string{"model.mtp_layers."}, qkvBias: true,
	windowed: qwenWindows(28), windowTyped: true, windowFlag: true, window: 4096,
}

// mimoLayers: the biases of Qwen2 are there whatever attention_bias says.
func mimoLayers(o *object, s hfShape) []Layer {
	o.flag("attention_bias")
	o.integer("num_nextn_predict_layers")
	return hfUniform(o, s)
}

// Folders of these have a name of their own.
var (
	cwm = architecture{
		hf: "CwmForCausalLM", hfType: "cwm", hfLayers: hfUniform, windowed: cwmWindows, windowTyped: true, window: 8192, mlpBias: true, theta: 1e6,
	}
	ministral   = architecture{hf: "MinistralForCausalLM", hfType: "ministral", hfLayers: hfUniform, windowed: allWindows, windowTyped: true, window: 4096}
	iquestCoder = architecture{hf: "IQuestCoderForCausalLM", hfType: "iquestcoder", hfLayers: hfUniform, attentionBias: true, mlpBias: true}
)

// cwmWindows: the first of four layers has no window.
func cwmWindows(_ *object, layers []Layer) []bool {
	has := make([]bool, len(layers))
	for i := range has {
		has[i] = i%4 != 0
	}
	return has
}

// internlm3 is InternLM3.
var internlm3 = architecture{hf: "InternLM3ForCausalLM", hfType: "internlm3", hfLayers: hfUniform, attentionBias: true, mlpBias: true}

// helium is Helium, which rotates neighbours.
var helium = architecture{hf: "HeliumForCausalLM", hfType: "helium", hfLayers: hfUniform, pairs: true, mlpBias: true, theta: 1e5}

// ernie45 is dense ERNIE 4.5, which rotates neighbours.
var ernie45 = architecture{gguf: "ernie4_5", hf: "Ernie4_5ForCausalLM", hfType: "ernie4_5", hfLayers: hfUniform, pairs: true, tied: true, theta: 5e5}

// seedOSS is Seed-OSS.
var seedOSS = architecture{
	gguf: "seed_oss", hf: "SeedOssForCausalLM", hfType: "seed_oss", hfLayers: biasedLayers, fileNames: seedNames(), neox: true, mlpBias: true,
}

func seedNames() *names {
	n := ggufNames
	n.ffnNorm = "post_attention_norm"
	return &n
}

// biasedLayers: queries, keys and values have biases, unless a file says no, and outputs
// where it says so.
func biasedLayers(o *object, s hfShape) []Layer {
	_, given := o.members["attention_bias"]
	qkv, out := o.flag("attention_bias") || !given, o.flag("attention_out_bias")
	layers := hfUniform(o, s)
	for i := range layers {
		layers[i].Attention.QKVBias, layers[i].Attention.OBias = qkv, out
	}
	return layers
}

// exaone is EXAONE 3.
var exaone = architecture{
	gguf: "exaone", hf: "ExaoneForCausalLM", hfType: "exaone", hfLayers: hfUniform, folderNames: exaoneNames(), neox: true, theta: 5e5,
	keys: [][2]string{{"num_layers", "num_hidden_layers"}, {"layer_norm_epsilon", "rms_norm_eps"}, {"activation_function", "hidden_act"}},
}

func exaoneNames() *names {
	return &names{
		embedding: "transformer.wte", finalNorm: "transformer.ln_f", head: "lm_head", layer: "transformer.h.",
		attnNorm: "ln_1", q: "attn.attention.q_proj", k: "attn.attention.k_proj", v: "attn.attention.v_proj", o: "attn.attention.out_proj",
		ffnNorm: "ln_2", gate: "mlp.c_fc_0", up: "mlp.c_fc_1", down: "mlp.c_proj",
	}
}

// graniteHybrid is Granite 4 where all layers have attention and none experts.
var graniteHybrid = architecture{
	gguf:        granite.gguf,
	hf:          "GraniteMoeHybridForCausalLM",
	hfType:      "granitemoehybrid",
	hfLayers:    graniteHybridLayers,
	folderNames: graniteHybridNames(),
	multipliers: graniteMultipliers,
}

// graniteHybridNames: the FFN is what others call a shared expert.
func graniteHybridNames() *names {
	n := hfNames
	n.gateUp, n.down = "shared_mlp.input_linear", "shared_mlp.output_linear"
	return &n
}

// hybridOnly are keys of experts and of state-space layers, beside those that say so.
var hybridOnly = []string{"num_experts_per_tok", "output_router_logits", "router_aux_loss_coef", "time_step_limit", "layers_block_type"}

func graniteHybridLayers(o *object, s hfShape) []Layer {
	kinds := o.texts("layer_types")
	rotated := o.text("position_embedding_type") == "rope"
	experts, given := o.integer("num_local_experts")
	if !given || experts != 0 {
		o.fail("num_local_experts", "must be 0")
	}
	for name := range o.members { // of what there is none
		if strings.HasPrefix(name, "mamba_") || slices.Contains(hybridOnly, name) {
			delete(o.members, name)
		}
	}
	width := o.size("shared_intermediate_size", maxFFN)
	layers := hfUniform(o, s)
	if o.err == nil && len(kinds) != len(layers) {
		o.fail("layer_types", "has %d entries for %d layers", len(kinds), len(layers))
	}
	for i, kind := range kinds {
		if kind != "attention" && kind != "full_attention" {
			o.fail("layer_types", "%q is not supported", kind)
		}
		if i < len(layers) {
			layers[i].Attention.NoRoPE, layers[i].FFN.Width = !rotated, width
		}
	}
	return layers
}

// pangu is openPangu Embedded.
var pangu = architecture{
	gguf: "pangu-embedded", hf: "PanguEmbeddedForCausalLM", hfType: "PanguEmbedded", hfLayers: hfUniform, neox: true, attentionBias: true,
	keys: [][2]string{{"bias", "attention_bias"}},
}

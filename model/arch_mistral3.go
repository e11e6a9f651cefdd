package model

import "github.com/go-json-experiment/json/jsontext"

// mistral3 is Mistral Small since 3.1 and Ministral 3, without what sees images.
var mistral3 = architecture{
	gguf: "mistral3", hf: "Mistral3ForConditionalGeneration", hfType: "mistral3", hfLayers: mistral3Layers, folderNames: mistral3Names(),
	text: "text_config", beside: []string{"vision_tower.", "multi_modal_projector."}, tied: true, tempered: true,
	windowed: allWindows, window: 4096,
}

// ministral3 is Ministral 3 where nothing stands beside it.
var ministral3 = architecture{
	gguf: mistral3.gguf, hf: "Ministral3ForCausalLM", hfType: "ministral3", hfLayers: hfUniform, tempered: true, windowed: allWindows,
}

// mistral3Layers: the text of Ministral 3 has no window unless a file says so, that of Mistral has.
func mistral3Layers(o *object, s hfShape) []Layer {
	if _, given := o.members["sliding_window"]; !given && o.text("model_type") == "ministral3" {
		o.members["sliding_window"] = jsontext.Value("null")
	}
	return hfUniform(o, s)
}

func mistral3Names() *names {
	n := hfNames
	n.embedding, n.finalNorm, n.head, n.layer = "language_model.model.embed_tokens", "language_model.model.norm", "language_model.lm_head", "language_model.model.layers."
	return &n
}

// tempered reads from which position on queries are scaled (Llama 4's temperature of
// attention). Before it nothing changes.
func (k *ggufKeys) tempered(c *Config) {
	const scale, length = "attention.temperature_scale", "attention.temperature_length"
	v, ok := k.number(scale)
	n, given := k.integer(length)
	if !given {
		n = int64(k.original(c.ContextLength))
	}
	if ok && v != 0 {
		c.limit(k.between(k.key(length), n, 1, 1<<48), k.key(scale))
	}
}

package model

import (
	"strconv"

	"github.com/go-json-experiment/json"
)

// These have norms behind attention and FFN, and none before them. Where they have a sliding
// window, some layers have none.

// olmo2 is OLMo 2 (arXiv 2501.00656). GGUF files of OLMo 3 have its name.
var olmo2 = architecture{
	gguf: "olmo2", hf: "Olmo2ForCausalLM", hfType: "olmo2", hfLayers: hfUniform, folderNames: olmo2Names(), neox: true,
	attentionBias: true, norms: PostNorm, qkNorm: true, normJoint: true,
	windowInterval: 4, windowRotation: olmo3Rotation,
}

// olmo3 is OLMo 3. Rotations of layers with the window are not scaled.
var olmo3 = architecture{
	gguf: "olmo2", hf: "Olmo3ForCausalLM", hfType: "olmo3", hfLayers: olmo3Layers, folderNames: olmo2Names(), neox: true, attentionBias: true,
	norms: PostNorm, qkNorm: true, normJoint: true, theta: 5e5,
	windowed: olmo3Windows, windowTyped: true, window: 4096, windowRotation: olmo3Rotation,
}

// exaone4 is EXAONE 4. Where it has a window, layers without it have no rotations.
var exaone4 = architecture{
	gguf: "exaone4", hf: "Exaone4ForCausalLM", hfType: "exaone4", hfLayers: hfUniform, folderNames: olmo2Names(), neox: true,
	norms: PostNorm, qkNorm: true,
	windowed: patternWindows, windowTyped: true, window: 4096, windowInterval: 4, windowRotation: func(a *Attention, window bool) { a.NoRoPE = !window },
}

func olmo3Rotation(a *Attention, window bool) { a.UnscaledRoPE = window }

func olmo3Layers(o *object, s hfShape) []Layer {
	o.olmo3Rotary()
	return hfUniform(o, s)
}

// olmo3Rotary puts the rotations of layers without a window, which transformers 5 writes beside
// those of the others, where other models have theirs.
func (o *object) olmo3Rotary() {
	const name, other = "rope_parameters", "sliding_attention"
	params := o.child(name)
	if params == nil {
		return
	}
	full, given := params.take("full_attention")
	if !given {
		o.members[name], _ = json.Marshal(params.members)
		return
	}
	o.members[name] = full
	windowed, theta := params.child(other), params.descend("full_attention", full)
	if windowed == nil || theta == nil {
		params.fail(other, "is missing")
		return
	}
	all, _ := theta.number("rope_theta")
	windowed.neutral("rope_type", `"default"`)
	windowed.neutral("rope_theta", strconv.FormatFloat(all, 'g', -1, 64))
	windowed.refuseRest()
	params.refuseRest()
}

// olmo3Windows: the last of four layers has no window.
func olmo3Windows(_ *object, layers []Layer) []bool { return withoutEach(4, len(layers)) }

// patternWindows reads a pattern that is an interval, at which a layer has no window, or a
// letter for each layer, L with a window.
func patternWindows(o *object, layers []Layer) []bool {
	const pattern = "sliding_window_pattern"
	letters, every := "", 4
	if raw, given := o.members[pattern]; given && json.Unmarshal(raw, &letters) != nil {
		v, _ := o.integer(pattern)
		every = o.between(pattern, v, 1, maxLayers)
	}
	has := withoutEach(every, len(layers))
	for i := range has {
		if letters != "" {
			has[i] = letters[i%len(letters)] == 'L'
		}
	}
	return has
}

func olmo2Names() *names {
	n := hfNames
	n.attnPostNorm, n.ffnPostNorm = "post_attention_layernorm", "post_feedforward_layernorm"
	return &n
}

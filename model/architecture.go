package model

// architecture is one decoder: what files call it and where it departs from
// Llama. To add one, write its file and name it in architectures.
type architecture struct {
	gguf   string // general.architecture; empty: no such GGUF files
	hf     string // architectures[0] of config.json; empty: no such folders
	hfType string // model_type of a config.json that names no architecture

	// text is the key of config.json in which the decoder may stand; empty: none. beside are the
	// beginnings of tensors of what is beside it and not read.
	text   string
	beside []string
	// keys are names of keys of config.json, and those that Llama has for them.
	keys [][2]string
	// Names of tensors in folders and in GGUF files; nil: those of Llama.
	folderNames, fileNames *names
	pairs                  bool // folders keep the pairs (2i, 2i+1), as GGUF files do

	// hfLayers reads the layers of a config.json.
	hfLayers func(o *object, s hfShape) []Layer
	// noRoPE reports whether layer i of a GGUF file has no rotation; nil: all have one.
	noRoPE func(k *ggufKeys, i int) bool
	theta  float64 // of a config.json that does not say; 0: 10000
	// partial is the part of a head that is rotated where a config.json does not say; 0:
	// always all of it.
	partial float64

	// What a config.json may ask for: attention_bias gives q, k, v and the output
	// biases, mlp_bias gate, up and down.
	attentionBias, mlpBias bool
	qkvBias                bool // q, k and v have biases, whatever the files say

	// multipliers reads those of a config.json, whose layers are known; nil: there are
	// none, in GGUF files neither.
	multipliers func(o *object, c *Config)

	tempered bool // GGUF files may scale queries from some position on

	// windowed returns which layers of a config.json have a sliding window, if it has one; nil:
	// none has, whatever size it names.
	windowed    func(o *object, layers []Layer) []bool
	windowTyped bool // layer_types say so instead, where it has them
	windowFlag  bool // only where use_sliding_window is true
	window      int  // its size where the file does not say; 0: there is none then
	// windowInterval: each so many layers one has no window, where a GGUF file does not say; 0:
	// all have.
	windowInterval int
	// windowRotation sets what differs in the rotations of layers with a window and of those
	// without, where there is one; nil: all are alike.
	windowRotation func(a *Attention, window bool)

	norms         Norms
	qkNorm        bool // each head of q and k passes an RMSNorm before the rotation
	normJoint     bool // all heads pass it together
	normAfterRoPE bool // they pass it after the rotation instead
	alpha         bool // the base of "dynamic" rotations may be stretched once and for all
	tied          bool // of a config.json that does not say whether the embedding is tied
	neox          bool // GGUF files keep the pairs (i, i+dim/2); else they are (2i, 2i+1)
}

// architectures lists every decoder that this program runs.
func architectures() []*architecture {
	return []*architecture{&llama, &deci, &mistral, &qwen2, &qwen3, &qwen2VL, &qwen3VL, &qwen2VLFile, &qwen3VLFile, &granite, &minicpm, &smollm3,
		&phi3, &glm, &glm4, &internlm3, &helium, &ernie45, &seedOSS, &exaone, &exaone4, &olmo2, &olmo3, &graniteHybrid,
		&mistral3, &ministral3, &ministral, &iquestCoder, &internlm2, &xverse, &mimo, &cwm, &hyperCLOVAX,
		&hunyuan, &hunyuanVLFile, &pangu}
}

// Package model is a checkpoint and its forward pass. It starts no goroutine
// that outlives a call and knows no request.
package model

// Config is what a checkpoint says about its architecture, validated once and
// then read-only. Sizes are counted in elements.
type Config struct {
	Architecture  string // as the file names it: "llama", "deci", "LlamaForCausalLM", ...
	VocabSize     int
	HiddenSize    int
	ContextLength int // max_position_embeddings
	NormEps       float32
	TiedEmbedding bool // the embedding table is the output matrix too
	Rotary        Rotary
	Layers        []Layer
	BOS           int32   // -1: none
	EOS           []int32 // every id that ends a turn
	Sampling      SamplingDefaults
}

// Layer is one decoder layer. A part that is nil does not exist: it has no
// tensors, no norm, no cache, and the residual passes through unchanged.
type Layer struct {
	Attention *Attention
	FFN       *FFN
}

// Attention describes the attention part of a layer.
type Attention struct {
	Heads, KVHeads int
	HeadDim        int  // given by the checkpoint, never derived where it is given
	Linear         bool // replaced by one linear map [hidden, hidden]; no heads, no cache
}

// FFN describes the feed-forward part of a layer.
type FFN struct {
	Width  int
	Linear bool // replaced by one linear map [hidden, hidden]
}

// Rotary describes the position encoding (llama3 scaling as in nemotron-nas
// and Llama 3.1 checkpoints).
type Rotary struct {
	Theta       float64
	Dim         int  // rotated dimensions of a head
	Interleaved bool // pairs (2i, 2i+1), as GGUF files store q and k
	// Scaling "llama3": frequencies are divided by Factor below LowFreq, kept
	// above HighFreq and blended between. "" : none. "linear": all divided by
	// Factor.
	Scaling         string
	Factor          float64
	LowFreq         float64
	HighFreq        float64
	OriginalContext int
	// Divisors [Dim/2] replace Scaling where the file stores them
	// (rope_freqs.weight of GGUF).
	Divisors []float32
}

// SamplingDefaults are the checkpoint's own recommendations
// (generation_config.json); nil where it gives none.
type SamplingDefaults struct {
	Temperature, TopP, MinP, RepetitionPenalty *float64
	TopK                                       *int
}

// KVHeads returns the KV heads of layer i that need a cache: 0 where it has
// no attention or a linear one.
func (c *Config) KVHeads(i int) int {
	if a := c.Layers[i].Attention; a != nil && !a.Linear {
		return a.KVHeads
	}
	return 0
}

// Package model is a checkpoint and its forward pass. It starts no goroutine
// that outlives a call and knows no request.
package model

import (
	"cmp"
	"fmt"
	"slices"
)

// Config is what a checkpoint says about its architecture, validated once and
// then read-only. Sizes are counted in elements.
type Config struct {
	Architecture  string // as the file names it: "llama", "deci", "LlamaForCausalLM", ...
	VocabSize     int
	HiddenSize    int
	ContextLength int    // max_position_embeddings, or less: Limit
	Limit         string // the key that keeps ContextLength below what the file declares; empty: none
	NormEps       float32
	TiedEmbedding bool // the embedding table is the output matrix too
	Rotary        Rotary
	Multipliers   Multipliers
	Norms         Norms
	Layers        []Layer
	BOS           int32   // -1: none
	EOS           []int32 // every id that ends a turn
	Sampling      SamplingDefaults
}

// Norms says where attention and FFN have an RMSNorm.
type Norms uint8

const (
	PreNorm      Norms = iota // of their input
	SandwichNorm              // of their input and of their output
	PostNorm                  // of their output
)

// Layer is one decoder layer. A part that is nil does not exist: it has no
// tensors, no norm, no cache, and the residual passes through unchanged.
type Layer struct {
	Attention *Attention
	FFN       *FFN
}

// Attention describes the attention part of a layer.
type Attention struct {
	Heads, KVHeads  int
	HeadDim         int  // given by the checkpoint, never derived where it is given
	QKNorm          bool // each head of q and k passes an RMSNorm before the rotation
	QKNormJoint     bool // all heads pass it together
	QKNormAfterRoPE bool // they pass it after the rotation instead
	QKVBias, OBias  bool // q, k and v have biases; the output has one
	Window          int  // how many positions a row sees, its own the last; 0: all
	NoRoPE          bool // q and k are not rotated
	UnscaledRoPE    bool // they are rotated as if Config.Rotary had no scaling
	Linear          bool // replaced by one linear map [hidden, hidden]; no heads, no cache, no bias
}

// FFN describes the feed-forward part of a layer.
type FFN struct {
	Width  int
	Bias   bool // gate, up and down have biases
	Linear bool // replaced by one linear map [hidden, hidden], without a bias
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

// noRoPE reports whether there are layers whose q and k are not rotated, or not by the op that
// stores k.
func (c *Config) noRoPE() bool {
	return slices.ContainsFunc(c.Layers, func(l Layer) bool {
		return l.Attention != nil && (l.Attention.NoRoPE || l.Attention.QKNormAfterRoPE)
	})
}

// unscaledRoPE reports whether there are layers whose rotations are not scaled.
func (c *Config) unscaledRoPE() bool {
	return slices.ContainsFunc(c.Layers, func(l Layer) bool { return l.Attention != nil && l.Attention.UnscaledRoPE })
}

// limit lowers the context to n positions, within which what key asks for changes
// nothing.
func (c *Config) limit(n int, key string) {
	if n < c.ContextLength {
		c.ContextLength, c.Limit = n, key
	}
}

// ConfigError says which field of which file cannot be used, and why.
type ConfigError struct {
	File    string // as it was opened
	Field   string // "rope_scaling.factor"; empty: the file as a whole
	Message string
}

func (e *ConfigError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s: %s: %s", e.File, e.Field, e.Message)
}

// Bounds of what a checkpoint may declare: far beyond any model, and small
// enough that no product of three of them overflows 63 bits.
const (
	maxLayers  = 4096
	maxHidden  = 1 << 18
	maxHeads   = 1 << 12
	maxHeadDim = 1 << 10
	maxFFN     = 1 << 22
	maxVocab   = 1 << 22
	maxEOS     = 256

	maxTheta             = 1e15
	minFactor, maxFactor = 1e-3, 1e6 // of RoPE scaling
	minEps, maxEps       = 1e-12, 1
)

// problems keeps the first thing that is wrong with a configuration, so that
// reading it needs one check at the end.
type problems struct {
	file  string
	names map[string]string // of fields that the file calls otherwise
	err   *ConfigError
}

func (p *problems) add(field, format string, args ...any) {
	if p.err == nil {
		p.err = &ConfigError{File: p.file, Field: cmp.Or(p.names[field], field), Message: fmt.Sprintf(format, args...)}
	}
}

// result returns the first problem as an error.
func (p *problems) result() error {
	if p.err == nil {
		return nil
	}
	return p.err
}

// between returns v as an int if lo <= v <= hi, else notes the problem and
// returns lo, which is safe to compute with.
func (p *problems) between(field string, v, lo, hi int64) int {
	if v < lo || v > hi {
		p.add(field, "must be %d to %d, not %d", lo, hi, v)
		v = lo
	}
	return int(v)
}

// within returns v if lo <= v <= hi, else notes the problem and returns hi.
func (p *problems) within(field string, v, lo, hi float64) float64 {
	if !(v >= lo && v <= hi) {
		p.add(field, "must be %v to %v, not %v", lo, hi, v)
		return hi
	}
	return v
}

// groups notes a problem where kv heads do not divide the query heads.
func (p *problems) groups(field string, heads, kv int) {
	if kv > 0 && heads%kv != 0 {
		p.add(field, "%d query heads do not divide by %d KV heads", heads, kv)
	}
}

// headDim checks the size of a head.
func (p *problems) headDim(field string, v int64) int {
	d := p.between(field, v, 2, maxHeadDim)
	if d%2 != 0 {
		p.add(field, "must be even, not %d", d)
	}
	return d
}

// token checks a token id of the configuration.
func (p *problems) token(field string, v int64, vocab int) int32 {
	return int32(p.between(field, v, 0, int64(vocab)-1))
}

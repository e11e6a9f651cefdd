package model

import (
	"cmp"
	"math"
)

// Multipliers are the factors by which Granite and MiniCPM depart from Llama; 0: none.
type Multipliers struct {
	Embedding float32 // multiplies what the embedding gives
	Residual  float32 // multiplies what attention and FFN add to the residual stream
	Logits    float32 // divides the logits
	Attention float32 // multiplies products of queries and keys, in place of 1/√dim
}

// A norm does not see the unit of its input, but for epsilon. So the residual stream is
// in units of Residual: what is added to it then needs no factor, and the embedding has
// one instead. Those of logits and attention are the last norm's and the rotations'. So
// no matrix of a layer has any.

// streamEps is the epsilon of norms of the residual stream.
func (c *Config) streamEps() float32 {
	r := orOne(c.Multipliers.Residual)
	return float32(float64(c.NormEps) / (r * r))
}

// embeddingFactor multiplies the embedding, and so the output matrix that is tied to it.
func (c *Config) embeddingFactor() float64 {
	return orOne(c.Multipliers.Embedding) / orOne(c.Multipliers.Residual)
}

// outputFactor multiplies the last norm.
func (c *Config) outputFactor() float64 {
	f := 1 / orOne(c.Multipliers.Logits)
	if c.TiedEmbedding {
		f /= c.embeddingFactor()
	}
	return f
}

// rotaryScale multiplies sines and cosines that have a scale themselves: queries and keys
// get a root each of what Attention has above 1/√dim.
func (c *Config) rotaryScale(scale float64) float32 {
	if m := float64(c.Multipliers.Attention); m != 0 {
		scale = cmp.Or(scale, 1) * math.Sqrt(m*math.Sqrt(float64(c.Rotary.Dim)))
	}
	return float32(scale)
}

func orOne(v float32) float64 { return float64(cmp.Or(v, 1)) }

// The bounds of what a file may say: one over the size of a head, and more.
const minMultiplier, maxMultiplier = 1e-6, 1e6

// multiplier takes a factor, or that of a file which does not say.
func (o *object) multiplier(name string, absent float64) float32 {
	v, ok := o.number(name)
	if !ok {
		v = absent
	}
	return float32(o.within(o.prefix+name, v, minMultiplier, maxMultiplier))
}

// multipliers reads the factors that llama.cpp writes, of which 0 means none. Files
// from before there were such keys have fixed ones, which this program does not know.
func (k *ggufKeys) multipliers(m *Multipliers) {
	factor := func(name string) float32 {
		v, ok := k.number(name)
		if !ok || v == 0 {
			return 0
		}
		return float32(k.within(k.key(name), v, minMultiplier, maxMultiplier))
	}
	*m = Multipliers{
		Embedding: factor("embedding_scale"), Residual: factor("residual_scale"),
		Logits: factor("logit_scale"), Attention: factor("attention.scale"),
	}
	if m.Logits == 0 {
		k.add(k.key("logit_scale"), "is missing")
	}
}

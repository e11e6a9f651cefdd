package model

import (
	"cmp"
	"math"
)

// Rotary describes the position encoding (RoFormer, arXiv 2104.09864) and how
// its frequencies are stretched.
type Rotary struct {
	Theta       float64
	Dim         int  // of a head
	Rotated     int  // only the first of them are rotated, in pairs of their own; 0: all
	Interleaved bool // pairs (2i, 2i+1), as GGUF files store q and k
	// Scaling "llama3": frequencies whose wavelength is over
	// OriginalContext/LowFreq are divided by Factor, those under
	// OriginalContext/HighFreq are kept, and between the two they are blended.
	// "linear": all are divided by Factor. "": none.
	// "yarn" (arXiv 2309.00071): pairs that turn BetaFast times or more over
	// OriginalContext are kept, those that turn BetaSlow times or less are divided by
	// Factor, and between the two they are blended by their number. Where the blend
	// begins and ends is rounded outwards to whole pairs, but where Fractional.
	Scaling         string
	Factor          float64
	LowFreq         float64
	HighFreq        float64
	OriginalContext int
	BetaFast        float64
	BetaSlow        float64
	Fractional      bool
	// Scale is what sines and cosines are multiplied with, of "yarn" and "longrope"; 0: 1.
	Scale float64
	// Divisors [Rotated/2] further divide each frequency, where the file stores
	// them (rope_freqs.weight of GGUF, in place of "llama3"). In GGUF files they are
	// data: a model has them, a checkpoint whose headers were read does not.
	Divisors []float32
	// Long, of "longrope" (arXiv 2402.13753), are Divisors of a context that is longer
	// than OriginalContext.
	Long []float32
	// Tempered: queries are scaled from OriginalContext on, to which a configuration
	// that is read limits the context.
	Tempered bool
}

// Factors says which divisors of "longrope" a context takes: "short" or "long"; empty: there
// is no such choice.
func (r *Rotary) Factors(context int) string {
	switch {
	case r.Scaling != "longrope":
		return ""
	case context > r.OriginalContext:
		return "long"
	}
	return "short"
}

// settle drops the divisors that a context does not take.
func (r *Rotary) settle(context int) {
	if r.Factors(context) == "long" {
		r.Divisors = r.Long
	}
	r.Long = nil
}

// stretch gives frequencies a base that is alpha^(dim/(dim-2)) times as large: the lowest is
// divided by alpha, the highest kept. Heads of 2 have the highest alone.
func (r *Rotary) stretch(alpha float64) {
	if r.Dim > 2 {
		r.Theta *= math.Pow(alpha, float64(r.Dim)/float64(r.Dim-2))
	}
}

// rotated returns how many dimensions of a head are rotated.
func (r *Rotary) rotated() int { return cmp.Or(r.Rotated, r.Dim) }

// Frequencies returns the angle per position of each pair, F32 [Dim/2]: 0 of those that
// are not rotated, which come last.
func (r *Rotary) Frequencies() []float32 {
	inv, n := make([]float32, r.Dim/2), r.rotated()
	low, high := 0.0, 0.0
	if r.Scaling == "yarn" {
		low, high = r.blend()
	}
	for i := range inv[:n/2] {
		f := math.Pow(r.Theta, -2*float64(i)/float64(n))
		switch r.Scaling {
		case "linear":
			f /= r.Factor
		case "llama3":
			f = r.llama3(f)
		case "yarn":
			divided := min(1, max(0, (float64(i)-low)/(high-low)))
			f *= divided/r.Factor + 1 - divided
		}
		if r.Divisors != nil {
			f /= float64(r.Divisors[i])
		}
		inv[i] = float32(f)
	}
	return inv
}

// llama3 stretches one frequency as Llama 3.1 does.
func (r *Rotary) llama3(f float64) float64 {
	turns := float64(r.OriginalContext) * f / (2 * math.Pi) // over the original context
	switch {
	case turns > r.HighFreq:
		return f
	case turns < r.LowFreq:
		return f / r.Factor
	}
	keep := (turns - r.LowFreq) / (r.HighFreq - r.LowFreq)
	return f * ((1-keep)/r.Factor + keep)
}

// blend returns the pairs at which YaRN's blend begins and ends.
func (r *Rotary) blend() (low, high float64) {
	dim := float64(r.rotated())
	at := func(turns float64) float64 {
		return dim * math.Log(float64(r.OriginalContext)/(turns*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	low, high = at(r.BetaFast), at(r.BetaSlow)
	if !r.Fractional {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, dim-1)
	if low == high {
		high += 0.001
	}
	return low, high
}

// YarnScale is the factor of sines and cosines that YaRN recommends for a factor of
// the context (arXiv 2309.00071, section 3.4), its logarithm counted m times.
func YarnScale(factor, m float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*m*math.Log(factor) + 1
}

// longropeScale is the factor of sines and cosines for a context of `factor` times the
// original one (arXiv 2402.13753).
func longropeScale(factor float64, original int) float64 {
	if factor <= 1 {
		return 1
	}
	return math.Sqrt(1 + math.Log(factor)/math.Log(float64(original)))
}

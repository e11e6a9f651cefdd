package cpu

import (
	"math"
	"math/bits"

	"trona/kernels"
)

// drawer finds the candidate with the greatest z + Gumbel noise, which is a
// draw from their softmax.
type drawer struct {
	row         *kernels.SampleRow
	highest     float32
	temperature float64
	lowest      float64 // of z that min-p keeps
	mass        float64

	token int32
	best  float64 // z + noise of token; -Inf: none yet
	pair  noisePair
}

func newDrawer(r *kernels.SampleRow, highest float32) drawer {
	d := drawer{row: r, highest: highest, temperature: float64(r.Temperature), lowest: math.Inf(-1), best: math.Inf(-1)}
	if r.MinP > 0 {
		d.lowest = ln(float64(r.MinP))
	}
	return d
}

// z is the scaled logit, 0 for the likeliest.
func (d *drawer) z(logit float32) float64 {
	return (float64(logit) - float64(d.highest)) / d.temperature
}

func (d *drawer) offer(logit float32, token int32) {
	z := d.z(logit)
	if !(z >= d.lowest) || z == math.Inf(-1) {
		return
	}
	u := d.pair.uniform(d.row.Seed, d.row.Position, token)
	if cannotReach(u, d.best-z) {
		return
	}
	if v := z - ln(-ln(u)); v > d.best || v == d.best && token < d.token {
		d.token, d.best = token, v
	}
}

// cannotReach reports that noise -ln(-ln u) is certainly below gap: -ln u is
// at least 1-u, which exceeds 2^-k >= e^-gap.
func cannotReach(u, gap float64) bool {
	if gap < 1 {
		return false
	}
	k := int(min(gap, 60) * (1.4426950408889634 * (1 - 1e-12)))
	return 1-u > math.Float64frombits(uint64(1023-k)<<52)*(1+1e-12)
}

// offerAll offers the whole vocabulary, the likeliest token first: few others come near.
func (s sampler) offerAll(d *drawer, likeliest int32) {
	d.offer(s.logits[likeliest], likeliest)
	p, groups := &s.prefilter, len(s.logits)/tokenGroup
	p.begin(d)
	for g := 0; g < groups; g++ {
		p.follow(d)
		var near uint64
		for g, near = s.kern.survivors(&s.logits[0], g, groups, p); near != 0; near &= near - 1 {
			token := g*tokenGroup + bits.TrailingZeros64(near)
			d.offer(s.logits[token], int32(token))
		}
	}
	for token := groups * tokenGroup; token < len(s.logits); token++ {
		d.offer(s.logits[token], int32(token))
	}
}

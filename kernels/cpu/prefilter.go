package cpu

import "math"

// prefilter drops tokens that certainly cannot win a draw, nearly all, by 32 bits of their
// noise and in float32.
type prefilter struct {
	// A token is behind by (highest - logit) * scale + lead bits, or by more. One below the
	// floor is out whatever its noise.
	highest, scale, lead, floor float32

	seed     uint64
	position int64
	// For vectors: the keys of all rounds, and the last two words of counters.
	keys  [philoxRounds][2][4]uint64
	upper [2]uint64
}

// begin sets what stays the same during a draw.
func (p *prefilter) begin(d *drawer) {
	p.highest = d.highest
	p.scale = 0 // z puts nobody behind
	if d.temperature < hottest {
		p.scale = float32(min(math.Log2E/d.temperature*(1-prefilterSlack), math.MaxFloat32))
	}
	p.seed, p.position = d.row.Seed, d.row.Position
	key := noiseKey(p.seed)
	for r := range p.keys {
		for i, k := range key {
			p.keys[r][i] = [4]uint64{uint64(k), uint64(k), uint64(k), uint64(k)}
		}
		key[0] += philoxStep0
		key[1] += philoxStep1
	}
	counter := noiseCounter(0, p.position)
	p.upper = [2]uint64{uint64(counter[2]), uint64(counter[3])}
}

// follow sets what depends on the best token so far: how far it is ahead of the highest logit
// without noise, and the logit below which no noise is enough.
func (p *prefilter) follow(d *drawer) {
	lead := d.best * math.Log2E
	p.lead = float32(lead - prefilterSlack*math.Abs(lead) - prefilterSlack)
	highest, below := float64(d.highest), -d.temperature*max(d.lowest, d.best-mostNoise)
	p.floor = float32(highest - below - prefilterSlack*(math.Abs(highest)+below))
}

const (
	// prefilterSlack is more than what rounding to float32 changes, all in all.
	prefilterSlack = 0x1p-20
	// mostNoise is above 53 ln 2, what -ln(-ln u) is at most.
	mostNoise = 36.8
	// hottest is a temperature at which a difference of logits may be small that is infinite
	// in float32.
	hottest = 0x1p100
)

// survivorsGeneric is variant.survivors.
func survivorsGeneric(logits *float32, from, groups int, p *prefilter) (group int, left uint64) {
	key := noiseKey(p.seed)
	for group = from; group < groups; group++ {
		for i := 0; i < tokenGroup; i += 2 {
			token := group*tokenGroup + i
			a, b := *floatAt(logits, token), *floatAt(logits, token+1)
			if a < p.floor && b < p.floor {
				continue
			}
			noise := philox(noiseCounter(int32(token/2), p.position), key)
			if p.near(a, noise[1]) {
				left |= 1 << i
			}
			if p.near(b, noise[3]) {
				left |= 2 << i
			}
		}
		if left != 0 {
			return group, left
		}
	}
	return groups, 0
}

// near reports whether the noise of a token that is behind by k bits begins with k ones.
// If not, 1-u is above 2^-k, u being the noise as a number, and so is -ln u: the token gains
// less than k ln 2.
func (p *prefilter) near(logit float32, noise uint32) bool {
	if logit < p.floor {
		return false
	}
	behind := float32((p.highest-logit)*p.scale) + p.lead
	if !(behind > 0) { // nor NaN
		behind = 0
	}
	return ^noise>>(32-uint32(min(behind, 32))) == 0
}

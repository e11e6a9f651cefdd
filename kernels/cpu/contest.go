package cpu

import "math"

// contest tells, from 32 bits of a token's noise and in float32, who certainly cannot
// win a draw: nearly all.
type contest struct {
	// A token is behind by (highest - logit) * scale + lead bits, or by more. One below the
	// floor is out whatever its noise.
	highest, scale, lead, floor float32

	seed     uint64
	position int64
	// For vectors: the keys of all rounds, and the last two words of counters.
	keys  [philoxRounds][2][4]uint64
	upper [2]uint64
}

// begin sets what does not change during a draw.
func (c *contest) begin(d *drawer) {
	c.highest = d.highest
	c.scale = 0 // z puts nobody behind
	if d.temperature < hottest {
		c.scale = float32(min(math.Log2E/d.temperature*(1-contestSlack), math.MaxFloat32))
	}
	c.seed, c.position = d.row.Seed, d.row.Position
	key := noiseKey(c.seed)
	for r := range c.keys {
		for i, k := range key {
			c.keys[r][i] = [4]uint64{uint64(k), uint64(k), uint64(k), uint64(k)}
		}
		key[0] += philoxStep0
		key[1] += philoxStep1
	}
	counter := noiseCounter(0, c.position)
	c.upper = [2]uint64{uint64(counter[2]), uint64(counter[3])}
}

// follow sets what depends on the best so far: how far it is ahead of the likeliest token
// without noise, and who is too far behind for any noise.
func (c *contest) follow(d *drawer) {
	lead := d.best * math.Log2E
	c.lead = float32(lead - contestSlack*math.Abs(lead) - contestSlack)
	highest, below := float64(d.highest), -d.temperature*max(d.lowest, d.best-mostNoise)
	c.floor = float32(highest - below - contestSlack*(math.Abs(highest)+below))
}

const (
	// contestSlack is more than what rounding to float32 changes, all in all.
	contestSlack = 0x1p-20
	// mostNoise is above 53 ln 2, what -ln(-ln u) is at most.
	mostNoise = 36.8
	// hottest is a temperature at which a difference of logits may be small that is infinite
	// in float32.
	hottest = 0x1p100
)

// contendersGeneric is variant.contenders.
func contendersGeneric(logits *float32, from, groups int, c *contest) (group int, left uint64) {
	key := noiseKey(c.seed)
	for group = from; group < groups; group++ {
		for i := 0; i < tokenGroup; i += 2 {
			token := group*tokenGroup + i
			a, b := *floatAt(logits, token), *floatAt(logits, token+1)
			if a < c.floor && b < c.floor {
				continue
			}
			noise := philox(noiseCounter(int32(token/2), c.position), key)
			if c.near(a, noise[1]) {
				left |= 1 << i
			}
			if c.near(b, noise[3]) {
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
func (c *contest) near(logit float32, noise uint32) bool {
	if logit < c.floor {
		return false
	}
	behind := float32((c.highest-logit)*c.scale) + c.lead
	if !(behind > 0) { // nor NaN
		behind = 0
	}
	return ^noise>>(32-uint32(min(behind, 32))) == 0
}

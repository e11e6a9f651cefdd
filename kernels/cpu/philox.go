package cpu

import "math/bits"

// philox is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", 2011).
func philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	c0, c1, c2, c3 := counter[0], counter[1], counter[2], counter[3]
	k0, k1 := key[0], key[1]
	for range philoxRounds {
		hi0, lo0 := bits.Mul32(0xD2511F53, c0)
		hi1, lo1 := bits.Mul32(0xCD9E8D57, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0, k1 = k0+philoxStep0, k1+philoxStep1
	}
	return [4]uint32{c0, c1, c2, c3}
}

const (
	philoxRounds = 10
	// What keys grow by from round to round.
	philoxStep0, philoxStep1 = 0x9E3779B9, 0xBB67AE85
)

// noiseKey and noiseCounter are what Philox is asked for the noise of tokens 2i and 2i+1.
func noiseKey(seed uint64) [2]uint32 { return [2]uint32{uint32(seed), uint32(seed >> 32)} }

func noiseCounter(i int32, position int64) [4]uint32 {
	return [4]uint32{uint32(i), 0, uint32(position), uint32(position >> 32)}
}

// noisePair holds the two numbers of one Philox block, for tokens 2i and 2i+1.
type noisePair struct {
	values [2]float64
	index  int32
	filled bool
}

// uniform returns token's number in (0, 1): 52 bits of the block with counter
// {token/2, 0, position} and key seed, low word first.
func (n *noisePair) uniform(seed uint64, position int64, token int32) float64 {
	if index := token / 2; !n.filled || n.index != index {
		w := philox(noiseCounter(index, position), noiseKey(seed))
		*n = noisePair{index: index, filled: true}
		for i := range n.values {
			word := uint64(w[2*i+1])<<32 | uint64(w[2*i])
			n.values[i] = (float64(word>>12) + 0.5) * 0x1p-52
		}
	}
	return n.values[token%2]
}

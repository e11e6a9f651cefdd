package cpu

import "math/bits"

// philox is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", 2011).
func philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	for range 10 {
		hi0, lo0 := bits.Mul32(0xD2511F53, counter[0])
		hi1, lo1 := bits.Mul32(0xCD9E8D57, counter[2])
		counter = [4]uint32{hi1 ^ counter[1] ^ key[0], lo1, hi0 ^ counter[3] ^ key[1], lo0}
		key[0] += 0x9E3779B9
		key[1] += 0xBB67AE85
	}
	return counter
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
		w := philox([4]uint32{uint32(index), 0, uint32(position), uint32(position >> 32)}, [2]uint32{uint32(seed), uint32(seed >> 32)})
		*n = noisePair{index: index, filled: true}
		for i := range n.values {
			word := uint64(w[2*i+1])<<32 | uint64(w[2*i])
			n.values[i] = (float64(word>>12) + 0.5) * 0x1p-52
		}
	}
	return n.values[token%2]
}

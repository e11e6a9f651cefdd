package cpu

import (
	"math"
	"math/bits"
)

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

// ln and exp64 are the natural logarithm and exponential, to about one unit in
// the last place, in operations that round alike on every processor: package
// math has assembly on some, and products may be fused with sums on others.

// ln(m 2^e) = e ln 2 + 2 atanh((m-1)/(m+1)), x > 0 and finite.
func ln(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	s := (m - 1) / (m + 1)
	q := float64(s * s)
	sum := 1.0 / 23
	for k := 21; k >= 1; k -= 2 {
		sum = float64(sum*q) + 1/float64(k)
	}
	return float64(float64(e)*math.Ln2) + float64(2*s*sum)
}

// exp64(n ln 2 + r) = 2^n e^r, for x <= 0.
func exp64(x float64) float64 {
	if x < -745 {
		return 0
	}
	n := math.Floor(float64(x*math.Log2E) + 0.5)
	r := x - float64(n*6.93147180369123816490e-01)
	r -= float64(n * 1.90821492927058770002e-10)
	sum := 1.0
	for k := 14.0; k >= 1; k-- {
		sum = float64(sum*r)/k + 1
	}
	return math.Ldexp(sum, int(n))
}

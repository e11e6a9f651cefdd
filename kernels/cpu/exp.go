package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

// Constants of exp: x = n ln 2 + r with ln 2 in two parts, the first short
// enough that n times it is exact, and the polynomial of Cephes' expf
// (Moshier) for e^r on |r| <= ln 2 / 2.
const (
	expLow  = -87.33654 // below: 0
	expHigh = 88        // above: e^88

	log2e = 1.44269504088896341
	ln2Hi = 0.693359375
	ln2Lo = -2.12194440e-4
	expP0 = 1.9875691500e-4
	expP1 = 1.3981999507e-3
	expP2 = 8.3334519073e-3
	expP3 = 4.1665795894e-2
	expP4 = 1.6666665459e-1
	expP5 = 5.0000001201e-1

	// roundMagic added and subtracted rounds to an integer.
	roundMagic = 1.5 * (1 << 23)
)

// exp is e^x to about one unit in the last place, for x up to 88.
func exp(x float32) float32 {
	if x < expLow {
		return 0
	}
	if x > expHigh {
		x = expHigh
	}
	n := float32(x*log2e) + roundMagic
	n -= roundMagic
	r := x - float32(n*ln2Hi)
	r -= float32(n * ln2Lo)
	p := float32(expP0*r) + expP1
	p = float32(p*r) + expP2
	p = float32(p*r) + expP3
	p = float32(p*r) + expP4
	p = float32(p*r) + expP5
	p = float32(p*float32(r*r)) + r + 1
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}

// expSumGeneric is variant.expSum.
func expSumGeneric(l, s, m *float32, n int) {
	for q := range n {
		p := unsafe.Slice(floatAt(s, q*kernels.BlockSize), kernels.BlockSize)
		var sum [8]float32
		for i := 0; i < len(p); i += 8 {
			for k := range sum {
				p[i+k] = exp(p[i+k] - *floatAt(m, q))
				sum[k] += p[i+k]
			}
		}
		*floatAt(l, q) += (sum[0] + sum[4] + (sum[2] + sum[6])) + (sum[1] + sum[5] + (sum[3] + sum[7]))
	}
}

func swigluGeneric(out, gate, up *float32, n int) {
	o, u := unsafe.Slice(out, n), unsafe.Slice(up, n)
	for i, g := range unsafe.Slice(gate, n) {
		o[i] = g / (1 + exp(-g)) * u[i]
	}
}

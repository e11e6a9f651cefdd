package cpu

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// TestPairsF8: products in pairs of F8_E4M3 have the bits of those of the same numbers in
// BF16, for all codes and any even number of columns, and a NaN loses its row alone.
func TestPairsF8(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 0))
	for _, v := range variants() {
		if !v.hasPairs(kernels.F8E4M3) {
			continue
		}
		for n := 2; n <= chunk; n += 2 {
			x, codes, wide := make([]uint16, 8*n), make([]byte, n*lanes), make([]uint16, n*lanes)
			for i := range x {
				x[i] = minifloat.ToBF16(float32(rng.NormFloat64()))
			}
			for i := range codes {
				codes[i] = byte(i/lanes + 16*(i%lanes)) // all in 16 columns
			}
			if n%4 == 0 {
				numbers(codes)
			}
			for i, c := range codes {
				wide[pairOf(i)] = minifloat.ToBF16(minifloat.E4M3(c) / f8Unit)
			}
			for i, multiply := range v.pairs.multiply[kernels.F8E4M3] {
				want, got := normals(rng, 8*lanes), alignedFloats(8*lanes)
				copy(got, want)
				v.pairs.multiply[kernels.BF16][i](&want[0], unsafe.Pointer(&wide[0]), &x[0], n)
				multiply(&got[0], unsafe.Pointer(&codes[0]), &x[0], n)
				same(t, want, got, "%s: %d tokens, %d columns", v.name, 1<<i, n)
			}
		}
	}
}

package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAbove: every instruction set finds what the plain Go finds, NaNs too.
func TestAbove(t *testing.T) {
	const groups = 9
	for _, v := range variants() {
		rng := rand.New(rand.NewPCG(3, 17))
		for range 30 {
			for _, x := range rowsOfKinds(rng, groups*tokenGroup) {
				if rng.IntN(2) == 0 {
					x[rng.IntN(len(x))] = float32(math.NaN())
				}
				sorted := slices.Sorted(slices.Values(x))
				for _, bound := range []float32{negInf, x[0], sorted[len(sorted)-2-rng.IntN(40)], sorted[len(sorted)-1]} {
					for from := 0; from < groups; from++ {
						want, which := aboveGeneric(&x[0], from, groups, bound)
						got, found := v.above(&x[0], from, groups, bound)
						require.Equal(t, want, got, "%s: above %v", v.name, bound)
						require.Equal(t, which, found, "%s: above %v", v.name, bound)
						from = want
					}
				}
			}
		}
	}
}

// TestMass: every instruction set has the bits of the plain Go, which are right.
func TestMass(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 17))
	all := variants()
	for range 40 {
		for _, x := range rowsOfKinds(rng, 1+rng.IntN(900)) {
			for i, v := range x {
				x[i] = min(v, math.MaxFloat32)
			}
			highest, temperature := max(-math.MaxFloat32, slices.Max(x)), math.Exp(8*rng.NormFloat64())
			want := 0.0
			for _, v := range x {
				want += math.Exp((float64(v) - float64(highest)) / temperature)
			}
			plain := generic()
			bits := math.Float64bits(sampler{kern: &plain, logits: x}.mass(highest, temperature))
			require.InEpsilon(t, 1+want, 1+math.Float64frombits(bits), 1e-13)
			for i := range all {
				s := sampler{kern: &all[i], logits: x}
				require.Equal(t, bits, math.Float64bits(s.mass(highest, temperature)), "%s: %d logits", s.kern.name, len(x))
			}
		}
	}
}

// TestArgmax: the first of the greatest logits, unless there is a NaN.
func TestArgmax(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 17))
	all := variants()
	for range 40 {
		for _, x := range rowsOfKinds(rng, 1+rng.IntN(900)) {
			for i := range all {
				s := sampler{kern: &all[i], logits: slices.Clone(x)}
				require.EqualValues(t, slices.Index(x, slices.Max(x)), s.argmax(), s.kern.name)
				s.logits[rng.IntN(len(x))] = float32(math.NaN())
				require.EqualValues(t, -1, s.argmax(), s.kern.name)
			}
		}
	}
}

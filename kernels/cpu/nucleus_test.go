package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNucleus: top-p keeps the likeliest tokens, so many that they just sum to its share.
// Sums in other orders differ by rounding.
func TestNucleus(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 17))
	all := variants()
	for range 40 {
		for kind, x := range rowsOfKinds(rng, 1+rng.IntN(900)) {
			r := randomRow(rng)
			r.TopP = [3]float32{rng.Float32(), 0x1.fffffep-1, 0x1p-149}[rng.IntN(3)]
			for i, v := range x {
				x[i] = min(v, math.MaxFloat32)
			}
			d := newDrawer(r, slices.Max(x))
			if d.highest == negInf {
				continue
			}
			sorted := make([]candidate, len(x))
			total := 0.0
			for i, v := range x {
				sorted[i] = candidate{v, int32(i)}
				total += exp64(d.z(v))
			}
			slices.SortFunc(sorted, candidate.compare)
			for i := range all {
				s := sampler{kern: &all[i], row: r, logits: x, sampleScratch: &sampleScratch{}}
				s.reserve(len(x))
				got := d
				sure, sum := s.likely(&got)
				s.nucleus(&got, sure, sum)
				kept, n := slices.SortedFunc(slices.Values(s.candidates), candidate.compare), len(s.candidates)
				require.Equal(t, sorted[:n], kept, "%s: kind %d, %+v", s.kern.name, kind, r)
				mass, want := 0.0, float64(r.TopP)*total
				for _, c := range kept[:n-1] {
					mass += exp64(d.z(c.logit))
				}
				require.Less(t, mass, want*(1+1e-12), "%s: kind %d, one too many, %+v", s.kern.name, kind, r)
				mass += exp64(d.z(kept[n-1].logit))
				require.GreaterOrEqual(t, mass, want*(1-1e-12), "%s: kind %d, one too few, %+v", s.kern.name, kind, r)
			}
		}
	}
}

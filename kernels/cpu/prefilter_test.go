package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// rowsOfKinds are logits of all kinds: flat, peaked, huge, infinite.
func rowsOfKinds(rng *rand.Rand, n int) [][]float32 {
	rows := make([][]float32, 8)
	for kind := range rows {
		x := alignedFloats(n)
		for i := range x {
			switch v := rng.NormFloat64(); kind {
			case 0:
				x[i] = 3
			case 1:
				x[i] = float32(v)
			case 2:
				x[i] = float32(5 * v)
			case 3:
				x[i] = float32(rng.IntN(3))
			case 4:
				x[i] = float32(v * 1e38)
			case 5:
				x[i] = float32(v * 1e-40)
			default:
				x[i] = float32(v)
				if rng.IntN(3) > 0 {
					x[i] = negInf
				}
			}
		}
		if kind >= 6 {
			x[rng.IntN(n)] = [2]float32{30, float32(math.Inf(1))}[kind-6]
		}
		rows[kind] = x
	}
	return rows
}

// randomRow draws at any temperature, some with min-p.
func randomRow(rng *rand.Rand) *kernels.SampleRow {
	r := &kernels.SampleRow{Temperature: float32(math.Exp(8 * rng.NormFloat64())), Seed: rng.Uint64(), Position: rng.Int64()}
	if rng.IntN(8) == 0 {
		r.Temperature = [2]float32{math.SmallestNonzeroFloat32, math.MaxFloat32}[rng.IntN(2)]
	}
	if rng.IntN(3) == 0 {
		r.MinP = rng.Float32()
	}
	return r
}

// TestSurvivors: every instruction set finds whom the plain Go finds, all who may win among them.
func TestSurvivors(t *testing.T) {
	const groups = 9
	for _, v := range variants() {
		rng := rand.New(rand.NewPCG(1, 17))
		found := 0
		for range 60 {
			for _, x := range rowsOfKinds(rng, groups*tokenGroup) {
				for i, v := range x { // infinite logits are drawn as equal ones
					x[i] = min(v, math.MaxFloat32)
				}
				d := newDrawer(randomRow(rng), slices.Max(x))
				p := &prefilter{}
				p.begin(&d)
				d.best = 3 * rng.NormFloat64()
				p.follow(&d)
				var lefts [groups + 1]uint64
				for from := 0; from < groups; from++ {
					want, left := survivorsGeneric(&x[0], from, groups, p)
					got, who := v.survivors(&x[0], from, groups, p)
					require.Equal(t, want, got, "%s: %+v", v.name, d.row)
					require.Equal(t, left, who, "%s: %+v", v.name, d.row)
					if left != 0 {
						found++
					}
					from, lefts[want] = want, left
				}
				for token, logit := range x {
					if after := d; lefts[token/tokenGroup]>>(token%tokenGroup)&1 == 0 {
						after.offer(logit, int32(token))
						require.Equal(t, d.best, after.best, "%s: token %d, %+v", v.name, token, d.row)
					}
				}
			}
		}
		require.Greater(t, found, 1000)
	}
}

// TestOfferAll: a draw from all tokens is that of each offered in turn.
func TestOfferAll(t *testing.T) {
	all := variants()
	rng := rand.New(rand.NewPCG(2, 17))
	for range 40 {
		for _, x := range rowsOfKinds(rng, 1+rng.IntN(700)) {
			r := randomRow(rng)
			s := sampler{row: r, logits: x, sampleScratch: &sampleScratch{}}
			best := int32(slices.Index(x, slices.Max(x)))
			if x[best] == negInf {
				continue
			}
			if math.IsInf(float64(x[best]), 1) {
				s.onlyInfinite()
			}
			want := newDrawer(r, x[best])
			for i, v := range x {
				want.offer(v, int32(i))
			}
			for i := range all {
				got := newDrawer(r, x[best])
				s.kern = &all[i]
				s.offerAll(&got, best)
				require.Equal(t, want.token, got.token, "%s: %d tokens, %+v", s.kern.name, len(x), r)
				require.Equal(t, want.best, got.best, "%s: %d tokens, %+v", s.kern.name, len(x), r)
			}
		}
	}
}

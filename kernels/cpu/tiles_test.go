package cpu

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// normals returns n numbers of which some are zeros, some large and some too small
// to be normal ones in BF16.
func normals(rng *rand.Rand, n int) []float32 {
	x := alignedFloats(n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
		switch rng.IntN(40) {
		case 0:
			x[i] = 0
		case 1:
			x[i] *= 1e18
		case 2:
			x[i] *= 1e-39
		}
	}
	return x
}

// withTiles returns the variants of this machine that have tile loops besides the
// plain ones; a test that finds none is skipped.
func withTiles(t *testing.T) []variant {
	all := slices.DeleteFunc(variants(), func(v variant) bool { return v.tiles == nil || v.name == "genericbf16-int8" })
	if len(all) == 0 {
		t.Skip("this processor has no tiles of BF16, or the system does not permit them")
	}
	return all
}

// TestTilesRound: inputs and weights become the tiles of the plain Go.
func TestTilesRound(t *testing.T) {
	const blocks = 5
	rng := rand.New(rand.NewPCG(6, 0))
	x, plain := normals(rng, blocks*tileCols*lanes), genericTiles()
	for _, v := range withTiles(t) {
		want, got := alignedHalves(blocks*tileSize), alignedHalves(blocks*tileSize)
		plain.round(&want[3*tileCols], &x[0], blocks)
		v.tiles.round(&got[3*tileCols], &x[0], blocks)
		require.Equal(t, want, got, v.name)
		plain.pair(&want[0], &x[0], blocks*tileCols)
		v.tiles.pair(&got[0], &x[0], blocks*tileCols)
		require.Equal(t, want, got, v.name)
		packed := slices.Clone(got)
		plain.pairPacked(&want[0], unsafe.Pointer(&packed[0]), blocks*tileCols)
		v.tiles.pairPacked(&got[0], unsafe.Pointer(&packed[0]), blocks*tileCols)
		require.Equal(t, want, got, v.name)
	}
}

// TestTilesGeneric: the plain loops compute products of rounded numbers.
func TestTilesGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	x, panel := normals(rng, lanes*tileCols), normals(rng, lanes*tileCols)
	in, weights, sums := alignedHalves(tileSize), alignedHalves(tileSize), alignedFloats(lanes*lanes)
	for r := range lanes {
		roundTilesGeneric(&in[r*tileCols], &x[r*tileCols], 1)
	}
	pairTilesGeneric(&weights[0], &panel[0], tileCols)
	p := tileProduct{sums: &sums[0], x: &in[0], weights: &weights[0], tokens: 1, groups: 1, steps: 1, begin: 1}
	multiplyTilesGeneric(&p)
	for i, got := range sums {
		want, size := 0.0, 0.0
		for k := range tileCols {
			product := float64(RoundPair(flush(x[i/lanes*tileCols+k]))) * float64(RoundPair(flush(panel[k*lanes+i%lanes])))
			want += product
			size += max(product, -product)
		}
		require.InDelta(t, want, got, size*1e-6, "token %d, row %d", i/lanes, i%lanes)
	}
}

// TestTiles: every instruction set has the bits of the plain Go, for any number of
// tiles, and does not write beside its sums.
func TestTiles(t *testing.T) {
	const steps, tokens, groups = 3, 5, 4
	rng := rand.New(rand.NewPCG(8, 0))
	x, weights := alignedHalves(tokens*steps*tileSize), alignedHalves(groups*steps*tileSize)
	for _, s := range [][]uint16{x, weights} {
		for i, v := range normals(rng, len(s)) {
			s[i] = toBF16(v)
		}
	}
	for _, v := range withTiles(t) {
		for n := 1; n <= tokens; n++ {
			for g := 1; g <= groups; g++ {
				for begin := range 2 {
					before := normals(rng, (groups+1)*(tokens+1)*lanes*lanes)
					p := tileProduct{
						x: &x[0], weights: &weights[0], tokens: n, groups: g, steps: steps, begin: begin,
						sumsStride: 4 * (tokens + 1) * lanes * lanes, xStride: 2 * steps * tileSize, weightsStride: 2 * steps * tileSize,
					}
					want, got := slices.Clone(before), slices.Clone(before)
					p.sums = &want[0]
					multiplyTilesGeneric(&p)
					p.sums = &got[0]
					v.tiles.multiply(&p)
					unused := g * (tokens + 1) * lanes * lanes // a group may be done twice
					clear(want[unused:][:p.sumsStride/4*(g%2)])
					clear(got[unused:][:p.sumsStride/4*(g%2)])
					same(t, want, got, "%s: %d tiles of tokens, %d groups, begin %d", v.name, n, g, begin)
				}
			}
		}
	}
}

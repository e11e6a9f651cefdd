package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStore compares with the plain Go, whose exponential may differ in the last place, and
// writes nothing beside its rows.
func TestStore(t *testing.T) {
	const tokens, groups, row = 5, 3, 4 * lanes
	sums := normals(rand.New(rand.NewPCG(11, 0)), 2*groups*(tokens+1)*lanes)
	plain := generic()
	for _, v := range variants() {
		want, got := make([]float32, tokens*row), make([]float32, tokens*row)
		plain.spread(&want[0], row, &sums[0], (tokens+1)*lanes, groups, tokens)
		v.spread(&got[0], row, &sums[0], (tokens+1)*lanes, groups, tokens)
		same(t, want, got, "%s", v.name)
		plain.swigluSums(&want[0], row, &sums[0], (tokens+1)*lanes, groups, tokens)
		v.swigluSums(&got[0], row, &sums[0], (tokens+1)*lanes, groups, tokens)
		for i := range want {
			require.InDelta(t, want[i], got[i], 1e-6*math.Abs(float64(want[i])), "%s: token %d, row %d", v.name, i/row, i%row)
		}
	}
}

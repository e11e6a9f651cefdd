package convert

import (
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSpaceUnknown: a file system without blocks, as /proc is, is not a full one.
func TestSpaceUnknown(t *testing.T) {
	f, err := os.Open("/proc/self/status")
	require.NoError(t, err)
	defer f.Close()
	require.EqualValues(t, math.MaxInt64, space(f))
}

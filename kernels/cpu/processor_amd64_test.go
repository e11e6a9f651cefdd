//go:build !purego

package cpu

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The processor says who made it as the system does.
func TestMadeByAMD(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip(err)
	}
	require.Equal(t, bytes.Contains(info, []byte("AuthenticAMD")), madeByAMD())
}

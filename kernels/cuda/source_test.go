package cuda

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSources: what differs between a device and the emulator stands in gpu.h and
// hopper.h alone, so that all else is the same text on both: no assembly, no
// names of the compiler's own, no conditions, and no headers but those here.
func TestSources(t *testing.T) {
	foreign := regexp.MustCompile(`(?m)\basm\b|\b__\w+|^\s*#\s*(if|ifdef|ifndef|elif)\b|^\s*#\s*include\s*<|\b(threadIdx|blockIdx|blockDim|gridDim)\b`)
	included := regexp.MustCompile(`(?m)^\s*#\s*include\s*"(.*)"`)
	seen := 0
	for _, pattern := range []string{"*.cu", "*.h"} {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, path := range paths {
			if slices.Contains([]string{"gpu.h", "hopper.h"}, path) {
				continue
			}
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Empty(t, foreign.FindString(string(text)), "%s", path)
			headers := included.FindAllStringSubmatch(string(text), -1)
			for _, header := range headers {
				require.FileExists(t, header[1], "%s", path)
				require.NotContains(t, header[1], "/", "%s", path)
			}
			if strings.HasSuffix(path, ".cu") {
				require.Equal(t, "gpu.h", headers[0][1], "%s", path)
				seen++
			}
		}
	}
	require.Greater(t, seen, 10)
}

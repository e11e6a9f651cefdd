//go:build linux || darwin

package convert

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// space returns the bytes that are left where a file lies; very many where nobody knows: some
// file systems of a network, or of a user's program, say that they have no blocks at all.
func space(f *os.File) int64 {
	var s unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &s) != nil || s.Blocks == 0 || s.Bsize <= 0 || s.Bavail > math.MaxInt64/uint64(s.Bsize) {
		return math.MaxInt64
	}
	return int64(s.Bavail * uint64(s.Bsize))
}

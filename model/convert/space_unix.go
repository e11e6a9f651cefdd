//go:build linux || darwin

package convert

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// space returns the bytes that are left where a file lies; very many where nobody knows.
func space(f *os.File) int64 {
	var s unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &s) != nil || s.Bsize <= 0 || s.Bavail > math.MaxInt64/uint64(s.Bsize) {
		return math.MaxInt64
	}
	return int64(s.Bavail * uint64(s.Bsize))
}

//go:build unix

package server

import (
	"math"

	"golang.org/x/sys/unix"
)

// mostFiles returns how many files, and so connections, this process may have open.
func mostFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}

//go:build !unix

package server

import "math"

// mostFiles returns how many files, and so connections, this process may have open.
func mostFiles() int { return math.MaxInt32 }

//go:build !linux

package cudatest

import "testing"

// Set, Launches and Calls are of the emulated driver, which is for Linux.
func Set(t testing.TB, _, _ string)        { t.Skip("no emulated driver on this system") }
func Launches(t testing.TB) map[string]int { t.Skip("no emulated driver on this system"); return nil }
func Calls(t testing.TB) map[string]int    { t.Skip("no emulated driver on this system"); return nil }

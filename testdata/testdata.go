// Package testdata finds and reads the files of tests: those committed here, and
// the larger fixtures kept beside the repository in ../shared/fixtures.
package testdata

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// root is the folder of this file, wherever the calling test runs, or the one that
// TRONA_TESTDATA names, where a test was carried to another machine.
func root() string {
	if folder := os.Getenv("TRONA_TESTDATA"); folder != "" {
		return folder
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Path returns the path of a committed file or folder; it must exist.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{root()}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("testdata: %v", err)
	}
	return path
}

// Shared returns the path of a fixture under ../shared/fixtures, whose licence
// or size keeps it out of the repository. The test is skipped, by name, where
// it is absent, and fails there when REQUIRE_SHARED=1 promised it.
func Shared(t testing.TB, elem ...string) string {
	t.Helper()
	if path := Find(elem...); path != "" {
		return path
	}
	if os.Getenv("REQUIRE_SHARED") == "1" {
		t.Fatalf("REQUIRE_SHARED=1, but %s is absent", filepath.Join(elem...))
	}
	t.Skipf("fixture absent: %s", filepath.Join(elem...))
	return ""
}

// Find is Shared for what makes a test stricter where it is there: "" where it
// is absent.
func Find(elem ...string) string {
	path := filepath.Join(append([]string{root(), "..", "..", "shared", "fixtures"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// Floats reads a file of float32 numbers, little endian.
func Floats(t testing.TB, path string) []float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("testdata: %v", err)
	}
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}

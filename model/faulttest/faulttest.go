// Package faulttest has what the tests of all formats ask of broken files.
package faulttest

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/fault"
)

// Allocated returns the bytes that f allocates, freed or not.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// atMost is Allocated without stopping all threads: small objects of before may be counted,
// for the runtime learns of them when it collects garbage.
func atMost(f func()) uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	before := s[0].Value.Uint64()
	f()
	metrics.Read(s)
	return s[0].Value.Uint64() - before
}

// Bound is what opening a file of that many bytes may allocate.
func Bound(size int) uint64 { return 4*uint64(size) + 1<<20 }

// RequireSound asks that use succeeds, or fails with an Error that says where,
// and that it costs no more memory than it may.
func RequireSound(t testing.TB, data []byte, what string, use func([]byte) error) {
	var err error
	allocated := atMost(func() { err = use(data) })
	if allocated > Bound(len(data)) {
		allocated = Allocated(func() { err = use(data) })
	}
	if err != nil {
		var e *fault.Error
		if !errors.As(err, &e) || e.File == "" || e.Field == "" || e.Message == "" || e.Offset < 0 || e.Offset > int64(len(data)) {
			t.Fatalf("%s: %#v", what, err)
		}
	}
	if allocated > Bound(len(data)) {
		t.Fatalf("%s: %d bytes allocated for a file of %d", what, allocated, len(data))
	}
}

// RequireError asks for an Error of that field at that offset (-1: any).
func RequireError(t *testing.T, err error, field string, offset int64) *fault.Error {
	t.Helper()
	var e *fault.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, field, e.Field, "%v", err)
	if offset >= 0 {
		require.Equal(t, offset, e.Offset, "%v", err)
	}
	require.Less(t, len(err.Error()), 500)
	return e
}

// Mutate changes a file a little: bits, bytes, cuts, repetitions, and what hurt
// does to a place with 8 bytes behind it.
func Mutate(rng *rand.Rand, data []byte, hurt func(data []byte, at int) []byte) []byte {
	data = slices.Clone(data)
	for range 1 + rng.IntN(3) {
		if len(data) < 16 {
			return data
		}
		at := rng.IntN(len(data) - 8)
		switch rng.IntN(7) {
		case 0:
			data[at] ^= 1 << rng.IntN(8)
		case 1:
			data[at] = byte(rng.Uint32())
		case 2, 3:
			data = hurt(data, at)
		case 4:
			data = slices.Delete(data, at, at+1+rng.IntN(8))
		case 5:
			from := rng.IntN(len(data) - 8)
			data = slices.Insert(data, at, data[from:from+1+rng.IntN(8)]...)
		case 6:
			data = data[:at]
		}
	}
	return data
}

package cudatest

import (
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"
)

// function returns one of what the emulated driver exports besides CUDA. It
// skips the test where the driver is not the emulated one.
func function(t testing.TB, name string) uintptr {
	t.Helper()
	lib, err := purego.Dlopen("libcuda.so.1", purego.RTLD_NOW)
	if err != nil {
		t.Skip(err)
	}
	f, err := purego.Dlsym(lib, name)
	if err != nil {
		t.Skip("the driver is not the emulated one")
	}
	return f
}

// Set changes a setting of the emulated driver (emulator/README.md), for all
// that comes.
func Set(t testing.TB, name, value string) {
	t.Helper()
	f := function(t, "trona_emu_set")
	n, v := append([]byte(name), 0), append([]byte(value), 0)
	r, _, _ := purego.SyscallN(f, uintptr(unsafe.Pointer(&n[0])), uintptr(unsafe.Pointer(&v[0])))
	require.Zero(t, int32(r), "%s=%s", name, value)
}

// Launches returns how often each kernel of the emulated driver was launched.
func Launches(t testing.TB) map[string]int { return counts(t, "trona_emu_kernels") }

// Calls returns how often each function of the emulated driver was called.
func Calls(t testing.TB) map[string]int { return counts(t, "trona_emu_calls") }

// counts reads lines of a name and, last, a number.
func counts(t testing.TB, f string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for line := range strings.Lines(text(function(t, f))) {
		fields := strings.Fields(line)
		n, err := strconv.Atoi(fields[len(fields)-1])
		require.NoError(t, err, line)
		all[fields[0]] = n
	}
	return all
}

// text calls a function that fills a buffer and returns its length.
func text(f uintptr) string {
	b := make([]byte, 1<<20)
	n, _, _ := purego.SyscallN(f, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return string(b[:min(int(n), len(b))])
}

package cudatest

import (
	"fmt"
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

// Report returns what the emulated driver said of the last error.
func Report(t testing.TB) string { return text(function(t, "trona_emu_report")) }

// Launches returns how often each kernel of the emulated driver was launched.
func Launches(t testing.TB) map[string]int {
	t.Helper()
	launches := map[string]int{}
	for line := range strings.Lines(text(function(t, "trona_emu_kernels"))) {
		var name string
		var bytes, n int
		_, err := fmt.Sscan(line, &name, &bytes, &n)
		require.NoError(t, err, line)
		launches[name] = n
	}
	return launches
}

// text calls a function that fills a buffer and returns its length.
func text(f uintptr) string {
	b := make([]byte, 1<<20)
	n, _, _ := purego.SyscallN(f, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return string(b[:min(int(n), len(b))])
}

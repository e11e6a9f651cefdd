// Package test has the tests of the emulator of AMX, which is C++ and may not stand in
// one folder with Go.
package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// compile makes a program of C++.
func compile(t *testing.T, pattern string) string {
	t.Helper()
	sources, err := filepath.Glob(pattern)
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "program")
	args := append([]string{"-std=c++17", "-O2", "-mfma", "-pthread", "-Wall", "-Wextra", "-o", program}, sources...)
	out, err := exec.Command("g++", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// TestEmulator: a program gets the right results, one with a mistake ends with a report
// that names it, and what is no instruction of AMX is left to the program.
func TestEmulator(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the emulator is for linux/amd64")
	}
	if _, err := exec.LookPath("g++"); err != nil {
		require.Empty(t, os.Getenv("REQUIRE_EMULATOR"), "g++ was promised: %v", err)
		t.Skipf("the emulator needs g++: %v", err)
	}
	emulator, planted := compile(t, "../*.cpp"), compile(t, "testdata/planted.cpp")
	here := exec.Command(emulator, "true")
	out, _ := here.CombinedOutput()
	const unavailable = 69 // EX_UNAVAILABLE
	if here.ProcessState.ExitCode() == unavailable {
		t.Skipf("no emulator here: %s", out)
	}
	require.Zero(t, here.ProcessState.ExitCode(), "%s", out)
	for what, report := range map[string]string{
		"right":        "instructions of tiles were emulated",
		"unasked":      "LDTILECFG at 0x",
		"unconfigured": "TILELOADD at 0x",
		"released":     "no tile is configured",
		"twice":        "TILERELEASE is missing",
		"palette":      "palette 2, not 1",
		"reserved":     "reserved byte 7 of the configuration is not 0",
		"ninth":        "reserved byte 32",
		"rows":         "there is no tile 2 of 17 rows of 64 bytes",
		"bytes":        "there is no tile 2 of 16 rows of 65 bytes",
		"absent":       "tile 7 is not configured",
		"odd":          "tile 1 of 16 rows of 62 bytes: not a multiple of 4",
		"shapes":       "shapes do not fit: tile 0 of 16 rows",
		"depth":        "shapes do not fit: tile 0 of 16 rows",
		"itself":       "TDPBF16PS at 0x",
		"memory":       "no readable memory at 0x1000",
		"constant":     "TILESTORED at 0x",
		"other":        "0 instructions of tiles were emulated",
	} {
		t.Run(what, func(t *testing.T) {
			run := exec.Command(emulator, planted, what)
			out, _ := run.CombinedOutput()
			require.Contains(t, string(out), report)
			status := map[string]int{"right": 0, "other": 128 + int(syscall.SIGILL)}
			if want, ok := status[what]; ok {
				require.Equal(t, want, run.ProcessState.ExitCode(), "%s", out)
				return
			}
			require.Regexp(t, "^amx: [A-Z0-9]+ at 0x[0-9a-f]+: ", string(out))
			require.Equal(t, 128+int(syscall.SIGKILL), run.ProcessState.ExitCode())
		})
	}
}

// Package cudatest lets tests run CUDA code without a GPU: it builds the
// emulated driver and starts the test program again so that it finds it.
package cudatest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The variables that decide what tests run on.
const (
	// Emulated is set in a program that runs with the emulated driver.
	Emulated = "TRONA_EMULATED"
	// Real is set by whoever wants the machine's own driver.
	Real = "TRONA_REAL_GPU"
	// Require is REQUIRE_EMULATOR: a machine without g++ fails instead of skipping.
	Require = "REQUIRE_EMULATOR"
)

// Main is for TestMain. It runs the tests on the emulated driver, or, where
// that cannot be built, without a device, so that those that need one skip.
func Main(m *testing.M) int {
	if os.Getenv(Emulated) == "1" || os.Getenv(Real) == "1" {
		return m.Run()
	}
	folder, err := Build()
	if err != nil {
		if os.Getenv(Require) == "1" {
			fmt.Fprintf(os.Stderr, "the emulated driver was promised: %v\n", err)
			return 1
		}
		fmt.Printf("tests that need a device skip: %v\n", err)
		return m.Run()
	}
	again := exec.Command(os.Args[0], os.Args[1:]...)
	again.Env = append(os.Environ(), Environment(folder)...)
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	if err := again.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() > 0 {
			return exit.ExitCode()
		}
		fmt.Fprintf(os.Stderr, "the tests ended badly: %v\n", err)
		return 1
	}
	return 0
}

// Environment returns what a program needs to find the driver in a folder.
func Environment(folder string) []string {
	path := folder
	if old := os.Getenv("LD_LIBRARY_PATH"); old != "" {
		path += ":" + old
	}
	return []string{"LD_LIBRARY_PATH=" + path, Emulated + "=1"}
}

// Build builds the emulated driver and returns its folder.
func Build() (folder string, err error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("the emulated driver is for linux/amd64, this is %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	if _, err := exec.LookPath("g++"); err != nil {
		return "", fmt.Errorf("the emulated driver needs g++: %w", err)
	}
	root, err := root()
	if err != nil {
		return "", err
	}
	if err := readSources(filepath.Join(root, "kernels/cuda")); err != nil {
		return "", err
	}
	folder = filepath.Join(root, "build/emulator")
	build := exec.Command("bash", filepath.Join(root, "kernels/cuda/emulator/build.sh"), folder)
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the emulated driver: %w\n%s", err, text)
	}
	return folder, nil
}

// root returns the repository's folder, of which a test's is a part.
func root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod above the test's folder")
		}
		folder = parent
	}
}

// readSources opens what the driver is made from, so that go test knows its
// results by it and repeats them when it changes.
func readSources(folder string) error {
	for _, pattern := range []string{"*.cu", "*.h", "emulator/*"} {
		paths, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, f)
			if err := errors.Join(err, f.Close()); err != nil && !strings.Contains(err.Error(), "is a directory") {
				return err
			}
		}
	}
	return nil
}

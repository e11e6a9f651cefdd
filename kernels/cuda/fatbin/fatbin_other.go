//go:build (!linux || nocuda) && !gorgonia

// Package fatbin holds compiled CUDA kernels where CUDA can run. It cannot here.
package fatbin

import "errors"

// Embedded reports whether this program has the compiled kernels.
const Embedded = false

// Image fails.
func Image(string, []string) ([]byte, error) {
	return nil, errors.New("this program was built without compiled kernels")
}

// Manifest is empty.
func Manifest() string { return "" }

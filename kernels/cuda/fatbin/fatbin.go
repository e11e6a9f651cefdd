//go:build (linux && !nocuda) || gorgonia

// Package fatbin holds the compiled CUDA kernels that cmd/kernelc wrote: for
// each .cu file and architecture one image, compressed, and MANIFEST, which
// says what they were made from.
package fatbin

import (
	"embed"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Embedded reports whether this program has the compiled kernels.
const Embedded = true

//go:embed MANIFEST *.zst
var files embed.FS

// Image returns the code of a .cu file ("rmsnorm") for the first of some
// architectures that there is code for ("sm_90a": machine code; "compute_80":
// PTX text).
func Image(file string, architectures []string) ([]byte, error) {
	for _, a := range architectures {
		name := file + "." + a + ".zst"
		data, err := files.ReadFile(name)
		if err != nil {
			continue
		}
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		code, err := d.DecodeAll(data, nil)
		if err != nil {
			return nil, fmt.Errorf("compiled kernels: %s: %w", name, err)
		}
		return code, nil
	}
	return nil, fmt.Errorf("compiled kernels: no code of %s for %v", file, architectures)
}

// Manifest returns the text of MANIFEST.
func Manifest() string {
	text, err := files.ReadFile("MANIFEST")
	if err != nil {
		panic(err) // embedded
	}
	return string(text)
}

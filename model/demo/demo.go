// Package demo is the very small model that trona serves where it is given
// none. It was trained for that on synthetic text (testdata/README.md).
package demo

import (
	_ "embed"
	"fmt"

	"trona/model"
	"trona/model/gguf"
)

//go:embed demo.gguf
var file []byte

// Name is what messages and the API call the model.
const Name = "demo"

// Open opens the embedded model.
func Open() (*model.Checkpoint, error) {
	f, err := gguf.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("the embedded model: %w", err)
	}
	return model.OpenGGUF(f, Name)
}

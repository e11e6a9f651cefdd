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

// Open opens the embedded model. It is greedy where a request does not say
// otherwise.
func Open() (*model.Checkpoint, error) {
	f, err := gguf.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("the embedded model: %w", err)
	}
	c, err := model.OpenGGUF(f, Name)
	if err == nil && c.Config.Sampling.Temperature == nil {
		c.Config.Sampling.Temperature = new(float64) // it learned to be exact
	}
	return c, err
}

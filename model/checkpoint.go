package model

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// Checkpoint is an opened checkpoint: its configuration, and where each weight
// stands. Opening reads headers only.
type Checkpoint struct {
	Path   string
	Config Config
	// Unread are configuration keys that this program does not know. What it
	// knows and does not support is refused instead.
	Unread []string

	source  source
	names   *names
	tensors []TensorInfo
	stored  map[string]*stored // by name of tensor
	// divisors are the tensors of a GGUF file that further divide the rotary
	// frequencies, in the order of the fields of Rotary. They are read when a model
	// loads: opening reads no data.
	divisors []int
	close    func() error
}

// find looks up every weight that the configuration asks for. It goes layer by
// layer, so that a configuration of more layers than there are tensors for ends
// at the first that is missing.
func (c *Checkpoint) find(f *finder, find func(*part) (*stored, error)) error {
	c.stored = map[string]*stored{}
	all := func(parts []part) error {
		for i := range parts {
			s, err := find(&parts[i])
			if err != nil {
				return err
			}
			c.stored[parts[i].tensor()] = s
		}
		return nil
	}
	outer := c.Config
	outer.Layers = nil
	if err := all(new(weights).parts(&outer, c.names)); err != nil {
		return err
	}
	var parts []part
	for i := range c.Config.Layers {
		parts = new(layerWeights).parts(parts[:0], &c.Config, c.names, i)
		if err := all(parts); err != nil {
			return err
		}
	}
	return f.rest()
}

// Tensors lists what the checkpoint holds, in its order.
func (c *Checkpoint) Tensors() []TensorInfo { return c.tensors }

// Parameters counts the weights of the model; scales do not count, nor does a
// tied output matrix.
func (c *Checkpoint) Parameters() int64 {
	var n int64
	for _, s := range c.stored {
		n += s.matrix.Rows * s.matrix.Cols
	}
	return n
}

// readDivisors completes r with what the checkpoint stores as data.
func (c *Checkpoint) readDivisors(r *Rotary) error {
	for n, tensor := range c.divisors {
		data, err := c.source.data(tensor)
		if err != nil {
			return err
		}
		list, err := floats("F32", data)
		if err != nil {
			return err
		}
		for i, v := range list {
			if !(v > 0) || math.IsInf(float64(v), 0) {
				return &ConfigError{File: c.Path, Field: c.tensors[tensor].Name, Message: fmt.Sprintf("divisor %d is %v", i, v)}
			}
		}
		*[]*[]float32{&r.Divisors, &r.Long}[n] = list
	}
	return nil
}

// Digest returns SHA-256, in hexadecimal, over the configuration, names, types
// and shapes of all tensors, and a sample of the data: the first and the
// middle 64 bytes of up to 256 tensors spread evenly over the list. Two
// trainings of one model differ in it; it is not a checksum of the file.
func (c *Checkpoint) Digest() string {
	h := sha256.New()
	config, err := json.Marshal(c.Config)
	if err != nil {
		panic(fmt.Sprintf("model: marshal configuration: %v", err)) // plain numbers and strings
	}
	h.Write(config)
	step := (len(c.tensors) + 255) / 256
	for i, t := range c.tensors {
		fmt.Fprintf(h, "%q %s %v\n", t.Name, t.Type, t.Shape)
		if i%step != 0 && !slices.Contains(c.divisors, i) {
			continue
		}
		for _, from := range []int64{0, t.Bytes / 2} {
			some := make([]byte, min(64, t.Bytes-from))
			if err := c.source.readAt(i, some, from); err != nil {
				io.WriteString(h, "absent\n")
				break
			}
			h.Write(some)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Close unmaps the files. A loaded model does not need them.
func (c *Checkpoint) Close() error { return c.close() }

package model

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"trona/kernels"
)

// Part is one weight of a checkpoint, under its name in GGUF files. Parts of the same name,
// one after another, are one tensor there.
type Part struct {
	Name       string // "blk.0.attn_q.weight"
	Layer      int    // -1: of no layer
	Rows, Cols int64  // out-features and in-features; of a vector 1 and its length
	Vector     bool
	// Heads is the number of heads whose rows, or numbers of a bias, a GGUF file has in
	// another order: row 2i of a head is row i here, and 2i+1 is i+dim/2. 0: the same order.
	Heads int

	stored *stored
}

// Parts lists the weights in the order of the forward pass, as a GGUF file has
// them. It fails where GGUF has no place for one.
func (c *Checkpoint) Parts() ([]Part, error) {
	names := cmp.Or(c.architecture().fileNames, &ggufNames)
	here, there := new(weights).parts(&c.Config, c.names), new(weights).parts(&c.Config, names)
	parts := make([]Part, len(here))
	for i, p := range there {
		q := &parts[i]
		*q = Part{Name: p.tensor(), Layer: -1, Rows: p.rows, Cols: p.cols, Vector: p.vector != nil, stored: c.stored[here[i].tensor()]}
		rest, ok := strings.CutPrefix(p.name, ggufNames.layer)
		if !ok {
			continue
		}
		number, part, _ := strings.Cut(rest, ".")
		if _, err := fmt.Sscan(number, &q.Layer); err != nil {
			panic(fmt.Sprintf("model: name of a part: %q", p.name))
		}
		switch a := c.Config.Layers[q.Layer].Attention; {
		case part == names.gate && names.gateUp == names.up:
			p.name = names.layer + number + "." + names.up
			q.Name = p.tensor()
		case part == ggufNames.linearFFN:
			return nil, &ConfigError{File: c.Path, Field: here[i].name, Message: "GGUF has no name for a linear map in place of an FFN"}
		case c.interleaves() && part == ggufNames.q:
			q.Heads = a.Heads
		case c.interleaves() && part == ggufNames.k:
			q.Heads = a.KVHeads
		}
	}
	return parts, nil
}

// ReadPart returns a part as the checkpoint stores it. Its data is valid while
// the checkpoint is open.
func (c *Checkpoint) ReadPart(p *Part) (*kernels.Matrix, error) { return c.read(p.stored) }

// Quantised reports whether the checkpoint stores a part in less than 16 bits.
func (p *Part) Quantised() bool {
	switch p.stored.matrix.Type {
	case kernels.F32, kernels.F16, kernels.BF16:
		return false
	}
	return true
}

// GGUFArchitecture is what a GGUF file of this checkpoint calls its
// architecture.
func (c *Checkpoint) GGUFArchitecture() string {
	if a := c.architecture(); a.gguf != "" {
		return a.gguf
	}
	return llama.gguf
}

// GGUFNorms reports whether files of that architecture have the norms of this checkpoint.
func (c *Checkpoint) GGUFNorms() bool {
	for _, a := range architectures() {
		if a.gguf == c.GGUFArchitecture() {
			return a.norms == c.Config.Norms
		}
	}
	return false
}

func (c *Checkpoint) architecture() *architecture {
	for _, a := range architectures() {
		if name := c.Config.Architecture; name == a.hf || name == a.gguf {
			return a
		}
	}
	panic(fmt.Sprintf("model: opened with architecture %q", c.Config.Architecture))
}

// interleaves reports whether rows of q and k must change their order in a
// GGUF file.
func (c *Checkpoint) interleaves() bool {
	a := c.architecture()
	return c.GGUF() == nil && !a.neox && !a.pairs
}

// Divisors is by what each frequency of the position encoding is divided where that
// depends on the frequency, F32 [Rotated/2], under its name in GGUF files.
type Divisors struct {
	Name   string
	Values []float32
}

// Divisors returns those that a GGUF file of this checkpoint stores: its own, or those of
// llama3 scaling.
func (c *Checkpoint) Divisors() ([]Divisors, error) {
	r := c.Config.Rotary
	err := c.readDivisors(&r)
	switch {
	case err != nil:
		return nil, err
	case r.Scaling == "longrope":
		return []Divisors{{longName, r.Long}, {shortName, r.Divisors}}, nil
	case r.Scaling == "llama3":
		return []Divisors{{freqsName, r.llama3Divisors()}}, nil
	case r.Divisors != nil:
		return []Divisors{{freqsName, r.Divisors}}, nil
	}
	return nil, nil
}

// llama3Divisors returns by what llama3 scaling divides each frequency.
func (r *Rotary) llama3Divisors() []float32 {
	divisors := make([]float32, r.rotated()/2)
	for i := range divisors {
		f := math.Pow(r.Theta, -2*float64(i)/float64(r.rotated()))
		divisors[i] = float32(f / r.llama3(f))
	}
	return divisors
}

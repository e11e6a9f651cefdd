package model

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"trona/kernels"
)

// Sizer tells what a weight takes on a device and how many rows of a step use it
// well; every Device is one.
type Sizer interface {
	Info() kernels.Info
	PackedBytes(m *kernels.Matrix) int64
	ScratchBytes(s *kernels.Steps) int64
}

// PlanOptions says how a model is going to be run.
type PlanOptions struct {
	MaxModelLen  int           // positions of a sequence; 0: all that the checkpoint declares
	MaxNumSeqs   int           // sequences at once; 0: 1
	KVType       kernels.DType // of the KV cache; 0: BF16
	Drafts       int           // tokens that a sequence guesses ahead in a step
	MaxRows      int           // rows of a step; 0: those that use the device well, or MaxNumSeqs and Drafts where they are more
	MaxLogits    int           // rows of a step with logits; 0: one for each sequence and draft, but not above MaxRows
	DeviceMemory int64         // bytes that may be used; 0: no limit
}

// Bounds of a plan: a position travels as an int32, and MaxSequences is the most of MaxNumSeqs.
const (
	maxPositions = 1<<31 - 1
	MaxSequences = 1 << 16
	maxDrafts    = 1 << 10
)

// Plan is what a model needs on its device, in bytes. Loaded with the same
// options it allocates exactly that, but for Scratch, which its steps take at most.
type Plan struct {
	Options PlanOptions // with the defaults filled in

	Weights         int64
	Workspace       int64
	Scratch         int64 // what the device computes with
	KVBytesPerToken int64
	Blocks          int64 // of the KV cache, for MaxNumSeqs sequences of MaxModelLen positions
	KV              int64
	Total           int64
	Fits            bool // Total is at most Options.DeviceMemory

	Table []PlanRow
}

// PlanRow is the total of a plan for one context length and number of
// sequences.
type PlanRow struct {
	Context, Concurrency          int
	Workspace, Scratch, KV, Total int64
	Fits                          bool
}

// MakePlan computes a plan from the headers of a checkpoint.
func MakePlan(ckpt *Checkpoint, dev Sizer, o PlanOptions) (*Plan, error) {
	c, pl := &ckpt.Config, planner{config: &ckpt.Config, dev: dev, given: o}
	o.defaults(c, dev.Info().StepRows)
	if o.MaxModelLen > maxPositions || o.MaxNumSeqs > MaxSequences || o.Drafts > maxDrafts {
		return nil, fmt.Errorf("plan: at most %d positions, %d sequences and %d drafts", maxPositions, MaxSequences, maxDrafts)
	}
	if o.MaxModelLen < 0 || o.MaxNumSeqs < 0 || o.Drafts < 0 || o.MaxRows < 0 || o.MaxLogits < 0 || o.DeviceMemory < 0 {
		return nil, errors.New("plan: options must not be negative")
	}
	if !o.KVType.Valid() || o.KVType.Block() != 1 {
		return nil, fmt.Errorf("plan: %v is no type of a KV cache", o.KVType)
	}
	pl.measure(ckpt, o.KVType)
	p := &Plan{Options: o, Weights: pl.weights, KVBytesPerToken: pl.perToken}
	p.Blocks = int64(o.MaxNumSeqs) * kvBlocks(o.MaxModelLen)
	row := pl.row(o.MaxModelLen, o.MaxNumSeqs)
	p.Workspace, p.Scratch, p.KV, p.Total, p.Fits = row.Workspace, row.Scratch, row.KV, row.Total, row.Fits
	for context := 4096; ; context *= 2 {
		context = min(context, o.MaxModelLen)
		for _, n := range []int{1, 4, 16, 64, 256} {
			p.Table = append(p.Table, pl.row(context, n))
		}
		if context == o.MaxModelLen {
			return p, nil
		}
	}
}

func (o *PlanOptions) defaults(c *Config, rows int) {
	if o.MaxModelLen == 0 {
		o.MaxModelLen = min(c.ContextLength, maxPositions)
	}
	if o.MaxNumSeqs == 0 {
		o.MaxNumSeqs = 1
	}
	if o.KVType == 0 {
		o.KVType = kernels.BF16
	}
	if o.MaxRows == 0 {
		o.MaxRows = max(rows, o.MaxNumSeqs+o.Drafts)
	}
	if o.MaxLogits == 0 {
		o.MaxLogits = min(o.MaxNumSeqs*(1+o.Drafts), o.MaxRows)
	}
}

// kvBlocks returns the blocks of a sequence of n positions.
func kvBlocks(n int) int64 { return (int64(n) + kernels.BlockSize - 1) / kernels.BlockSize }

// planner is what the rows of a plan have in common.
type planner struct {
	config            *Config
	dev               Sizer
	given             PlanOptions // without defaults
	steps             kernels.Steps
	weights, perToken int64
}

// measure looks at the weights: what Load allocates for them, and what steps with them are.
func (p *planner) measure(ckpt *Checkpoint, kv kernels.DType) {
	c, s := p.config, &p.steps
	parts := new(weights).parts(c, ckpt.names)
	_, p.weights = layVectors(c, parts, 0)
	for i := range parts {
		if parts[i].weight == nil {
			continue
		}
		m := ckpt.stored[parts[i].tensor()].header()
		parts[i].prepare(m)
		s.Weights = append(s.Weights, m)
		p.weights += p.dev.PackedBytes(m)
	}
	for _, l := range c.Layers {
		if a := l.Attention; a != nil && !a.Linear {
			s.KVHeads, s.Share, s.Dim = max(s.KVHeads, int64(a.KVHeads)), max(s.Share, int64(a.Heads/a.KVHeads)), max(s.Dim, int64(a.HeadDim))
		}
	}
	s.Vocab, p.perToken = int64(c.VocabSize), KVBytesPerToken(c, kv)
}

// row is what the given options need with another context and concurrency.
func (p *planner) row(context, concurrency int) PlanRow {
	o := p.given
	o.MaxModelLen, o.MaxNumSeqs = context, concurrency
	o.defaults(p.config, p.dev.Info().StepRows)
	r := PlanRow{Context: context, Concurrency: concurrency}
	_, r.Workspace = newWorkspace(p.config, 0, o.MaxRows, o.MaxLogits)
	p.steps.Rows, p.steps.Decode = int64(o.MaxRows), int64(o.MaxLogits)
	r.Scratch = p.dev.ScratchBytes(&p.steps)
	r.KV = saturate(int64(concurrency)*kvBlocks(context)*kernels.BlockSize, p.perToken)
	fixed := p.weights + r.Workspace + r.Scratch
	r.Total = fixed + min(r.KV, math.MaxInt64-fixed)
	r.Fits = o.DeviceMemory == 0 || r.Total <= o.DeviceMemory
	return r
}

// saturate multiplies two sizes, up to the largest int64.
func saturate(a, b int64) int64 {
	if hi, lo := bits.Mul64(uint64(a), uint64(b)); hi == 0 && lo <= math.MaxInt64 {
		return int64(lo)
	}
	return math.MaxInt64
}

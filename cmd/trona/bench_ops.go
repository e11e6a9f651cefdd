package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"trona/kernels"
)

// timedDevice is a costDevice that notes how long each op takes, of a device whose ops have
// run when they return. It records nothing.
type timedDevice struct {
	*costDevice
	ops   []opTime // in the order of their first calls
	steps int
}

// opTime is what the calls of an op took and had to move: of products, those whose weights
// have as many bytes.
type opTime struct {
	op      kernels.Op
	weights int64
	calls   int
	took    time.Duration
	bytes   int64
}

// opRow is opTime a step.
type opRow struct {
	Op      string  `json:"op"`
	Weights int64   `json:"weights_bytes"` // of one call; 0: it is no product
	Calls   float64 `json:"calls"`
	MS      float64 `json:"ms"`
	Share   float64 `json:"share"`
	GBPerS  float64 `json:"gb_per_s"`
}

// opCall is an op under way: when it began, and what all before it moved.
type opCall struct {
	op      kernels.Op
	weights int64
	start   time.Time
	bytes   int64
}

func (d *timedDevice) begin(op kernels.Op, weights int64) opCall {
	return opCall{op, weights, time.Now(), d.total.Bytes}
}

func (d *timedDevice) end(c opCall) {
	took := time.Since(c.start)
	i := 0
	for i < len(d.ops) && (d.ops[i].op != c.op || d.ops[i].weights != c.weights) {
		i++
	}
	if i == len(d.ops) {
		d.ops = append(d.ops, opTime{op: c.op, weights: c.weights})
	}
	o := &d.ops[i]
	o.calls, o.took, o.bytes = o.calls+1, o.took+took, o.bytes+d.total.Bytes-c.bytes
}

// rows returns the ops of steps that took so long, then what went by between them.
func (d *timedDevice) rows(elapsed time.Duration) []opRow {
	row := func(name string, o *opTime) opRow {
		r := opRow{Op: name, Weights: o.weights, Calls: float64(o.calls) / float64(d.steps), Share: o.took.Seconds() / elapsed.Seconds()}
		r.MS = 1000 * o.took.Seconds() / float64(d.steps)
		if o.took > 0 {
			r.GBPerS = float64(o.bytes) / o.took.Seconds() / 1e9
		}
		return r
	}
	var rows []opRow
	rest := opTime{took: elapsed}
	for i := range d.ops {
		rows = append(rows, row(d.ops[i].op.String(), &d.ops[i]))
		rest.took -= d.ops[i].took
	}
	return append(rows, row("between", &rest))
}

// printOps prints the ops of a test.
func printOps(out io.Writer, r *benchRow) error {
	fmt.Fprintf(out, "\nops of a step of %s, batch %d:\n\n", r.name(), r.Batch)
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| op\t| weights\t| calls\t| ms\t| of time\t| GB/s\t| of bandwidth\t|\n")
	fmt.Fprint(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|\n")
	for _, o := range r.Ops {
		weights := ""
		if o.Weights > 0 {
			weights = human(o.Weights)
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %.3f\t| %.1f %%\t| %s\t| %s\t|\n",
			o.Op, weights, number("%g", o.Calls), o.MS, 100*o.Share, number("%.1f", o.GBPerS), percent(o.GBPerS/r.BandwidthCeiling))
	}
	return w.Flush()
}

// Sync ends a step.
func (d *timedDevice) Sync() error {
	d.steps++
	return d.costDevice.Sync()
}

func (d *timedDevice) Embed(out kernels.Tensor, table kernels.Weight, ids kernels.Tensor) {
	defer d.end(d.begin(kernels.OpEmbed, 0))
	d.costDevice.Embed(out, table, ids)
}

func (d *timedDevice) RMSNorm(out, x, weight kernels.Tensor, eps float32) {
	defer d.end(d.begin(kernels.OpRMSNorm, 0))
	d.costDevice.RMSNorm(out, x, weight, eps)
}

func (d *timedDevice) AddRMSNorm(out, x, delta, weight kernels.Tensor, eps float32) {
	defer d.end(d.begin(kernels.OpAddRMSNorm, 0))
	d.costDevice.AddRMSNorm(out, x, delta, weight, eps)
}

func (d *timedDevice) Add(x, delta kernels.Tensor) {
	defer d.end(d.begin(kernels.OpAdd, 0))
	d.costDevice.Add(x, delta)
}

func (d *timedDevice) MatMul(x kernels.Tensor, decode int64, products []kernels.Product) {
	weights := int64(0)
	for i := range products {
		weights += products[i].W.Bytes
	}
	defer d.end(d.begin(kernels.OpMatMul, weights))
	d.costDevice.MatMul(x, decode, products)
}

func (d *timedDevice) GatedMatMul(out, x kernels.Tensor, gate, up kernels.Weight, decode int64) {
	defer d.end(d.begin(kernels.OpGatedMatMul, gate.Bytes+up.Bytes))
	d.costDevice.GatedMatMul(out, x, gate, up, decode)
}

func (d *timedDevice) AddBias(sums []kernels.Biased) {
	defer d.end(d.begin(kernels.OpAddBias, 0))
	d.costDevice.AddBias(sums)
}

func (d *timedDevice) SwiGLU(gate, up kernels.Biased) {
	defer d.end(d.begin(kernels.OpSwiGLU, 0))
	d.costDevice.SwiGLU(gate, up)
}

func (d *timedDevice) RoPEAppendKV(cache kernels.KV, q, k, v, positions, slots kernels.Tensor, r kernels.Rotary) {
	defer d.end(d.begin(kernels.OpRoPEAppendKV, 0))
	d.costDevice.RoPEAppendKV(cache, q, k, v, positions, slots, r)
}

func (d *timedDevice) Attention(out, q kernels.Tensor, cache kernels.KV, window int64, plan *kernels.AttentionPlan) {
	defer d.end(d.begin(kernels.OpAttention, 0))
	d.costDevice.Attention(out, q, cache, window, plan)
}

func (d *timedDevice) Gather(out, x, rows kernels.Tensor) {
	defer d.end(d.begin(kernels.OpGather, 0))
	d.costDevice.Gather(out, x, rows)
}

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"trona/model"
)

// planCommand computes memory from the headers of a checkpoint.
type planCommand struct {
	Model string `arg:"" help:"Model to plan for." default:"demo" optional:""`
	cacheFlags
	deviceFlags
	TP           int  `name:"tp" help:"Devices that share the model; this version knows 1." default:"1" placeholder:"1"`
	DeviceMemory size `help:"Memory of the device, such as 16GiB; absent: that of this machine." placeholder:"SIZE"`
	JSON         bool `name:"json" help:"Print JSON."`
}

// planResult is the JSON of the command.
type planResult struct {
	Model             string    `json:"model"`
	SpeculativeModel  string    `json:"speculative_model,omitempty"`
	Device            string    `json:"device"`
	DeviceMemoryBytes int64     `json:"device_memory_bytes"`
	MaxModelLen       int       `json:"max_model_len"`
	MaxNumSeqs        int       `json:"max_num_seqs"`
	KVCacheDtype      string    `json:"kv_cache_dtype"`
	WeightsBytes      int64     `json:"weights_bytes"`
	WorkspaceBytes    int64     `json:"workspace_bytes"`
	KVBytesPerToken   int64     `json:"kv_bytes_per_token"`
	KVBytes           int64     `json:"kv_bytes"`
	TotalBytes        int64     `json:"total_bytes"`
	Fits              bool      `json:"fits"`
	Table             []planRow `json:"table"`
}

type planRow struct {
	Context     int   `json:"context"`
	Concurrency int   `json:"concurrency"`
	KVBytes     int64 `json:"kv_bytes"`
	TotalBytes  int64 `json:"total_bytes"`
	Fits        bool  `json:"fits"`
}

// Run prints the plan.
func (c *planCommand) Run(std stdio) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.TP != 1 {
		return fmt.Errorf("--tp %d: this version does not share a model between devices", c.TP)
	}
	ckpt, err := openCheckpoint(c.Model)
	if err != nil {
		return err
	}
	defer ckpt.Close()
	result, err := c.plan(ckpt)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std.out, result)
	}
	return result.print(std.out)
}

func (c *planCommand) plan(ckpt *model.Checkpoint) (*planResult, error) {
	draft, err := c.openDraft(ckpt)
	if err != nil {
		return nil, err
	}
	if draft != nil {
		defer draft.Close()
	}
	dev, err := c.open()
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	info := dev.Info()
	kv, err := c.kvType(info)
	if err != nil {
		return nil, err
	}
	memory := int64(c.DeviceMemory)
	if memory == 0 {
		memory = info.Memory
	}
	plans, err := c.plans(ckpt, draft, dev, kv, memory)
	if err != nil {
		return nil, err
	}
	p := plans.both
	result := &planResult{
		Model: ckpt.Path, Device: info.Name, DeviceMemoryBytes: memory,
		MaxModelLen: p.Options.MaxModelLen, MaxNumSeqs: p.Options.MaxNumSeqs, KVCacheDtype: kv.String(),
		WeightsBytes: p.Weights, WorkspaceBytes: p.Workspace, KVBytesPerToken: p.KVBytesPerToken, KVBytes: p.KV,
		TotalBytes: p.Total, Fits: p.Fits,
	}
	if draft != nil {
		result.SpeculativeModel = draft.Path
	}
	for _, row := range p.Table {
		result.Table = append(result.Table, planRow{row.Context, row.Concurrency, row.KV, row.Total, row.Fits})
	}
	return result, nil
}

func (r *planResult) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, n int64, note string) {
		fmt.Fprintf(w, "%s\t%s\t%s\t  %s\n", name, count(n), human(n), note)
	}
	name := r.Model
	if r.SpeculativeModel != "" {
		name += " and " + r.SpeculativeModel
	}
	fmt.Fprintf(out, "%s on %s: %s tokens, %d sequences, KV cache in %s\n\n",
		name, r.Device, count(int64(r.MaxModelLen)), r.MaxNumSeqs, r.KVCacheDtype)
	line("weights", r.WeightsBytes, "")
	line("workspace", r.WorkspaceBytes, "")
	line("KV cache", r.KVBytes, fmt.Sprintf("%s bytes per token", count(r.KVBytesPerToken)))
	fits := "fits"
	if !r.Fits {
		fits = "does not fit"
	}
	line("total", r.TotalBytes, fmt.Sprintf("%s into %s", fits, human(r.DeviceMemoryBytes)))
	if err := w.Flush(); err != nil {
		return err
	}
	return r.printTable(out)
}

// printTable prints totals by context (down) and concurrency (across).
func (r *planResult) printTable(out io.Writer) error {
	fmt.Fprint(out, "\ntotal by context (down) and sequences (across); * does not fit\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	context := 0
	for _, row := range r.Table {
		if context == 0 || row.Context == context {
			fmt.Fprintf(w, "\t%d", row.Concurrency)
			context = row.Context
		}
	}
	for i, row := range r.Table {
		if i == 0 || row.Context != context {
			fmt.Fprintf(w, "\t\n%s", count(int64(row.Context)))
			context = row.Context
		}
		mark := " "
		if !row.Fits {
			mark = "*"
		}
		fmt.Fprintf(w, "\t%s%s", human(row.TotalBytes), mark)
	}
	fmt.Fprint(w, "\t\n")
	return w.Flush()
}

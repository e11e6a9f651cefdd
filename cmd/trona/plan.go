package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"trona/kernels"
	"trona/kernels/cuda"
	"trona/model"
)

// planCommand computes memory from the headers of a checkpoint.
type planCommand struct {
	Model *string `arg:"" help:"Model to plan for." optional:""`
	modelFlags
	cacheFlags
	deviceFlags
	TP           int  `name:"tp" help:"Devices that share the model; this version knows 1." default:"1" placeholder:"1"`
	DeviceMemory size `help:"Memory of the device, such as 16GiB; absent: that of this machine. With --device cuda it need not be here." placeholder:"SIZE"`
	JSON         bool `name:"json" help:"Print JSON."`
}

// planResult is the JSON of the command.
type planResult struct {
	Model             string    `json:"model"`
	SpeculativeModel  string    `json:"speculative_model,omitempty"`
	Device            string    `json:"device"`
	DeviceMemoryBytes int64     `json:"device_memory_bytes"`
	MaxModelLen       int       `json:"max_model_len"`
	RotaryFactors     string    `json:"rotary_factors,omitempty"` // those of longrope that this length takes
	MaxNumSeqs        int       `json:"max_num_seqs"`
	KVCacheDtype      string    `json:"kv_cache_dtype"`
	WeightsBytes      int64     `json:"weights_bytes"`
	WorkspaceBytes    int64     `json:"workspace_bytes"`
	ScratchBytes      int64     `json:"scratch_bytes"`
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

// plansResult is the JSON of the command for several models.
type plansResult struct {
	Models            []*planResult `json:"models"`
	DeviceMemoryBytes int64         `json:"device_memory_bytes"`
	TotalBytes        int64         `json:"total_bytes"`
	Fits              bool          `json:"fits"`
}

func (r *plansResult) add(p *planResult) {
	r.Models = append(r.Models, p)
	r.DeviceMemoryBytes = p.DeviceMemoryBytes
	r.TotalBytes = addSizes(r.TotalBytes, p.TotalBytes)
	r.Fits = r.TotalBytes <= r.DeviceMemoryBytes
}

func (r *plansResult) print(out io.Writer) error {
	for i, p := range r.Models {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := p.print(out); err != nil {
			return err
		}
	}
	if len(r.Models) == 1 {
		return nil
	}
	_, err := fmt.Fprintf(out, "\nall %d models: %s bytes, %s, %s %s\n", len(r.Models), count(r.TotalBytes), human(r.TotalBytes), fitting(r.Fits), human(r.DeviceMemoryBytes))
	return err
}

// fitting says in words whether something fits.
func fitting(fits bool) string {
	if fits {
		return "fits into"
	}
	return "does not fit into"
}

// Run prints the plan.
func (c *planCommand) Run(std stdio) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.TP != 1 {
		return fmt.Errorf("--tp %d: this version does not share a model between devices", c.TP)
	}
	sources, err := c.sources(c.Model, nil)
	if err != nil {
		return err
	}
	var all plansResult
	guesses := false
	for _, s := range sources {
		result, err := c.plan(s.path, len(sources))
		if err != nil {
			return err
		}
		all.add(result)
		guesses = guesses || result.SpeculativeModel != ""
	}
	if c.SpeculativeModel != "" && !guesses {
		return c.unused()
	}
	switch {
	case c.JSON && len(sources) == 1:
		return writeJSON(std.out, all.Models[0])
	case c.JSON:
		return writeJSON(std.out, all)
	}
	return all.print(std.out)
}

// plan plans for one of so many models.
func (c *planCommand) plan(path string, models int) (*planResult, error) {
	ckpt, err := openCheckpoint(path)
	if err != nil {
		return nil, err
	}
	defer ckpt.Close()
	draft, err := c.openDraft(ckpt, models)
	if err != nil {
		return nil, err
	}
	if draft != nil {
		defer draft.Close()
	}
	dev, closeDevice, err := c.sizer()
	if err != nil {
		return nil, err
	}
	defer closeDevice()
	info := dev.Info()
	kv, err := c.kvType(info, ckpt, draft)
	if err != nil {
		return nil, err
	}
	memory := int64(c.DeviceMemory)
	if memory == 0 {
		memory = info.Memory
	}
	flags := c.fit(ckpt.Config.ContextLength, models, draft != nil)
	plans, err := flags.plans(ckpt, draft, dev, kv, memory)
	if err != nil {
		return nil, err
	}
	p := plans.both
	result := &planResult{
		Model: ckpt.Path, Device: info.Name, DeviceMemoryBytes: memory,
		MaxModelLen: p.Options.MaxModelLen, RotaryFactors: ckpt.Config.Rotary.Factors(p.Options.MaxModelLen),
		MaxNumSeqs: p.Options.MaxNumSeqs, KVCacheDtype: kv.String(),
		WeightsBytes: p.Weights, WorkspaceBytes: p.Workspace, ScratchBytes: p.Scratch, KVBytesPerToken: p.KVBytesPerToken, KVBytes: p.KV,
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

// sizer returns what tells sizes on the device, which need not be here where it is a GPU whose
// memory is given.
func (c *planCommand) sizer() (dev model.Sizer, closeDevice func(), err error) {
	if c.Device == "cuda" && c.DeviceMemory > 0 {
		return cuda.Sizes{}, func() {}, nil
	}
	opened, err := c.open()
	if errors.Is(err, kernels.ErrNoDevice) {
		err = fmt.Errorf("%w (with --device-memory SIZE, such as 80GB, it is planned for one that is not here)", err)
	}
	if err != nil {
		return nil, nil, err
	}
	return opened, func() { opened.Close() }, nil
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
	fmt.Fprintf(out, "%s on %s: %s tokens%s, %d sequences, KV cache in %s\n\n",
		name, r.Device, count(int64(r.MaxModelLen)), rotaryNote(r.RotaryFactors), r.MaxNumSeqs, r.KVCacheDtype)
	line("weights", r.WeightsBytes, "")
	line("workspace", r.WorkspaceBytes, "")
	if r.ScratchBytes > 0 {
		line("scratch", r.ScratchBytes, "of the processor's threads, at most")
	}
	line("KV cache", r.KVBytes, fmt.Sprintf("%s bytes per token", count(r.KVBytesPerToken)))
	line("total", r.TotalBytes, fitting(r.Fits)+" "+human(r.DeviceMemoryBytes))
	if err := w.Flush(); err != nil {
		return err
	}
	return r.printTable(out)
}

// rotaryNote says behind a context which factors of longrope it takes.
func rotaryNote(factors string) string {
	if factors == "" {
		return ""
	}
	return " (" + factors + " rotary factors)"
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

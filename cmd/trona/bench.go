package main

import "fmt"

// mostSequences bounds a test.
const mostSequences = 512

// benchCommand measures a model in the way of llama-bench: "pp" reads a prompt,
// "tg" generates one token a step after it. It does so directly, without
// sampling, or through the engine.
type benchCommand struct {
	Model       string `arg:"" help:"Model to measure." default:"demo" optional:""`
	NPrompt     []int  `name:"n-prompt" short:"p" help:"Prompt tokens to read; 0: no such test." default:"512" placeholder:"512"`
	NGen        []int  `name:"n-gen" short:"n" help:"Tokens to generate; 0: no such test." default:"128" placeholder:"128"`
	NDepth      []int  `name:"n-depth" short:"d" help:"Tokens that the KV cache holds before." default:"0" placeholder:"0"`
	Batch       []int  `short:"b" help:"Sequences at once." default:"1" placeholder:"1"`
	Repetitions int    `short:"r" help:"Measured runs of each test." default:"5" placeholder:"5"`
	Output      string `short:"o" help:"Form of the output: md or json." enum:"md,json" default:"md" placeholder:"md"`
	Engine      bool   `help:"Measure through the engine, as requests that draw their tokens."`
	Synchronous bool   `help:"With --engine: queue a step when the tokens of the one before it are there, on a GPU too."`
	Ops         bool   `help:"Print how long each op of a step takes, and what memory it reads meanwhile; only on the CPU."`
	Peer        string `help:"A llama-bench to measure in turns with the same model; prints ratios." placeholder:"PATH"`

	kvFlags
	deviceFlags
}

// benchRow is one test; most names are those of llama-bench. The model stands in
// every row.
type benchRow struct {
	Filename   string `json:"model_filename"`
	Bytes      int64  `json:"model_size"`
	Parameters int64  `json:"model_n_params"`
	Device     string `json:"device"`
	TypeK      string `json:"type_k"`
	TypeV      string `json:"type_v"`

	NPrompt  int       `json:"n_prompt"`
	NGen     int       `json:"n_gen"`
	NDepth   int       `json:"n_depth"`
	Batch    int       `json:"batch"`
	Engine   bool      `json:"engine"`
	NThreads int       `json:"n_threads"`
	AvgTS    float64   `json:"avg_ts"` // tokens a second, of all sequences together
	StddevTS float64   `json:"stddev_ts"`
	Samples  []float64 `json:"samples_ts"`

	GBPerS           float64 `json:"gb_per_s"` // what the operations must move at least, by time
	GFLOPPerS        float64 `json:"gflop_per_s"`
	ShareOfBandwidth float64 `json:"share_of_bandwidth"`
	ShareOfCompute   float64 `json:"share_of_compute"`
	BandwidthCeiling float64 `json:"bandwidth_ceiling_gb_per_s"`
	ComputeCeiling   float64 `json:"compute_ceiling_gflop_per_s"`
	Int8Ceiling      float64 `json:"int8_ceiling_gop_per_s"`   // 0: no products of 8 bits
	BF16Ceiling      float64 `json:"bf16_ceiling_gflop_per_s"` // 0: no products of BF16

	Ops []opRow `json:"ops,omitempty"`
}

// name returns the test's name in llama-bench.
func (r *benchRow) name() string {
	name := fmt.Sprintf("pp%d", r.NPrompt)
	if r.NGen > 0 {
		name = fmt.Sprintf("tg%d", r.NGen)
	}
	if r.NDepth > 0 {
		name += fmt.Sprintf(" @ d%d", r.NDepth)
	}
	return name
}

// tokens returns the tokens that one run of the test computes for a sequence.
func (r *benchRow) tokens() int { return r.NPrompt + r.NGen }

// tests lists the tests that the flags ask for.
func (c *benchCommand) tests() ([]benchRow, error) {
	if c.Synchronous && !c.Engine {
		return nil, usagef("--synchronous: only with --engine")
	}
	if c.Ops && (c.Engine || c.Peer != "") {
		return nil, usagef("--ops: not with --engine or --peer")
	}
	if c.Repetitions < 1 {
		return nil, usagef("-r %d: must be at least 1", c.Repetitions)
	}
	var tests []benchRow
	for _, depth := range c.NDepth {
		for _, batch := range c.Batch {
			if depth < 0 || batch < 1 || batch > mostSequences {
				return nil, usagef("-d %d -b %d: depth must not be negative, batch must be 1 to %d", depth, batch, mostSequences)
			}
			if c.Peer != "" && batch != 1 {
				return nil, usagef("--peer measures one sequence: -b must be 1")
			}
			for _, n := range c.NPrompt {
				tests = append(tests, benchRow{NPrompt: n, NDepth: depth, Batch: batch})
			}
			for _, n := range c.NGen {
				tests = append(tests, benchRow{NGen: n, NDepth: depth, Batch: batch})
			}
		}
	}
	kept := tests[:0]
	for _, t := range tests {
		if t.tokens() < 0 {
			return nil, usagef("-p and -n must not be negative")
		}
		if t.tokens() > 0 {
			kept = append(kept, t)
		}
	}
	if len(kept) == 0 {
		return nil, usagef("-p and -n leave nothing to measure")
	}
	return kept, nil
}

// Run measures all tests and prints a table.
func (c *benchCommand) Run(std stdio) error {
	tests, err := c.tests()
	if err != nil {
		return err
	}
	b, err := c.load(std, tests)
	if err != nil {
		return err
	}
	defer b.close()
	if c.Peer != "" {
		return c.comparePeer(std, b, tests)
	}
	if b.info.Device == "cpu" && !c.Engine { // of a GPU nothing is known
		b.gauge = newGauge(b.threads, bf16Peak(b.device), b.info.Bytes)
	}
	for i := range tests {
		b.describe(&tests[i])
		if err := b.measure(&tests[i], c.Repetitions); err != nil {
			return err
		}
	}
	if c.Output == "json" {
		return writeJSON(std.out, tests)
	}
	return printBench(std.out, tests)
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"text/tabwriter"
)

// comparePeer measures each test in turns with a llama-bench, so that both see
// the same state of the machine, and prints medians and their ratio.
func (c *benchCommand) comparePeer(std stdio, b *bench, tests []benchRow) error {
	type pair struct{ ours, theirs []float64 }
	pairs := make([]pair, len(tests))
	for i := range tests {
		b.describe(&tests[i])
	}
	for range c.Repetitions {
		for i, test := range tests {
			if err := b.measure(&test, 1); err != nil {
				return err
			}
			theirs, err := c.runPeer(std.err, &test)
			if err != nil {
				return err
			}
			pairs[i].ours, pairs[i].theirs = append(pairs[i].ours, test.AvgTS), append(pairs[i].theirs, theirs)
		}
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| test\t| trona tokens/s\t| peer tokens/s\t| ratio\t|\n|---\t|---\t|---\t|---\t|\n")
	for i, p := range pairs {
		ours, theirs := median(p.ours), median(p.theirs)
		fmt.Fprintf(w, "| %s\t| %.2f\t| %.2f\t| %.2f\t|\n", tests[i].name(), ours, theirs, ours/theirs)
	}
	return w.Flush()
}

// runPeer runs one test of llama-bench and returns its tokens a second.
func (c *benchCommand) runPeer(log io.Writer, test *benchRow) (float64, error) {
	command := exec.Command(c.Peer, "-m", c.Model, "-o", "json", "-r", "1", "-t", strconv.Itoa(test.NThreads),
		"-p", strconv.Itoa(test.NPrompt), "-n", strconv.Itoa(test.NGen), "-d", strconv.Itoa(test.NDepth))
	command.Stderr = log
	out, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.Peer, err)
	}
	var rows []struct {
		AvgTS float64 `json:"avg_ts"`
	}
	if err := json.Unmarshal(out, &rows); err != nil {
		return 0, fmt.Errorf("%s: its output: %w", c.Peer, err)
	}
	if len(rows) != 1 || rows[0].AvgTS <= 0 {
		return 0, fmt.Errorf("%s: its output has no avg_ts of the test", c.Peer)
	}
	return rows[0].AvgTS, nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

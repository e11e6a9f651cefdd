package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// printBench prints a row for each test, the ceilings, and the ops that were asked for.
func printBench(out io.Writer, tests []benchRow) error {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	first := tests[0]
	through := ""
	if first.Engine {
		through = "; through the engine"
	}
	fmt.Fprintf(out, "%s, %s parameters, %s; %s, %d threads, KV cache in %s%s\n\n",
		first.Filename, count(first.Parameters), human(first.Bytes), first.Device, first.NThreads, first.TypeK, through)
	fmt.Fprint(w, "| test\t| batch\t| tokens/s\t| GB/s\t| of bandwidth\t| GFLOP/s\t| of compute\t|\n")
	fmt.Fprint(w, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|\n")
	for _, t := range tests {
		fmt.Fprintf(w, "| %s\t| %d\t| %.2f ± %.2f\t| %s\t| %s\t| %s\t| %s\t|\n",
			t.name(), t.Batch, t.AvgTS, t.StddevTS, number("%.2f", t.GBPerS), percent(t.ShareOfBandwidth), number("%.1f", t.GFLOPPerS), percent(t.ShareOfCompute))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	err := printCeilings(out, tests)
	for i := range tests {
		if err == nil && tests[i].Ops != nil {
			err = printOps(out, &tests[i])
		}
	}
	return err
}

// printCeilings prints the least and the most that the tests measured.
func printCeilings(out io.Writer, tests []benchRow) error {
	if tests[0].BandwidthCeiling == 0 {
		return nil
	}
	fmt.Fprint(out, "\nceilings, measured in turns with the tests:")
	separator := " "
	for _, c := range []struct {
		unit string
		of   func(r *benchRow) float64
	}{
		{"GB/s", func(r *benchRow) float64 { return r.BandwidthCeiling }},
		{"GFLOP/s", func(r *benchRow) float64 { return r.ComputeCeiling }},
		{"GOP/s in 8 bits", func(r *benchRow) float64 { return r.Int8Ceiling }},
		{"GFLOP/s in BF16", func(r *benchRow) float64 { return r.BF16Ceiling }},
	} {
		least, most := c.of(&tests[0]), c.of(&tests[0])
		for i := range tests {
			least, most = min(least, c.of(&tests[i])), max(most, c.of(&tests[i]))
		}
		if most > 0 {
			fmt.Fprintf(out, "%s%.0f to %.0f %s", separator, least, most, c.unit)
			separator = ", "
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// percent writes a share.
func percent(share float64) string { return number("%.0f %%", 100*share) }

// number writes a number; 0 is one that nobody knows.
func number(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

package main

import (
	"errors"
	"fmt"
	"runtime"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/kernels/cuda"
)

const maxThreads = 1024

// deviceFlags choose the device; several commands have them.
type deviceFlags struct {
	Device  string `help:"Device to run on: auto, cpu or cuda." enum:"auto,cpu,cuda" default:"auto" placeholder:"auto"`
	Threads int    `help:"Threads of the CPU; 0: as many as this process may use." short:"t" placeholder:"N"`
}

// threads returns the number of threads that the CPU gets.
func (f *deviceFlags) threads() int {
	if f.Threads == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return f.Threads
}

// open opens the device: with auto the first GPU, and the CPU where there is
// none. A GPU that cannot be used is an error, not a reason to be slow.
func (f *deviceFlags) open() (kernels.Device, error) {
	if f.Threads < 0 || f.Threads > maxThreads {
		return nil, usagef("--threads %d: must be 0 to %d", f.Threads, maxThreads)
	}
	if f.Device != "cpu" {
		dev, err := cuda.Open(cuda.Options{})
		switch {
		case err == nil:
			return dev, nil
		case f.Device == "cuda":
			return nil, fmt.Errorf("--device cuda: %w", err)
		case !errors.Is(err, kernels.ErrNoDevice):
			return nil, fmt.Errorf("%w (--device cpu does without)", err)
		}
	}
	return cpu.Open(cpu.Options{Threads: f.Threads})
}

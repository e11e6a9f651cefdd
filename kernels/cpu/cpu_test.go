package cpu

import (
	"testing"

	"trona/kernels"
	"trona/kernels/kerneltest"
)

func opener(o Options) func() (kernels.Device, error) {
	return func() (kernels.Device, error) { return Open(o) }
}

// TestConformance runs the suite on every instruction set of this machine.
func TestConformance(t *testing.T) {
	for _, v := range Variants() {
		t.Run(v, func(t *testing.T) {
			kerneltest.Suite{
				Open: opener(Options{Threads: 2, Variant: v}),
				Peers: []func() (kernels.Device, error){
					opener(Options{Threads: 1, Variant: v}),
					opener(Options{Threads: 5, Variant: v}),
				},
			}.Run(t)
		})
	}
}

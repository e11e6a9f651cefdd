package cpu

import (
	"fmt"
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

// BenchmarkOps measures every instruction set with one thread and with all.
func BenchmarkOps(b *testing.B) {
	for _, v := range Variants() {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", v, threads), func(b *testing.B) {
				kerneltest.Bench(b, opener(Options{Threads: threads, Variant: v}))
			})
		}
	}
}

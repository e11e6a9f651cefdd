package cuda

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/cuda/driver"
	"trona/kernels/kerneltest"
)

// onGPU skips a benchmark on the emulated device, whose times mean nothing.
func onGPU(b *testing.B) {
	if os.Getenv(cudatest.Real) != "1" {
		b.Skipf("set %s=1 on a machine with a GPU", cudatest.Real)
	}
}

// BenchmarkOps measures each op: GB/s and GFLOP/s from the costs in package kernels.
func BenchmarkOps(b *testing.B) {
	onGPU(b)
	kerneltest.Bench(b, func() (kernels.Device, error) { return Open(Options{}) })
}

// BenchmarkLarge measures the products and the attention of an 8B Llama.
func BenchmarkLarge(b *testing.B) {
	onGPU(b)
	kerneltest.BenchLarge(b, func() (kernels.Device, error) { return Open(Options{}) })
}

// BenchmarkCopy measures what memory can do at best: a copy on the device, its
// bytes counted twice.
func BenchmarkCopy(b *testing.B) {
	onGPU(b)
	const bytes = 1 << 30
	dev := kerneltest.Open(b, "emulator", func() (kernels.Device, error) { return Open(Options{}) }).(*Device)
	from, err := dev.Alloc(bytes)
	require.NoError(b, err)
	to, err := dev.Alloc(bytes)
	require.NoError(b, err)
	copies := func(n int) {
		require.NoError(b, dev.thread.call(func(t *thread) error {
			for range n {
				t.fail(t.CopyOn(driver.Memory(to), driver.Memory(from), bytes, t.main))
			}
			t.fail(t.Wait(t.main))
			return t.failed
		}))
	}
	const many = 20
	copies(many)
	for b.Loop() {
		copies(many)
	}
	b.ReportMetric(2*bytes*many*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
}

// BenchmarkLaunch measures the host's part of a small op: check, queue, launch.
func BenchmarkLaunch(b *testing.B) {
	dev := kerneltest.Open(b, "emulator", func() (kernels.Device, error) { return Open(Options{}) })
	at, err := dev.Alloc(64)
	require.NoError(b, err)
	x := kernels.View(at, kernels.F32, 1, 8)
	b.ReportAllocs()
	for b.Loop() {
		dev.Add(x, x)
	}
	require.NoError(b, dev.Sync())
}

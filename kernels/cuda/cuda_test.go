package cuda

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/kerneltest"
)

func TestMain(m *testing.M) { os.Exit(cudatest.Main(m)) }

// fewProcessors are so few that products of small matrices have tiles of every size.
const fewProcessors = 3

// opener opens a device of the usual kernels with little memory and few
// processors, so that ops work in pieces.
func opener() (kernels.Device, error) {
	dev, err := Open(Options{Workspace: 4 << 20, Staging: 256 << 10, Usual: true})
	if err == nil {
		dev.(*Device).info.Processors = fewProcessors
	}
	return dev, err
}

func suite(open func() (kernels.Device, error)) kerneltest.Suite {
	return kerneltest.Suite{Name: "emulator", Open: open, Rounding: 0x1p-10, AttentionRounding: 0x1p-7, AttentionLost: 0x1p-25}
}

// TestConformance runs the suite of all devices, and demands that it reached
// every kernel.
func TestConformance(t *testing.T) {
	check := reached(t, newKernelSet().all())
	s := suite(opener)
	s.Brief = testing.Short()
	s.Run(t)
	check(t, "for every device")
}

// reached returns a check that each kernel of a list has run since on the emulated
// device, which says how many there are and how many did.
func reached(t *testing.T, list []*kernel) (check func(t *testing.T, what string)) {
	if os.Getenv(cudatest.Emulated) != "1" || strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return func(*testing.T, string) {} // nobody counts, or a part was asked for
	}
	before := cudatest.Launches(t)
	return func(t *testing.T, what string) {
		executed, now := 0, cudatest.Launches(t)
		for _, k := range list {
			if now[k.name] > before[k.name] {
				executed++
			} else {
				t.Errorf("kernel %s was never executed", k.name)
			}
		}
		t.Logf("%d kernels %s, %d executed", len(list), what, executed)
	}
}

// TestSchedules runs every op with every type and shape under other schedules of
// the emulated device: other orders of threads and blocks, copies early and
// late, memory at either end of its pages.
func TestSchedules(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	for seed := 1; seed <= 4; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			check := reached(t, newKernelSet().all())
			cudatest.Set(t, "TRONA_EMU_SEED", fmt.Sprint(seed))
			defer cudatest.Set(t, "TRONA_EMU_SEED", "0")
			s := suite(opener)
			s.Brief, s.Lazy = true, true // TestConformance counts what ops allocate
			s.Run(t)
			check(t, "for every device")
		})
	}
}

// TestWorkspace: a device with much memory gives the same bits as one that
// works in pieces.
func TestWorkspace(t *testing.T) {
	m := randomMatrix(newRand(), kernels.Q4_K, 300, 1024)
	x := make([]float32, 70*m.Cols)
	rng := newRand()
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	var want []float32
	for i, o := range []Options{{}, {Workspace: leastWorkspace, Staging: leastStaging}} {
		dev := kerneltest.Open(t, "emulator", func() (kernels.Device, error) { return Open(o) })
		got := product(t, dev, m, x, 5)
		if i == 0 {
			want = got
		}
		require.Equal(t, want, got)
	}
}

// product multiplies rows x with m on a device.
func product(t *testing.T, dev kernels.Device, m *kernels.Matrix, x []float32, decode int64) []float32 {
	n := int64(len(x)) / m.Cols
	w, err := dev.Pack(m)
	require.NoError(t, err)
	at, err := dev.Alloc(4 * n * (m.Cols + m.Rows))
	require.NoError(t, err)
	in := kernels.View(at, kernels.F32, n, m.Cols)
	out := kernels.View(at+uintptr(in.Bytes()), kernels.F32, n, m.Rows)
	dev.Upload(in, bytesOf(x))
	dev.MatMul(in, decode, []kernels.Product{{Out: out, W: w}})
	got := make([]float32, n*m.Rows)
	dev.Download(bytesOf(got), out)
	require.NoError(t, dev.Sync())
	return got
}

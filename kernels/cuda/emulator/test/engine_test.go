package test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// seeds are the schedules that continuous integration runs.
const seeds = 5

// Results of the driver that a kernel's bug gives.
const (
	illegalAddress = 700
	launchTimeout  = 702
	misaligned     = 716
	launchFailed   = 719
)

// work is one launch: a kernel, its input and what it must give.
type work struct {
	kernel string
	n      int32
	shared int
	want   []float32
}

// run runs a kernel under a seed. It returns the CUresult, and whether the
// output is right.
func (w work) run(t *testing.T, seed int) (result int, right bool, report string) {
	l := load(t)
	l.set("SEED", fmt.Sprint(seed))
	l.set("TIMEOUT", "0.3")
	d := l.open(0)
	in, out := d.floats(ramp(max(threads, len(w.want)))), d.alloc(max(threads, len(w.want)))
	d.start(w.kernel, 1, w.shared, args{out: out, in: in, n: w.n, flags: [2]uintptr{d.words(1)}})
	if result = d.wait(); result != 0 {
		return result, false, l.report()
	}
	return 0, slices.Equal(w.want, d.read(out, len(w.want))), ""
}

func reversed(x []float32) []float32 {
	x = slices.Clone(x)
	slices.Reverse(x)
	return x
}

// rotated is a ramp of threads numbers, moved by n.
func rotated(n int) []float32 {
	x := ramp(threads)
	return append(x[n:], x[:n]...)
}

// pieces are a ramp of n times threads numbers, each of the n reversed.
func pieces(n int) []float32 {
	x := ramp(n * threads)
	for i := range n {
		slices.Reverse(x[i*threads:][:threads])
	}
	return x
}

// TestRightKernels: what has no bug gives the right answer under every schedule.
func TestRightKernels(t *testing.T) {
	for _, w := range []work{
		{"right_barrier", 0, 512, reversed(ramp(threads))},
		{"right_second_barrier", 5, 512, rotated(5)},
		{"right_named_barrier", 0, 512, ramp(threads)},
		{"right_copies", 6, 1024, pieces(6)},
		{"right_copy", 0, 0, ramp(threads)},
	} {
		for seed := range 4 * seeds {
			t.Run(fmt.Sprintf("%s/seed %d", w.kernel, seed), func(t *testing.T) {
				result, right, report := w.run(t, seed)
				require.Zero(t, result, report)
				require.True(t, right)
			})
		}
	}
}

// TestRaces: each bug of order shows, as a wrong answer or an error, under at
// least one of the schedules that continuous integration runs.
func TestRaces(t *testing.T) {
	for _, w := range []work{
		{"missing_barrier", 0, 512, reversed(ramp(threads))},
		{"missing_second_barrier", 5, 512, rotated(5)},
		{"missing_wait", 6, 1024, pieces(6)},
		{"missing_commit", 6, 1024, pieces(6)},
		{"wrong_group", 6, 1024, pieces(6)},
		{"early_reuse", 6, 1024, pieces(6)},
	} {
		t.Run(w.kernel, func(t *testing.T) {
			var caught []int
			for seed := range seeds {
				if _, right, _ := w.run(t, seed); !right {
					caught = append(caught, seed)
				}
			}
			require.NotEmpty(t, caught, "no schedule shows the bug")
			t.Logf("seeds that show it: %v", caught)
		})
	}
}

// TestFaults: these bugs are found under every schedule, and the report says
// where.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		work
		result  int
		reports string // a part of the report
	}{
		{work{kernel: "divergent_barrier"}, launchFailed, "from different places"},
		{work{kernel: "unequal_barrier"}, launchFailed, "barrier 1 is for"},
		{work{kernel: "lane_left"}, 0, "left the kernel"},
		{work{kernel: "lanes_diverge"}, launchFailed, "lanes of warp"},
		{work{kernel: "past_end"}, illegalAddress, "of an allocation of 512 bytes"},
		{work{kernel: "before_begin"}, illegalAddress, "an allocation of 512 bytes"},
		{work{kernel: "far_past_end", n: 1024}, illegalAddress, "kernel far_past_end, block (0, 0, 0), thread"},
		{work{kernel: "past_shared", shared: 512}, illegalAddress, "byte 512 of 512 bytes of shared memory was written"},
		{work{kernel: "far_past_shared", shared: 512, n: 1024}, illegalAddress, "of 512 bytes of shared memory"},
		{work{kernel: "before_shared", shared: 512, n: 1024}, illegalAddress, "of 512 bytes of shared memory"},
		{work{kernel: "misaligned"}, misaligned, "planted.cu:"},
		{work{kernel: "division_by_zero"}, launchFailed, "divided by zero"},
		{work{kernel: "endless"}, launchTimeout, "still running"},
		{work{kernel: "waits_for_nobody"}, launchTimeout, "still running"},
	} {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/seed %d", c.kernel, seed), func(t *testing.T) {
				result, _, report := c.run(t, seed)
				if c.result != 0 {
					require.Equal(t, c.result, result, report)
				}
				require.NotZero(t, result)
				require.Contains(t, report, c.reports)
				require.Contains(t, report, "kernel "+c.kernel)
			})
		}
	}
}

// TestDeadLock: the report names kernel, block, barrier and lanes.
func TestDeadLock(t *testing.T) {
	l := load(t)
	d := l.open(0)
	d.start("lane_left", 3, 0, args{out: d.alloc(threads), in: d.floats(ramp(threads))})
	require.NotZero(t, d.wait())
	require.Regexp(t, `kernel lane_left, block \(\d, 0, 0\)`, l.report())
	require.Contains(t, l.report(), "warp_sum, planted.cu:")
}

// TestUnwritten: what was never written is NaN.
func TestUnwritten(t *testing.T) {
	l := load(t)
	d := l.open(0)
	out := d.alloc(threads)
	d.start("right_copy", 1, 0, args{out: out, in: d.alloc(threads)})
	require.Zero(t, d.wait())
	for _, v := range d.read(out, threads) {
		require.NotEqual(t, v, v)
	}
}

// TestFreed: freed memory has no access.
func TestFreed(t *testing.T) {
	l := load(t)
	d := l.open(0)
	in, out := d.floats(ramp(threads)), d.alloc(threads)
	d.must("cuMemFree_v2", in)
	d.start("right_copy", 1, 0, args{out: out, in: in})
	require.Equal(t, illegalAddress, d.wait())
	require.Contains(t, l.report(), "reads from")
	require.Contains(t, l.report(), "0 bytes into freed memory of 512 bytes")
}

// TestChain: blocks that wait for one another run at the same time, in any
// order.
func TestChain(t *testing.T) {
	for seed := range seeds {
		l := load(t)
		l.set("SEED", fmt.Sprint(seed))
		d := l.open(0)
		out := d.alloc(20)
		d.start("right_chain", 20, 0, args{out: out, flags: [2]uintptr{d.words(1)}})
		require.Zero(t, d.wait(), l.report())
		want := make([]float32, 20)
		for i := range want {
			want[i] = float32(int(1) << i)
		}
		require.Equal(t, want, d.read(out, 20))
		l.must("cuDevicePrimaryCtxRelease_v2", 0)
	}
}

// TestLastBlock: a block that comes before all of its threads wrote is overtaken by the
// last one under some schedule.
func TestLastBlock(t *testing.T) {
	const blocks = 20
	want := ramp(threads)
	for i := range want {
		want[i] *= blocks
	}
	caught := 0
	for seed := range 4 * seeds {
		l := load(t)
		l.set("SEED", fmt.Sprint(seed))
		d := l.open(0)
		for _, kernel := range []string{"right_last_block", "early_arrival"} {
			out := d.alloc(threads)
			d.start(kernel, blocks, 4, args{
				out: out, in: d.floats(ramp(threads)), flags: [2]uintptr{d.words(1)}, peers: [2]uintptr{d.alloc(blocks * threads)},
			})
			require.Zero(t, d.wait(), l.report())
			got := d.read(out, threads)
			if kernel == "early_arrival" && !slices.Equal(want, got) {
				caught++
				continue
			}
			require.Equal(t, want, got)
		}
		l.must("cuDevicePrimaryCtxRelease_v2", 0)
	}
	require.NotZero(t, caught, "no schedule shows the bug")
	t.Logf("%d of %d seeds show it", caught, 4*seeds)
}

// exchange runs a protocol between two devices, of which each waits for the
// other.
func exchange(t *testing.T, kernel string, seed int) int {
	l := load(t)
	l.set("DEVICES", "2")
	l.set("SEED", fmt.Sprint(seed))
	if kernel == "epoch_bug" {
		l.set("TIMEOUT", "0.5")
	}
	both := [2]*device{l.open(0), l.open(1)}
	defer func() {
		for i := range both {
			l.must("cuDevicePrimaryCtxRelease_v2", uintptr(i))
		}
	}()
	var a args
	a.epoch = 200
	var outs [2]uintptr
	for i, d := range both {
		d.enter()
		d.must("cuCtxEnablePeerAccess", both[1-i].context, 0)
		a.flags[i], a.peers[i], outs[i] = d.words(1), d.floats(ramp(threads)), d.alloc(threads)
	}
	for i, d := range both {
		d.enter()
		a.rank, a.out = uint32(i), outs[i]
		d.start(kernel, 1, 0, a)
	}
	for i, d := range both {
		d.enter()
		if r := d.wait(); r != 0 {
			return r
		}
		require.Equal(t, ramp(threads), d.read(outs[i], threads))
	}
	return 0
}

// TestEpochs: a wait for equality hangs when the other device is ahead.
func TestEpochs(t *testing.T) {
	caught := 0
	for seed := range seeds {
		require.Zero(t, exchange(t, "right_epochs", seed))
		if r := exchange(t, "epoch_bug", seed); r != 0 {
			require.Equal(t, launchTimeout, r)
			caught++
		}
	}
	require.NotZero(t, caught, "no schedule shows the bug")
	t.Logf("%d of %d seeds show it", caught, seeds)
}

// TestPeers: memory of another device needs peer access.
func TestPeers(t *testing.T) {
	l := load(t)
	l.set("DEVICES", "2")
	a, b := l.open(0), l.open(1)
	b.enter()
	there := b.floats(ramp(threads))
	a.enter()
	out := a.alloc(threads)
	a.start("right_copy", 1, 0, args{out: out, in: there})
	require.Equal(t, illegalAddress, a.wait())
	require.Contains(t, l.report(), "without peer access")
}

package cpu

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"trona/kernels"
)

// countJob counts how often each piece ran; piece `bad` panics.
type countJob struct {
	counts []atomic.Int32
	bad    int64
}

func (j *countJob) pieces(_ *worker, from, to int64) {
	for i := from; i < to; i++ {
		if i == j.bad {
			panic("bad piece")
		}
		j.counts[i].Add(1)
	}
}

// TestPool: every piece runs once, whether the workers spin or sleep.
func TestPool(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, threads := range []int{1, 2, 7, 128} {
		p := newPool(threads, nil)
		for round := range 300 {
			j := &countJob{counts: make([]atomic.Int32, 1+round%50), bad: -1}
			require.NoError(t, p.run(j, int64(len(j.counts)), round%7 == 0))
			for i := range j.counts {
				require.EqualValues(t, 1, j.counts[i].Load(), "%d threads, round %d, piece %d", threads, round, i)
			}
			if round%100 == 99 {
				time.Sleep(2 * spinTime) // let the workers park
			}
		}
		p.stop()
	}
}

// TestPoolSleeps: workers with nothing to do look for it for a moment, then sleep.
func TestPoolSleeps(t *testing.T) {
	for _, threads := range []int{2, 128} {
		p := newPool(threads, nil)
		require.NoError(t, p.run(&countJob{counts: make([]atomic.Int32, 2*threads), bad: -1}, int64(2*threads), false))
		for i, w := range p.workers[1:] {
			require.Eventually(t, w.parked.Load, 10*time.Second, spinTime, "worker %d of %d", i+1, threads)
		}
		p.stop()
	}
}

// stuckJob's first piece, and those taken with it, last until all others of n are done.
type stuckJob struct {
	n    int64
	done atomic.Int64
}

func (j *stuckJob) pieces(_ *worker, from, to int64) {
	for from == 0 && j.done.Load() < j.n-to {
		runtime.Gosched()
	}
	j.done.Add(to - from)
}

// TestPoolHelps: what a disturbed thread has left of its range, others do.
func TestPoolHelps(t *testing.T) {
	for _, threads := range []int{2, 5} {
		p := newPool(threads, nil)
		for _, n := range []int64{2, 8, 41} {
			j := &stuckJob{n: n}
			require.NoError(t, p.run(j, n, false))
			require.Equal(t, n, j.done.Load())
		}
		p.stop()
	}
}

// TestPanicIsSticky: a panic inside an op comes back from Sync, and nothing
// runs after it.
func TestPanicIsSticky(t *testing.T) {
	defer goleak.VerifyNone(t)
	dev, err := Open(Options{Threads: 3})
	require.NoError(t, err)
	d := dev.(*Device)
	d.run(kernels.OpAdd, &countJob{counts: make([]atomic.Int32, 20), bad: 13}, 20, false)
	require.ErrorContains(t, dev.Sync(), "add: panic: bad piece")
	after := &countJob{counts: make([]atomic.Int32, 1), bad: -1}
	d.run(kernels.OpAdd, after, 1, false)
	require.Zero(t, after.counts[0].Load())
	require.ErrorContains(t, dev.Close(), "bad piece")
}

// TestBadData: indices that come from device memory are checked when the op runs.
func TestBadData(t *testing.T) {
	for name, op := range map[string]func(d kernels.Device, x, ids kernels.Tensor){
		"gather": func(d kernels.Device, x, ids kernels.Tensor) { d.Gather(x, x, ids) },
		"embed": func(d kernels.Device, x, ids kernels.Tensor) {
			w, err := d.Pack(&kernels.Matrix{Type: kernels.F32, Rows: 3, Cols: 4, Data: make([]byte, 48)})
			require.NoError(t, err)
			d.Embed(x, w, ids)
		},
		"rope_append_kv": func(d kernels.Device, x, ids kernels.Tensor) {
			addr, err := d.Alloc(2 * 64 * 4 * 4)
			require.NoError(t, err)
			c := kernels.View(addr, kernels.F32, 1, 1, kernels.BlockSize, 4)
			head := x.Reshape(2, 1, 4)
			d.RoPEAppendKV(kernels.KV{K: c, V: c}, head, head, head, ids, ids, kernels.Rotary{Inv: kernels.View(addr, kernels.F32, 2)})
		},
	} {
		for _, bad := range []int32{-2, 64} {
			dev, err := Open(Options{Threads: 1})
			require.NoError(t, err)
			addr, err := dev.Alloc(40)
			require.NoError(t, err)
			x, ids := kernels.View(addr, kernels.F32, 2, 4), kernels.View(addr+32, kernels.I32, 2)
			intsOf(ids.Addr, 2)[1] = bad
			op(dev, x, ids)
			require.ErrorContains(t, dev.Sync(), name)
			require.Error(t, dev.Close())
		}
	}
}

// TestOptions: an instruction set can be chosen, and an unknown one is an error.
func TestOptions(t *testing.T) {
	t.Setenv("TRONA_CPU", "generic")
	dev, err := Open(Options{Threads: 2})
	require.NoError(t, err)
	require.Equal(t, []string{"generic"}, dev.Info().Features)
	require.Contains(t, dev.Info().Detail, "2 threads")
	require.Positive(t, dev.Info().Memory)
	require.NoError(t, dev.Close())
	t.Setenv("TRONA_CPU", "mmx")
	_, err = Open(Options{})
	require.ErrorIs(t, err, kernels.ErrNoDevice)
	_, err = Open(Options{Threads: -1, Variant: "generic"})
	require.Error(t, err)
}

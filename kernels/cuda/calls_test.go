package cuda

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
)

// everything that the driver is called for, once.
type everyCall struct {
	dev        *Device
	w          kernels.Weight
	memory     uintptr
	x, h, out  kernels.Tensor // F32 [callRows, 256], out [callRows, 64]
	norm, inv  kernels.Tensor
	ids, slots kernels.Tensor
	cache      kernels.KV
}

const callRows = 70

// run opens a device, uses it and closes it, and returns all errors.
func (c *everyCall) run() (err error) {
	dev, err := Open(Options{Workspace: 4 << 20, Staging: leastStaging})
	if err != nil {
		return err
	}
	c.dev = dev.(*Device)
	defer func() { err = errors.Join(err, dev.Close()) }()
	if err := c.load(); err != nil {
		return err
	}
	all := &kernels.AttentionPlan{Decode: 1, Seqs: []kernels.AttentionSeq{{Rows: 1, Blocks: []int32{0}}, {Row: 1, Rows: callRows - 1, Blocks: []int32{1, 2}}}}
	c.step(callRows, all)
	dev.Sample(make([]kernels.Sampled, 1), c.out.Slice(0, 1), make([]kernels.SampleRow, 1))
	c.dev.Mark()
	c.dev.Feed(c.ids.Slice(0, 1), c.slots.Slice(0, 1))
	if err := c.dev.Await(); err != nil {
		return err
	}
	one := &kernels.AttentionPlan{Decode: 1, Seqs: all.Seqs[:1]}
	var recordings []kernels.Recording
	for range 2 { // of which the device forgets one by itself
		r, err := c.dev.Record(func() { c.step(1, one) })
		if err != nil {
			return err
		}
		recordings = append(recordings, r)
	}
	c.dev.Replay(recordings[0], one)
	dev.Download(make([]byte, c.out.Bytes()), c.out)
	c.dev.Forget(recordings[0])
	dev.Free(c.w.Addr)
	return dev.Sync()
}

// load packs a weight, allocates all else and uploads tokens and positions.
func (c *everyCall) load() (err error) {
	if c.w, err = c.dev.Pack(randomMatrix(newRand(), kernels.Q4_K, 64, 256)); err != nil {
		return err
	}
	if c.memory, err = c.dev.Alloc(1 << 20); err != nil {
		return err
	}
	at := c.memory
	take := func(t kernels.DType, shape ...int64) kernels.Tensor {
		v := kernels.View(at, t, shape...)
		at += uintptr(align(v.Bytes(), 256))
		return v
	}
	c.x, c.h, c.out = take(kernels.F32, callRows, 256), take(kernels.F32, callRows, 256), take(kernels.F32, callRows, 64)
	c.norm, c.inv = take(kernels.F32, 256), take(kernels.F32, 32)
	c.ids, c.slots = take(kernels.I32, callRows), take(kernels.I32, callRows)
	c.cache = kernels.KV{K: take(kernels.F16, 3, 1, kernels.BlockSize, 64), V: take(kernels.F16, 3, 1, kernels.BlockSize, 64)}
	numbers := make([]int32, callRows)
	for i := range numbers {
		numbers[i] = int32(i % 64)
	}
	c.dev.Upload(c.ids, bytesOf(numbers))
	c.dev.Upload(c.slots, bytesOf(numbers))
	return nil
}

// step queues the ops of a step of n rows.
func (c *everyCall) step(n int64, plan *kernels.AttentionPlan) {
	x, h, out, ids, slots := c.x.Slice(0, n), c.h.Slice(0, n), c.out.Slice(0, n), c.ids.Slice(0, n), c.slots.Slice(0, n)
	c.dev.Embed(x, c.w, ids)
	c.dev.RMSNorm(h, x, c.norm, 1)
	c.dev.MatMul(h, 1, []kernels.Product{{Out: out, W: c.w}})
	q := out.Reshape(n, 1, 64)
	c.dev.RoPEAppendKV(c.cache, q, q, q, slots, slots, kernels.Rotary{Inv: c.inv})
	c.dev.Attention(q, q, c.cache, 0, plan)
}

// TestEveryCallFails: whichever call of the driver fails, the device says so, ends and
// leaves no memory behind.
func TestEveryCallFails(t *testing.T) {
	need(t)
	if os.Getenv(cudatest.Emulated) != "1" {
		t.Skip("a real driver does as it likes")
	}
	t.Setenv("TRONA_CUDA", "")
	emulate(t, map[string][2]string{"TRONA_EMU_FAULT": {"", ""}})
	all := openMemory(t)
	before := cudatest.Calls(t)
	require.NoError(t, new(everyCall).run())
	// Flags are a wish, and what gives something back does no more than that.
	quiet := []string{"cuDevicePrimaryCtxSetFlags", "cuGraphExecDestroy", "cuMemFree", "cuMemFreeHost", "cuEventDestroy", "cuModuleUnload", "cuStreamDestroy"}
	after := cudatest.Calls(t)
	require.Greater(t, len(after), 35)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if name == "cuDevicePrimaryCtxRelease" {
			continue // the driver keeps all
		}
		for _, n := range []int{1, max(1, (after[name]-before[name])/2), max(1, after[name]-before[name])} {
			cudatest.Set(t, "TRONA_EMU_FAULT", fmt.Sprintf("%s@%d=700", name, n))
			err := new(everyCall).run()
			cudatest.Set(t, "TRONA_EMU_FAULT", "")
			if !slices.Contains(quiet, name) {
				require.ErrorContains(t, err, "(CUDA_ERROR_ILLEGAL_ADDRESS, 700)", "call %d of %s", n, name)
			}
			require.Equal(t, all, openMemory(t), "call %d of %s", n, name)
		}
	}
}

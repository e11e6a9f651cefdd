package cuda

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/cuda/driver"
	"trona/kernels/kerneltest"
)

// emulate changes settings of the emulated driver until the test ends.
func emulate(t *testing.T, settings map[string][2]string) {
	for name, value := range settings {
		cudatest.Set(t, name, value[0])
		t.Cleanup(func() { cudatest.Set(t, name, value[1]) })
	}
}

// noMemory are faults by which the next allocation fails.
const noMemory = "cuMemAlloc@1=2,cuMemHostAlloc@1=2"

// schedule chooses a schedule of the emulated device until the test ends. A real
// device has its own.
func schedule(t *testing.T, seed string) {
	if os.Getenv(cudatest.Emulated) == "1" {
		emulate(t, map[string][2]string{"TRONA_EMU_SEED": {seed, "0"}})
	}
}

// need skips the test where there is no device at all. It leaves none open, so
// that the emulated machine may change.
func need(t *testing.T) {
	t.Run("need", func(t *testing.T) { kerneltest.Open(t, "emulator", opener) })
	if _, err := driver.Open(); err != nil {
		t.Skip(err)
	}
}

// openEmulated opens a device that the test need not close in order.
func openEmulated(t *testing.T) *Device {
	dev, err := opener()
	require.NoError(t, err)
	return dev.(*Device)
}

// TestEveryCapability: the code for each kind of device loads and runs, with the
// oldest driver that is served too.
func TestEveryCapability(t *testing.T) {
	for _, c := range [][2]string{
		{"8.0", "12000"}, {"8.6", "12000"}, {"8.9", "12000"}, {"9.0", "12000"},
		{"8.0", "12040"}, {"8.6", "12040"}, {"8.9", "12040"}, {"9.0", "12040"}, {"10.0", "12080"}, {"11.0", "13000"}, {"12.0", "12080"},
	} {
		capability, version := c[0], c[1]
		t.Run(capability+" "+version, func(t *testing.T) {
			emulate(t, map[string][2]string{"TRONA_EMU_CC": {capability, "9.0"}, "TRONA_EMU_DRIVER": {version, "12040"}})
			dev := kerneltest.Open(t, "emulator", hopperOpener)
			require.Contains(t, dev.Info().Detail, "compute capability "+capability)
			x := []float32{1, 2, 3, 4}
			got := product(t, dev, &kernels.Matrix{Type: kernels.F32, Rows: 1, Cols: 2, Data: bytesOf([]float32{10, 1})}, x, 2)
			require.Equal(t, []float32{12, 34}, got)
		})
	}
}

// TestOpenErrors: what is wrong with a machine is said in one line, with what
// to do; only a missing device is ErrNoDevice.
func TestOpenErrors(t *testing.T) {
	need(t)
	for _, c := range []struct {
		name, setting, value, usual string
		want                        string
		none                        bool
	}{
		{"old driver", "TRONA_EMU_DRIVER", "11080", "12040", "cuda: the driver is for CUDA 11.8: install R525 (CUDA 12.0) or newer", false},
		{"no device", "TRONA_EMU_DEVICES", "0", "1", "cuda: no such device on this machine", true},
		{"little memory", "TRONA_EMU_MEMORY", "2M", "80G", "Emulated H100: a workspace of 4194304 bytes: cuMemAlloc", false},
		{"no memory of the host", "TRONA_EMU_FAULT", "cuMemHostAlloc@2=2", "", "memory for copies: cuMemHostAlloc", false},
		{"no context", "TRONA_EMU_FAULT", "cuDevicePrimaryCtxRetain@1=101", "", "cuDevicePrimaryCtxRetain: ", false},
		{"broken code", "TRONA_EMU_FAULT", "cuModuleLoadData@1=200", "", "loading the code of ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			emulate(t, map[string][2]string{c.setting: {c.value, c.usual}})
			_, err := opener()
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n", "one line")
			if c.none {
				require.ErrorIs(t, err, kernels.ErrNoDevice)
			} else {
				require.NotErrorIs(t, err, kernels.ErrNoDevice)
			}
		})
	}
	_, err := Open(Options{Device: 1})
	require.ErrorIs(t, err, kernels.ErrNoDevice)
	require.ErrorContains(t, err, "device 1 of 1")
}

// TestFaults: the first error of a device sticks, with the kernel's name and
// the driver's words; a new device works.
func TestFaults(t *testing.T) {
	need(t)
	for _, c := range []struct{ fault, want string }{
		{"rmsnorm_f16_4096@1=700", "CUDA_ERROR_ILLEGAL_ADDRESS"},
		{"rmsnorm_f16_4096@1=719", "CUDA_ERROR_LAUNCH_FAILED"},
		{"cuLaunchKernelEx@1=1", "rmsnorm_f16_4096: cuLaunchKernelEx: "},
		{"cuMemcpyDtoHAsync@1=999", "cuMemcpyDtoHAsync"},
		{"cuStreamSynchronize@1=999", "cuStreamSynchronize: "},
		{"device0@1=lost", "CUDA_ERROR_UNKNOWN"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			dev := openEmulated(t)
			at, err := dev.Alloc(64)
			require.NoError(t, err)
			x := kernels.View(at, kernels.F32, 1, 8)
			require.NoError(t, dev.Sync())
			emulate(t, map[string][2]string{"TRONA_EMU_FAULT": {c.fault, ""}})
			dev.RMSNorm(x, x, x.Reshape(8), 1)
			err = dev.Sync()
			require.ErrorContains(t, err, c.want)
			dev.Add(x, x)
			require.Equal(t, err, dev.Sync(), "the first error stays")
			require.Error(t, dev.Close())

			cudatest.Set(t, "TRONA_EMU_FAULT", "")
			again := kerneltest.Open(t, "emulator", opener)
			require.NoError(t, again.Sync())
		})
	}
}

// TestBadIndex: the first token, slot or row that does not exist fails the device, and so
// does one below 0; the message says which.
func TestBadIndex(t *testing.T) {
	need(t)
	for name, c := range map[string]struct {
		op   func(dev *Device, x, id kernels.Tensor, w kernels.Weight, kv kernels.KV)
		bad  []int32
		want string
	}{
		"token": {func(dev *Device, x, id kernels.Tensor, w kernels.Weight, _ kernels.KV) {
			dev.Embed(x, w, id)
		}, []int32{2, -1}, "embed: token %d is not in the vocabulary"},
		"row": {func(dev *Device, x, id kernels.Tensor, _ kernels.Weight, _ kernels.KV) {
			dev.Gather(x, x, id)
		}, []int32{1, -1}, "gather or feed: row %d is not in the input"},
		"drawn": {func(dev *Device, x, id kernels.Tensor, _ kernels.Weight, _ kernels.KV) {
			dev.Sample(make([]kernels.Sampled, 1), x, make([]kernels.SampleRow, 1))
			dev.Feed(id, id)
		}, []int32{1}, "gather or feed: row %d is not in the input"},
		"slot": {func(dev *Device, x, id kernels.Tensor, _ kernels.Weight, kv kernels.KV) {
			head := x.Reshape(1, 1, 8)
			dev.RoPEAppendKV(kv, head, head, head, id, id, kernels.Rotary{Inv: kernels.View(x.Addr, kernels.F32, 4)})
		}, []int32{kernels.BlockSize, -2}, "rope_append_kv: slot %d is not in the cache"},
	} {
		for _, bad := range c.bad {
			t.Run(fmt.Sprintf("%s %d", name, bad), func(t *testing.T) {
				dev := openEmulated(t)
				at, err := dev.Alloc(1 << 16)
				require.NoError(t, err)
				w, err := dev.Pack(&kernels.Matrix{Type: kernels.F32, Rows: 2, Cols: 8, Data: make([]byte, 64)})
				require.NoError(t, err)
				id := kernels.View(at, kernels.I32, 1)
				dev.Upload(id, bytesOf([]int32{bad}))
				cache := kernels.View(at+1024, kernels.F32, 1, 1, kernels.BlockSize, 8)
				c.op(dev, kernels.View(at+64, kernels.F32, 1, 8), id, w, kernels.KV{K: cache, V: cache})
				want := fmt.Sprintf(c.want, bad)
				require.EqualError(t, dev.Sync(), "cuda: "+want)
				require.ErrorContains(t, dev.Close(), want)
			})
		}
	}
}

// freeMemory is what the driver says.
func freeMemory(t *testing.T, dev kernels.Device) (n int64) {
	require.NoError(t, dev.(*Device).thread.call(func(t *thread) (err error) { n, err = t.MemoryInfo(); return err }))
	return n
}

// openMemory is what a device that is opened now has free.
func openMemory(t *testing.T) int64 {
	dev := openEmulated(t)
	defer func() { require.NoError(t, dev.Close()) }()
	return dev.Info().Memory
}

// TestMemory: what the device gives out is what the driver counts.
func TestMemory(t *testing.T) {
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	free := func() int64 { return freeMemory(t, dev) }
	require.Equal(t, dev.Info().Memory, free())
	m := randomMatrix(newRand(), kernels.Q6_K, 4096, 1024)
	w, err := dev.Pack(m)
	require.NoError(t, err)
	at, err := dev.Alloc(4 << 20)
	require.NoError(t, err)
	used := dev.Info().Memory - free()
	planned := dev.PackedBytes(m) + 4<<20
	require.InEpsilon(t, planned, used, 0.01, "plan and driver")
	dev.Free(w.Addr)
	dev.Free(at)
	require.Equal(t, dev.Info().Memory, free())
	_, err = dev.Alloc(1 << 40)
	require.True(t, driver.IsCode(err, driver.OutOfMemory), "%v", err)
	require.NoError(t, dev.Sync(), "too large a wish does no harm")
}

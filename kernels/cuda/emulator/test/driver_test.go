package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Results of the driver.
const (
	invalidValue         = 1
	outOfMemory          = 2
	notInitialized       = 3
	noDevice             = 100
	invalidDevice        = 101
	invalidImage         = 200
	invalidContext       = 201
	noBinary             = 209
	invalidPTX           = 218
	unsupportedPTX       = 222
	invalidHandle        = 400
	notFound             = 500
	notSupported         = 801
	captureUnsupported   = 900
	captureInvalidated   = 901
	captureUnjoined      = 904
	captureIsolation     = 905
	graphUpdateFailure   = 910
	notReady             = 600
	unknownError         = 999
	attributeMajor       = 75
	attributeMinor       = 76
	attributeOptinShared = 97
	functionMaxShared    = 8
)

func (l *library) attribute(which, device int) int {
	v := l.make("cuDeviceGetAttribute", uintptr(which), uintptr(device))
	return int(int32(v))
}

// TestDevices: what the settings say is what the driver says.
func TestDevices(t *testing.T) {
	for _, c := range []struct {
		capability          string
		major, minor, bytes int
	}{{"8.0", 8, 0, 163 << 10}, {"8.6", 8, 6, 99 << 10}, {"8.9", 8, 9, 99 << 10}, {"9.0", 9, 0, 227 << 10}, {"10.0", 10, 0, 227 << 10}, {"11.0", 11, 0, 227 << 10}, {"12.0", 12, 0, 99 << 10}} {
		l := load(t)
		l.set("CC", c.capability)
		l.set("DEVICES", "3")
		l.set("MEMORY", "24G")
		l.must("cuInit", 0)
		require.EqualValues(t, 3, l.make("cuDeviceGetCount"))
		require.EqualValues(t, 24<<30, l.make("cuDeviceTotalMem_v2", 2))
		require.Equal(t, []int{c.major, c.minor, c.bytes}, []int{
			l.attribute(attributeMajor, 2), l.attribute(attributeMinor, 2), l.attribute(attributeOptinShared, 2),
		})
		require.Equal(t, invalidDevice, l.call("cuDeviceGet", l.text("1234"), 3))
	}
	l := load(t)
	l.set("DEVICES", "0")
	require.Equal(t, noDevice, l.call("cuInit", 0))
	for _, bad := range [][2]string{{"CC", "7.5"}, {"DEVICES", "x"}, {"MEMORY", ""}, {"FAULT", "a=1"}, {"SEED", "-1"}, {"OTHER", "1"}} {
		require.Equal(t, 1, l.call("trona_emu_set", l.text("TRONA_EMU_"+bad[0]), l.text(bad[1])), "%v", bad)
	}
}

// TestImages: an image loads where a real one would, and only if it says of
// its kernels what is compiled in.
func TestImages(t *testing.T) {
	good := planted(int(unsafe.Sizeof(args{})), "right_copy")
	for _, c := range []struct {
		image, capability, driver string
		result                    int
		reports                   string
	}{
		{good, "9.0", "12040", 0, ""},
		{good, "8.0", "12000", 0, ""},
		{strings.Replace(good, "8.0", "8.5", 1), "9.0", "12040", unsupportedPTX, "PTX 85"},
		{strings.Replace(good, "sm_80", "sm_90", 1), "8.9", "12040", invalidPTX, ""},
		{strings.Replace(good, "[64]", "[56]", 1), "9.0", "12040", invalidImage, "takes 56 bytes in the image, 64 bytes in the emulator"},
		{strings.Replace(good, "128, 1, 1", "256, 1, 1", 1), "9.0", "12040", invalidImage, "blocks of 256 threads"},
		{planted(int(unsafe.Sizeof(args{})), "nobody_wrote_this"), "9.0", "12040", invalidImage, "not in the emulator"},
		{"not PTX", "9.0", "12040", invalidImage, "neither"},
	} {
		l := load(t)
		l.set("CC", c.capability)
		l.set("DRIVER", c.driver)
		d := l.open(0)
		require.Equal(t, c.result, l.call("cuModuleLoadData", l.text("12345678"), l.text(c.image)), c.image)
		require.Contains(t, l.report(), c.reports)
		require.Equal(t, notFound, d.call("cuModuleGetFunction", l.text("12345678"), d.module, l.text("nobody")))
		l.must("cuDevicePrimaryCtxRelease_v2", 0)
	}
}

// TestLaunchChecks: the driver refuses what a device would.
func TestLaunchChecks(t *testing.T) {
	l := load(t)
	d := l.open(0)
	a := args{out: d.alloc(threads), in: d.floats(ramp(threads))}
	require.Equal(t, invalidValue, d.launch("right_copy", 1, 64, 0, a))
	require.Contains(t, l.report(), "the kernel is for 128")
	require.Equal(t, invalidValue, d.launch("right_copy", 0, threads, 0, a))
	require.Equal(t, invalidValue, d.launch("right_copy", 1, threads, 48<<10+1, a))
	require.Contains(t, l.report(), "49152 are allowed")
	f := d.function("right_copy")
	require.Equal(t, invalidValue, l.call("cuFuncSetAttribute", f, functionMaxShared, 227<<10+1))
	l.must("cuFuncSetAttribute", f, functionMaxShared, 227<<10)
	require.Zero(t, d.launch("right_copy", 1, threads, 227<<10, a))
	require.Zero(t, d.wait())
	require.Equal(t, ramp(threads), d.read(a.out, threads))
	require.Equal(t, invalidHandle, l.call("cuLaunchKernel", f+8, 1, 1, 1, threads, 1, 1, 0, d.stream, 0, 0))
	require.Equal(t, invalidHandle, l.call("cuStreamSynchronize", 0), "there is no legacy stream")
}

// TestMemory: allocations are counted as a device does, and what is wrong is refused.
func TestMemory(t *testing.T) {
	l := load(t)
	d := l.open(0)
	free := func() int {
		total := new(uint64)
		n := l.make("cuMemGetInfo_v2", uintptr(unsafe.Pointer(total)))
		require.EqualValues(t, 1<<30, *total)
		return int(n)
	}
	all := free()
	small := d.alloc(100)
	require.Zero(t, small%256)
	require.Equal(t, all-2<<20, free())
	large := d.alloc(1 << 20) // 4 MiB
	require.Equal(t, all-6<<20, free())
	require.Equal(t, outOfMemory, l.call("cuMemAlloc_v2", l.text("12345678"), 1<<30))
	require.Equal(t, invalidValue, l.call("cuMemcpyHtoD_v2", small, small, 401))
	require.Equal(t, invalidValue, l.call("cuMemFree_v2", small+4))
	l.must("cuMemFree_v2", small)
	require.Equal(t, invalidValue, l.call("cuMemFree_v2", small))
	l.must("cuMemFree_v2", large)
	require.Equal(t, all, free())
}

// TestInitAgain: each machine has new devices, and addresses do not run out: a process has 128 TiB.
func TestInitAgain(t *testing.T) {
	l := load(t)
	l.set("MEMORY", fmt.Sprint(80<<30))
	for range 500 {
		d := l.open(0)
		at := d.alloc(100)
		l.must("cuDevicePrimaryCtxRelease_v2", 0)
		require.Equal(t, invalidContext, l.call("cuMemFree_v2", at))
	}
}

// TestSticky: after a failed kernel every call fails alike, until the context
// is reset.
func TestSticky(t *testing.T) {
	l := load(t)
	d := l.open(0)
	d.start("far_past_end", 1, 0, args{out: d.alloc(threads), n: 4096})
	require.Equal(t, illegalAddress, d.wait())
	for range 2 {
		require.Equal(t, illegalAddress, l.call("cuMemAlloc_v2", l.text("12345678"), 64))
	}
	l.must("cuDevicePrimaryCtxReset_v2", 0)
	d.stream = l.make("cuStreamCreate", 1)
	require.Equal(t, invalidHandle, l.call("cuModuleUnload", d.module), "the reset took the modules")
	d.module = l.make("cuModuleLoadData", l.text(planted(int(unsafe.Sizeof(args{})), "right_copy")))
	out := d.alloc(threads)
	d.start("right_copy", 1, 0, args{out: out, in: d.floats(ramp(threads))})
	require.Zero(t, d.wait())
	require.Equal(t, ramp(threads), d.read(out, threads))
}

// TestInjection: the n-th call of what a setting names fails.
func TestInjection(t *testing.T) {
	l := load(t)
	l.set("DEVICES", "2")
	d := l.open(0)
	out := d.alloc(threads)
	l.set("FAULT", "cuMemAlloc@3=2,right_copy@2=719")
	for _, want := range []int{0, 0, outOfMemory, 0} {
		require.Equal(t, want, l.call("cuMemAlloc_v2", l.text("12345678"), 64))
	}
	in := d.floats(ramp(threads))
	for _, want := range []int{0, launchFailed} {
		d.start("right_copy", 1, 0, args{out: out, in: in})
		require.Equal(t, want, d.wait())
	}
	require.Equal(t, launchFailed, d.wait())

	other := l.open(1)
	l.set("FAULT", "device1@3=lost")
	for _, want := range []int{0, 0, unknownError, unknownError} {
		require.Equal(t, want, other.wait())
	}
	require.Equal(t, unknownError, l.call("cuDevicePrimaryCtxReset_v2", 1))

	l.set("FAULT", "cuInit@1=3")
	require.Equal(t, notInitialized, l.call("cuInit", 0))
}

// TestHang: a kernel does not end, until other faults are set.
func TestHang(t *testing.T) {
	l := load(t)
	d := l.open(0)
	out := d.alloc(threads)
	l.set("FAULT", "right_copy@1=hang")
	d.start("right_copy", 1, 0, args{out: out, in: d.floats(ramp(threads))})
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		require.Equal(t, notReady, l.call("cuStreamQuery", d.stream))
	}
	l.set("FAULT", "")
	require.Zero(t, d.wait())
	require.Equal(t, ramp(threads), d.read(out, threads))
}

// TestPinned: a copy of pinned memory happens when its turn comes, and other
// memory is copied at the call.
func TestPinned(t *testing.T) {
	l := load(t)
	l.set("TIMEOUT", "20")
	d := l.open(0)
	host := l.make("cuMemHostAlloc", 4*threads, 0)
	at := func(i int) *float32 { p := host + uintptr(4*i); return *(**float32)(unsafe.Pointer(&p)) }
	flag, to, other := d.words(1), d.alloc(threads), d.alloc(threads)
	go32 := ramp(threads)
	*at(0) = 1
	// The stream waits for the flag, which another stream sets.
	d.must("cuStreamWaitValue32_v2", d.stream, flag, 1, 0)
	d.must("cuMemcpyHtoDAsync_v2", to, host, 4*threads, d.stream)
	d.must("cuMemcpyHtoDAsync_v2", other, uintptr(unsafe.Pointer(&go32[0])), 4*threads, d.stream)
	*at(0), go32[0] = 2, 2
	second := l.make("cuStreamCreate", 1)
	d.must("cuStreamWriteValue32_v2", second, flag, 1, 0)
	require.Zero(t, d.wait())
	require.EqualValues(t, 2, d.read(to, 1)[0])
	require.EqualValues(t, 1, d.read(other, 1)[0])
}

// TestEvents: a stream that waits for an event sees what was done before it.
func TestEvents(t *testing.T) {
	for seed := range seeds {
		l := load(t)
		l.set("SEED", fmt.Sprint(seed))
		d := l.open(0)
		flag, x, y := d.words(1), d.floats(ramp(threads)), d.alloc(threads)
		out := d.alloc(threads)
		event, second := l.make("cuEventCreate", 0), l.make("cuStreamCreate", 1)
		d.must("cuStreamWaitValue32_v2", d.stream, flag, 1, 0)
		d.start("right_copy", 1, 0, args{out: y, in: x})
		d.must("cuEventRecord", event, d.stream)
		d.must("cuStreamWaitEvent", second, event, 0)
		require.Equal(t, 600, l.call("cuEventQuery", event))
		third := l.make("cuStreamCreate", 1)
		d.must("cuStreamWriteValue32_v2", third, flag, 1, 0)
		d.stream = second
		d.start("right_copy", 1, 0, args{out: out, in: y})
		require.Zero(t, d.wait())
		require.Equal(t, ramp(threads), d.read(out, threads))
		require.Zero(t, l.call("cuEventQuery", event))
		l.must("cuDevicePrimaryCtxRelease_v2", 0)
	}
}

// TestGraph: what was captured runs at each launch, with the parameters of the
// last update; streams that join a capture are part of it.
func TestGraph(t *testing.T) {
	for seed := range seeds {
		l := load(t)
		l.set("SEED", fmt.Sprint(seed))
		d := l.open(0)
		x, y, z := d.floats(ramp(threads)), d.alloc(threads), d.alloc(threads)
		fork, join, side := l.make("cuEventCreate", 2), l.make("cuEventCreate", 2), l.make("cuStreamCreate", 1)
		capture := func(from uintptr) uintptr {
			main := d.stream
			d.must("cuStreamBeginCapture_v2", main, 1)
			d.start("right_barrier", 1, 512, args{out: y, in: from})
			d.must("cuEventRecord", fork, main)
			d.must("cuStreamWaitEvent", side, fork, 0)
			d.stream = side
			d.start("right_barrier", 1, 512, args{out: z, in: y})
			d.must("cuEventRecord", join, side)
			d.stream = main
			d.must("cuStreamWaitEvent", main, join, 0)
			d.start("right_barrier", 1, 512, args{out: y, in: z})
			return l.make2("cuStreamEndCapture", main)
		}
		graph := capture(x)
		exec := l.make("cuGraphInstantiateWithFlags", graph, 0)
		for range 3 {
			d.must("cuMemsetD32_v2", y, 0, threads)
			d.must("cuGraphLaunch", exec, d.stream)
			require.Zero(t, d.wait())
			require.Equal(t, ramp(threads), d.read(z, threads))
			require.Equal(t, reversed(ramp(threads)), d.read(y, threads))
		}
		other := d.floats(reversed(ramp(threads)))
		d.must("cuGraphExecUpdate_v2", exec, capture(other), 0)
		d.must("cuGraphLaunch", exec, d.stream)
		require.Zero(t, d.wait())
		require.Equal(t, ramp(threads), d.read(y, threads))

		d.must("cuStreamBeginCapture_v2", d.stream, 1)
		d.start("right_copy", 1, 0, args{out: y, in: x})
		short := l.make2("cuStreamEndCapture", d.stream)
		require.Equal(t, graphUpdateFailure, l.call("cuGraphExecUpdate_v2", exec, short, 0))
		l.must("cuDevicePrimaryCtxRelease_v2", 0)
	}
}

// make2 makes a call that writes a handle through its second parameter.
func (l *library) make2(name string, first uintptr) uintptr {
	l.Helper()
	l.must(name, first, uintptr(unsafe.Pointer(&l.out)))
	return l.out
}

// TestCaptureErrors: what may not be captured ends the capture.
func TestCaptureErrors(t *testing.T) {
	l := load(t)
	d := l.open(0)
	x := d.floats(ramp(threads))
	end := func() int { return l.call("cuStreamEndCapture", d.stream, uintptr(unsafe.Pointer(&l.out))) }
	begin := func() { d.must("cuStreamBeginCapture_v2", d.stream, 1) }

	begin()
	require.Equal(t, captureUnsupported, d.wait())
	require.Equal(t, captureInvalidated, end())

	begin()
	require.Equal(t, captureUnsupported, l.call("cuMemAlloc_v2", uintptr(unsafe.Pointer(&l.out)), 64))
	require.Equal(t, captureInvalidated, end())

	begin()
	host := make([]float32, 1)
	require.Equal(t, captureUnsupported, l.call("cuMemcpyDtoHAsync_v2", uintptr(unsafe.Pointer(&host[0])), x, 4, d.stream))
	require.Equal(t, captureInvalidated, end())

	event, side := l.make("cuEventCreate", 2), l.make("cuStreamCreate", 1)
	d.must("cuEventRecord", event, side)
	begin()
	require.Equal(t, captureIsolation, l.call("cuStreamWaitEvent", d.stream, event, 0))
	require.Equal(t, captureInvalidated, end())

	begin()
	d.must("cuEventRecord", event, d.stream)
	d.must("cuStreamWaitEvent", side, event, 0)
	main := d.stream
	d.stream = side
	d.start("right_copy", 1, 0, args{out: x, in: x})
	d.stream = main
	require.Equal(t, captureUnjoined, end())
	require.Zero(t, d.wait())
}

// TestCoverage: the file has the names of the kernels that ran, once each.
func TestCoverage(t *testing.T) {
	l := load(t)
	path := filepath.Join(t.TempDir(), "coverage")
	l.set("COVERAGE", path)
	d := l.open(0)
	counts := func() (n int) {
		b := make([]byte, 1<<16)
		size := l.call("trona_emu_kernels", uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		for line := range strings.Lines(string(b[:size])) {
			if strings.HasPrefix(line, "misaligned ") {
				_, err := fmt.Sscanf(line, "misaligned 64 %d", &n)
				require.NoError(t, err)
			}
		}
		return n
	}
	before := counts()
	d.start("misaligned", 1, 0, args{out: d.alloc(threads), in: d.alloc(threads)})
	d.wait()
	require.Equal(t, before+1, counts())
	if before == 0 {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "misaligned\n", string(text))
	}
}

// TestCalls: each call is counted, one that fails too, and what it leads to is not.
func TestCalls(t *testing.T) {
	l := load(t)
	d := l.open(0)
	counts := func(name string) (n int) {
		b := make([]byte, 1<<16)
		size := l.call("trona_emu_calls", uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		for line := range strings.Lines(string(b[:size])) {
			if strings.HasPrefix(line, name+" ") {
				_, err := fmt.Sscanf(line, name+" %d", &n)
				require.NoError(t, err)
			}
		}
		return n
	}
	a := args{out: d.alloc(threads), in: d.floats(ramp(threads))}
	d.must("cuStreamBeginCapture_v2", d.stream, 1)
	d.start("right_copy", 1, 0, a)
	exec := l.make("cuGraphInstantiateWithFlags", l.make2("cuStreamEndCapture", d.stream), 0)
	graphs, kernels := counts("cuGraphLaunch"), counts("cuLaunchKernel")
	for range 2 {
		d.must("cuGraphLaunch", exec, d.stream)
	}
	require.NotZero(t, l.call("cuGraphLaunch", 0, d.stream))
	require.Zero(t, d.wait())
	require.Equal(t, graphs+3, counts("cuGraphLaunch"))
	require.Equal(t, kernels, counts("cuLaunchKernel"))
	require.NotZero(t, kernels)
}

// TestProcAddress: the newest form of a function, as far as the driver has it.
func TestProcAddress(t *testing.T) {
	l := load(t)
	l.must("cuInit", 0)
	status := new(int32)
	get := func(name string, version uintptr) int {
		return l.call("cuGetProcAddress_v2", l.text(name), uintptr(unsafe.Pointer(&l.out)), version, 0, uintptr(unsafe.Pointer(status)))
	}
	require.Zero(t, get("cuMemAlloc", 12000))
	require.NotZero(t, l.out)
	require.Zero(t, *status)
	require.Equal(t, notFound, get("cuMemAlloc", 13000))
	require.EqualValues(t, 2, *status)
	require.Equal(t, notFound, get("cuNothing", 12000))
	require.EqualValues(t, 1, *status)
	require.Equal(t, 801, l.call("cuMemAdvise"))
	require.Equal(t, invalidContext, l.call("cuCtxSetCurrent", 8))
}

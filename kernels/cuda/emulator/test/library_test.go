// Package test has the tests of the emulated CUDA driver, which is C++ and may
// not stand in one folder with Go.
package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/stretchr/testify/require"
)

// library is the emulated driver with the kernels of testdata, at the
// beginning of a test: no context, no settings.
type library struct {
	testing.TB
	handle uintptr
	texts  [][]byte
	out    uintptr // what a call wrote
}

// load builds and loads the driver. The test is on a thread of its own, on
// which contexts are current.
func load(t testing.TB) *library {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the emulated driver is for Linux")
	}
	if _, err := exec.LookPath("g++"); err != nil {
		require.Empty(t, os.Getenv("REQUIRE_EMULATOR"), "the emulated driver was promised: %v", err)
		t.Skipf("the emulated driver needs g++: %v", err)
	}
	handle, err := build()
	require.NoError(t, err)

	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	l := &library{TB: t, handle: handle}
	for name, value := range map[string]string{
		"DEVICES": "1", "CC": "9.0", "DRIVER": "12040", "MEMORY": "1G", "PEERS": "all",
		"SEED": "0", "TIMEOUT": "20", "FAULT": "", "COVERAGE": "", "QUIET": "1",
	} {
		l.set(name, value)
	}
	return l
}

// build builds and opens the driver, once.
var build = sync.OnceValues(func() (handle uintptr, err error) {
	folder, err := filepath.Abs("../../../../build/planted")
	if err != nil {
		return 0, err
	}
	text, err := exec.Command("bash", "../build.sh", folder, "testdata/planted.cu", "testdata/hopper.cu").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, text)
	}
	return purego.Dlopen(filepath.Join(folder, "libcuda.so.1"), purego.RTLD_NOW)
})

// call makes a call of the driver and returns its CUresult.
//
//go:uintptrescapes
func (l *library) call(name string, args ...uintptr) int {
	l.Helper()
	f, err := purego.Dlsym(l.handle, name)
	require.NoError(l, err)
	r, _, _ := purego.SyscallN(f, args...)
	return int(int32(r))
}

// must makes a call that succeeds.
//
//go:uintptrescapes
func (l *library) must(name string, args ...uintptr) {
	l.Helper()
	if r := l.call(name, args...); r != 0 {
		require.FailNow(l, "a call failed", "%s: %d: %s", name, r, l.report())
	}
}

// make makes a call that writes a handle or an address through its first
// parameter.
//
//go:uintptrescapes
func (l *library) make(name string, args ...uintptr) uintptr {
	l.Helper()
	// On the heap, since a stack may move.
	l.must(name, append([]uintptr{uintptr(unsafe.Pointer(&l.out))}, args...)...)
	return l.out
}

// set changes a setting; the name lacks TRONA_EMU_.
func (l *library) set(name, value string) {
	l.Helper()
	require.Zero(l, l.call("trona_emu_set", l.text("TRONA_EMU_"+name), l.text(value)), "%s=%s", name, value)
}

// report is what the driver said of the last error.
func (l *library) report() string {
	b := make([]byte, 1<<16)
	n := l.call("trona_emu_report", uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return string(b[:n])
}

// text is a string of C, which lives as long as l.
func (l *library) text(s string) uintptr {
	b := append([]byte(s), 0)
	l.texts = append(l.texts, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// device is a device with a context, a stream and the planted kernels.
type device struct {
	*library
	ordinal                 int
	context, stream, module uintptr
}

// open begins the driver and makes device n's context current.
func (l *library) open(n int) *device {
	l.Helper()
	l.must("cuInit", 0)
	d := &device{library: l, ordinal: n}
	d.context = l.make("cuDevicePrimaryCtxRetain", uintptr(n))
	l.Cleanup(func() { l.call("cuDevicePrimaryCtxRelease_v2", uintptr(n)) })
	d.enter()
	d.stream = l.make("cuStreamCreate", 1)
	d.module = l.make("cuModuleLoadData", l.text(planted(int(unsafe.Sizeof(args{})), plantedKernels...)))
	return d
}

// enter makes the device's context current.
func (d *device) enter() {
	d.Helper()
	d.must("cuCtxSetCurrent", d.context)
}

// plantedKernels are the kernels of testdata/planted.cu.
var plantedKernels = []string{
	"missing_barrier", "right_barrier", "missing_second_barrier", "right_second_barrier", "divergent_barrier",
	"unequal_barrier", "right_named_barrier", "lane_left", "lanes_diverge", "right_copies", "missing_wait",
	"missing_commit", "wrong_group", "early_reuse", "past_end", "before_begin", "far_past_end", "past_shared",
	"far_past_shared", "before_shared", "misaligned", "right_copy", "division_by_zero", "endless",
	"waits_for_nobody", "right_chain", "right_last_block", "early_arrival", "right_epochs", "epoch_bug",
}

// planted declares kernels in PTX, with the bytes of their arguments.
func planted(bytes int, names ...string) string {
	var b strings.Builder
	b.WriteString(".version 8.0\n.target sm_80\n.address_size 64\n")
	for _, n := range names {
		fmt.Fprintf(&b, ".visible .entry %s(\n\t.param .align 8 .b8 %s_param_0[%d]\n)\n.maxntid 128, 1, 1\n{\n\tret;\n}\n", n, n, bytes)
	}
	return b.String()
}

// args is PlantedArgs.
type args struct {
	out, in                 uintptr
	flags, peers            [2]uintptr
	n                       int32
	rank, epoch, unusedWord uint32
}

const threads = 128

func (d *device) function(name string) uintptr {
	d.Helper()
	return d.make("cuModuleGetFunction", d.module, d.text(name))
}

// start queues a launch.
func (d *device) start(name string, blocks, shared int, a args) {
	d.Helper()
	require.Zero(d, d.launch(name, blocks, threads, shared, a), "%s", d.report())
}

func (d *device) launch(name string, blocks, threads, shared int, a args) int {
	d.Helper()
	params := &[1]unsafe.Pointer{unsafe.Pointer(&a)}
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(&a)
	return d.call("cuLaunchKernel", d.function(name), uintptr(blocks), 1, 1, uintptr(threads), 1, 1, uintptr(shared), d.stream,
		uintptr(unsafe.Pointer(params)), 0)
}

// wait waits for the device and returns the CUresult.
func (d *device) wait() int {
	d.Helper()
	return d.call("cuStreamSynchronize", d.stream)
}

// alloc returns memory for n floats, which hold NaN.
func (d *device) alloc(n int) uintptr {
	d.Helper()
	return d.make("cuMemAlloc_v2", uintptr(4*n))
}

// floats returns memory with these values.
func (d *device) floats(x []float32) uintptr {
	d.Helper()
	p := d.alloc(len(x))
	d.must("cuMemcpyHtoD_v2", p, uintptr(unsafe.Pointer(&x[0])), uintptr(4*len(x)))
	return p
}

// words returns memory of n zeros.
func (d *device) words(n int) uintptr {
	d.Helper()
	p := d.alloc(n)
	d.must("cuMemsetD32_v2", p, 0, uintptr(n))
	return p
}

func (d *device) read(p uintptr, n int) []float32 {
	d.Helper()
	x := make([]float32, n)
	d.must("cuMemcpyDtoH_v2", uintptr(unsafe.Pointer(&x[0])), p, uintptr(4*n))
	return x
}

// ramp is n numbers: 1, 2, 3, ...
func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i + 1)
	}
	return x
}

package driver

import (
	"encoding/binary"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels/cuda/cudatest"
	"trona/kernels/cuda/fatbin"
)

func TestMain(m *testing.M) { os.Exit(cudatest.Main(m)) }

// open opens the driver, or skips the test where there is none.
func open(t *testing.T) *Driver {
	d, err := Open()
	if errors.Is(err, ErrNotFound) && os.Getenv(cudatest.Require) != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return d
}

// context makes a context on this thread, until the test ends.
func context(t *testing.T) *Context {
	d := open(t)
	runtime.LockOSThread()
	c, err := d.NewContext(0)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.Release())
		runtime.UnlockOSThread()
	})
	return c
}

func TestDevices(t *testing.T) {
	d := open(t)
	version, err := d.Version()
	require.NoError(t, err)
	require.GreaterOrEqual(t, version, MinVersion)
	n, err := d.Devices()
	require.NoError(t, err)
	require.Positive(t, n)
	i, err := d.Info(0)
	require.NoError(t, err)
	require.NotEmpty(t, i.Name)
	require.GreaterOrEqual(t, i.Major, 8)
	require.Positive(t, i.Processors)
	require.Greater(t, i.Memory, int64(1<<30))
	require.GreaterOrEqual(t, i.SharedBytes, 48<<10)
	_, err = d.Info(n)
	require.Error(t, err)
}

// deep calls f with n frames on the stack.
func deep(n int, f func()) {
	var frame [8]uint64
	if frame[n%8] = 1; n == 0 {
		f()
	} else {
		deep(n-1, f)
	}
	runtime.KeepAlive(frame)
}

// TestGrowingStack: what the driver writes arrives, wherever a goroutine's stack
// has to grow and move.
func TestGrowingStack(t *testing.T) {
	d := open(t)
	want, err := d.Info(0)
	require.NoError(t, err)
	done := make(chan Info)
	for n := range 600 {
		go func() {
			deep(n, func() {
				got, _ := d.Info(0)
				done <- got
			})
		}()
		require.Equal(t, want, <-done, "%d frames", n)
	}
}

// TestWords: an error carries the driver's own words, and its number.
func TestWords(t *testing.T) {
	c := context(t)
	_, err := c.Alloc(1 << 60)
	require.True(t, IsCode(err, OutOfMemory), "%v", err)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "CUDA_ERROR_OUT_OF_MEMORY", e.Name)
	require.ErrorContains(t, err, "cuMemAlloc")
	require.ErrorContains(t, err, e.Text)
	require.NotEmpty(t, e.Text)
	require.False(t, IsCode(nil, OutOfMemory))
	_, err = c.LoadModule([]byte("no code\x00"))
	require.Error(t, err)
}

// addArgs are those of kernel add.
type addArgs struct {
	x, delta Memory
	n        int64
}

// adder is a kernel and memory to launch it with.
type adder struct {
	*Context
	stream   Stream
	host     uintptr
	x, delta Memory
	launch   Launch
	args     *addArgs
}

const adderFloats = 1000

func newAdder(t *testing.T) *adder {
	a := &adder{Context: context(t)}
	info, err := a.Info(0)
	require.NoError(t, err)
	archs := []string{"sm_80"}
	if info.Major >= 9 {
		archs = []string{"sm_90a"}
	}
	image, err := fatbin.Image("add", archs)
	require.NoError(t, err)
	m, err := a.LoadModule(image)
	require.NoError(t, err)
	f, err := a.Function(m, "add")
	require.NoError(t, err)
	require.NoError(t, a.AllowShared(f, 64<<10))
	_, err = a.Function(m, "subtract")
	require.ErrorContains(t, err, "kernel subtract: cuModuleGetFunction")
	a.stream, err = a.NewStream()
	require.NoError(t, err)
	a.host, err = a.HostAlloc(4 * adderFloats)
	require.NoError(t, err)
	a.x, err = a.Alloc(4 * adderFloats)
	require.NoError(t, err)
	require.Zero(t, a.x%256)
	a.delta, err = a.Alloc(4 * adderFloats)
	require.NoError(t, err)
	a.args = &addArgs{a.x, a.delta, adderFloats}
	a.launch = Launch{Function: f, X: 1, Y: 1, Threads: 256, Bytes: int(unsafe.Sizeof(*a.args))}
	t.Cleanup(func() {
		require.NoError(t, a.Free(a.x))
		require.NoError(t, a.Free(a.delta))
		require.NoError(t, a.HostFree(a.host))
		require.NoError(t, a.DestroyStream(a.stream))
		require.NoError(t, a.UnloadModule(m))
	})
	return a
}

func (a *adder) floats() []float32 {
	return unsafe.Slice(*(**float32)(unsafe.Pointer(&a.host)), adderFloats)
}

// fill sets x to zeros and delta to ones.
func (a *adder) fill(t *testing.T) {
	require.NoError(t, a.Fill(a.x, 0, 4*adderFloats, a.stream))
	for i := range a.floats() {
		a.floats()[i] = 1
	}
	require.NoError(t, a.CopyIn(a.delta, a.host, 4*adderFloats, a.stream))
	require.NoError(t, a.Wait(a.stream))
}

// read demands that x is all one number.
func (a *adder) read(t *testing.T, want float32) {
	require.NoError(t, a.CopyOut(a.host, a.x, 4*adderFloats, a.stream))
	require.NoError(t, a.Wait(a.stream))
	for i, v := range a.floats() {
		require.Equal(t, want, v, "element %d", i)
	}
}

func TestLaunch(t *testing.T) {
	a := newAdder(t)
	a.fill(t)
	for range 3 {
		require.NoError(t, a.Launch(&a.launch, unsafe.Pointer(a.args), a.stream))
	}
	// The arguments were copied.
	a.args.n = -1
	a.read(t, 3)
	a.args.n = adderFloats
	require.NoError(t, a.CopyOn(a.x, a.delta, 4*adderFloats, a.stream))
	a.read(t, 1)
	if Binding == "purego" {
		launch := func() { a.Launch(&a.launch, unsafe.Pointer(a.args), a.stream) }
		require.Zero(t, testing.AllocsPerRun(100, launch), "allocations of a launch")
	}
	too := a.launch
	too.Threads = 1024
	require.Error(t, a.Launch(&too, unsafe.Pointer(a.args), a.stream), "more threads than the kernel's bounds")
	require.NoError(t, a.Wait(a.stream), "a refused launch does no harm")
}

func TestEvents(t *testing.T) {
	a := newAdder(t)
	a.fill(t)
	e, err := a.NewEvent()
	require.NoError(t, err)
	require.NoError(t, a.WaitFor(e), "an event that was never set is done")
	require.NoError(t, a.Launch(&a.launch, unsafe.Pointer(a.args), a.stream))
	require.NoError(t, a.CopyOut(a.host, a.x, 4*adderFloats, a.stream))
	require.NoError(t, a.Mark(e, a.stream))
	require.NoError(t, a.WaitFor(e))
	require.Equal(t, float32(1), a.floats()[adderFloats-1])
	require.NoError(t, a.DestroyEvent(e))
}

// TestGraph: what was recorded is not done until it is launched, any number of times.
func TestGraph(t *testing.T) {
	a := newAdder(t)
	a.fill(t)
	require.NoError(t, a.BeginCapture(a.stream))
	for range 2 {
		require.NoError(t, a.Launch(&a.launch, unsafe.Pointer(a.args), a.stream))
	}
	g, err := a.EndCapture(a.stream)
	require.NoError(t, err)
	a.read(t, 0)
	for range 3 {
		require.NoError(t, a.LaunchGraph(g, a.stream))
	}
	a.read(t, 6)
	require.NoError(t, a.DestroyGraph(g))
}

func TestMemoryInfo(t *testing.T) {
	c := context(t)
	before, err := c.MemoryInfo()
	require.NoError(t, err)
	m, err := c.Alloc(64 << 20)
	require.NoError(t, err)
	after, err := c.MemoryInfo()
	require.NoError(t, err)
	require.Equal(t, int64(64<<20), before-after)
	require.NoError(t, c.Free(m))
}

// TestSignals: Go's handlers outlive cuInit.
func TestSignals(t *testing.T) {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGUSR1)
	defer signal.Stop(interrupts)
	open(t)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR1))
	select {
	case <-interrupts:
	case <-time.After(10 * time.Second):
		require.Fail(t, "the signal did not come")
	}
	// A nil dereference is still a panic that can be recovered.
	require.Panics(t, func() { var p *Info; _ = p.Name })
}

// TestKeepSignals: handlers that a library set are undone; those of faults
// stay if they run on the signal stack.
func TestKeepSignals(t *testing.T) {
	var before, now action
	signalAction(uintptr(syscall.SIGUSR2), nil, &before)
	keepSignals(func() {
		foreign := action{handler: before.handler + 1, flags: before.flags, restorer: before.restorer}
		signalAction(uintptr(syscall.SIGUSR2), &foreign, nil)
	})
	signalAction(uintptr(syscall.SIGUSR2), nil, &now)
	require.Equal(t, before, now)

	bus := uintptr(syscall.SIGBUS)
	signalAction(bus, nil, &before)
	defer signalAction(bus, &before, nil)
	foreign := before
	foreign.handler++
	keepSignals(func() { signalAction(bus, &foreign, nil) })
	signalAction(bus, nil, &now)
	require.Equal(t, foreign.handler, now.handler, "it passes on what it does not know")
	signalAction(bus, &before, nil)
	foreign.flags &^= onStack
	keepSignals(func() { signalAction(bus, &foreign, nil) })
	signalAction(bus, nil, &now)
	require.Equal(t, before.handler, now.handler, "it would run on a goroutine's stack")
}

// TestManyLaunches: words that go through memory arrive in the right order.
func TestManyLaunches(t *testing.T) {
	a := newAdder(t)
	words := make([]byte, 4*adderFloats)
	for i := range adderFloats {
		binary.LittleEndian.PutUint32(words[4*i:], uint32(i))
	}
	copy(unsafe.Slice(*(**byte)(unsafe.Pointer(&a.host)), len(words)), words)
	require.NoError(t, a.CopyIn(a.x, a.host, int64(len(words)), a.stream))
	require.NoError(t, a.Wait(a.stream))
	clear(a.floats())
	require.NoError(t, a.CopyOut(a.host, a.x, int64(len(words)), a.stream))
	require.NoError(t, a.Wait(a.stream))
	require.Equal(t, words, unsafe.Slice(*(**byte)(unsafe.Pointer(&a.host)), len(words)))
}

// TestMap: maps differ by what they describe, cost nothing, and what the copy
// engine cannot do is refused.
func TestMap(t *testing.T) {
	c := context(t)
	info, err := c.Info(0)
	require.NoError(t, err)
	if info.Major < 9 {
		t.Skip("the device has no copy engine that takes maps")
	}
	m, err := c.Alloc(1 << 16)
	require.NoError(t, err)
	maker := c.NewMapMaker()
	boxes := Boxes{At: m, Rows: 100, Cols: 64, Pitch: 256, Box: 128}
	first, err := maker.Map(boxes)
	require.NoError(t, err)
	require.NotEqual(t, TensorMap{}, first)
	boxes.Rows++
	second, err := maker.Map(boxes)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	if Binding == "purego" {
		require.Zero(t, testing.AllocsPerRun(100, func() { maker.Map(boxes) }), "allocations of a map")
	}
	boxes.Pitch = 136
	_, err = maker.Map(boxes)
	require.True(t, IsCode(err, 1), err)
	require.NoError(t, c.Free(m))
}

// TestEarly: a launch says that its kernel may begin early, which older devices
// refuse.
func TestEarly(t *testing.T) {
	cudatest.Set(t, "TRONA_EMU_CC", "8.0")
	defer cudatest.Set(t, "TRONA_EMU_CC", "9.0")
	a := newAdder(t)
	a.fill(t)
	a.launch.Early = true
	require.True(t, IsCode(a.Launch(&a.launch, unsafe.Pointer(a.args), a.stream), 801))
	a.launch.Early = false
	require.NoError(t, a.Launch(&a.launch, unsafe.Pointer(a.args), a.stream))
	a.read(t, 1)
}

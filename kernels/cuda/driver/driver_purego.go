//go:build linux && !gorgonia && !nocuda

package driver

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Binding names the way in which the driver is called.
const Binding = "purego"

// call is one function of the driver.
type call int

const (
	cuInit call = iota
	cuDriverGetVersion
	cuGetErrorName
	cuGetErrorString
	cuDeviceGetCount
	cuDeviceGetName
	cuDeviceTotalMem
	cuDeviceGetAttribute
	cuDevicePrimaryCtxSetFlags
	cuDevicePrimaryCtxRetain
	cuDevicePrimaryCtxRelease
	cuCtxSetCurrent
	cuMemGetInfo
	cuMemAlloc
	cuMemFree
	cuMemHostAlloc
	cuMemFreeHost
	cuMemcpyHtoDAsync
	cuMemcpyDtoHAsync
	cuMemcpyDtoDAsync
	cuMemsetD8Async
	cuStreamCreate
	cuStreamDestroy
	cuStreamSynchronize
	cuEventCreate
	cuEventDestroy
	cuEventRecord
	cuEventSynchronize
	cuModuleLoadData
	cuModuleUnload
	cuModuleGetFunction
	cuFuncSetAttribute
	cuLaunchKernel
	cuLaunchKernelEx
	cuTensorMapEncodeTiled
	cuStreamBeginCapture
	cuStreamEndCapture
	cuGraphInstantiate
	cuGraphLaunch
	cuGraphExecDestroy
	cuGraphDestroy
	calls
)

// symbols are the names in the library. A name stands for one set of
// parameters for ever; all of these exist since CUDA 12.0.
var symbols = [calls]string{
	cuInit: "cuInit", cuDriverGetVersion: "cuDriverGetVersion",
	cuGetErrorName: "cuGetErrorName", cuGetErrorString: "cuGetErrorString",
	cuDeviceGetCount: "cuDeviceGetCount", cuDeviceGetName: "cuDeviceGetName", cuDeviceTotalMem: "cuDeviceTotalMem_v2",
	cuDeviceGetAttribute:       "cuDeviceGetAttribute",
	cuDevicePrimaryCtxSetFlags: "cuDevicePrimaryCtxSetFlags_v2", cuDevicePrimaryCtxRetain: "cuDevicePrimaryCtxRetain",
	cuDevicePrimaryCtxRelease: "cuDevicePrimaryCtxRelease_v2", cuCtxSetCurrent: "cuCtxSetCurrent",
	cuMemGetInfo: "cuMemGetInfo_v2", cuMemAlloc: "cuMemAlloc_v2", cuMemFree: "cuMemFree_v2",
	cuMemHostAlloc: "cuMemHostAlloc", cuMemFreeHost: "cuMemFreeHost",
	cuMemcpyHtoDAsync: "cuMemcpyHtoDAsync_v2", cuMemcpyDtoHAsync: "cuMemcpyDtoHAsync_v2",
	cuMemcpyDtoDAsync: "cuMemcpyDtoDAsync_v2", cuMemsetD8Async: "cuMemsetD8Async",
	cuStreamCreate: "cuStreamCreate", cuStreamDestroy: "cuStreamDestroy_v2", cuStreamSynchronize: "cuStreamSynchronize",
	cuEventCreate: "cuEventCreate", cuEventDestroy: "cuEventDestroy_v2", cuEventRecord: "cuEventRecord",
	cuEventSynchronize: "cuEventSynchronize",
	cuModuleLoadData:   "cuModuleLoadData", cuModuleUnload: "cuModuleUnload", cuModuleGetFunction: "cuModuleGetFunction",
	cuFuncSetAttribute: "cuFuncSetAttribute", cuLaunchKernel: "cuLaunchKernel",
	cuLaunchKernelEx: "cuLaunchKernelEx", cuTensorMapEncodeTiled: "cuTensorMapEncodeTiled",
	cuStreamBeginCapture: "cuStreamBeginCapture_v2", cuStreamEndCapture: "cuStreamEndCapture",
	cuGraphInstantiate: "cuGraphInstantiateWithFlags", cuGraphLaunch: "cuGraphLaunch",
	cuGraphExecDestroy: "cuGraphExecDestroy", cuGraphDestroy: "cuGraphDestroy",
}

// Driver is the loaded library.
type Driver struct {
	functions [calls]uintptr
}

// Open loads and starts the driver. The error wraps ErrNotFound where the
// machine has no driver or no device.
func Open() (*Driver, error) {
	lib, err := purego.Dlopen("libcuda.so.1", purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	d := &Driver{}
	for c, name := range symbols {
		if d.functions[c], err = purego.Dlsym(lib, name); err != nil {
			return nil, fmt.Errorf("libcuda.so.1 is too old (no %s): the driver must be R525 or newer", name)
		}
	}
	keepSignals(func() { err = d.call(cuInit, 0) })
	switch {
	case IsCode(err, NoDevice) || IsCode(err, StubLibrary):
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	case err != nil:
		return nil, err
	}
	return d, nil
}

// call makes a call that may allocate. What its arguments point to is moved to
// the heap, because stacks move.
//
//go:uintptrescapes
func (d *Driver) call(c call, args ...uintptr) error {
	r, _, _ := purego.SyscallN(d.functions[c], args...)
	return d.result(c, r)
}

// result turns what a call returned into an error with the driver's words.
func (d *Driver) result(c call, r uintptr) error {
	if int32(r) == success {
		return nil
	}
	e := &Error{Call: symbols[c], Code: int(int32(r)), Name: "unknown error", Text: "the driver has no words for it"}
	text := new(*byte)
	if r, _, _ := purego.SyscallN(d.functions[cuGetErrorName], uintptr(e.Code), uintptr(unsafe.Pointer(text))); int32(r) == success {
		e.Name = goString(*text)
	}
	if r, _, _ := purego.SyscallN(d.functions[cuGetErrorString], uintptr(e.Code), uintptr(unsafe.Pointer(text))); int32(r) == success {
		e.Text = goString(*text)
	}
	return e
}

// goString copies a string of C.
func goString(p *byte) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}

// number returns what a call writes through its first parameter, of up to three.
func (d *Driver) number(c call, a, b uintptr) (uint64, error) {
	n := new(uint64)
	err := d.call(c, uintptr(unsafe.Pointer(n)), a, b)
	return *n, err
}

// Version returns the newest CUDA that the driver knows, as in 12040.
func (d *Driver) Version() (int, error) {
	n, err := d.number(cuDriverGetVersion, 0, 0)
	return int(int32(n)), err
}

// Devices returns the number of devices.
func (d *Driver) Devices() (int, error) {
	n, err := d.number(cuDeviceGetCount, 0, 0)
	return int(int32(n)), err
}

// Info describes a device.
func (d *Driver) Info(device int) (Info, error) {
	name := make([]byte, 256)
	err := d.call(cuDeviceGetName, uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)), uintptr(device))
	memory, err2 := d.number(cuDeviceTotalMem, uintptr(device), 0)
	i := Info{Name: goString(&name[0]), Memory: int64(memory)}
	for attribute, field := range map[int]*int{
		attributeProcessors: &i.Processors, attributeMajor: &i.Major, attributeMinor: &i.Minor, attributeSharedOptin: &i.SharedBytes,
	} {
		n, err3 := d.number(cuDeviceGetAttribute, uintptr(attribute), uintptr(device))
		*field = int(int32(n))
		err = errors.Join(err, err3)
	}
	return i, errors.Join(err, err2)
}

// Context is a device's primary context. Calls with addresses of Go objects
// have them in fields below, or in memory that its caller keeps.
type Context struct {
	*Driver
	device uintptr

	args      [11]uintptr       // of the call being made
	params    [1]unsafe.Pointer // of the kernel being launched
	config    launchConfig
	attribute launchAttribute
	out, more uint64         // what a call writes
	in        unsafe.Pointer // what it reads: a pointer here keeps that off the stack, which moves
}

// launchConfig and launchAttribute are CUlaunchConfig and CUlaunchAttribute.
type launchConfig struct {
	grid, block [3]uint32
	shared      uint32
	stream      Stream
	attributes  unsafe.Pointer
	count       uint32
}

type launchAttribute struct {
	id, _ uint32
	value [16]uint32
}

// NewContext makes the device's context current on the calling thread.
func (d *Driver) NewContext(device int) (*Context, error) {
	// The flags may be set only while nobody else has the context; then they stand.
	_ = d.call(cuDevicePrimaryCtxSetFlags, uintptr(device), contextScheduleBlocks)
	context, err := d.number(cuDevicePrimaryCtxRetain, uintptr(device), 0)
	if err != nil {
		return nil, err
	}
	c := &Context{Driver: d, device: uintptr(device)}
	if err := d.call(cuCtxSetCurrent, uintptr(context)); err != nil {
		return nil, errors.Join(err, c.Release())
	}
	return c, nil
}

// Release gives the context back; with the last user its memory goes.
func (c *Context) Release() error { return c.call(cuDevicePrimaryCtxRelease, c.device) }

// fast makes a call with the first n of c.args. It allocates nothing unless
// the call fails.
func (c *Context) fast(f call, n int) error {
	r, _, _ := purego.SyscallN(c.functions[f], c.args[:n]...)
	if int32(r) == success {
		return nil
	}
	return c.result(f, r)
}

// make returns what a call writes through its first parameter, of n.
func (c *Context) make(f call, n int) (uint64, error) {
	c.out = 0
	c.args[0] = uintptr(unsafe.Pointer(&c.out))
	err := c.fast(f, n)
	return c.out, err
}

// MemoryInfo returns the bytes that are free on the device.
func (c *Context) MemoryInfo() (free int64, err error) {
	c.args[1] = uintptr(unsafe.Pointer(&c.more))
	n, err := c.make(cuMemGetInfo, 2)
	return int64(n), err
}

// Alloc returns memory of the device, aligned to 256 bytes, its contents
// undefined.
func (c *Context) Alloc(bytes int64) (Memory, error) {
	c.args[1] = uintptr(bytes)
	n, err := c.make(cuMemAlloc, 2)
	return Memory(n), err
}

// Free returns memory of Alloc.
func (c *Context) Free(m Memory) error {
	c.args[0] = uintptr(m)
	return c.fast(cuMemFree, 1)
}

// HostAlloc returns memory of the host that asynchronous copies may use.
func (c *Context) HostAlloc(bytes int64) (uintptr, error) {
	c.args[1], c.args[2] = uintptr(bytes), hostAllocPortable
	n, err := c.make(cuMemHostAlloc, 3)
	return uintptr(n), err
}

// HostFree returns memory of HostAlloc.
func (c *Context) HostFree(host uintptr) error {
	c.args[0] = host
	return c.fast(cuMemFreeHost, 1)
}

// CopyIn copies from memory of HostAlloc to the device, in the order of the stream.
func (c *Context) CopyIn(to Memory, from uintptr, bytes int64, s Stream) error {
	return c.copy(cuMemcpyHtoDAsync, uintptr(to), from, bytes, s)
}

// CopyOut copies to memory of HostAlloc.
func (c *Context) CopyOut(to uintptr, from Memory, bytes int64, s Stream) error {
	return c.copy(cuMemcpyDtoHAsync, to, uintptr(from), bytes, s)
}

// CopyOn copies on the device.
func (c *Context) CopyOn(to, from Memory, bytes int64, s Stream) error {
	return c.copy(cuMemcpyDtoDAsync, uintptr(to), uintptr(from), bytes, s)
}

func (c *Context) copy(f call, to, from uintptr, bytes int64, s Stream) error {
	c.args[0], c.args[1], c.args[2], c.args[3] = to, from, uintptr(bytes), uintptr(s)
	return c.fast(f, 4)
}

// Fill sets bytes on the device.
func (c *Context) Fill(to Memory, value byte, bytes int64, s Stream) error {
	c.args[0], c.args[1], c.args[2], c.args[3] = uintptr(to), uintptr(value), uintptr(bytes), uintptr(s)
	return c.fast(cuMemsetD8Async, 4)
}

// NewStream returns a queue of work.
func (c *Context) NewStream() (Stream, error) {
	c.args[1] = streamNonBlocking
	n, err := c.make(cuStreamCreate, 2)
	return Stream(n), err
}

// DestroyStream destroys a stream of NewStream.
func (c *Context) DestroyStream(s Stream) error {
	c.args[0] = uintptr(s)
	return c.fast(cuStreamDestroy, 1)
}

// Wait waits until all work of a stream is done.
func (c *Context) Wait(s Stream) error {
	c.args[0] = uintptr(s)
	return c.fast(cuStreamSynchronize, 1)
}

// NewEvent returns a mark to set in streams.
func (c *Context) NewEvent() (Event, error) {
	c.args[1] = eventFlags
	n, err := c.make(cuEventCreate, 2)
	return Event(n), err
}

// DestroyEvent destroys an event of NewEvent.
func (c *Context) DestroyEvent(e Event) error {
	c.args[0] = uintptr(e)
	return c.fast(cuEventDestroy, 1)
}

// Mark sets an event behind what the stream was given so far.
func (c *Context) Mark(e Event, s Stream) error {
	c.args[0], c.args[1] = uintptr(e), uintptr(s)
	return c.fast(cuEventRecord, 2)
}

// WaitFor waits until all work before the event is done.
func (c *Context) WaitFor(e Event) error {
	c.args[0] = uintptr(e)
	return c.fast(cuEventSynchronize, 1)
}

// LoadModule loads machine code, or PTX text that ends with a zero byte.
func (c *Context) LoadModule(image []byte) (Module, error) {
	c.in = unsafe.Pointer(&image[0])
	c.args[1] = uintptr(c.in)
	n, err := c.make(cuModuleLoadData, 2)
	c.in = nil
	return Module(n), err
}

// UnloadModule unloads a module of LoadModule.
func (c *Context) UnloadModule(m Module) error {
	c.args[0] = uintptr(m)
	return c.fast(cuModuleUnload, 1)
}

// Function returns a kernel of a module.
func (c *Context) Function(m Module, name string) (Function, error) {
	c.in = unsafe.Pointer(&append([]byte(name), 0)[0])
	c.args[1], c.args[2] = uintptr(m), uintptr(c.in)
	n, err := c.make(cuModuleGetFunction, 3)
	c.in = nil
	if err != nil {
		err = fmt.Errorf("kernel %s: %w", name, err)
	}
	return Function(n), err
}

// AllowShared lets launches of a kernel ask for that much shared memory; more
// than 48 KiB needs it.
func (c *Context) AllowShared(f Function, bytes int) error {
	c.args[0], c.args[1], c.args[2] = uintptr(f), functionSharedBytes, uintptr(bytes)
	return c.fast(cuFuncSetAttribute, 3)
}

// Launch queues a kernel whose only parameter is a struct; it is copied before
// Launch returns.
func (c *Context) Launch(l *Launch, params unsafe.Pointer, s Stream) error {
	c.params[0] = params
	if l.Early {
		return c.launchEarly(l, s)
	}
	c.args = [11]uintptr{
		uintptr(l.Function), uintptr(l.X), uintptr(l.Y), 1, uintptr(l.Threads), 1, 1,
		uintptr(l.Shared), uintptr(s), uintptr(unsafe.Pointer(&c.params[0])), 0,
	}
	return c.fast(cuLaunchKernel, 11)
}

func (c *Context) launchEarly(l *Launch, s Stream) error {
	c.attribute = launchAttribute{id: launchEarly, value: [16]uint32{1}}
	c.config = launchConfig{
		grid: [3]uint32{uint32(l.X), uint32(l.Y), 1}, block: [3]uint32{uint32(l.Threads), 1, 1},
		shared: uint32(l.Shared), stream: s, attributes: unsafe.Pointer(&c.attribute), count: 1,
	}
	c.args[0], c.args[1], c.args[2], c.args[3] = uintptr(unsafe.Pointer(&c.config)), uintptr(l.Function), uintptr(unsafe.Pointer(&c.params[0])), 0
	return c.fast(cuLaunchKernelEx, 4)
}

// MapMaker makes maps, one at a time.
type MapMaker struct {
	driver     *Driver
	words      [24]uint64 // some 128 bytes of it are aligned to 64
	sizes      [2]uint64
	pitch      [1]uint64
	box, steps [2]uint32
	args       [12]uintptr
}

// NewMapMaker returns one. Maps need the context of the thread that makes them.
func (c *Context) NewMapMaker() *MapMaker { return &MapMaker{driver: c.Driver} }

// Map returns the map of b.
func (m *MapMaker) Map(b Boxes) (t TensorMap, err error) {
	m.sizes, m.pitch = [2]uint64{uint64(b.Cols), uint64(b.Rows)}, [1]uint64{uint64(b.Pitch)}
	m.box, m.steps = [2]uint32{mapBoxColumns, uint32(b.Box)}, [2]uint32{1, 1}
	at := -uintptr(unsafe.Pointer(&m.words)) % 64 / 8
	m.args = [12]uintptr{
		uintptr(unsafe.Pointer(&m.words[at])), mapUint16, 2, uintptr(b.At), uintptr(unsafe.Pointer(&m.sizes)), uintptr(unsafe.Pointer(&m.pitch)),
		uintptr(unsafe.Pointer(&m.box)), uintptr(unsafe.Pointer(&m.steps)), 0, mapSwizzle128, mapPromote256, 0,
	}
	r, _, _ := purego.SyscallN(m.driver.functions[cuTensorMapEncodeTiled], m.args[:]...)
	if int32(r) != success {
		return t, m.driver.result(cuTensorMapEncodeTiled, r)
	}
	copy(t[:], m.words[at:])
	return t, nil
}

// BeginCapture makes the stream record what it is given instead of doing it.
func (c *Context) BeginCapture(s Stream) error {
	c.args[0], c.args[1] = uintptr(s), captureThreadLocal
	return c.fast(cuStreamBeginCapture, 2)
}

// EndCapture returns what was recorded, ready to be launched.
func (c *Context) EndCapture(s Stream) (Graph, error) {
	c.args[0], c.args[1] = uintptr(s), uintptr(unsafe.Pointer(&c.more))
	if err := c.fast(cuStreamEndCapture, 2); err != nil {
		return 0, err
	}
	c.args[1], c.args[2] = uintptr(c.more), 0
	exec, err := c.make(cuGraphInstantiate, 3)
	c.args[0] = uintptr(c.more)
	return Graph(exec), errors.Join(err, c.fast(cuGraphDestroy, 1))
}

// LaunchGraph queues a graph.
func (c *Context) LaunchGraph(g Graph, s Stream) error {
	c.args[0], c.args[1] = uintptr(g), uintptr(s)
	return c.fast(cuGraphLaunch, 2)
}

// DestroyGraph destroys a graph of EndCapture.
func (c *Context) DestroyGraph(g Graph) error {
	c.args[0] = uintptr(g)
	return c.fast(cuGraphExecDestroy, 1)
}

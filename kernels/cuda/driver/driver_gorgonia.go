//go:build linux && gorgonia

package driver

// #cgo LDFLAGS: -lcuda
// #include <cuda.h>
// #include <string.h>
//
// static CUresult launch_early(CUfunction f, unsigned x, unsigned y, unsigned threads, unsigned shared, CUstream s, void *args) {
//     CUlaunchAttribute a = {.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION};
//     a.value.programmaticStreamSerializationAllowed = 1;
//     CUlaunchConfig c = {.gridDimX = x, .gridDimY = y, .gridDimZ = 1, .blockDimX = threads, .blockDimY = 1, .blockDimZ = 1,
//                         .sharedMemBytes = shared, .hStream = s, .attrs = &a, .numAttrs = 1};
//     void *params[] = {args};
//     return cuLaunchKernelEx(&c, f, params, NULL);
// }
//
// static CUresult make_map(cuuint64_t *to, cuuint64_t at, cuuint64_t rows, cuuint64_t cols, cuuint64_t pitch, cuuint32_t width, cuuint32_t height) {
//     _Alignas(64) CUtensorMap m;
//     cuuint64_t sizes[] = {cols, rows}, pitches[] = {pitch};
//     cuuint32_t box[] = {width, height}, steps[] = {1, 1};
//     CUresult r = cuTensorMapEncodeTiled(&m, CU_TENSOR_MAP_DATA_TYPE_UINT16, 2, (void *)at, sizes, pitches, box, steps,
//         CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
//     memcpy(to, &m, sizeof m);
//     return r;
// }
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"gorgonia.org/cu"
)

// Binding names the way in which the driver is called.
const Binding = "gorgonia.org/cu"

// Driver is the linked library. gorgonia.org/cu starts it before main, and
// ends the program where that fails.
type Driver struct{}

// Open starts the driver once more, which does no harm.
func Open() (*Driver, error) {
	err := failed("cuInit", codeOf(C.cuInit(0)))
	if IsCode(err, NoDevice) {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return nil, err
	}
	return &Driver{}, nil
}

func codeOf(r C.CUresult) int { return int(r) }

// failed turns a CUresult into an error with the driver's words.
func failed(call string, code int) error {
	if code == success {
		return nil
	}
	e := &Error{Call: call, Code: code, Name: "unknown error", Text: "the driver has no words for it"}
	var text *C.char
	if C.cuGetErrorName(C.CUresult(code), &text) == C.CUDA_SUCCESS {
		e.Name = C.GoString(text)
	}
	if C.cuGetErrorString(C.CUresult(code), &text) == C.CUDA_SUCCESS {
		e.Text = C.GoString(text)
	}
	return e
}

// wrap turns an error of gorgonia.org/cu, a number in wrappings, into ours.
func wrap(call string, err error) error {
	if err == nil {
		return nil
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	if v := reflect.ValueOf(err); v.CanInt() {
		return failed(call, int(v.Int()))
	}
	return fmt.Errorf("%s: %w", call, err)
}

// Version returns the newest CUDA that the driver knows, as in 12040.
func (d *Driver) Version() (int, error) {
	v := cu.Version()
	if v < 0 {
		return 0, errors.New("cuDriverGetVersion failed")
	}
	return v, nil
}

// Devices returns the number of devices.
func (d *Driver) Devices() (int, error) {
	n, err := cu.NumDevices()
	return n, wrap("cuDeviceGetCount", err)
}

// Info describes a device.
func (d *Driver) Info(device int) (Info, error) {
	dev, err := cu.GetDevice(device)
	if err != nil {
		return Info{}, wrap("cuDeviceGet", err)
	}
	name, err := dev.Name()
	memory, err2 := dev.TotalMem()
	i := Info{Name: name, Memory: memory}
	err = errors.Join(wrap("cuDeviceGetName", err), wrap("cuDeviceTotalMem", err2))
	for attribute, field := range map[int]*int{
		attributeProcessors: &i.Processors, attributeMajor: &i.Major, attributeMinor: &i.Minor, attributeSharedOptin: &i.SharedBytes,
	} {
		n, err3 := dev.Attribute(cu.DeviceAttribute(attribute))
		*field = n
		err = errors.Join(err, wrap("cuDeviceGetAttribute", err3))
	}
	return i, err
}

// Context is a device's primary context.
type Context struct {
	*Driver
	device cu.Device
	words  []unsafe.Pointer // of the kernel being launched
	params []uint64         // the same for C
}

// NewContext makes the device's context current on the calling thread.
func (d *Driver) NewContext(device int) (*Context, error) {
	dev, err := cu.GetDevice(device)
	if err != nil {
		return nil, wrap("cuDeviceGet", err)
	}
	context, err := dev.RetainPrimaryCtx()
	if err != nil {
		return nil, wrap("cuDevicePrimaryCtxRetain", err)
	}
	c := &Context{Driver: d, device: dev}
	if err := cu.SetCurrentContext(context); err != nil {
		return nil, errors.Join(wrap("cuCtxSetCurrent", err), c.Release())
	}
	return c, nil
}

// Handles of gorgonia.org/cu are structs with the driver's handle alone.
func (s Stream) cu() cu.Stream     { return *(*cu.Stream)(unsafe.Pointer(&s)) }
func (e Event) cu() cu.Event       { return *(*cu.Event)(unsafe.Pointer(&e)) }
func (m Module) cu() cu.Module     { return *(*cu.Module)(unsafe.Pointer(&m)) }
func (f Function) cu() cu.Function { return *(*cu.Function)(unsafe.Pointer(&f)) }

// pointer is memory of the host, which Go's collector does not know.
func pointer(host uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&host)) }

// Release gives the context back; with the last user its memory goes.
func (c *Context) Release() error {
	return wrap("cuDevicePrimaryCtxRelease", c.device.ReleasePrimaryCtx())
}

// MemoryInfo returns the bytes that are free on the device.
func (c *Context) MemoryInfo() (free int64, err error) {
	free, _, err = cu.MemInfo()
	return free, wrap("cuMemGetInfo", err)
}

// Alloc returns memory of the device, aligned to 256 bytes, its contents
// undefined.
func (c *Context) Alloc(bytes int64) (Memory, error) {
	m, err := cu.MemAlloc(bytes)
	return Memory(m), wrap("cuMemAlloc", err)
}

// Free returns memory of Alloc.
func (c *Context) Free(m Memory) error { return wrap("cuMemFree", cu.MemFree(cu.DevicePtr(m))) }

// HostAlloc returns memory of the host that asynchronous copies may use.
func (c *Context) HostAlloc(bytes int64) (uintptr, error) {
	var p unsafe.Pointer
	err := failed("cuMemHostAlloc", codeOf(C.cuMemHostAlloc(&p, C.size_t(bytes), hostAllocPortable)))
	return uintptr(p), err
}

// HostFree returns memory of HostAlloc.
func (c *Context) HostFree(host uintptr) error {
	return wrap("cuMemFreeHost", cu.MemFreeHost(pointer(host)))
}

// CopyIn copies from memory of HostAlloc to the device, in the order of the stream.
func (c *Context) CopyIn(to Memory, from uintptr, bytes int64, s Stream) error {
	return wrap("cuMemcpyHtoDAsync", cu.MemcpyHtoDAsync(cu.DevicePtr(to), pointer(from), bytes, s.cu()))
}

// CopyOut copies to memory of HostAlloc.
func (c *Context) CopyOut(to uintptr, from Memory, bytes int64, s Stream) error {
	return wrap("cuMemcpyDtoHAsync", cu.MemcpyDtoHAsync(pointer(to), cu.DevicePtr(from), bytes, s.cu()))
}

// CopyOn copies on the device.
func (c *Context) CopyOn(to, from Memory, bytes int64, s Stream) error {
	return wrap("cuMemcpyDtoDAsync", cu.MemcpyDtoDAsync(cu.DevicePtr(to), cu.DevicePtr(from), bytes, s.cu()))
}

// Fill sets bytes on the device.
func (c *Context) Fill(to Memory, value byte, bytes int64, s Stream) error {
	return wrap("cuMemsetD8Async", cu.MemsetD8Async(cu.DevicePtr(to), value, bytes, s.cu()))
}

// NewStream returns a queue of work.
func (c *Context) NewStream() (Stream, error) {
	s, err := cu.MakeStream(cu.StreamFlags(streamNonBlocking))
	return *(*Stream)(unsafe.Pointer(&s)), wrap("cuStreamCreate", err)
}

// DestroyStream destroys a stream of NewStream.
func (c *Context) DestroyStream(s Stream) error {
	stream := s.cu()
	return wrap("cuStreamDestroy", stream.Destroy())
}

// Wait waits until all work of a stream is done.
func (c *Context) Wait(s Stream) error { return wrap("cuStreamSynchronize", s.cu().Synchronize()) }

// NewEvent returns a mark to set in streams.
func (c *Context) NewEvent() (Event, error) {
	e, err := cu.MakeEvent(cu.EventFlags(eventFlags))
	return *(*Event)(unsafe.Pointer(&e)), wrap("cuEventCreate", err)
}

// DestroyEvent destroys an event of NewEvent.
func (c *Context) DestroyEvent(e Event) error {
	event := e.cu()
	return wrap("cuEventDestroy", cu.DestroyEvent(&event))
}

// Mark sets an event behind what the stream was given so far.
func (c *Context) Mark(e Event, s Stream) error {
	return wrap("cuEventRecord", e.cu().Record(s.cu()))
}

// WaitFor waits until all work before the event is done.
func (c *Context) WaitFor(e Event) error { return wrap("cuEventSynchronize", e.cu().Synchronize()) }

// LoadModule loads machine code, or PTX text that ends with a zero byte.
func (c *Context) LoadModule(image []byte) (Module, error) {
	m, err := cu.LoadData(string(image))
	return *(*Module)(unsafe.Pointer(&m)), wrap("cuModuleLoadData", err)
}

// UnloadModule unloads a module of LoadModule.
func (c *Context) UnloadModule(m Module) error { return wrap("cuModuleUnload", m.cu().Unload()) }

// Function returns a kernel of a module.
func (c *Context) Function(m Module, name string) (Function, error) {
	f, err := m.cu().Function(name)
	if err != nil {
		return 0, fmt.Errorf("kernel %s: %w", name, wrap("cuModuleGetFunction", err))
	}
	return *(*Function)(unsafe.Pointer(&f)), nil
}

// AllowShared lets launches of a kernel ask for that much shared memory; more
// than 48 KiB needs it.
func (c *Context) AllowShared(f Function, bytes int) error {
	return failed("cuFuncSetAttribute", codeOf(C.cuFuncSetAttribute(C.CUfunction(pointer(uintptr(f))), functionSharedBytes, C.int(bytes))))
}

// Launch queues a kernel whose only parameter is a struct; it is copied before
// Launch returns. gorgonia.org/cu copies 8 bytes of each parameter, one after
// another: given the struct's words as parameters, the first is all of it.
func (c *Context) Launch(l *Launch, params unsafe.Pointer, s Stream) error {
	if l.Early {
		return c.launchEarly(l, params, s)
	}
	c.words = c.words[:0]
	for at := 0; at < l.Bytes; at += 8 {
		c.words = append(c.words, unsafe.Add(params, at))
	}
	return wrap("cuLaunchKernel", l.Function.cu().Launch(l.X, l.Y, 1, l.Threads, 1, 1, l.Shared, s.cu(), c.words))
}

// launchEarly does what gorgonia.org/cu lacks. C gets a copy: params may stand beside
// pointers, which cgo does not let pass.
func (c *Context) launchEarly(l *Launch, params unsafe.Pointer, s Stream) error {
	c.params = append(c.params[:0], unsafe.Slice((*uint64)(params), l.Bytes/8)...)
	r := C.launch_early(C.CUfunction(pointer(uintptr(l.Function))), C.uint(l.X), C.uint(l.Y), C.uint(l.Threads), C.uint(l.Shared),
		C.CUstream(pointer(uintptr(s))), unsafe.Pointer(&c.params[0]))
	return failed("cuLaunchKernelEx", codeOf(r))
}

// MapMaker makes maps, one at a time.
type MapMaker struct{}

// NewMapMaker returns one. Maps need the context of the thread that makes them.
func (c *Context) NewMapMaker() *MapMaker { return &MapMaker{} }

// Map returns the map of b.
func (m *MapMaker) Map(b Boxes) (t TensorMap, err error) {
	r := C.make_map((*C.cuuint64_t)(unsafe.Pointer(&t)), C.cuuint64_t(b.At), C.cuuint64_t(b.Rows), C.cuuint64_t(b.Cols), C.cuuint64_t(b.Pitch),
		mapBoxColumns, C.cuuint32_t(b.Box))
	return t, failed("cuTensorMapEncodeTiled", codeOf(r))
}

// BeginCapture makes the stream record what it is given instead of doing it.
func (c *Context) BeginCapture(s Stream) error {
	return failed("cuStreamBeginCapture", codeOf(C.cuStreamBeginCapture(C.CUstream(pointer(uintptr(s))), captureThreadLocal)))
}

// EndCapture returns what was recorded, ready to be launched.
func (c *Context) EndCapture(s Stream) (Graph, error) {
	var graph C.CUgraph
	if err := failed("cuStreamEndCapture", codeOf(C.cuStreamEndCapture(C.CUstream(pointer(uintptr(s))), &graph))); err != nil {
		return 0, err
	}
	var exec C.CUgraphExec
	err := failed("cuGraphInstantiate", codeOf(C.cuGraphInstantiateWithFlags(&exec, graph, 0)))
	err = errors.Join(err, failed("cuGraphDestroy", codeOf(C.cuGraphDestroy(graph))))
	return Graph(unsafe.Pointer(exec)), err
}

// LaunchGraph queues a graph.
func (c *Context) LaunchGraph(g Graph, s Stream) error {
	return failed("cuGraphLaunch", codeOf(C.cuGraphLaunch(C.CUgraphExec(pointer(uintptr(g))), C.CUstream(pointer(uintptr(s))))))
}

// DestroyGraph destroys a graph of EndCapture.
func (c *Context) DestroyGraph(g Graph) error {
	return failed("cuGraphExecDestroy", codeOf(C.cuGraphExecDestroy(C.CUgraphExec(pointer(uintptr(g))))))
}

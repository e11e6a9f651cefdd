//go:build !linux || (nocuda && !gorgonia)

package driver

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Binding names the way in which the driver is called.
const Binding = "none"

// Driver and Context do not exist here: Open returns none.
type (
	Driver   struct{}
	Context  struct{}
	MapMaker struct{}
)

// Open returns ErrNotFound.
func Open() (*Driver, error) {
	return nil, fmt.Errorf("%w: this program was built for %s/%s without CUDA", ErrNotFound, runtime.GOOS, runtime.GOARCH)
}

func (d *Driver) Version() (int, error)              { return 0, ErrNotFound }
func (d *Driver) Devices() (int, error)              { return 0, ErrNotFound }
func (d *Driver) Info(int) (Info, error)             { return Info{}, ErrNotFound }
func (d *Driver) NewContext(int) (*Context, error)   { return nil, ErrNotFound }
func (c *Context) NewMapMaker() *MapMaker            { return nil }
func (m *MapMaker) Map(Boxes) (TensorMap, error)     { return TensorMap{}, ErrNotFound }
func (c *Context) Release() error                    { return ErrNotFound }
func (c *Context) MemoryInfo() (int64, error)        { return 0, ErrNotFound }
func (c *Context) Alloc(int64) (Memory, error)       { return 0, ErrNotFound }
func (c *Context) Free(Memory) error                 { return ErrNotFound }
func (c *Context) HostAlloc(int64) (uintptr, error)  { return 0, ErrNotFound }
func (c *Context) HostFree(uintptr) error            { return ErrNotFound }
func (c *Context) NewStream() (Stream, error)        { return 0, ErrNotFound }
func (c *Context) DestroyStream(Stream) error        { return ErrNotFound }
func (c *Context) Wait(Stream) error                 { return ErrNotFound }
func (c *Context) NewEvent() (Event, error)          { return 0, ErrNotFound }
func (c *Context) DestroyEvent(Event) error          { return ErrNotFound }
func (c *Context) Mark(Event, Stream) error          { return ErrNotFound }
func (c *Context) WaitFor(Event) error               { return ErrNotFound }
func (c *Context) LoadModule([]byte) (Module, error) { return 0, ErrNotFound }
func (c *Context) UnloadModule(Module) error         { return ErrNotFound }
func (c *Context) AllowShared(Function, int) error   { return ErrNotFound }
func (c *Context) BeginCapture(Stream) error         { return ErrNotFound }
func (c *Context) EndCapture(Stream) (Graph, error)  { return 0, ErrNotFound }
func (c *Context) LaunchGraph(Graph, Stream) error   { return ErrNotFound }
func (c *Context) DestroyGraph(Graph) error          { return ErrNotFound }

func (c *Context) Function(Module, string) (Function, error)    { return 0, ErrNotFound }
func (c *Context) CopyIn(Memory, uintptr, int64, Stream) error  { return ErrNotFound }
func (c *Context) CopyOut(uintptr, Memory, int64, Stream) error { return ErrNotFound }
func (c *Context) CopyOn(Memory, Memory, int64, Stream) error   { return ErrNotFound }
func (c *Context) Fill(Memory, byte, int64, Stream) error       { return ErrNotFound }
func (c *Context) Launch(*Launch, unsafe.Pointer, Stream) error { return ErrNotFound }

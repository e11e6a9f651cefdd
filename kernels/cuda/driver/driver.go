// Package driver is the part of the CUDA driver API that the device uses
// (NVIDIA, "CUDA Driver API"). It knows nothing of kernels or tensors.
//
// # Which binding is used?
//
// By default libcuda.so.1 is loaded at run time through purego, without cgo,
// so that one program serves machines with and without a GPU. The build tag
// gorgonia uses gorgonia.org/cu instead: it needs cgo and the CUDA headers,
// links libcuda, and such a program does not start where there is no GPU. The
// build tag nocuda leaves CUDA out; the program is then static. Both bindings
// pass the same tests.
//
// # Which thread may call?
//
// A context is current on the OS thread that made it, and its calls reuse its
// argument array: one locked thread uses a Context, and no other.
package driver

import (
	"errors"
	"fmt"
)

// ErrNotFound is returned by Open where there is no driver or no device.
var ErrNotFound = errors.New("no CUDA driver")

// MinVersion is the oldest driver that is served: CUDA 12.0, release R525.
const MinVersion = 12000

// Error is what a call of the driver returned.
type Error struct {
	Call string // "cuMemAlloc"
	Code int    // CUresult
	Name string // "CUDA_ERROR_OUT_OF_MEMORY"
	Text string // in the driver's own words
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (%s, %d)", e.Call, e.Text, e.Name, e.Code)
}

// Results that mean something to a caller (CUresult).
const (
	success           = 0
	OutOfMemory       = 2
	NoDevice          = 100
	StubLibrary       = 34
	NoBinaryForDevice = 209
)

// IsCode reports whether err is an Error with this CUresult.
func IsCode(err error, code int) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// Info describes a device.
type Info struct {
	Name         string
	Major, Minor int   // compute capability
	Processors   int   // streaming multiprocessors
	Memory       int64 // bytes, all in all
	SharedBytes  int   // most shared memory that a block may ask for
}

// Handles of the driver. Memory is an address on the device.
type (
	Memory   uint64
	Stream   uintptr
	Event    uintptr
	Module   uintptr
	Function uintptr
	Graph    uintptr // an executable graph
)

// Launch is the shape of a kernel launch.
type Launch struct {
	Function Function
	X, Y     int // blocks
	Threads  int // of a block
	Shared   int // bytes of dynamic shared memory of a block
	Bytes    int // of the kernel's parameter, a multiple of 8
	// Early: the kernel may begin before the one before it is complete, and waits
	// for that itself. For compute capability 9.0 and newer.
	Early bool
}

// TensorMap describes a matrix to the device's copy engine (CUtensorMap). It is a
// part of a kernel's parameter.
type TensorMap [16]uint64

// Boxes says what a TensorMap is of: rows of 16-bit numbers, of which the engine
// copies boxes of 64 columns, as 128 bytes in the 128-byte swizzle.
type Boxes struct {
	At         Memory // a multiple of 16
	Rows, Cols int64
	Pitch      int64 // bytes from row to row, a multiple of 16
	Box        int   // rows of a box, up to 256
}

// Numbers of the API (cuda.h).
const (
	attributeProcessors   = 16
	attributeMajor        = 75
	attributeMinor        = 76
	attributeSharedOptin  = 97
	functionSharedBytes   = 8
	streamNonBlocking     = 1
	eventFlags            = 1 | 2 // a waiting thread sleeps; no times
	captureThreadLocal    = 1
	hostAllocPortable     = 1
	contextScheduleBlocks = 4 // a waiting thread sleeps
	launchEarly           = 6 // programmatic stream serialisation
	mapUint16             = 1
	mapSwizzle128         = 3
	mapPromote256         = 3 // the second-level cache gets 256 bytes at a time
	mapBoxColumns         = 64
)

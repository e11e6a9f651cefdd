package cpu

import (
	"fmt"
	"unsafe"
)

// memory keeps account of what Alloc gave out: memory of the operating system,
// which Go's collector does not see.
type memory struct {
	regions map[uintptr][]byte // by the address given out: the whole mapping
}

// largePage is the size of a huge page: regions of at least that size begin at
// a multiple of it.
const largePage = 2 << 20

func (m *memory) alloc(bytes int64) (uintptr, error) {
	if bytes <= 0 || bytes > 1<<46 {
		return 0, fmt.Errorf("cpu: alloc of %d bytes", bytes)
	}
	extra := int64(0)
	if bytes >= largePage {
		extra = largePage
	}
	region, err := mapMemory(int(bytes + extra))
	if err != nil {
		return 0, fmt.Errorf("cpu: alloc of %d bytes: %w", bytes, err)
	}
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(region)))
	if extra != 0 {
		addr = (addr + largePage - 1) &^ (largePage - 1)
		adviseHuge(bytesOf(addr, bytes))
	}
	if m.regions == nil {
		m.regions = map[uintptr][]byte{}
	}
	m.regions[addr] = region
	return addr, nil
}

func (m *memory) free(addr uintptr) error {
	region, ok := m.regions[addr]
	if !ok {
		panic(fmt.Sprintf("cpu: free of %#x, which is not allocated", addr))
	}
	delete(m.regions, addr)
	if err := unmapMemory(region); err != nil {
		return fmt.Errorf("cpu: free: %w", err)
	}
	return nil
}

func (m *memory) freeAll() error {
	var first error
	for addr := range m.regions {
		if err := m.free(addr); first == nil {
			first = err
		}
	}
	return first
}

// pointer is the one place that turns a device address into a pointer. It
// reads the word as a pointer, since the address is of no Go object: vet's
// rules for unsafe.Pointer(uintptr) speak of those.
func pointer(addr uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&addr))
}

func bytesOf(addr uintptr, n int64) []byte {
	return unsafe.Slice((*byte)(pointer(addr)), n)
}

func floatsOf(addr uintptr, n int64) []float32 {
	return unsafe.Slice((*float32)(pointer(addr)), n)
}

func intsOf(addr uintptr, n int64) []int32 {
	return unsafe.Slice((*int32)(pointer(addr)), n)
}

// alignedFloats returns n floats of Go's own that begin at a multiple of 64 bytes.
func alignedFloats(n int) []float32 {
	b := make([]float32, n+15)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) / 4 % 16
	return b[skip:][:n:n]
}

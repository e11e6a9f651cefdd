package cpu

import (
	"fmt"
	"os"
	"unsafe"
)

// memory keeps account of what Alloc gave out: memory of the operating system, which Go's
// collector does not see. What is small stands together, so that it is on huge pages too.
type memory struct {
	regions map[uintptr]*region // by the addresses given out
	open    *region             // has room for more; nil: none
	mapped  int64               // bytes of all regions
}

// region is memory that was mapped at once.
type region struct {
	mapping []byte
	free    []byte // what was not given out yet
	given   int    // allocations that are not freed
}

const (
	// hugePage is what regions begin at a multiple of.
	hugePage = 2 << 20
	// A region that small allocations share grows with what there is already.
	leastRegion, mostRegion = 2 * hugePage, 128 * hugePage
)

func (m *memory) alloc(bytes int64) (uintptr, error) {
	if bytes <= 0 || bytes > 1<<46 {
		return 0, fmt.Errorf("cpu: alloc of %d bytes", bytes)
	}
	page := int64(os.Getpagesize()) // nodes are asked for pages (numa.go)
	size := (bytes + page - 1) / page * page
	r := m.open
	if r == nil || int64(len(r.free)) < size {
		var err error
		if r, err = m.grow(size); err != nil {
			return 0, fmt.Errorf("cpu: alloc of %d bytes: %w", bytes, err)
		}
	}
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(r.free)))
	r.free = r.free[size:]
	r.given++
	if m.regions == nil {
		m.regions = map[uintptr]*region{}
	}
	m.regions[addr] = r
	return addr, nil
}

// grow maps a region for an allocation, and leaves it open if that is small. Where addresses
// are short (ulimit -v) there may be room for the allocation and not for a region to share.
func (m *memory) grow(size int64) (*region, error) {
	least, shared := size, min(max(m.mapped, leastRegion), mostRegion)
	small := size <= shared/4
	if small {
		size = shared
	}
	mapping, err := mapMemory(int(size + hugePage))
	if err != nil && small {
		size, small = least, false
		mapping, err = mapMemory(int(size + hugePage))
	}
	if err != nil {
		return nil, err
	}
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(mapping))) % hugePage
	r := &region{mapping: mapping, free: mapping[skip:][:size]}
	adviseHuge(r.free)
	m.mapped += int64(len(mapping))
	if small {
		m.open = r
	}
	return r, nil
}

// free gives a region back when nothing in it is used any more.
func (m *memory) free(addr uintptr) error {
	r, ok := m.regions[addr]
	if !ok {
		panic(fmt.Sprintf("cpu: free of %#x, which is not allocated", addr))
	}
	delete(m.regions, addr)
	if r.given--; r.given > 0 {
		return nil
	}
	if m.open == r {
		m.open = nil
	}
	m.mapped -= int64(len(r.mapping))
	if err := unmapMemory(r.mapping); err != nil {
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

// hugeFloats is alignedFloats on huge pages, for what is read many times: small pages, which
// lie anywhere in memory, would drive each other out of a second-level cache.
func hugeFloats(n int) []float32 {
	const each = hugePage / 4
	b := make([]float32, hugeBytes(int64(4*n))/4)
	whole := len(b) - each
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) / 4 % each
	b = b[skip:][:whole:whole]
	adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(&b[0])), 4*whole))
	return b[:n]
}

// hugeBytes returns what hugeFloats takes for n bytes: a page more, of which it leaves a part.
func hugeBytes(n int64) int64 { return (n+hugePage-1)/hugePage*hugePage + hugePage }

package cuda

import (
	"fmt"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// Alloc returns zeroed memory of the device.
func (d *Device) Alloc(bytes int64) (uintptr, error) {
	at, err := d.alloc(bytes)
	if err != nil {
		return 0, err
	}
	err = d.thread.call(func(t *thread) error { return t.Fill(driver.Memory(at), 0, bytes, t.main) })
	if err != nil {
		return 0, fmt.Errorf("cuda: alloc of %d bytes: %w", bytes, err)
	}
	return at, nil
}

// alloc returns memory that may hold anything.
func (d *Device) alloc(bytes int64) (uintptr, error) {
	if bytes <= 0 || bytes > 1<<46 {
		return 0, fmt.Errorf("cuda: alloc of %d bytes", bytes)
	}
	var m driver.Memory
	err := d.thread.call(func(t *thread) (err error) {
		m, err = t.Alloc(bytes)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cuda: alloc of %d bytes: %w", bytes, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.memory[uintptr(m)] = bytes
	return uintptr(m), nil
}

// Free returns memory of Alloc or of Pack, once all that was queued is done.
func (d *Device) Free(addr uintptr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.memory[addr]; !ok {
		panic(fmt.Sprintf("cuda: free of %#x, which is not allocated", addr))
	}
	delete(d.memory, addr)
	d.converted = converted{}
	d.thread.call(func(t *thread) error {
		err := t.Wait(t.main)
		if err == nil {
			err = t.Free(driver.Memory(addr))
		}
		t.fail(err)
		return nil // Sync says it
	})
}

// staging is memory of the host that the device copies from and to by itself.
type staging struct {
	size int64 // of each buffer

	// in are two halves of a ring for copies in the order of the ops: while the
	// device reads one the host fills the other.
	in   [2]uintptr
	left [2]driver.Event // set when a half was left
	half int
	at   int64
	out  uintptr

	waited chan error
	// packing are buffers that goroutines take to pack weights.
	packing chan uintptr
	all     []uintptr
}

// packBuffers is the number of goroutines that can pack at a time.
const packBuffers = 4

func (s *staging) open(t *thread, size int64) (err error) {
	s.size = size
	s.waited = make(chan error)
	s.packing = make(chan uintptr, packBuffers)
	for i := range 3 + packBuffers {
		host, err := t.HostAlloc(size)
		if err != nil {
			return err
		}
		s.all = append(s.all, host)
		switch {
		case i < 2:
			s.in[i] = host
		case i == 2:
			s.out = host
		default:
			s.packing <- host
		}
	}
	for i := range s.left {
		if s.left[i], err = t.NewEvent(); err != nil {
			return err
		}
	}
	return nil
}

func (s *staging) close(t *thread) {
	for _, host := range s.all {
		t.HostFree(host)
	}
	for _, e := range s.left {
		if e != 0 {
			t.DestroyEvent(e)
		}
	}
}

// stage returns n bytes, at most a buffer, that the device may read until
// stage gave out a whole buffer more.
func (d *Device) stage(n int64) uintptr {
	s := &d.staging
	if s.at+n > s.size {
		d.thread.commands <- command{kind: markEvent, event: s.left[s.half]}
		s.half, s.at = 1-s.half, 0
		// An event that was never set is done.
		d.thread.commands <- command{kind: waitEvent, event: s.left[s.half], reply: s.waited}
		<-s.waited // Sync says if it failed
	}
	host := s.in[s.half] + uintptr(s.at)
	s.at += (n + 15) &^ 15
	return host
}

// Upload copies to the device, in the order of the ops.
func (d *Device) Upload(dst kernels.Tensor, src []byte) {
	if dst.Bytes() != int64(len(src)) {
		panic(fmt.Sprintf("cuda: upload of %d bytes to %v, which has %d", len(src), dst, dst.Bytes()))
	}
	d.send(driver.Memory(dst.Addr), src)
}

// send copies src to the device, in the order of the ops. src may be reused
// when it returns.
func (d *Device) send(to driver.Memory, src []byte) {
	d.converted = converted{}
	for len(src) > 0 {
		n := min(int64(len(src)), d.staging.size)
		host := d.stage(n)
		copy(hostBytes(host, n), src)
		d.thread.commands <- command{kind: copyIn, memory: to, host: host, bytes: n}
		to, src = to+driver.Memory(n), src[n:]
	}
}

// Download copies from the device.
func (d *Device) Download(dst []byte, src kernels.Tensor) {
	if src.Bytes() != int64(len(dst)) {
		panic(fmt.Sprintf("cuda: download of %d bytes from %v, which has %d", len(dst), src, src.Bytes()))
	}
	for at := int64(0); at < int64(len(dst)); at += d.staging.size {
		part := dst[at:min(int64(len(dst)), at+d.staging.size)]
		err := d.thread.call(func(t *thread) error {
			if t.failed != nil {
				return t.failed
			}
			from := driver.Memory(src.Addr) + driver.Memory(at)
			t.fail(t.CopyOut(d.staging.out, from, int64(len(part)), t.main))
			t.fail(t.Wait(t.main))
			return t.failed
		})
		if err != nil {
			return // Sync says it
		}
		copy(part, hostBytes(d.staging.out, int64(len(part))))
	}
}

// hostBytes views memory of the driver, which Go's collector does not know. It
// reads the word as a pointer: vet's rules speak of Go's objects.
func hostBytes(addr uintptr, n int64) []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n)
}

// hostSlice views n values of it.
func hostSlice[T any](addr uintptr, n int64) []T {
	return unsafe.Slice(*(**T)(unsafe.Pointer(&addr)), n)
}

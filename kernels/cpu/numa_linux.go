package cpu

import (
	"math/bits"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// machineNodes returns the nodes that this process may use.
func machineNodes() []node {
	allowed := unix.NewCPUSet(maxCPUs)
	// Of the calling thread: that of the main thread may have been bound by another device.
	if unix.SchedGetaffinityDynamic(0, allowed) != nil {
		return nil
	}
	return readNodes("/sys/devices/system/node", allowed.IsSet)
}

// bind keeps the calling thread on the processors of a node. It may be refused where they
// were taken away meanwhile, which costs only speed.
func (n *node) bind() {
	set := unix.NewCPUSet(maxCPUs)
	for _, cpu := range n.cpus {
		set.Set(cpu)
	}
	_ = unix.SchedSetaffinityDynamic(0, set)
}

// do runs f on a thread that is bound to a node, and waits.
func (n *node) do(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread, bound now, ends with the goroutine
		n.bind()
		f()
	}()
	<-done
}

// claim has fresh pages lie on a node, or on others once it is full. Where that may not be
// asked for, as in many containers, a thread that is on the node touches them first.
func (n *node) claim(b []byte) {
	if b = fromPage(b); len(b) == 0 || askFor(b, unix.MPOL_PREFERRED, n) == nil {
		return
	}
	n.do(func() {
		for i := 0; i < len(b); i += os.Getpagesize() {
			b[i] = 0
		}
	})
}

// interleave has the pages of fresh memory lie on all nodes in turns. Where that is
// refused they lie where they are written first, which costs only speed.
func interleave(b []byte, nodes []*node) {
	if len(nodes) > 0 {
		_ = askFor(b, unix.MPOL_INTERLEAVE, nodes...)
	}
}

// fromPage leaves out what is before the first beginning of a page.
func fromPage(b []byte) []byte {
	page := uintptr(os.Getpagesize())
	return b[min(-uintptr(unsafe.Pointer(unsafe.SliceData(b)))%page, uintptr(len(b))):]
}

// askFor sets the policy of pages, for which x/sys has no function.
func askFor(pages []byte, policy int, nodes ...*node) error {
	var mask [maxNodes / bits.UintSize]uint
	for _, n := range nodes {
		mask[n.id/bits.UintSize] |= 1 << (n.id % bits.UintSize)
	}
	_, _, errno := unix.Syscall6(unix.SYS_MBIND, uintptr(unsafe.Pointer(unsafe.SliceData(pages))), uintptr(len(pages)),
		uintptr(policy), uintptr(unsafe.Pointer(&mask)), maxNodes+1, 0) // the kernel takes one off
	if errno != 0 {
		return errno
	}
	return nil
}

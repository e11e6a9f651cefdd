package driver

import (
	"syscall"
	"unsafe"
)

// action is the kernel's struct sigaction (amd64 and arm64).
type action struct {
	handler, flags, restorer, mask uint64
}

const (
	signals       = 64
	onStack       = 0x08000000 // SA_ONSTACK
	signalSetSize = 8
)

func signalAction(signal uintptr, set, old *action) {
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), signalSetSize, 0, 0)
}

// keepSignals calls f and gives back to Go the signals whose handlers f
// changed. A library that handles them on a goroutine's small stack, or hides
// an interrupt from Go, would bring the process down later. A handler of
// faults may stay if it runs on the signal stack: it passes on what it does
// not know.
func keepSignals(f func()) {
	var before [signals + 1]action
	for s := uintptr(1); s <= signals; s++ {
		signalAction(s, nil, &before[s])
	}
	f()
	for s := uintptr(1); s <= signals; s++ {
		var now action
		signalAction(s, nil, &now)
		if now.handler == before[s].handler && now.flags == before[s].flags {
			continue
		}
		fault := s == uintptr(syscall.SIGSEGV) || s == uintptr(syscall.SIGBUS)
		if !fault || now.flags&onStack == 0 {
			signalAction(s, &before[s], nil)
		}
	}
}

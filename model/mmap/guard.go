package mmap

import (
	"fmt"
	"runtime/debug"
)

// Guard calls f, and makes an error of the fault that reading a mapped file raises where the
// file was cut short, or cannot be read, after it was opened. It guards this goroutine alone.
func Guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			err = fmt.Errorf("the file changed while it was read, or cannot be read: fault at address %#x", fault.Addr())
		default:
			panic(fault)
		}
	}()
	return f()
}

package model

import (
	"fmt"
	"runtime/debug"
)

// guarded calls f, and makes an error of the fault that reading a mapped file
// raises where the file was cut short, or cannot be read, after it was opened.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }:
			err = fmt.Errorf("the file changed while it was read: %v", fault)
		default:
			panic(fault)
		}
	}()
	return f()
}

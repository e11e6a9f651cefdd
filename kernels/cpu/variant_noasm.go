//go:build (!amd64 && !arm64) || purego

package cpu

import "unsafe"

func variants() []variant { return []variant{genericBF16(), genericInt8(), generic()} }

// pause stands for the processor's hint that it waits.
func pause() {}

// prefetch stands for the processor's hint that memory will be read.
func prefetch(unsafe.Pointer, int) {}

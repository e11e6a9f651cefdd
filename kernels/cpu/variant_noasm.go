//go:build !amd64 || purego

package cpu

func variants() []variant { return []variant{genericInt8(), generic()} }

// pause stands for the processor's hint that it waits.
func pause() {}

//go:build !linux

package cpu

// AvailableMemory returns the bytes that this process may still take; 0: unknown.
func AvailableMemory() int64 { return 0 }

//go:build unix && !linux && !darwin

package cpu

func adviseHuge([]byte) {}

// machineMemory returns the memory of the machine; 0: unknown.
func machineMemory() int64 { return 0 }

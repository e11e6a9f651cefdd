package cpu

import "golang.org/x/sys/unix"

func adviseHuge([]byte) {}

// machineMemory returns the memory of the machine; 0 if unknown.
func machineMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}

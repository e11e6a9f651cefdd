package kerneltest

import (
	"os"

	"golang.org/x/sys/cpu"
)

// EmulateAMX makes a program that kernels/cpu/emulator runs find the instructions that
// it emulates, and reports whether it does. It is for TestMain.
func EmulateAMX() bool {
	if os.Getenv("TRONA_EMULATED_AMX") != "1" {
		return false
	}
	cpu.X86.HasAMXTile, cpu.X86.HasAMXBF16 = true, true
	return true
}

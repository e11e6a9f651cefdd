//go:build !purego

package cpu

import "syscall"

// requestTiles asks Linux to let the process use the data of tiles, for which it
// saves more state (Documentation/arch/x86/xstate.rst). It says no where it does not
// save them at all, so XCR0 need not be read. It may be asked again.
func requestTiles() bool {
	const requestPermission, tileData = 0x1023, 18
	_, _, err := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return err == 0
}

package cpu

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapMemory returns zeroed memory, aligned to a page.
func mapMemory(n int) ([]byte, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	return bytesOf(addr, int64(n)), nil
}

func unmapMemory(b []byte) error {
	return windows.VirtualFree(uintptr(unsafe.Pointer(unsafe.SliceData(b))), 0, windows.MEM_RELEASE)
}

func adviseHuge([]byte) {}

// machineMemory returns the memory of the machine; 0 if unknown.
func machineMemory() int64 {
	var status struct {
		length, load                         uint32
		total, avail, totalPage, availPage   uint64
		totalVirtual, availVirtual, extended uint64
	}
	status.length = uint32(unsafe.Sizeof(status))
	proc := windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")
	if ok, _, _ := proc.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0
	}
	return int64(status.total)
}

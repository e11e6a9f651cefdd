package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// adviseHuge asks for huge pages where nothing was written yet: translations of small ones
// take up to a quarter of what memory can give.
func adviseHuge(words []uint64) {
	const page = 2 << 20
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % page
	_ = unix.Madvise(b[skip:], unix.MADV_HUGEPAGE)
}

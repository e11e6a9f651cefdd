//go:build unix

package mmap

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps the first size bytes of a file.
func mapFile(f *os.File, size int64) ([]byte, error) {
	if size > math.MaxInt {
		return nil, unix.ENOMEM
	}
	return unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
}

// releaseFile drops the pages that lie in part of a mapping as a whole; they are
// read from the file again where they are needed again.
func releaseFile(data []byte, offset, n int64) error {
	page := int64(os.Getpagesize())
	from, to := (offset+page-1)/page*page, (offset+n)/page*page
	if from >= to {
		return nil
	}
	return unix.Madvise(data[from:to], unix.MADV_DONTNEED)
}

func unmapFile(data []byte) error { return unix.Munmap(data) }

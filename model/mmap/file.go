// Package mmap opens files for reading and maps them into memory where the
// system can.
package mmap

import (
	"fmt"
	"io"
	"math"
	"os"
	"sync"
)

// File is a regular file, or bytes in memory. It may be used by several
// goroutines.
type File struct {
	file *os.File // nil: data is all there is
	size int64    // at the time of opening

	mu     sync.Mutex // guards what follows
	data   []byte
	mapped bool // data is a mapping of file
	plain  bool // the system does not map this file: it is read
	closed bool
}

// Open opens a regular file. Anything else, a device say, is refused before it
// is opened, for that may block or have effects.
func Open(path string) (*File, error) {
	if err := regular(os.Stat(path)); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err := regular(info, err); err != nil {
		file.Close()
		return nil, err
	}
	return &File{file: file, size: info.Size()}, nil
}

func regular(info os.FileInfo, err error) error {
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", info.Name())
	}
	return err
}

// Memory makes a File of bytes, which must not change while it is in use.
func Memory(data []byte) *File { return &File{data: data, size: int64(len(data))} }

// Size returns the number of bytes when the file was opened.
func (f *File) Size() int64 { return f.size }

// ReadAt reads as io.ReaderAt has it, past the mapping: a file that shrinks
// meanwhile is a plain error here.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	if f.file != nil {
		return f.file.ReadAt(p, offset)
	}
	if offset < 0 || offset >= f.size {
		return 0, io.EOF
	}
	n := copy(p, f.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Bytes returns n bytes from offset on, which must not be changed and are valid
// until Close. The error is io.ErrUnexpectedEOF where the file has fewer, now
// or when it was opened. A file that shrinks after this call makes reading the
// bytes a fault of the processor, as with every mapping.
func (f *File) Bytes(offset, n int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, os.ErrClosed
	case offset < 0 || n < 0 || offset > f.size-n || n > math.MaxInt:
		return nil, io.ErrUnexpectedEOF
	case f.file == nil:
		return f.data[offset : offset+n : offset+n], nil
	case n == 0:
		return nil, nil
	}
	info, err := f.file.Stat()
	if err != nil {
		return nil, err
	}
	if offset > info.Size()-n {
		return nil, io.ErrUnexpectedEOF
	}
	if !f.mapped && !f.plain {
		f.data, err = mapFile(f.file, f.size)
		f.mapped, f.plain = err == nil, err != nil
	}
	if f.plain {
		return f.read(offset, n)
	}
	return f.data[offset : offset+n : offset+n], nil
}

// read is the way of systems and files without mappings.
func (f *File) read(offset, n int64) ([]byte, error) {
	data := make([]byte, n)
	if _, err := f.file.ReadAt(data, offset); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return data, nil
}

// Release gives back the memory that n bytes from offset on, which Bytes returned,
// hold of a mapping. They stay valid: who reads them again has them read anew.
func (f *File) Release(offset, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mapped && !f.closed {
		_ = releaseFile(f.data, offset, n) // a hint: without it more memory is used, no more
	}
}

// Close unmaps and closes the file. Bytes that it gave out are gone.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.file == nil {
		return nil
	}
	var err error
	if f.mapped {
		err = unmapFile(f.data)
	}
	f.data = nil
	if closed := f.file.Close(); err == nil {
		err = closed
	}
	return err
}

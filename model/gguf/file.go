// Package gguf reads and writes GGUF files, versions 2 and 3, little-endian:
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Opening reads the
// headers alone and costs memory in proportion to the file, whatever its
// counts say; the data of tensors is mapped when it is first asked for.
package gguf

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"trona/model/fault"
	"trona/model/mmap"
)

// File is an opened GGUF file, or all files of a split set. Its keys are those
// of the first. It may be used by several goroutines.
type File struct {
	metadata
	tensors []Tensor
	parts   []part
}

// part is one file of a split set.
type part struct {
	path string
	file *mmap.File
}

// Tensor is one tensor of a file.
type Tensor struct {
	Name  string
	Type  Type
	part  int32
	Shape []int64 // outermost first; 1 to 4 dimensions, of which some may be 0
	Bytes int64
	// offset of the data, and of the number that says so, in the file.
	offset, at int64
}

// Open opens a file, or, given the first file of a split set, all of them. What
// is wrong with a file's content is a *fault.Error. Data that is not there (yet)
// does not matter until it is asked for.
func Open(path string) (*File, error) {
	f := &File{}
	h, err := f.open(path)
	if err == nil {
		f.metadata, f.tensors = h.metadata, h.tensors
		err = f.openSplit(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Parse reads a file in memory, which must not change while the File is in
// use. Files of a split set are refused.
func Parse(data []byte) (*File, error) {
	f := &File{parts: []part{{path: "GGUF", file: mmap.Memory(data)}}}
	h, err := readHeader(f.parts[0].path, f.parts[0].file)
	if err != nil {
		return nil, err
	}
	f.metadata, f.tensors = h.metadata, h.tensors
	if n, _ := f.Int(splitCount); n > 1 {
		return nil, f.splitError(0, splitCount, "%d files, of which this is one", n)
	}
	return f, f.unique()
}

// open reads the header of one more file.
func (f *File) open(path string) (*header, error) {
	file, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f.parts = append(f.parts, part{path, file})
	return readHeader(path, file)
}

// unique refuses two tensors of one name.
func (f *File) unique() error {
	sorted := make([]int32, len(f.tensors))
	for i := range sorted {
		sorted[i] = int32(i)
	}
	slices.SortFunc(sorted, func(a, b int32) int { return cmp.Compare(f.tensors[a].Name, f.tensors[b].Name) })
	for i := 1; i < len(sorted); i++ {
		if t := &f.tensors[sorted[i]]; t.Name == f.tensors[sorted[i-1]].Name {
			return &fault.Error{File: f.parts[t.part].path, Field: "tensor " + fault.Name(t.Name), Offset: t.at, Message: "is there twice"}
		}
	}
	return nil
}

// Tensors lists the tensors in the order of the file. The list must not be
// changed.
func (f *File) Tensors() []Tensor { return f.tensors }

// Data returns the bytes of a tensor of this file, valid until Close. It fails
// where the file does not (yet) hold them.
func (f *File) Data(t Tensor) ([]byte, error) {
	data, err := f.parts[t.part].file.Bytes(t.offset, t.Bytes)
	if err != nil {
		return nil, f.missing(t, err)
	}
	return data, nil
}

// Release gives back the memory that what Data returned holds; it stays valid.
func (f *File) Release(t Tensor) { f.parts[t.part].file.Release(t.offset, t.Bytes) }

// ReadAt reads len(p) bytes of a tensor, from an offset in its data on. For a
// few bytes this is cheaper than Data, which has the system read far around.
func (f *File) ReadAt(t Tensor, p []byte, offset int64) error {
	if offset < 0 || offset > t.Bytes-int64(len(p)) {
		return f.missing(t, io.ErrUnexpectedEOF)
	}
	if n, err := f.parts[t.part].file.ReadAt(p, t.offset+offset); n < len(p) {
		return f.missing(t, err)
	}
	return nil
}

// missing describes data that is not there.
func (f *File) missing(t Tensor, cause error) error {
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	return &fault.Error{File: f.parts[t.part].path, Field: "data of tensor " + fault.Name(t.Name), Offset: t.offset, Message: "not in the file", Err: cause}
}

// Close closes all files. What Data returned is gone then; names and values
// stay.
func (f *File) Close() error {
	var all error
	for i := range f.parts {
		all = errors.Join(all, f.parts[i].file.Close())
	}
	return all
}

// Package safetensors reads checkpoints in the safetensors format
// (https://github.com/huggingface/safetensors#format): one file, or a folder
// with an index. Opening reads the headers alone; the data of tensors is mapped
// when it is first asked for.
package safetensors

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"trona/model/fault"
	"trona/model/mmap"
)

// Names of the files of a folder.
const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"
)

// Files are the safetensors files of a checkpoint. They may be used by several
// goroutines.
type Files struct {
	tensors []Tensor
	shards  []shard
}

// shard is one file.
type shard struct {
	name string // in messages
	file *mmap.File
}

// Tensor is one tensor of a checkpoint.
type Tensor struct {
	Name   string
	Shape  []int64 // outermost first; none: a scalar
	Bytes  int64
	offset int64 // of the data, in the file
	shard  int32
	Type   DType
}

// Open opens one file, or the folder of a checkpoint: model.safetensors, or the
// files that model.safetensors.index.json names, or without both the parts of a set
// or the only file. What is wrong with a file's
// content is a *fault.Error. Data that is not there (yet) does not matter until it
// is asked for.
func Open(path string) (*Files, error) {
	f := &Files{}
	if err := f.open(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Files) open(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return f.add(path)
	}
	err = f.add(filepath.Join(path, singleName))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.openIndex(path)
}

// add opens one more file.
func (f *Files) add(path string) error {
	file, err := mmap.Open(path)
	if err != nil {
		return err
	}
	f.shards = append(f.shards, shard{path, file})
	tensors, err := readHeader(path, file)
	if err != nil {
		return err
	}
	n := int32(len(f.shards) - 1)
	for i := range tensors {
		tensors[i].shard = n
	}
	if f.tensors == nil {
		f.tensors = tensors
	} else {
		f.tensors = append(f.tensors, tensors...)
	}
	return nil
}

// Tensors lists the tensors, file after file in the order of their data. The
// list must not be changed.
func (f *Files) Tensors() []Tensor { return f.tensors }

// Data returns the bytes of a tensor of these files, valid until Close. It
// fails where the file does not (yet) hold them.
func (f *Files) Data(t Tensor) ([]byte, error) {
	data, err := f.shards[t.shard].file.Bytes(t.offset, t.Bytes)
	if err != nil {
		return nil, f.missing(t, err)
	}
	return data, nil
}

// Release gives back the memory that what Data returned holds; it stays valid.
func (f *Files) Release(t Tensor) { f.shards[t.shard].file.Release(t.offset, t.Bytes) }

// ReadAt reads len(p) bytes of a tensor, from an offset in its data on. For a
// few bytes this is cheaper than Data, which has the system read far around.
func (f *Files) ReadAt(t Tensor, p []byte, offset int64) error {
	if offset < 0 || offset > t.Bytes-int64(len(p)) {
		return f.missing(t, io.ErrUnexpectedEOF)
	}
	if n, err := f.shards[t.shard].file.ReadAt(p, t.offset+offset); n < len(p) {
		return f.missing(t, err)
	}
	return nil
}

// missing describes data that is not there.
func (f *Files) missing(t Tensor, cause error) error {
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	return &fault.Error{File: f.shards[t.shard].name, Field: "data of tensor " + fault.Name(t.Name), Offset: t.offset, Message: "not in the file", Err: cause}
}

// Close closes all files. What Data returned is gone then.
func (f *Files) Close() error {
	var all error
	for i := range f.shards {
		all = errors.Join(all, f.shards[i].file.Close())
	}
	return all
}

// byName returns the numbers of the tensors, sorted by name.
func byName(tensors []Tensor) []int32 {
	sorted := make([]int32, len(tensors))
	for i := range sorted {
		sorted[i] = int32(i)
	}
	slices.SortFunc(sorted, func(a, b int32) int { return cmp.Compare(tensors[a].Name, tensors[b].Name) })
	return sorted
}

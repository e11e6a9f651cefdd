package gguf

import (
	"fmt"
	"regexp"
	"strconv"

	"trona/model/fault"
)

// Keys of split sets, as llama.cpp's gguf-split writes them.
const (
	splitNo      = "split.no"            // number of this file, from 0
	splitCount   = "split.count"         // files of the set
	splitTensors = "split.tensors.count" // tensors of all files
)

// splitName is how the files of a set are called: NAME-00001-of-00003.gguf.
var splitName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

func (f *File) splitError(part int, field, format string, args ...any) error {
	e := &fault.Error{File: f.parts[part].path, Field: field, Message: fmt.Sprintf(format, args...)}
	if entry, ok := f.find(field); ok && part == 0 {
		e.Offset = entry.at
	}
	return e
}

// openSplit opens the other files of a set, where path is the first of one.
func (f *File) openSplit(path string) error {
	count, ok := f.Int(splitCount)
	if !ok || count < 2 {
		return f.unique()
	}
	name := splitName.FindStringSubmatch(path)
	if name == nil {
		return f.splitError(0, splitCount, "one of %d files, but it is not called NAME-00001-of-%05d.gguf", count, count)
	}
	if n, _ := f.Int(splitNo); n != 0 || name[2] != "00001" {
		return f.splitError(0, splitNo, "this is not the first file of a split set; open %s-00001-of-%s.gguf", name[1], name[3])
	}
	if n, _ := strconv.ParseInt(name[3], 10, 64); n != count {
		return f.splitError(0, splitCount, "%d files, but the name says %s", count, name[3])
	}
	for i := 1; i < int(count); i++ {
		if err := f.openPart(fmt.Sprintf("%s-%05d-of-%05d.gguf", name[1], i+1, count), i, count); err != nil {
			return err
		}
	}
	if n, ok := f.Int(splitTensors); ok && n != int64(len(f.tensors)) {
		return f.splitError(0, splitTensors, "is %d, but the files have %d", n, len(f.tensors))
	}
	return f.unique()
}

// openPart opens file i of a set and adds its tensors.
func (f *File) openPart(path string, i int, count int64) error {
	h, err := f.open(path)
	if err != nil {
		return err
	}
	tensors, _ := f.Int(splitTensors)
	for _, want := range []struct {
		key string
		n   int64
	}{{splitNo, int64(i)}, {splitCount, count}, {splitTensors, tensors}} {
		if n, _ := h.Int(want.key); n != want.n {
			return f.splitError(i, want.key, "is %d, want %d: not of this set", n, want.n)
		}
	}
	for j := range h.tensors {
		h.tensors[j].part = int32(i)
	}
	f.tensors = append(f.tensors, h.tensors...)
	return nil
}

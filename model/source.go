package model

import (
	"trona/model/gguf"
	"trona/model/safetensors"
)

// TensorInfo is one tensor of a checkpoint.
type TensorInfo struct {
	Name  string
	Type  string  // as its format calls it: "Q4_K", "F8_E4M3"
	Shape []int64 // outermost first
	Bytes int64
}

// source is the file, or the files, that hold a checkpoint's tensors.
type source interface {
	tensors() []TensorInfo
	// data returns the bytes of tensor i, which stay valid while the
	// checkpoint is open. It fails where the file does not (yet) hold them.
	data(i int) ([]byte, error)
	// release gives back the memory that data's bytes hold, which stay valid.
	release(i int)
	// readAt reads len(p) bytes of tensor i from an offset in it on.
	readAt(i int, p []byte, offset int64) error
}

// ggufSource is a GGUF file, or all files of a split set.
type ggufSource struct{ file *gguf.File }

func (s *ggufSource) tensors() []TensorInfo {
	all := s.file.Tensors()
	list := make([]TensorInfo, 0, len(all))
	for _, t := range all {
		list = append(list, TensorInfo{Name: t.Name, Type: t.Type.String(), Shape: t.Shape, Bytes: t.Bytes})
	}
	return list
}

func (s *ggufSource) data(i int) ([]byte, error) { return s.file.Data(s.file.Tensors()[i]) }

func (s *ggufSource) release(i int) { s.file.Release(s.file.Tensors()[i]) }

func (s *ggufSource) readAt(i int, p []byte, offset int64) error {
	return s.file.ReadAt(s.file.Tensors()[i], p, offset)
}

// folderSource is all safetensors files of a folder.
type folderSource struct{ files *safetensors.Files }

func (s *folderSource) tensors() []TensorInfo {
	all := s.files.Tensors()
	list := make([]TensorInfo, 0, len(all))
	for _, t := range all {
		list = append(list, TensorInfo{Name: t.Name, Type: t.Type.String(), Shape: t.Shape, Bytes: t.Bytes})
	}
	return list
}

func (s *folderSource) data(i int) ([]byte, error) { return s.files.Data(s.files.Tensors()[i]) }

func (s *folderSource) release(i int) { s.files.Release(s.files.Tensors()[i]) }

func (s *folderSource) readAt(i int, p []byte, offset int64) error {
	return s.files.ReadAt(s.files.Tensors()[i], p, offset)
}

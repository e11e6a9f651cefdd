package model

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"trona/model/gguf"
	"trona/model/safetensors"
)

// Open opens a .gguf file (of a split set the first), or a folder with
// config.json and safetensors files.
func Open(path string) (*Checkpoint, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return openFolder(path)
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	c, err := OpenGGUF(f, path)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return c, nil
}

// OpenGGUF opens a GGUF file that was parsed before; path names it in
// messages. Closing the checkpoint closes f.
func OpenGGUF(f *gguf.File, path string) (*Checkpoint, error) {
	c := &Checkpoint{Path: path, source: &ggufSource{file: f}, close: f.Close}
	c.tensors = c.source.tensors()
	arch, err := ggufArchitecture(f, path)
	if err != nil {
		return nil, err
	}
	c.names = cmp.Or(arch.fileNames, &ggufNames)
	find, err := newFinder(path, c.tensors, nil)
	if err != nil {
		return nil, err
	}
	table, ok := find.byName["token_embd.weight"]
	if !ok {
		return nil, find.fail("token_embd.weight", "is missing")
	}
	shape := c.tensors[table].Shape
	if c.Config, c.Unread, err = ggufConfig(f, arch, path, count(shape[:len(shape)-1])); err != nil {
		return nil, err
	}
	_, untied := find.byName["output.weight"]
	c.Config.TiedEmbedding = !untied
	if c.divisors, err = find.divisors(&c.Config.Rotary); err != nil {
		return nil, err
	}
	return c, c.find(find, find.gguf)
}

func ggufArchitecture(f *gguf.File, path string) (*architecture, error) {
	name, _ := f.String("general.architecture")
	for _, a := range architectures() {
		if a.gguf == name && name != "" {
			return a, nil
		}
	}
	message := "is missing"
	if name != "" {
		message = unknownArchitecture(name)
	}
	return nil, &ConfigError{File: path, Field: "general.architecture", Message: message}
}

// unknownArchitecture says where the names stand that are known.
func unknownArchitecture(name string) string {
	return fmt.Sprintf("%q is not supported; docs/models.md lists those that are", name)
}

// Tensors of GGUF files that divide frequencies of the rotation: of any context, or of a
// short and a long one.
const freqsName, shortName, longName = "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"

// divisors finds those that r has, in the order of its fields.
func (f *finder) divisors(r *Rotary) ([]int, error) {
	names := []string{freqsName}
	if r.Scaling == "longrope" {
		names = []string{shortName, longName}
	}
	var list []int
	for _, name := range names {
		i, ok := f.take(name)
		switch {
		case !ok && name == freqsName:
			return nil, nil
		case !ok:
			return nil, f.fail(name, "is missing")
		}
		if t, n := &f.tensors[i], r.rotated()/2; t.Type != "F32" || count(t.Shape) != int64(n) {
			return nil, f.fail(t.Name, "is %s%v, want F32[%d]", t.Type, t.Shape, n)
		}
		list = append(list, i)
	}
	return list, nil
}

func openFolder(dir string) (*Checkpoint, error) {
	f, err := readFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	files, err := safetensors.Open(dir)
	if err != nil {
		return nil, err
	}
	c, err := f.checkpoint(dir, &folderSource{files: files}, (*finder).hf)
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	c.close = files.Close
	return c, nil
}

// checkpoint finds the weights that a folder's config.json asks for, each by form.
func (f *folder) checkpoint(path string, s source, form func(*finder, *part) (*stored, error)) (*Checkpoint, error) {
	c := &Checkpoint{
		Path: path, Config: f.config, Unread: f.unread, source: s, names: cmp.Or(f.architecture.folderNames, &hfNames), tensors: s.tensors(),
		close: func() error { return nil },
	}
	find, err := newFinder(path, c.tensors, f.quantization)
	if err != nil {
		return nil, err
	}
	find.beside = f.architecture.beside
	// An output matrix that is stored counts, as in GGUF files: it need not equal the embedding.
	if _, ok := find.byName[c.names.head+".weight"]; ok {
		c.Config.TiedEmbedding = false
	}
	return c, c.find(find, func(p *part) (*stored, error) { return form(find, p) })
}

// GGUF returns the file, for its tokenizer; nil where the checkpoint is a folder.
func (c *Checkpoint) GGUF() *gguf.File {
	if s, ok := c.source.(*ggufSource); ok {
		return s.file
	}
	return nil
}

// Folder returns the folder, for its tokenizer; empty where the checkpoint is
// a GGUF file.
func (c *Checkpoint) Folder() string {
	if c.GGUF() != nil {
		return ""
	}
	return c.Path
}

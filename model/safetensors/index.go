package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"trona/model/fault"
	"trona/model/mmap"
)

const (
	maxIndex  = 64 << 20
	maxShards = 4096
)

// openIndex opens the files that the index of a folder names.
func (f *Files) openIndex(dir string) error {
	path := filepath.Join(dir, indexName)
	file, err := mmap.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.openOthers(dir)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if file.Size() > maxIndex {
		return &fault.Error{File: path, Field: "index", Message: fmt.Sprintf("longer than %d bytes", maxIndex)}
	}
	text := make([]byte, file.Size())
	if _, err := file.ReadAt(text, 0); err != nil && err != io.EOF {
		return &fault.Error{File: path, Field: "index", Message: "read", Err: err}
	}
	return f.readIndex(path, text)
}

// readIndex opens the files that an index names, and checks that each holds
// the tensors it is said to. It goes through the index twice, so as to keep
// nothing for each of its entries.
func (f *Files) readIndex(path string, text []byte) error {
	shards := map[string]int32{}
	p, err := readWeightMap(path, text, func(p *parser, _ string, file []byte) error {
		if _, ok := shards[string(file)]; ok {
			return nil
		}
		name := string(file)
		if !plainName(name) {
			return p.fail("%s is no name of a file beside the index", fault.Name(name))
		}
		if len(shards) == maxShards {
			return p.fail("more than %d files", maxShards)
		}
		shards[name] = int32(len(f.shards))
		return f.add(filepath.Join(filepath.Dir(path), name))
	})
	if err != nil {
		return err
	}
	if err := p.unique(f.tensors); err != nil {
		return err
	}
	sorted := byName(f.tensors)
	seen := make([]bool, len(f.tensors))
	_, err = readWeightMap(path, text, func(p *parser, name string, file []byte) error {
		at, ok := slices.BinarySearchFunc(sorted, name, func(i int32, name string) int { return strings.Compare(f.tensors[i].Name, name) })
		switch {
		case !ok || f.tensors[sorted[at]].shard != shards[string(file)]:
			return p.fail("is not in %s", fault.Name(file))
		case seen[sorted[at]]:
			return p.fail("is there twice")
		}
		seen[sorted[at]] = true
		return nil
	})
	return err
}

// plainName reports whether a name is that of a file in the same folder, on
// every system.
func plainName(name string) bool {
	return name != "" && filepath.IsLocal(name) && !strings.ContainsAny(name, "/\\:\x00") && name != "."
}

// readWeightMap calls each with every tensor of an index and its file.
func readWeightMap(path string, text []byte, each func(p *parser, name string, file []byte) error) (*parser, error) {
	p := newParser(path, 0, text)
	p.field("index", "")
	found := false
	err := p.members("an object", func(name []byte) error {
		if string(name) != "weight_map" {
			if err := p.json.SkipValue(); err != nil {
				return p.syntax(err)
			}
			return nil
		}
		if found {
			return p.fail("weight_map is there twice")
		}
		found = true
		p.field("weight_map", "")
		err := p.members("an object of file names", func(name []byte) error {
			p.field("weight_map of tensor", string(name))
			file, err := p.text()
			if err != nil {
				return err
			}
			return each(p, p.name, file)
		})
		p.field("index", "")
		return err
	})
	if err == nil && !found {
		err = p.fail("has no weight_map")
	}
	if err == nil && len(bytes.TrimSpace(text[p.json.InputOffset():])) > 0 {
		err = p.fail("goes on after its end")
	}
	return p, err
}

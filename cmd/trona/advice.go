package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// advise adds to an error of opening MODEL what its path looks like, where that
// is something that people take for a model.
func advise(path string, err error) error {
	if err == nil {
		return nil
	}
	dir, _, _ := randomShape(path)
	info, statErr := os.Stat(dir)
	text := ""
	switch {
	case statErr != nil:
	case info.IsDir():
		text = aboutFolder(dir)
	default:
		text = aboutFile(dir)
	}
	if text == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, text)
}

// aboutFolder says what to do about a folder that is no model.
func aboutFolder(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	config, adapter, first, broken := false, false, "", ""
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		lack := lacks(path)
		switch {
		case lack != "":
			if broken == "" && ofModel(e.Name()) {
				broken = lack
			}
		case e.Name() == "config.json":
			config = true
		case e.Name() == "adapter_config.json":
			adapter = true
		case e.Name() == "snapshots":
			first = filepath.Join(path, "REVISION")
		case strings.HasSuffix(e.Name(), ".gguf") && first == "":
			first = path
		}
	}
	switch {
	case adapter && !config:
		return "it is an adapter, LoRA or other: merge it into its model first"
	case first != "" && !config:
		return "name what is in it, as in " + first
	}
	return broken
}

// ofModel reports whether a model is read from files of a name; others may lack what they will.
func ofModel(name string) bool {
	switch filepath.Ext(name) {
	case ".gguf", ".json", ".safetensors", ".model", ".jinja":
		return true
	}
	return false
}

// lacks says what is wrong with a file of a folder that has one only in name; "": nothing.
func lacks(path string) string {
	if lost := lostLink(path); lost != "" {
		return lost
	}
	if isPointer(path) {
		return fmt.Sprintf("%s is a pointer of Git LFS, not the file: git lfs pull fetches it", path)
	}
	return ""
}

// aboutFile says what to do about a file that is no model.
func aboutFile(path string) string {
	switch {
	case isPointer(path):
		return "it is a pointer of Git LFS, not the file: git lfs pull fetches it"
	case strings.HasSuffix(path, ".safetensors"), strings.HasSuffix(path, ".json"):
		return "name the folder of the model: " + filepath.Dir(path)
	}
	return ""
}

// lostLink says that a path is a link to nothing, "" where it is not. A folder of Hugging Face's
// cache has nothing but links, which are lost where it is copied, or mounted, without the cache.
func lostLink(path string) string {
	to, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		return ""
	}
	return fmt.Sprintf("%s is a link to %s, which is not there", path, to)
}

// isPointer reports whether a file is what Git LFS leaves in the place of one
// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
func isPointer(path string) bool {
	const first = "version https://git-lfs.github.com/spec/"
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > 1024 {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	var b [len(first)]byte
	_, err = io.ReadFull(file, b[:])
	return err == nil && string(b[:]) == first
}

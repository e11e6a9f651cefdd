package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"trona/model/gguf"
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
	case info.Mode().IsRegular(): // what else may wait for a writer
		text = aboutFile(dir)
	}
	if text == "" {
		return err
	}
	return fmt.Errorf("%w (%s)", err, text)
}

// aboutFolder says what to do about a folder that is no model, or lacks what one is read from.
func aboutFolder(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	config, adapter, broken := false, false, ""
	for _, e := range entries {
		lack := lacks(filepath.Join(dir, e.Name()))
		switch {
		case lack != "":
			if broken == "" && ofModel(e.Name()) {
				broken = lack
			}
		case e.Name() == "config.json":
			config = true
		case e.Name() == "adapter_config.json":
			adapter = true
		}
	}
	switch {
	case config:
		return broken
	case adapter:
		return isAdapter
	}
	if found := modelInside(dir); found != "" {
		return "name what is in it, as in " + found
	}
	return broken
}

const isAdapter = "it is an adapter, LoRA or other: merge it into its model first"

// modelInside finds a model in a folder that is none itself: beside others, or in a cache of
// Hugging Face.
func modelInside(dir string) string {
	for _, below := range []string{".", "*", "snapshots/*", "*/snapshots/*"} {
		for _, name := range []string{"config.json", "*.gguf"} {
			found, _ := fs.Glob(os.DirFS(dir), path.Join(below, name)) // the patterns are good
			for _, file := range found {
				switch full := filepath.Join(dir, file); {
				case !beginsModel(full):
				case name == "config.json":
					return filepath.Dir(full)
				default:
					return full
				}
			}
		}
	}
	return ""
}

// beginsModel reports whether a file may be what a model is read from first: a GGUF file, or a
// config.json that is not some other program's.
func beginsModel(path string) bool {
	const maxConfig = 1 << 20 // that is looked into
	info, err := os.Stat(path)
	switch {
	case err != nil || !info.Mode().IsRegular() || isPointer(path):
		return false
	case filepath.Base(path) != "config.json":
		return true
	case info.Size() > maxConfig:
		return false
	}
	data, err := os.ReadFile(path)
	return err == nil && bytes.Contains(data, []byte(`"architectures"`))
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
	case slices.Contains([]string{".safetensors", ".json"}, filepath.Ext(path)):
		return "name the folder of the model: " + filepath.Dir(path)
	}
	if file, err := gguf.Open(path); err == nil {
		defer file.Close()
		return aboutGGUF(file)
	}
	if slices.Contains([]string{".bin", ".pt", ".pth", ".ckpt"}, filepath.Ext(path)) {
		return "weights of PyTorch are not read: name a folder with safetensors, or a GGUF file"
	}
	return aboutText(path)
}

// aboutGGUF says what else than a model a GGUF file has.
func aboutGGUF(file *gguf.File) string {
	kind, _ := file.String("general.type")
	architecture, _ := file.String("general.architecture")
	switch {
	case kind == "adapter":
		return isAdapter
	case kind == "mmproj" || architecture == "clip":
		return "it is the part of a model that sees or hears: name the file of the one that reads"
	case kind == "imatrix":
		return "it says which weights of a model matter, and has none"
	}
	return ""
}

// aboutText says what a server sent in place of a file: its page about it, or why there is none.
func aboutText(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	head, err := io.ReadAll(io.LimitReader(file, 256))
	text := strings.TrimSpace(string(head))
	switch lower := strings.ToLower(text); {
	case err != nil:
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return "it is a page about the file: from Hugging Face download .../resolve/..., not .../blob/..."
	case len(text) > 4 && len(head) < 256 && strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0:
		return fmt.Sprintf("it says: %.120q", text)
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

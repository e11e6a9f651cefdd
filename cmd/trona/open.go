package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trona/kernels"
	"trona/model"
	"trona/model/convert"
	"trona/model/demo"
	"trona/model/gguf"
	"trona/tokenizer"
)

// randomPrefix stands before a folder of which only the config.json is used. A
// colon and a type may follow.
const randomPrefix = "random:"

// openCheckpoint opens what MODEL names: "demo", a .gguf file, a folder, or
// random weights.
func openCheckpoint(path string) (*model.Checkpoint, error) {
	if path == demo.Name {
		return demo.Open()
	}
	if err := exists(path); err != nil {
		return nil, err
	}
	if dir, types, random := randomShape(path); random {
		return model.OpenRandom(dir, types)
	}
	ckpt, err := model.Open(path)
	if errors.Is(err, fs.ErrNotExist) && onlyConfig(path) {
		return nil, fmt.Errorf("%w (%s%s needs its config.json alone, to inspect, plan and bench)", err, randomPrefix, path)
	}
	return ckpt, advise(path, err)
}

// onlyConfig reports whether a folder has the config.json of a model and no weights.
func onlyConfig(dir string) bool {
	weights, _ := filepath.Glob(filepath.Join(dir, "*.safetensors*")) // where the pattern is bad there is no advice
	return len(weights) == 0 && beginsModel(filepath.Join(dir, "config.json"))
}

// partTypes chooses what each part of a model is stored in.
type partTypes func(*model.Config, []model.Part) []kernels.DType

// randomShape takes random:FOLDER or random:FOLDER:TYPE apart; without a type
// that there is, types is nil.
func randomShape(path string) (dir string, types partTypes, random bool) {
	dir, random = strings.CutPrefix(path, randomPrefix)
	if i := strings.LastIndexByte(dir, ':'); random && i >= 0 {
		if types = randomTypes(dir[i+1:]); types != nil {
			return dir[:i], types, true
		}
	}
	return dir, nil, random
}

// randomTypes returns the types of a checkpoint that is quantised in that way, or
// that quantize would write; nil: there is none of that name.
func randomTypes(name string) partTypes {
	switch strings.ToUpper(name) {
	case "FP8":
		return model.LayerTypes(kernels.F8E4M3)
	case "NVFP4":
		return model.LayerTypes(kernels.NVFP4)
	}
	target, err := convert.ParseTarget(name)
	if err != nil {
		return nil
	}
	return target.Types
}

// openTokenizer opens the tokenizer of a model, or a tokenizer.json or tokenizer.model.
func openTokenizer(path string) (*tokenizer.Tokenizer, error) {
	if path == demo.Name {
		ckpt, err := demo.Open()
		if err != nil {
			return nil, err
		}
		return tokenizerOf(ckpt)
	}
	if err := exists(path); err != nil {
		return nil, err
	}
	path, _, _ = randomShape(path)
	if info, err := os.Stat(path); err == nil && (info.IsDir() || slices.Contains([]string{".json", ".model"}, filepath.Ext(path))) {
		t, err := tokenizer.Open(path)
		return t, advise(path, err)
	}
	file, err := gguf.Open(path)
	if err != nil {
		return nil, advise(path, err)
	}
	defer file.Close()
	t, err := tokenizer.FromGGUF(file)
	if err != nil {
		return nil, advise(path, fmt.Errorf("%s: %w", path, err))
	}
	return t, nil
}

// tokenizerOf returns the tokenizer that came with a checkpoint.
func tokenizerOf(ckpt *model.Checkpoint) (*tokenizer.Tokenizer, error) {
	if folder := ckpt.Folder(); folder != "" {
		t, err := tokenizer.OpenFor(folder, ckpt.Config.VocabSize)
		return t, advise(folder, err)
	}
	t, err := tokenizer.FromGGUF(ckpt.GGUF())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ckpt.Path, err)
	}
	return t, nil
}

// exists tells what MODEL may be where it names nothing.
func exists(path string) error {
	if path == demo.Name {
		return nil
	}
	dir, _, _ := randomShape(path)
	_, err := os.Stat(dir)
	if lost := lostLink(dir); lost != "" {
		return errors.New(lost)
	}
	if os.IsNotExist(err) {
		return fmt.Errorf("there is no model %q: want a .gguf file, a folder, %s, or %sFOLDER[:TYPE]; nothing is downloaded", path, demo.Name, randomPrefix)
	}
	return err
}

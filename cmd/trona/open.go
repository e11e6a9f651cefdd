package main

import (
	"fmt"
	"os"
	"strings"

	"trona/model"
	"trona/model/demo"
	"trona/model/gguf"
	"trona/tokenizer"
)

// randomPrefix stands before a folder of which only the config.json is used.
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
	if dir, random := strings.CutPrefix(path, randomPrefix); random {
		return model.OpenRandom(dir)
	}
	return model.Open(path)
}

// openTokenizer opens the tokenizer of a model, or a tokenizer.json.
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
	path = strings.TrimPrefix(path, randomPrefix)
	if info, err := os.Stat(path); err == nil && (info.IsDir() || strings.HasSuffix(path, ".json")) {
		return tokenizer.Open(path)
	}
	file, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	t, err := tokenizer.FromGGUF(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// tokenizerOf returns the tokenizer that came with a checkpoint.
func tokenizerOf(ckpt *model.Checkpoint) (*tokenizer.Tokenizer, error) {
	if folder := ckpt.Folder(); folder != "" {
		return tokenizer.Open(folder)
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
	_, err := os.Stat(strings.TrimPrefix(path, randomPrefix))
	if os.IsNotExist(err) {
		return fmt.Errorf("there is no model %q: want a .gguf file, a folder, %s, or %sFOLDER", path, demo.Name, randomPrefix)
	}
	return err
}

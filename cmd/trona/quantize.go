package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/signal"
	"strings"

	"trona/model"
	"trona/model/convert"
	"trona/tokenizer"
)

// quantizeCommand writes a model as a GGUF file.
type quantizeCommand struct {
	Source  string `arg:"" name:"src" help:"Model to read: a .gguf file or a folder with safetensors."`
	Dest    string `arg:"" name:"dst" help:"GGUF file to write; it must not exist."`
	Type    string `help:"Type of the matrices: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q5_1, Q5_0, Q4_K_M, Q4_K_S, Q4_1, Q4_0, IQ4_NL, IQ4_XS, Q3_K_M, Q3_K_S or Q2_K." required:"" placeholder:"T"`
	Threads int    `help:"Threads to use; 0: as many as this process may." short:"t" placeholder:"N"`
}

// Run writes the file. A signal stops it and leaves nothing behind.
func (c *quantizeCommand) Run(std stdio) error {
	target, err := convert.ParseTarget(c.Type)
	if err != nil {
		return usagef("--type: %v", err)
	}
	if c.Threads < 0 || c.Threads > maxThreads {
		return usagef("--threads %d: must be 0 to %d", c.Threads, maxThreads)
	}
	if c.Dest == "" {
		return usagef("dst must not be empty")
	}
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	ckpt, err := openCheckpoint(c.Source)
	if err != nil {
		return err
	}
	defer ckpt.Close()
	bar := newProgress(std.err, "writing "+c.Dest)
	options := convert.Options{Target: target, Name: modelName(ckpt.Path), Threads: c.Threads, Progress: bar.set}
	if !strings.HasPrefix(c.Source, randomPrefix) { // random weights have no text to write
		options.Tokenizer = tokenizerWriter(ckpt)
	}
	result, err := convert.File(ctx, ckpt, c.Dest, options)
	bar.stop()
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s exists already: nothing is overwritten", c.Dest)
	case errors.Is(err, context.Canceled):
		return errors.New("stopped: nothing is written")
	case err != nil:
		return fmt.Errorf("quantize %s: %w", c.Source, err)
	}
	fmt.Fprintf(std.err, "%s: %s, %d tensors, %s bytes (%s)\n", c.Dest, target.Name, result.Tensors, count(result.Bytes), human(result.Bytes))
	if result.Requantised > 0 && target.Quantises() {
		fmt.Fprintf(std.err, "%d matrices were quantised before: their errors add up, start from 16 bits where you can\n", result.Requantised)
	}
	return nil
}

// tokenizerWriter returns what writes the tokenizer of a folder; a GGUF file
// keeps its own keys.
func tokenizerWriter(ckpt *model.Checkpoint) func(interface{ Set(string, any) error }) error {
	return func(w interface{ Set(string, any) error }) error {
		if err := tokenizer.ToGGUF(w, ckpt.Folder(), ckpt.GGUFArchitecture(), ckpt.Config.VocabSize); err != nil {
			return fmt.Errorf("its tokenizer: %w", err)
		}
		return nil
	}
}

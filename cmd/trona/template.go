package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"trona/tokenizer"
)

// templateFlags replace chat templates; serve has them.
type templateFlags struct {
	ChatTemplate []string `help:"File with a chat template to use in place of the model's own, also for conversations with tools; with --model NAME=FILE, repeated for several models." placeholder:"FILE"`
}

// replace gives the sources the templates of the flags.
func (f *templateFlags) replace(sources []source, named bool) error {
	if !named && len(f.ChatTemplate) > 1 {
		return usagef("--chat-template stands %d times; one model has one", len(f.ChatTemplate))
	}
	for _, path := range f.ChatTemplate {
		to := 0
		if named {
			name, file, found := strings.Cut(path, "=")
			if !found || name == "" || file == "" {
				return usagef("--chat-template %s: must be NAME=FILE beside --model", path)
			}
			to = slices.IndexFunc(sources, func(s source) bool { return slices.Contains(s.names, name) })
			if to < 0 {
				return usagef("--chat-template %s: no --model has the name %s", path, name)
			}
			if sources[to].template != nil {
				return usagef("--chat-template %s: the model %s has one already", path, name)
			}
			path = file
		}
		var err error
		if sources[to].template, err = readTemplate(path); err != nil {
			return fmt.Errorf("--chat-template: %w", err)
		}
	}
	return nil
}

// readTemplate compiles the chat template in a file.
func readTemplate(path string) (*tokenizer.Template, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %q with a template", path)
	}
	if err == nil && len(text) == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	if err != nil {
		return nil, err
	}
	t, err := tokenizer.NewTemplate(strings.TrimPrefix(string(text), byteOrderMark)) // which is no part of a prompt
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// templatesOf returns the chat template, and the one of conversations with
// tools: nil where there is none.
func templatesOf(tok *tokenizer.Tokenizer) (plain, tools *tokenizer.Template, err error) {
	parse := func(text string) *tokenizer.Template {
		if text == "" || err != nil {
			return nil
		}
		var t *tokenizer.Template
		t, err = tokenizer.NewTemplate(text)
		return t
	}
	plain = parse(tok.ChatTemplate(false))
	if tools = plain; tok.ChatTemplate(true) != tok.ChatTemplate(false) {
		tools = parse(tok.ChatTemplate(true))
	}
	return plain, tools, err
}

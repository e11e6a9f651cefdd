package tokenizer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Files are the contents of the files that describe a tokenizer in a folder of
// the Hugging Face form. All but one of the first two may be nil.
type Files struct {
	Tokenizer        []byte         // tokenizer.json
	SentencePiece    []byte         // tokenizer.model, where there is no tokenizer.json
	AddedTokens      []byte         // added_tokens.json, which belongs to it
	Config           []byte         // tokenizer_config.json
	SpecialTokensMap []byte         // special_tokens_map.json
	ChatTemplate     []byte         // chat_template.jinja
	Named            []ChatTemplate // additional_chat_templates/NAME.jinja

	// Rows of the model's output; 0: unknown. Added tokens beyond it were never
	// trained and are left out: their text is ordinary text.
	Rows int
}

// Open reads the tokenizer of a folder, or a tokenizer.json or tokenizer.model on
// its own.
func Open(path string) (*Tokenizer, error) { return OpenFor(path, 0) }

// OpenFor is Open for a model whose output has so many rows (0: unknown).
func OpenFor(path string, rows int) (*Tokenizer, error) {
	f, err := readFiles(path)
	if err != nil {
		return nil, err
	}
	f.Rows = rows
	t, err := FromFiles(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// readFiles reads the files of a folder, or one file on its own.
func readFiles(path string) (f Files, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return f, err
	}
	if !info.IsDir() {
		content := &f.Tokenizer
		if filepath.Ext(path) == ".model" {
			content = &f.SentencePiece
		}
		*content, err = readRegular(path)
		return f, err
	}
	for _, file := range []struct {
		name    string
		content *[]byte
	}{
		{"tokenizer.json", &f.Tokenizer},
		{"tokenizer.model", &f.SentencePiece},
		{"added_tokens.json", &f.AddedTokens},
		{"tokenizer_config.json", &f.Config},
		{"special_tokens_map.json", &f.SpecialTokensMap},
		{"chat_template.jinja", &f.ChatTemplate},
	} {
		if file.content == &f.SentencePiece && f.Tokenizer != nil {
			continue // the same once more, or another program's
		}
		*file.content, err = readRegular(filepath.Join(path, file.name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return f, err
		}
	}
	if f.Tokenizer == nil && f.SentencePiece == nil {
		return f, fmt.Errorf("%s: %w: neither tokenizer.json nor tokenizer.model", path, os.ErrNotExist)
	}
	f.Named, err = readNamed(filepath.Join(path, "additional_chat_templates"))
	return f, err
}

// readRegular reads a regular file. Anything else may never end, or never begin.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	return os.ReadFile(path)
}

// readNamed reads the templates in a folder, if there is one; their files are
// called NAME.jinja.
func readNamed(dir string) (list []ChatTemplate, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jinja")
		if !ok {
			continue
		}
		text, err := readRegular(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, ChatTemplate{name, string(text)})
	}
	return list, err
}

// FromFiles makes the tokenizer that a tokenizer.json describes: byte-level BPE
// as in GPT-2 and Llama 3, or BPE or Unigram over characters with byte fallback as in
// Llama 2; or one of the latter kind that a tokenizer.model describes. Whatever would
// change the tokens and is not supported is an error. Truncation and padding are the
// caller's business and are not applied.
func FromFiles(f Files) (*Tokenizer, error) {
	s, err := f.source()
	if err != nil {
		return nil, err
	}
	t, err := newTokenizer(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name(), err)
	}
	return t, nil
}

// name returns the name of the file with the vocabulary.
func (f *Files) name() string {
	if f.Tokenizer == nil && f.SentencePiece != nil {
		return "tokenizer.model"
	}
	return "tokenizer.json"
}

// source reads the files.
func (f *Files) source() (s *source, err error) {
	if f.name() == "tokenizer.model" {
		s, err = readModelFile(f.SentencePiece)
	} else {
		s, err = readTokenizer(f.Tokenizer, f.Rows)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name(), err)
	}
	if f.name() == "tokenizer.model" {
		if err := s.readBeside(f); err != nil {
			return nil, err
		}
	}
	return s, s.readConfig(*f)
}

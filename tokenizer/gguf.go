package tokenizer

import (
	"fmt"
	"math"
	"slices"
)

// Metadata is the key-value part of a GGUF file. The second result is false
// where the key is absent or has another type.
type Metadata interface {
	String(key string) (string, bool)
	// Texts returns an array of strings, one behind the other, and its bounds: where each
	// begins, then where the last ends.
	Texts(key string) (all string, bounds []uint32, ok bool)
	Int(key string) (int64, bool)
	Ints(key string) ([]int64, bool)
	Floats(key string) ([]float64, bool)
	Bool(key string) (bool, bool)
}

// keys of the special tokens in a GGUF file, and the names templates use.
var specialKeys = []struct{ key, name string }{
	{"tokenizer.ggml.bos_token_id", "bos_token"},
	{"tokenizer.ggml.eos_token_id", "eos_token"},
	{"tokenizer.ggml.unknown_token_id", "unk_token"},
	{"tokenizer.ggml.padding_token_id", "pad_token"},
	{"tokenizer.ggml.eot_token_id", "eot_token"},
	{"tokenizer.ggml.eom_token_id", "eom_token"},
}

// textsOf returns an array of strings.
func textsOf(m Metadata, key string) (texts, bool) {
	all, bounds, ok := m.Texts(key)
	return texts{all, bounds}, ok
}

// FromGGUF makes the tokenizer that a GGUF file describes: byte-level BPE
// (tokenizer.ggml.model "gpt2") or SentencePiece BPE ("llama").
func FromGGUF(m Metadata) (*Tokenizer, error) {
	name, _ := m.String("tokenizer.ggml.model")
	if name == "no_vocab" {
		return nil, fmt.Errorf("tokenizer.ggml.model: %q: the file has no tokenizer", name)
	}
	s := &source{bos: -1, unknown: -1}
	if err := s.readTokens(m); err != nil {
		return nil, err
	}
	if err := s.readSpecial(m); err != nil {
		return nil, err
	}
	var err error
	switch name {
	case "gpt2":
		err = s.readBytePairs(m)
	case "llama":
		err = s.readSentencePiece(m)
	default:
		err = fmt.Errorf("tokenizer.ggml.model: %q is not supported", name)
	}
	if err != nil {
		return nil, err
	}
	if add, ok := m.Bool("tokenizer.ggml.add_bos_token"); ok {
		s.addBOS = add
	}
	s.addEOS, _ = m.Bool("tokenizer.ggml.add_eos_token")
	s.readTemplates(m)
	t, err := newTokenizer(s)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.ggml: %w", err)
	}
	return t, nil
}

func (s *source) readTokens(m Metadata) error {
	list, ok := textsOf(m, "tokenizer.ggml.tokens")
	n := list.len()
	if !ok || n == 0 {
		return fmt.Errorf("tokenizer.ggml.tokens: missing")
	}
	if n > math.MaxInt32 {
		return fmt.Errorf("tokenizer.ggml.tokens: %d tokens", n)
	}
	kinds, ok := m.Ints("tokenizer.ggml.token_type")
	if ok && len(kinds) != n {
		return fmt.Errorf("tokenizer.ggml.token_type: %d types for %d tokens", len(kinds), n)
	}
	s.tokens = make([]token, n)
	seen := map[string]bool{}
	for id := range s.tokens {
		text := list.at(id)
		t := token{text: text, kind: normal}
		if kinds != nil {
			if kinds[id] < int64(normal) || kinds[id] > int64(byteValue) {
				return fmt.Errorf("tokenizer.ggml.token_type: token %d has type %d", id, kinds[id])
			}
			t.kind = kind(kinds[id])
		}
		if found := t.kind == control || t.kind == unknown || t.kind == userDefined; found && !seen[text] {
			seen[text] = true
			s.added = append(s.added, addedToken{id: int32(id), text: text, special: t.kind != userDefined})
		}
		s.tokens[id] = t
	}
	return nil
}

func (s *source) readSpecial(m Metadata) error {
	const none = 1<<32 - 1 // how some writers say "no such token"
	s.named = map[string]string{}
	for _, special := range specialKeys {
		id, ok := m.Int(special.key)
		if !ok || id == none {
			continue
		}
		if id < 0 || id >= int64(len(s.tokens)) {
			return fmt.Errorf("%s: %d is not in the vocabulary of %d", special.key, id, len(s.tokens))
		}
		s.named[special.name] = s.tokens[id].text
		switch special.name {
		case "bos_token":
			s.bos = int32(id)
		case "unk_token":
			s.unknown = int32(id)
		case "eos_token", "eot_token", "eom_token":
			s.eos = append(s.eos, int32(id))
		}
	}
	return nil
}

// readBytePairs reads what belongs to byte-level BPE. Converters also write
// tokenizer.ggml.add_space_prefix, which means nothing there; nor does the unknown
// token: bytes without one are left out.
func (s *source) readBytePairs(m Metadata) error {
	name, ok := m.String("tokenizer.ggml.pre")
	if !ok {
		return fmt.Errorf("tokenizer.ggml.pre: missing, so how text is cut into words is not known")
	}
	pre, err := preTokenizerOf(name)
	if err != nil {
		return fmt.Errorf("tokenizer.ggml.pre: %w", err)
	}
	s.splitter, s.ignoreMerges, s.addBOS = pre.splitter, pre.ignoreMerges, pre.addBOS
	s.unknown = -1
	if s.merges.lines, ok = textsOf(m, "tokenizer.ggml.merges"); !ok {
		return fmt.Errorf("tokenizer.ggml.merges: missing")
	}
	return nil
}

func (s *source) readSentencePiece(m Metadata) error {
	scores, ok := m.Floats("tokenizer.ggml.scores")
	if !ok || len(scores) != len(s.tokens) {
		return fmt.Errorf("tokenizer.ggml.scores: %d scores for %d tokens", len(scores), len(s.tokens))
	}
	if remove, _ := m.Bool("tokenizer.ggml.remove_extra_whitespaces"); remove {
		return fmt.Errorf("tokenizer.ggml.remove_extra_whitespaces: not supported")
	}
	architecture, _ := m.String("general.architecture")
	for i := range s.added {
		s.added[i].rstrip = takesSpaces(architecture, s.added[i].text)
	}
	s.scores = scores
	s.charLevel = true
	s.markSpaces, s.unmarks = true, true
	s.fuseUnknown = true
	s.addBOS = true
	s.prefix = prefixAlways
	if add, ok := m.Bool("tokenizer.ggml.add_space_prefix"); ok && !add {
		s.prefix = prefixNever
	}
	if s.prefix == prefixAlways {
		s.dropPrefix = dropPieceSpace
	}
	for id := range s.tokens {
		if s.tokens[id].kind == unknown && s.unknown < 0 {
			s.unknown = int32(id)
		}
	}
	return nil
}

// takesSpaces reports whether a special token of SentencePiece takes white space after
// it along, as most of Phi-3 do in its tokenizer.json. GGUF has no word for that.
func takesSpaces(architecture, text string) bool {
	return architecture == "phi3" && !slices.Contains([]string{"<unk>", "<s>", "<|endoftext|>"}, text)
}

func (s *source) readTemplates(m Metadata) {
	if text, ok := m.String("tokenizer.chat_template"); ok {
		s.templates = append(s.templates, ChatTemplate{Name: "default", Text: text})
	}
	names, _ := textsOf(m, "tokenizer.chat_templates")
	for _, name := range names.list() {
		if text, ok := m.String("tokenizer.chat_template." + name); ok {
			s.templates = append(s.templates, ChatTemplate{Name: name, Text: text})
		}
	}
}

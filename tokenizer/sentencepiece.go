package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// readModelFile reads a tokenizer.model: the ModelProto of SentencePiece
// (sentencepiece_model.proto), whose BPE is that of GGUF's model "llama". Of Unigram
// the tokens are those of the tokenizer.json that Hugging Face's converter makes.
func readModelFile(data []byte) (*source, error) {
	p := &pieces{texts: newTextWriter(0, 0), unknown: 0, bos: 1, eos: 2, kind: unigramModel, prefix: true, spaces: true, escapes: true}
	if err := p.read(data); err != nil {
		return nil, err
	}
	switch {
	case len(p.kinds) == 0:
		return nil, fmt.Errorf("byte 0: no pieces: no model of SentencePiece")
	case p.kind != bpeModel && p.kind != unigramModel:
		return nil, fmt.Errorf("trainer_spec.model_type: %d is not supported, only 1 (Unigram) and 2 (BPE)", p.kind)
	case p.suffix:
		return nil, fmt.Errorf("trainer_spec.treat_whitespace_as_suffix: not supported")
	case !p.escapes:
		return nil, fmt.Errorf("normalizer_spec.escape_whitespaces: false is not supported")
	}
	s := &source{bos: -1, unknown: -1, unigram: p.kind == unigramModel, named: map[string]string{}}
	if err := s.readTokens(p); err != nil {
		return nil, err
	}
	for name, id := range map[string]int64{"bos_token": p.bos, "eos_token": p.eos, "unk_token": p.unknown} {
		if id >= 0 && id < int64(len(s.tokens)) {
			s.named[name] = s.tokens[id].text
		}
	}
	if err := p.readNormalizers(s); err != nil {
		return nil, err
	}
	return s, s.readSentencePiece(p)
}

// extraSpaces is a step's name.
const extraSpaces = "remove_extra_whitespaces"

// readNormalizers gives the source the steps of normalizer_spec.
func (p *pieces) readNormalizers(s *source) error {
	if len(p.charsmap) > 0 {
		c, err := newCharsmap(p.charsmap)
		if err != nil {
			return fmt.Errorf("normalizer_spec.precompiled_charsmap: %w", err)
		}
		s.normalizers = append(s.normalizers, normalizer{name: "precompiled_charsmap", apply: c.apply})
	}
	if p.spaces {
		if slices.Contains(p.kinds, int64(userDefined)) { // the text between two would lose its ends
			return errors.New("normalizer_spec." + extraSpaces + ": not supported with user-defined symbols")
		}
		s.normalizers = append(s.normalizers, normalizer{name: extraSpaces, apply: squeeze})
	}
	s.normalizes = len(s.normalizers) > 0
	return nil
}

// readBeside reads what stands beside a tokenizer.model: where a space comes before the
// text, and added tokens, except those without a row. They are found in the text as it
// came, whatever "normalized" says: so the tokenizers do that such folders come from.
func (s *source) readBeside(f *Files) error {
	var config struct {
		Legacy         *bool                 `json:"legacy"`
		AddPrefixSpace *bool                 `json:"add_prefix_space"`
		Added          map[string]addedEntry `json:"added_tokens_decoder"`
	}
	if f.Config != nil {
		if err := unmarshal(f.Config, &config); err != nil {
			return fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	if err := s.readPrefix(config.AddPrefixSpace, config.Legacy); err != nil {
		return err
	}
	if config.Added == nil {
		config.Added = map[string]addedEntry{}
	}
	if err := f.addMissing(config.Added); err != nil {
		return err
	}
	var entries []addedEntry
	most := int64(len(s.tokens) + len(config.Added) + maxHoles)
	for _, key := range slices.Sorted(maps.Keys(config.Added)) {
		e := config.Added[key]
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil || id < 0 || id >= most {
			return fmt.Errorf("added_tokens_decoder: %.40q is no id of a token", key)
		}
		if e.ID = id; f.Rows > 0 && id >= int64(f.Rows) {
			continue
		}
		e.Normalized = false
		for int64(len(s.tokens)) <= id {
			s.tokens, s.scores = append(s.tokens, token{}), append(s.scores, 0)
		}
		if t := &s.tokens[id]; t.text != e.Content || t.kind == normal || t.kind == absent {
			entries = append(entries, e)
		}
	}
	return s.readAdded(entries)
}

// readPrefix says where a space is put before a text.
func (s *source) readPrefix(add, legacy *bool) error {
	switch {
	case !is(add, true):
		s.prefix = prefixNever
	case !is(legacy, true) && s.prefix != prefixNever:
		if slices.ContainsFunc(s.normalizers, func(n normalizer) bool { return n.name == extraSpaces }) {
			return fmt.Errorf("tokenizer_config.json: legacy: false is not supported with %s", extraSpaces)
		}
		s.prefix = prefixFirst // not after special tokens
	}
	if s.prefix != prefixNever {
		s.dropPrefix = dropPieceSpace
	}
	return nil
}

// addMissing adds the tokens of added_tokens.json that tokenizer_config.json does not have, by id.
func (f *Files) addMissing(added map[string]addedEntry) error {
	var ids map[string]int64
	if f.AddedTokens != nil {
		if err := unmarshal(f.AddedTokens, &ids); err != nil {
			return fmt.Errorf("added_tokens.json: %w", err)
		}
	}
	special, err := f.specialTexts()
	if err != nil {
		return err
	}
	for text, id := range ids {
		key := strconv.FormatInt(id, 10)
		if _, ok := added[key]; !ok {
			added[key] = addedEntry{Content: text, Special: special[text]}
		}
	}
	return nil
}

// specialTexts returns the texts that the files name as special tokens.
func (f *Files) specialTexts() (map[string]bool, error) {
	special := map[string]bool{}
	for name, data := range map[string][]byte{"tokenizer_config.json": f.Config, "special_tokens_map.json": f.SpecialTokensMap} {
		var members map[string]jsontext.Value
		if data == nil {
			continue
		}
		if err := unmarshal(data, &members); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list := []jsontext.Value{}
		if more := members["additional_special_tokens"]; more.Kind() == '[' {
			if err := unmarshal(more, &list); err != nil {
				return nil, fmt.Errorf("%s: additional_special_tokens: %w", name, err)
			}
		}
		for _, key := range []string{"bos_token", "eos_token", "unk_token", "pad_token"} {
			list = append(list, members[key])
		}
		for _, value := range list {
			text, err := tokenText(value)
			if err != nil {
				return nil, fmt.Errorf("%s: special tokens: %w", name, err)
			}
			special[text] = true
		}
	}
	return special, nil
}

// Values of trainer_spec.model_type; Unigram is the default.
const (
	unigramModel = 1
	bpeModel     = 2
)

// pieces is what matters here in a ModelProto. It gives the keys of a GGUF file that
// say the same.
type pieces struct {
	texts  *textWriter
	scores []float64
	kinds  []int64 // the numbers are those of GGUF

	unknown, bos, eos, kind int64
	suffix                  bool
	prefix, spaces, escapes bool // normalizer_spec
	charsmap                []byte
}

// String implements Metadata.
func (p *pieces) String(string) (string, bool) { return "", false }

// Int implements Metadata.
func (p *pieces) Int(string) (int64, bool) { return 0, false }

// Texts implements Metadata.
func (p *pieces) Texts(key string) (string, []uint32, bool) {
	list := p.texts.texts()
	return list.all, list.bounds, key == "tokenizer.ggml.tokens"
}

// Ints implements Metadata.
func (p *pieces) Ints(key string) ([]int64, bool) {
	return p.kinds, key == "tokenizer.ggml.token_type"
}

// Floats implements Metadata.
func (p *pieces) Floats(key string) ([]float64, bool) {
	return p.scores, key == "tokenizer.ggml.scores"
}

// Bool implements Metadata.
func (p *pieces) Bool(key string) (bool, bool) {
	is := key == "tokenizer.ggml.add_space_prefix"
	return is && p.prefix, is
}

// read reads a ModelProto.
func (p *pieces) read(data []byte) error {
	return eachField(data, 0, func(f field) error {
		switch f.number {
		case 1:
			return p.readPiece(f)
		case 2:
			return p.readTrainer(f)
		case 3:
			return p.readNormalizer(f)
		}
		return nil
	})
}

// readPiece reads a SentencePiece.
func (p *pieces) readPiece(f field) error {
	text, score, kind := []byte(nil), 0.0, int64(normal)
	err := f.each(func(f field) error {
		switch f.number {
		case 1:
			text = f.bytes
		case 2:
			score = float64(math.Float32frombits(uint32(f.value)))
		case 3:
			kind = int64(f.value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(text) == 0 || !utf8.Valid(text) {
		return fmt.Errorf("byte %d: pieces[%d]: %.40q is no text", f.offset, len(p.kinds), text)
	}
	p.scores, p.kinds = append(p.scores, score), append(p.kinds, kind)
	return p.texts.add(text)
}

// readTrainer reads the TrainerSpec.
func (p *pieces) readTrainer(f field) error {
	return f.each(func(f field) error {
		switch f.number {
		case 3:
			p.kind = int64(f.value)
		case 24:
			p.suffix = f.value != 0
		case 40:
			p.unknown = int64(f.value)
		case 41:
			p.bos = int64(f.value)
		case 42:
			p.eos = int64(f.value)
		}
		return nil
	})
}

// readNormalizer reads the NormalizerSpec.
func (p *pieces) readNormalizer(f field) error {
	return f.each(func(f field) error {
		switch f.number {
		case 2:
			p.charsmap = f.bytes
		case 3:
			p.prefix = f.value != 0
		case 4:
			p.spaces = f.value != 0
		case 5:
			p.escapes = f.value != 0
		}
		return nil
	})
}

// field is a field of a message in the encoding of protocol buffers
// (https://protobuf.dev/programming-guides/encoding).
type field struct {
	number uint64
	value  uint64 // of numbers
	bytes  []byte // of texts and messages
	offset int    // of bytes in the file
}

// each calls yield with the fields of a message.
func (f field) each(yield func(field) error) error {
	if f.bytes == nil {
		return fmt.Errorf("byte %d: field %d is no message", f.offset, f.number)
	}
	return eachField(f.bytes, f.offset, yield)
}

// eachField calls yield with the fields of a message that stands at an offset.
func eachField(data []byte, offset int, yield func(field) error) error {
	for at := 0; at < len(data); {
		start := offset + at
		bad := func(what string) error {
			return fmt.Errorf("byte %d: %s: no model of SentencePiece", start, what)
		}
		key, n := binary.Uvarint(data[at:])
		if n <= 0 || key>>3 == 0 {
			return bad("a field has no number")
		}
		at += n
		f := field{number: key >> 3, offset: offset + at}
		switch rest := data[at:]; key & 7 {
		case 0:
			if f.value, n = binary.Uvarint(rest); n <= 0 {
				return bad("a number is cut off")
			}
		case 1:
			if n = 8; len(rest) < n {
				return bad("a number is cut off")
			}
			f.value = binary.LittleEndian.Uint64(rest)
		case 2:
			size, head := binary.Uvarint(rest)
			if head <= 0 || size > uint64(len(rest)-head) {
				return bad("a text is cut off")
			}
			n = head + int(size)
			f.bytes, f.offset = rest[head:n:n], f.offset+head
		case 5:
			if n = 4; len(rest) < n {
				return bad("a number is cut off")
			}
			f.value = uint64(binary.LittleEndian.Uint32(rest))
		default:
			return bad("a field has no type")
		}
		at += n
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

package tokenizer

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// tokenizerFile is a tokenizer.json. Each struct keeps the members that it does
// not know, to refuse them by name.
type tokenizerFile struct {
	Version       string         `json:"version"`
	Truncation    jsontext.Value `json:"truncation"`
	Padding       jsontext.Value `json:"padding"`
	AddedTokens   []addedEntry   `json:"added_tokens"`
	Normalizer    *component     `json:"normalizer"`
	PreTokenizer  *component     `json:"pre_tokenizer"`
	PostProcessor *component     `json:"post_processor"`
	Decoder       *component     `json:"decoder"`
	Model         modelEntry     `json:"model"`
	Unknown       jsontext.Value `json:",embed"`
}

type addedEntry struct {
	ID         int64          `json:"id"`
	Content    string         `json:"content"`
	SingleWord bool           `json:"single_word"`
	Lstrip     bool           `json:"lstrip"`
	Rstrip     bool           `json:"rstrip"`
	Normalized bool           `json:"normalized"`
	Special    bool           `json:"special"`
	Unknown    jsontext.Value `json:",embed"`
}

type modelEntry struct {
	Type         string         `json:"type"`
	Dropout      *float64       `json:"dropout"`
	UnkToken     *string        `json:"unk_token"`
	UnkID        *int64         `json:"unk_id"` // of Unigram
	WordPrefix   *string        `json:"continuing_subword_prefix"`
	MaxChars     *int           `json:"max_input_chars_per_word"` // of WordPiece
	WordSuffix   *string        `json:"end_of_word_suffix"`
	FuseUnk      bool           `json:"fuse_unk"`
	ByteFallback bool           `json:"byte_fallback"`
	IgnoreMerges bool           `json:"ignore_merges"`
	Vocab        vocabEntries   `json:"vocab"`
	Merges       mergeEntries   `json:"merges"`
	Unknown      jsontext.Value `json:",embed"`
}

// vocabEntries is an object of texts and ids or, of Unigram, a list of texts and scores.
type vocabEntries []vocabEntry

type vocabEntry struct {
	text   string
	id     int32
	score  float64
	scored bool
}

// UnmarshalJSONFrom reads either; anything else gives no entries.
func (v *vocabEntries) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	switch d.PeekKind() {
	case '[':
		return v.readScored(d)
	case '{':
	default:
		return d.SkipValue()
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	r := textReader{decoder: d}
	for d.PeekKind() != '}' {
		text, err := r.read()
		if err != nil {
			return err
		}
		e := vocabEntry{text: text}
		value, err := d.ReadToken()
		if err != nil {
			return err
		}
		if value.Kind() != '0' {
			return fmt.Errorf("the id of %.40q is not a number", e.text)
		}
		id, err := value.Int()
		if err != nil || id < 0 || id >= math.MaxInt32 {
			return fmt.Errorf("the id of %.40q is %s", e.text, value)
		}
		e.id = int32(id)
		*v = append(*v, e)
	}
	_, err := d.ReadToken()
	return err
}

// readScored reads a list of [text, score], each with its place as id.
func (v *vocabEntries) readScored(d *jsontext.Decoder) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		var pair [2]jsontext.Value
		if err := json.UnmarshalDecode(d, &pair); err != nil {
			return err
		}
		e := vocabEntry{id: int32(len(*v)), scored: true}
		if err := unmarshal(pair[0], &e.text); err != nil {
			return fmt.Errorf("vocab[%d]: %.40s is not a string", e.id, pair[0])
		}
		if err := unmarshal(pair[1], &e.score); err != nil {
			return fmt.Errorf("the score of %.40q is %.40s", e.text, pair[1])
		}
		*v = append(*v, e)
	}
	_, err := d.ReadToken()
	return err
}

// mergeEntries is an array of "a b" or of ["a", "b"].
type mergeEntries struct {
	merges
	size int // of the file
}

// UnmarshalJSONFrom reads the array.
func (m *mergeEntries) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if kind := d.PeekKind(); kind != '[' {
		return fmt.Errorf("must be a list")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	list := d.StackPointer()
	r, lines := textReader{decoder: d}, newTextWriter(m.size/32, m.size/2) // guesses that large files meet
	m.middles = make([]int32, 0, m.size/32)
	for d.PeekKind() != ']' {
		middle, err := r.readMerge()
		if err != nil {
			return &json.SemanticError{JSONPointer: list.AppendToken(strconv.Itoa(len(m.middles))), Err: err}
		}
		if err := lines.add(r.buf); err != nil {
			return err
		}
		m.middles = append(m.middles, int32(middle))
	}
	m.lines = lines.texts()
	_, err := d.ReadToken()
	return err
}

// textReader reads strings into blocks of memory that they share: a large vocabulary has
// hundreds of thousands.
type textReader struct {
	decoder *jsontext.Decoder
	buf     []byte
	block   strings.Builder
}

func (r *textReader) read() (string, error) {
	r.buf = r.buf[:0]
	err := r.append()
	return r.keep(), err
}

// append appends the next string to buf.
func (r *textReader) append() error {
	value, err := r.decoder.ReadValue()
	if err != nil {
		return err
	}
	if value.Kind() != '"' {
		return fmt.Errorf("%.40s is not a string", value)
	}
	r.buf, err = jsontext.AppendUnquote(r.buf, value)
	return err
}

// keep returns what is in buf.
func (r *textReader) keep() string {
	if r.block.Cap()-r.block.Len() < len(r.buf) {
		r.block = strings.Builder{}
		r.block.Grow(max(len(r.buf), 64<<10))
	}
	start := r.block.Len()
	r.block.Write(r.buf)
	return r.block.String()[start:]
}

// readMerge reads two texts into buf, with a space between them, and returns where that is.
func (r *textReader) readMerge() (middle int, err error) {
	r.buf = r.buf[:0]
	if r.decoder.PeekKind() != '[' {
		err = r.append()
		middle, ok := splitMerge(string(r.buf))
		if err == nil && !ok {
			err = fmt.Errorf("%.40q is not two tokens", r.buf)
		}
		return middle, err
	}
	if _, err = r.decoder.ReadToken(); err != nil {
		return 0, err
	}
	if err = r.append(); err != nil {
		return 0, err
	}
	middle = len(r.buf)
	r.buf = append(r.buf, ' ')
	if err = r.append(); err != nil {
		return 0, err
	}
	end, err := r.decoder.ReadToken()
	if err == nil && end.Kind() != ']' {
		err = fmt.Errorf("more than two parts")
	}
	return middle, err
}

// refuse returns an error for members that are not known.
func refuse(path string, unknown jsontext.Value) error {
	var members map[string]jsontext.Value
	if len(unknown) > 0 {
		if err := unmarshal(unknown, &members); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if len(members) == 0 {
		return nil
	}
	name := slices.Min(slices.Collect(maps.Keys(members)))
	if path != "" {
		name = path + "." + name
	}
	return fmt.Errorf("%s: not supported", name)
}

// readTokenizer reads a tokenizer.json, without added tokens beyond so many rows
// (0: with all).
func readTokenizer(data []byte, rows int) (*source, error) {
	var f tokenizerFile
	f.Model.Vocab = make(vocabEntries, 0, len(data)/64) // a guess that large files meet
	f.Model.Merges.size = len(data)
	if err := unmarshal(data, &f); err != nil {
		return nil, err
	}
	if err := refuse("", f.Unknown); err != nil {
		return nil, err
	}
	if rows > 0 {
		f.AddedTokens = slices.DeleteFunc(f.AddedTokens, func(e addedEntry) bool { return e.ID >= int64(rows) })
	}
	s := &source{bos: -1, unknown: -1}
	if err := s.readModel(&f.Model); err != nil {
		return nil, err
	}
	p := pipeline{source: s, model: &f.Model}
	if err := p.readSteps(f.Normalizer, f.PreTokenizer); err != nil {
		return nil, err
	}
	if err := p.readDecoder(f.Decoder); err != nil {
		return nil, err
	}
	if err := s.readVocab(&f); err != nil {
		return nil, err
	}
	return s, p.readPostProcessor("post_processor", f.PostProcessor)
}

// readModel checks the model but for its vocabulary.
func (s *source) readModel(m *modelEntry) error {
	s.unigram = m.Type == "Unigram"
	var err error
	if s.words, err = newWordPieces(m); err != nil {
		return err
	}
	if err := refuse("model", m.Unknown); err != nil {
		return err
	}
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("model.dropout: %g is not supported", *m.Dropout)
	case len(m.Vocab) == 0:
		return fmt.Errorf("model.vocab: no tokens")
	case m.Vocab[0].scored != s.unigram:
		return fmt.Errorf("model.vocab: not as a model of type %q has it", m.Type)
	case m.UnkID != nil && !s.unigram:
		return fmt.Errorf("model.unk_id: not supported, only of Unigram")
	case m.UnkToken != nil && s.unigram:
		return fmt.Errorf("model.unk_token: not supported, not of Unigram")
	case m.UnkToken == nil && s.words != nil:
		return fmt.Errorf("model.unk_token: missing")
	case m.UnkID != nil && (*m.UnkID < 0 || *m.UnkID >= int64(len(m.Vocab))):
		return fmt.Errorf("model.unk_id: %d is not in model.vocab", *m.UnkID)
	}
	if m.UnkID != nil {
		s.unknown = int32(*m.UnkID)
	}
	if s.words == nil {
		s.affixes = affixes{valueOf(m.WordPrefix), valueOf(m.WordSuffix)}
	}
	s.merges = m.Merges.merges
	s.ignoreMerges = m.IgnoreMerges
	s.fuseUnknown = m.FuseUnk
	return nil
}

// valueOf returns a text that may be absent.
func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// maxHoles bounds the ids below the highest one that have no token.
const maxHoles = 1 << 16

// readVocab lists the tokens of the model and the added ones.
func (s *source) readVocab(f *tokenizerFile) error {
	size := int64(0)
	for _, e := range f.Model.Vocab {
		size = max(size, int64(e.id)+1)
	}
	for i, e := range f.AddedTokens {
		if e.ID < 0 || e.ID >= math.MaxInt32 {
			return fmt.Errorf("added_tokens[%d].id: %d", i, e.ID)
		}
		size = max(size, e.ID+1)
	}
	if count := int64(len(f.Model.Vocab) + len(f.AddedTokens)); size > count+maxHoles {
		return fmt.Errorf("model.vocab: ids go up to %d, but there are %d tokens", size-1, count)
	}
	s.tokens = make([]token, size)
	if !s.charLevel && (s.unigram || s.words != nil) {
		return fmt.Errorf("model.type: %s with a ByteLevel pre-tokenizer is not supported", f.Model.Type)
	}
	spells := f.Model.ByteFallback && f.Model.spellsBytes()
	switch {
	case spells && !s.charLevel:
		return fmt.Errorf("model.byte_fallback with a ByteLevel pre-tokenizer is not supported")
	case s.affixes != affixes{} && (spells || !s.charLevel || s.unigram || f.Model.UnkToken == nil):
		return fmt.Errorf("model.continuing_subword_prefix and model.end_of_word_suffix are only supported of BPE over characters with an unknown token and without bytes")
	}
	if s.unigram {
		s.scores = make([]float64, size)
	}
	for _, e := range f.Model.Vocab {
		t := &s.tokens[e.id]
		if t.kind != absent {
			return fmt.Errorf("model.vocab: %.40q and %.40q have the id %d", t.text, e.text, e.id)
		}
		*t = token{text: e.text, kind: normal}
		if s.unigram {
			s.scores[e.id] = e.score
		}
		if _, ok := byteToken(e.text); ok && f.Model.ByteFallback && s.charLevel {
			t.kind = byteValue
		}
		if f.Model.UnkToken != nil && *f.Model.UnkToken == e.text {
			s.unknown = e.id
		}
	}
	if f.Model.UnkToken != nil && s.unknown < 0 {
		return fmt.Errorf("model.unk_token: %.40q is not in model.vocab", *f.Model.UnkToken)
	}
	return s.readAdded(f.AddedTokens)
}

func (s *source) readAdded(entries []addedEntry) error {
	texts := make(map[string]int64, len(entries))
	for i, e := range entries {
		path := fmt.Sprintf("added_tokens[%d]", i)
		if err := refuse(path, e.Unknown); err != nil {
			return err
		}
		if _, ok := texts[e.Content]; ok {
			return fmt.Errorf("%s.content: %.40q is there twice", path, e.Content)
		}
		texts[e.Content] = e.ID
	}
	for id, t := range s.tokens {
		if want, ok := texts[t.text]; ok && t.kind != absent && want != int64(id) {
			return fmt.Errorf("added_tokens: %.40q has the id %d, but %d in model.vocab", t.text, want, id)
		}
	}
	for i, e := range entries {
		t := &s.tokens[e.ID]
		if t.kind != absent && t.text != e.Content {
			return fmt.Errorf("added_tokens[%d].id: %d is also %.40q", i, e.ID, t.text)
		}
		*t = token{text: e.Content, kind: userDefined, apart: t.kind == absent}
		if e.Special {
			t.kind = control
		}
		added := addedToken{id: int32(e.ID), text: e.Content, special: e.Special, singleWord: e.SingleWord, lstrip: e.Lstrip, rstrip: e.Rstrip}
		if e.Normalized {
			s.normalized = append(s.normalized, added)
		} else {
			s.added = append(s.added, added)
		}
	}
	return nil
}

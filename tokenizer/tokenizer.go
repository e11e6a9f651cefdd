package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Tokenizer turns text into tokens and back. It never changes once made, and
// any number of goroutines may use it.
type Tokenizer struct {
	vocab     *vocabulary
	model     model
	charLevel bool // SentencePiece: tokens are characters and fall back to bytes
	bytewise  bool // tokens are bytes, which together are text

	added       *matcher     // tokens found in the text as it came
	spelled     *matcher     // these, and the special ones of the next as they are spelled
	normalized  *matcher     // tokens found in the text after normalizing
	normalizes  bool         // there is a normalizer, which comes before the second search
	normalizers []normalizer // its steps but for those that the model does

	begin          []int32 // come before a text
	eos            []int32
	addBOS, addEOS bool
	dropPrefix     dropPrefix
	joiner         *joiner // of dropJoin
	suffix         string  // ends tokens that a space follows unless the text ends
	once           bool    // of equal tokens in a row the first counts
	templates      []ChatTemplate
	named          map[string]string // texts of special tokens by name: bos_token, eos_token, ...
	digest         func() string
}

// model is a kind of vocabulary: byteLevel or charLevel.
type model interface {
	// normalize returns text as the model encodes it; first says that the
	// input begins with it.
	normalize(text string, first bool) string
	// encode appends the tokens of normalized text; first as before.
	encode(ids []int32, text string, first bool) []int32
}

// source is what a checkpoint says about its tokenizer, whatever its format.
type source struct {
	tokens []token
	merges merges
	scores []float64 // of the tokens, where the merges are not listed

	unigram bool        // the scores are of Unigram, not of merges
	words   *wordPieces // nil: tokens come from merges or scores
	affixes affixes     // of characters in words
	joiner  *joiner     // nil: tokens follow one another
	suffix  string      // ends tokens that a space follows
	ctc     *ctc        // nil: tokens that repeat count

	unspells bool // decoding takes the runes of tokens for bytes

	charLevel    bool
	splitter     splitter
	ignoreMerges bool
	prefix       prefix // character-level, and the next five
	markSpaces   bool
	unmarks      bool // decoding makes marks spaces
	splitMarks   bool
	unknown      int32
	fuseUnknown  bool

	added, normalized []addedToken
	normalizes        bool
	normalizers       []normalizer

	bos            int32   // -1: none
	begin          []int32 // come before a text; nil: bos alone
	eos            []int32
	addBOS, addEOS bool
	dropPrefix     dropPrefix
	templates      []ChatTemplate
	named          map[string]string
}

// ChatTemplate is a template that came with the tokenizer.
type ChatTemplate struct {
	Name string // "default" for the one without a name
	Text string // Jinja
}

// newTokenizer checks a source and makes the tokenizer.
func newTokenizer(s *source) (*Tokenizer, error) {
	t := &Tokenizer{
		charLevel:   s.charLevel,
		bytewise:    s.unspells || !s.charLevel && s.joiner == nil,
		normalizes:  s.normalizes,
		normalizers: s.normalizers,
		begin:       s.begin,
		addEOS:      s.addEOS && len(s.eos) > 0,
		dropPrefix:  s.dropPrefix,
		joiner:      s.joiner,
		suffix:      s.suffix,
		once:        s.ctc != nil,
		templates:   s.templates,
		named:       s.named,
	}
	var err error
	if s.charLevel {
		t.vocab, t.model, err = newCharLevel(s)
	} else {
		t.vocab, t.model, err = newByteLevel(s)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case s.joiner != nil:
		t.vocab.show(s.joiner.next)
	case s.ctc != nil:
		t.vocab.show(s.ctc.text)
	case s.suffix != "":
		t.vocab.show(func(text string) string { return strings.ReplaceAll(text, s.suffix, " ") })
	case s.charLevel && s.unspells:
		t.vocab.show(unspell)
	}
	if t.added, err = newMatcher(s.added); err != nil {
		return nil, err
	}
	hidden := slices.DeleteFunc(slices.Clone(s.normalized), func(a addedToken) bool { return !a.special })
	if t.spelled = t.added; len(hidden) > 0 {
		if t.spelled, err = newMatcher(slices.Concat(s.added, hidden)); err != nil {
			return nil, err
		}
	}
	for i := range s.normalized {
		if s.normalizes {
			s.normalized[i].text = t.normalize(s.normalized[i].text, true)
		}
	}
	if t.normalized, err = newMatcher(s.normalized); err != nil {
		return nil, err
	}
	if t.begin == nil && s.bos >= 0 {
		t.begin = []int32{s.bos}
	}
	t.addBOS = s.addBOS && len(t.begin) > 0
	for _, id := range t.begin {
		if !t.has(id) {
			return nil, fmt.Errorf("the begin token is %d, which is not in the vocabulary of %d", id, t.VocabSize())
		}
	}
	for _, id := range s.eos {
		if !t.has(id) {
			return nil, fmt.Errorf("an end token is %d, which is not in the vocabulary of %d", id, t.VocabSize())
		}
	}
	t.eos = endTokens(t.vocab, s.eos)
	t.digest = sync.OnceValue(t.vocab.digest)
	return t, nil
}

// turnEnds are the names under which instruction-tuned models know the end of
// a turn or of a text.
var turnEnds = []string{
	"<|end_of_text|>", "<|eom_id|>", "<|eot_id|>", "<|endoftext|>", "<|im_end|>", "<|end|>", "<end_of_turn>",
	"<|observation|>", // what a tool of GLM-4 gave: its call is over
}

// endTokens returns the declared end tokens and after them the special and the added
// tokens that are known to end a turn. Checkpoints often declare only one of them.
func endTokens(v *vocabulary, declared []int32) []int32 {
	var ends []int32
	for _, id := range declared {
		if !slices.Contains(ends, id) {
			ends = append(ends, id)
		}
	}
	for _, name := range turnEnds {
		id, ok := v.names[name]
		if !ok || slices.Contains(ends, id) {
			continue
		}
		if k := v.tokens[id].kind; k == control || k == userDefined {
			ends = append(ends, id)
		}
	}
	return ends
}

// EncodeOptions say how text becomes tokens.
type EncodeOptions struct {
	// ParseSpecial takes the text of a special token for that token. Without
	// it such text is ordinary, as what a user wrote should be, and so it is where it
	// goes on behind one of the offsets Plain, which are in order, or begins with the
	// rune before one. With these, even with none in a list, what normalizing writes is
	// no special token.
	ParseSpecial bool
	Plain        []int
	// AddBOS puts what Begin returns first, AddEOS the end token last, where the
	// vocabulary has them.
	AddBOS, AddEOS bool
}

// Encode returns the tokens of text. Bytes that are not UTF-8 are encoded as
// they are: decoding gives the text back.
func (t *Tokenizer) Encode(text string, o EncodeOptions) []int32 {
	ids := make([]int32, 0, len(text)/4+2)
	if o.AddBOS {
		ids = append(ids, t.begin...)
	}
	added, see := t.added, sight{o.ParseSpecial, o.Plain}
	parse := o.ParseSpecial
	// After normalizing offsets say nothing, and a text may have become a special token.
	if len(o.Plain) > 0 || o.Plain != nil && len(t.normalizers) > 0 {
		added, parse = t.spelled, false
	}
	for i, from := 0, 0; ; {
		m, ok := added.find(text, i, from, see)
		if !ok {
			ids = t.encode(ids, text[i:], i == 0, parse)
			break
		}
		ids = t.encode(ids, text[i:m.start], i == 0, parse)
		ids = append(ids, m.id)
		i, from = m.end, m.next
	}
	if o.AddEOS && len(t.eos) > 0 {
		ids = append(ids, t.eos[0])
	}
	return ids
}

// encode appends the tokens of text without tokens of t.added.
func (t *Tokenizer) encode(ids []int32, text string, first, special bool) []int32 {
	if t.normalizes {
		text = t.normalize(text, first)
	}
	for i, from := 0, 0; ; {
		m, ok := t.normalized.find(text, i, from, sight{special: special})
		part := text[i:]
		if ok {
			part = text[i:m.start]
		}
		if !t.normalizes {
			part = t.model.normalize(part, first && i == 0)
		}
		ids = t.model.encode(ids, part, first && i == 0)
		if !ok {
			break
		}
		ids = append(ids, m.id)
		i, from = m.end, m.next
	}
	return ids
}

// normalize returns text after all steps of the normalizer.
func (t *Tokenizer) normalize(text string, first bool) string {
	for _, n := range t.normalizers {
		text = n.apply(text)
	}
	return t.model.normalize(text, first)
}

// has reports whether a token has this id.
func (t *Tokenizer) has(id int32) bool {
	return id >= 0 && int(id) < len(t.vocab.tokens) && t.vocab.tokens[id].kind != absent
}

// VocabSize returns the highest id plus one. Ids below it need not all have a
// token, and the model's output may be wider.
func (t *Tokenizer) VocabSize() int { return len(t.vocab.tokens) }

// Begin returns the tokens that come before a text: most vocabularies have one,
// that of GLM-4 two, some none.
func (t *Tokenizer) Begin() []int32 { return slices.Clone(t.begin) }

// EOS returns the tokens that end a text or a turn: those that the checkpoint
// declares, the main one first, then special tokens known by name to do so.
func (t *Tokenizer) EOS() []int32 { return slices.Clone(t.eos) }

// AddBOS reports whether a plain prompt begins with them.
func (t *Tokenizer) AddBOS() bool { return t.addBOS }

// AddEOS reports whether a plain prompt ends with the end token.
func (t *Tokenizer) AddEOS() bool { return t.addEOS }

// ID returns the token with this text as the vocabulary spells it.
func (t *Tokenizer) ID(text string) (int32, bool) {
	if id, ok := t.vocab.names[text]; ok {
		return id, true
	}
	if !t.charLevel {
		bytes, ok := appendBytes(nil, text)
		if !ok {
			return 0, false
		}
		text = string(bytes)
	}
	return t.vocab.pieces.find(text)
}

// Token returns the text of a token as the vocabulary spells it ("Ġthe",
// "▁the", "<0x0A>"), "" for an id without a token.
func (t *Tokenizer) Token(id int32) string {
	if !t.has(id) {
		return ""
	}
	return t.vocab.tokens[id].text
}

// TokenBytes returns the bytes that a token stands for, for a special token its
// text, nil for an id without a token.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	if !t.has(id) {
		return nil
	}
	return []byte(t.vocab.tokens[id].bytes)
}

// Contextual reports whether the text of a token depends on those before it: where spaces come
// between tokens, as between words, and where those that repeat do not count.
func (t *Tokenizer) Contextual() bool { return t.joiner != nil || t.once }

// IsSpecial reports whether a token is special: it has no text of its own and
// is found in text only with ParseSpecial.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return t.has(id) && t.vocab.tokens[id].kind == control
}

// ChatTemplate returns the template of conversations: the one that has no name
// or is called "default" or, with tools, the one called "tool_use" where the
// checkpoint has one. "" where there is none.
func (t *Tokenizer) ChatTemplate(tools bool) (text string) {
	for _, c := range t.templates {
		switch {
		case c.Name == "tool_use" && tools:
			return c.Text
		case c.Name == "default":
			text = c.Text
		}
	}
	return text
}

// ChatTemplates returns all templates that came with the tokenizer.
func (t *Tokenizer) ChatTemplates() []ChatTemplate { return slices.Clone(t.templates) }

// NamedToken returns the text of a special token that the checkpoint names:
// "bos_token", "eos_token", "unk_token", "pad_token". Templates use these
// names.
func (t *Tokenizer) NamedToken(name string) (string, bool) {
	text, ok := t.named[name]
	return text, ok
}

// Digest returns the SHA-256, in hex, of the vocabulary: the kind and bytes of
// each token in order. Two tokenizers with the same digest decode alike.
func (t *Tokenizer) Digest() string { return t.digest() }

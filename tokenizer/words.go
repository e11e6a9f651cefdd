package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// wordPieces makes a word tokens without merges: WordLevel knows whole words only,
// WordPiece takes the longest piece again and again. A word that is not known in full
// is the unknown token.
type wordPieces struct {
	parts  bool   // WordPiece
	prefix string // of pieces that go on within a word
	most   int    // runes in a word; longer ones are unknown
}

// newWordPieces returns how a model makes tokens; nil: by merges or scores.
func newWordPieces(m *modelEntry) (*wordPieces, error) {
	switch m.Type {
	case "WordLevel":
		return &wordPieces{}, nil
	case "WordPiece":
		w := &wordPieces{parts: true, prefix: "##", most: 100}
		if m.WordPrefix != nil {
			w.prefix = *m.WordPrefix
		}
		if m.MaxChars != nil {
			w.most = *m.MaxChars
		}
		return w, nil
	case "BPE", "Unigram", "":
		return nil, nil
	}
	return nil, fmt.Errorf("model.type: %q is not supported", m.Type)
}

// encode appends the tokens of a word.
func (w *wordPieces) encode(ids []int32, word string, v *vocabulary, unknown int32) []int32 {
	if !w.parts {
		if id, ok := v.word(word); ok {
			return append(ids, id)
		}
		return append(ids, unknown)
	}
	n := len(ids)
	if utf8.RuneCountInString(word) > w.most {
		return append(ids, unknown)
	}
	for rest, prefix := word, ""; rest != ""; prefix = w.prefix {
		end, id := w.longest(rest, prefix, v)
		if end == 0 {
			return append(ids[:n], unknown)
		}
		ids, rest = append(ids, id), rest[end:]
	}
	return ids
}

// longest returns the longest piece with which a text begins, and its length there.
func (w *wordPieces) longest(text, prefix string, v *vocabulary) (end int, id int32) {
	for to := 0; to < len(text); {
		_, n := utf8.DecodeRuneInString(text[to:])
		if to += n; to > maxPieceBytes {
			break
		}
		if found, ok := v.word(prefix + text[:to]); ok {
			end, id = to, found
		}
	}
	return end, id
}

// word returns the token that a word is; no text spells a special one.
func (v *vocabulary) word(text string) (int32, bool) {
	id, ok := v.pieces.find(text)
	return id, ok && v.tokens[id].kind != control
}

// affixes mark characters of BPE: those that do not begin a word, and that which ends it.
type affixes struct{ within, end string }

// char returns the symbol of the character between two places in a word.
func (m *charLevel) char(word string, from, to int) (int32, bool) {
	text := word[from:to]
	if m.affixes == (affixes{}) {
		r, n := utf8.DecodeRuneInString(text)
		id, ok := m.symbols[r]
		return id, ok && (r != utf8.RuneError || n != 1)
	}
	if from > 0 {
		text = m.affixes.within + text
	}
	if to == len(word) {
		text += m.affixes.end
	}
	return m.vocab.word(text)
}

// ctc says how tokens become text of which one stands for a moment of speech (connectionist
// temporal classification): what lasts is said once, and between equal letters comes a pad.
type ctc struct {
	pad, delimiter string // nothing, and what stands for the space between words
	clean          bool   // as a joiner's; else delimiters stay
}

func (c *ctc) text(spelled string) string {
	text := strings.ReplaceAll(spelled, c.pad, "")
	if c.clean {
		text = strings.ReplaceAll(joinSigns(text), c.delimiter, " ")
	}
	return text
}

// joiner says how tokens that are words become text: each but the first, and but one
// that goes on within a word, comes after a space.
type joiner struct {
	within *string // begins tokens that go on within a word; nil: none does
	clean  bool    // no space comes before signs and the ends of contractions
}

// first returns the text of a token before which there is none, next that of any other.
func (j *joiner) first(text string) string {
	if j.clean {
		return joinSigns(text)
	}
	return text
}

func (j *joiner) next(text string) string {
	if j.within != nil && strings.HasPrefix(text, *j.within) {
		return j.first(text[len(*j.within):])
	}
	return j.first(" " + text)
}

// joinSigns takes away spaces before signs and the ends of contractions, one after the other.
func joinSigns(text string) string {
	for _, end := range [][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"},
		{" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		text = strings.ReplaceAll(text, end[0], end[1])
	}
	return text
}

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// DecodeOptions say how tokens become text.
type DecodeOptions struct {
	// ShowSpecial gives special tokens as their text instead of nothing.
	ShowSpecial bool
	// Continue says that the tokens go on after others, so that a SentencePiece
	// model's space before the first word is text and not the dummy prefix.
	Continue bool
}

// dropPrefix says what decoding drops before the first word.
type dropPrefix uint8

const (
	dropNothing    dropPrefix = iota
	dropPieceSpace            // SentencePiece: the space with which the first piece begins
	dropSpace                 // Strip in a tokenizer.json: the space with which the text begins
	dropMarks                 // Metaspace there: all marks of the first token
	dropJoin                  // no decoder, or WordPiece: what joins a token to those before it
)

// Decoder turns a stream of tokens into text, whole runes only. What is not
// UTF-8 becomes U+FFFD: one for each maximal subpart (Unicode 16.0, table 3-7)
// with byte-level models, one for each byte with SentencePiece models, as the
// reference implementations do. A Decoder serves one stream.
type Decoder struct {
	tokenizer *Tokenizer
	options   DecodeOptions
	pending   []byte // the beginning of a rune
	prefix    bool   // the dummy prefix may still come
	open      string // the last token from its first suffix on
	last      string // token, where those that repeat do not count
}

// NewDecoder returns a decoder for one stream of tokens.
func (t *Tokenizer) NewDecoder(o DecodeOptions) *Decoder {
	return &Decoder{
		tokenizer: t,
		options:   o,
		pending:   make([]byte, 0, 2*utf8.UTFMax),
		prefix:    t.dropPrefix != dropNothing && !o.Continue,
	}
}

// Decode returns the text of tokens.
func (t *Tokenizer) Decode(ids []int32, o DecodeOptions) string {
	d := t.NewDecoder(o)
	var text strings.Builder
	for _, id := range ids {
		text.WriteString(d.Append(id))
	}
	text.WriteString(d.Flush())
	return text.String()
}

// Append returns the text that is certain after one more token. At most three
// bytes wait for the next one, and what ends a word. An id without a token is no text.
func (d *Decoder) Append(id int32) string {
	if !d.tokenizer.has(id) {
		return ""
	}
	t := &d.tokenizer.vocab.tokens[id]
	text := t.bytes
	if t.kind == control && !d.options.ShowSpecial {
		text = ""
	} else if d.tokenizer.once {
		if t.text == d.last {
			return ""
		}
		d.last = t.text
	}
	if d.tokenizer.bytewise {
		return d.decode(text)
	}
	if d.tokenizer.suffix != "" {
		return d.suffixed(t)
	}
	if t.kind == byteValue {
		text = d.decode(text)
	} else {
		if d.prefix && len(d.pending) == 0 {
			text = d.first(t, text)
		}
		text = d.Flush() + text // bytes join only with bytes
	}
	if d.prefix && d.tokenizer.dropPrefix == dropSpace && text != "" {
		text = strings.TrimPrefix(text, " ")
		d.prefix = false
	}
	d.prefix = d.prefix && text == ""
	return text
}

// suffixed returns the text of a token that may end a word. Suffixes are spaces, but nothing in
// the last token: from the first on the next token tells.
func (d *Decoder) suffixed(t *token) string {
	if t.kind == control && !d.options.ShowSpecial {
		return ""
	}
	certain := strings.Index(t.text, d.tokenizer.suffix)
	if certain < 0 {
		certain = len(t.text)
	}
	text := d.Insert(t.text[:certain])
	d.open = t.text[certain:]
	return text
}

// Insert returns the text that was not certain, and more that comes next and is no token's.
func (d *Decoder) Insert(more string) string {
	if d.open != "" {
		more = strings.ReplaceAll(d.open, d.tokenizer.suffix, " ") + more
		d.open = ""
	}
	return d.Flush() + more
}

// first returns the text of a token before which there is none.
func (d *Decoder) first(t *token, text string) string {
	switch d.tokenizer.dropPrefix {
	case dropPieceSpace:
		if t.kind != unknown && strings.HasPrefix(text, " ") {
			d.prefix = false
			return text[1:]
		}
	case dropJoin:
		if t.kind != control || d.options.ShowSpecial {
			d.prefix = false
			return d.tokenizer.joiner.first(t.text)
		}
	case dropMarks:
		if text != "" {
			d.prefix = false
			return strings.ReplaceAll(t.text, spaceMark, "")
		}
	}
	return text
}

// Flush returns the text of an incomplete rune, or of the last word's end, at the end of the stream.
func (d *Decoder) Flush() string {
	if d.open != "" {
		last := strings.ReplaceAll(d.open, d.tokenizer.suffix, "")
		d.open = ""
		return last
	}
	n := len(d.pending)
	d.pending = d.pending[:0]
	switch {
	case n == 0:
		return ""
	case !d.tokenizer.bytewise:
		return strings.Repeat(string(utf8.RuneError), n)
	}
	return string(utf8.RuneError)
}

// decode returns the text of what is pending and more bytes, but for an
// incomplete rune at the end.
func (d *Decoder) decode(more string) string {
	if len(d.pending) == 0 && utf8.ValidString(more) {
		return more
	}
	var out strings.Builder
	b := append(d.pending, more...)
	for len(b) > 0 && utf8.FullRune(b) {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && d.tokenizer.bytewise {
			n = subpart(b)
		}
		out.WriteRune(r)
		b = b[n:]
	}
	d.pending = append(d.pending[:0], b...)
	return out.String()
}

// subpart returns the length of the maximal subpart of an ill-formed sequence:
// as many bytes as begin some rune, at least one.
func subpart(b []byte) int {
	n := 1
	for n < len(b) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	return n
}

package tokenizer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"unicode/utf8"
)

// kind says what a token is for; the numbers are those of GGUF's
// tokenizer.ggml.token_type.
type kind uint8

const (
	absent      kind = iota // no token has this id
	normal                  // a piece of text
	unknown                 // what no token stands for
	control                 // special: has no text of its own
	userDefined             // matched in the text before anything else
	unused
	byteValue // <0x00> to <0xFF>
)

// maxTokenBytes bounds a token's text, maxPieceBytes that of a token which is looked for
// at each place of a text: added ones, and those of characters. Tokens of large models
// have less than 300 bytes, runs of spaces in others 4096; the bounds keep matching and
// merging linear.
const (
	maxTokenBytes = 4096
	maxPieceBytes = 1024
)

// token is an entry of the vocabulary.
type token struct {
	text  string // as the vocabulary spells it
	bytes string // what it stands for
	kind  kind
	apart bool // found in text alone: merging never makes it
}

// vocabulary is the list of tokens, by id.
type vocabulary struct {
	tokens []token
	pieces *textTable       // what merging may make, by the bytes merged
	names  map[string]int32 // special tokens and others that text alone does not make, by text
}

// newVocabulary indexes the tokens. piece appends the bytes from which merging makes a
// token, which are what a normal one stands for and no more than its text has; false where
// it never does. Of tokens with the same bytes the normal one counts, then the one with
// the lowest id.
func newVocabulary(tokens []token, piece func(dst []byte, t *token) ([]byte, bool)) (*vocabulary, error) {
	pieces, err := piecesOf(tokens, piece)
	if err != nil {
		return nil, err
	}
	v := &vocabulary{tokens: tokens, pieces: newTextTable(pieces), names: map[string]int32{}}
	var others []int32 // that are not normal, which come second
	for id := range tokens {
		t, bytes := &tokens[id], pieces.at(id)
		switch t.bytes = t.text; {
		case t.kind == absent:
		case t.kind != normal:
			others = append(others, int32(id))
		case bytes == "":
			v.name(int32(id))
		default:
			t.bytes = bytes
			v.pieces.add(int32(id))
		}
	}
	for _, id := range others {
		v.name(id)
		if pieces.at(int(id)) != "" {
			v.pieces.add(id)
		}
	}
	return v, nil
}

// piecesOf returns the bytes from which merging makes each token; "": it never does.
func piecesOf(tokens []token, piece func(dst []byte, t *token) ([]byte, bool)) (texts, error) {
	total := 0
	for id := range tokens {
		total += len(tokens[id].text)
	}
	pieces := newTextWriter(len(tokens), total)
	var buf []byte
	for id := range tokens {
		t, ok := &tokens[id], false
		if t.kind != absent {
			if problem := badLength(t.text); problem != "" {
				return texts{}, fmt.Errorf("token %d %s", id, problem)
			}
			buf, ok = piece(buf[:0], t)
		}
		if !ok || t.apart {
			buf = buf[:0]
		}
		if err := pieces.add(buf); err != nil {
			return texts{}, err
		}
	}
	return pieces.texts(), nil
}

// badLength says what is wrong with the length of a token's text.
func badLength(text string) string {
	switch {
	case text == "":
		return "is empty"
	case len(text) > maxTokenBytes:
		return fmt.Sprintf("has %d bytes, at most %d are supported", len(text), maxTokenBytes)
	}
	return ""
}

// name enters a token by its text, unless one with the same is there.
func (v *vocabulary) name(id int32) {
	if _, ok := v.names[v.tokens[id].text]; !ok {
		v.names[v.tokens[id].text] = id
	}
}

// show gives tokens the text that decoding makes of how they are spelled; those of bytes,
// too.
func (v *vocabulary) show(text func(spelled string) string) {
	for id := range v.tokens {
		t := &v.tokens[id]
		if t.kind == byteValue {
			t.kind = normal
		}
		t.bytes = text(t.text)
	}
}

// unspell returns the bytes that a text spells, or the text where it spells none.
func unspell(text string) string {
	if bytes, ok := appendBytes(nil, text); ok {
		return string(bytes)
	}
	return text
}

// digest returns the SHA-256 of ids, kinds and bytes of the tokens, in hex.
func (v *vocabulary) digest() string {
	h := sha256.New()
	buf := make([]byte, 0, 64<<10)
	for _, t := range v.tokens {
		buf = append(buf, byte(t.kind))
		buf = binary.LittleEndian.AppendUint32(buf, uint32(len(t.bytes)))
		buf = append(buf, t.bytes...)
		if len(buf) > 32<<10 {
			h.Write(buf)
			buf = buf[:0]
		}
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
}

// byteRunes gives the rune that stands for each byte in a byte-level
// vocabulary (GPT-2's map): printable Latin-1 for itself, the others for
// U+0100 and on.
var byteRunes = makeByteRunes()

// runeBytes is the inverse of byteRunes; -1 where no byte has the rune.
var runeBytes = makeRuneBytes()

func makeByteRunes() (table [256]rune) {
	next := rune(256)
	for b := range table {
		if b >= '!' && b <= '~' || b >= 0xa1 && b != 0xad {
			table[b] = rune(b)
		} else {
			table[b] = next
			next++
		}
	}
	return table
}

func makeRuneBytes() (table [256 + 68]int16) {
	for r := range table {
		table[r] = -1
	}
	for b, r := range makeByteRunes() {
		table[r] = int16(b)
	}
	return table
}

// appendBytes appends the bytes that text spells in a byte-level vocabulary;
// false if a rune of it stands for no byte.
func appendBytes(dst []byte, text string) ([]byte, bool) {
	for i := 0; i < len(text); i++ {
		r := rune(text[i])
		if r >= utf8.RuneSelf { // all that stand for a byte have two at most
			if r < 0xc2 || r >= 0xe0 || i+1 == len(text) || text[i+1]&0xc0 != 0x80 {
				return dst, false
			}
			i++
			r = r&0x1f<<6 | rune(text[i]&0x3f)
		}
		if int(r) >= len(runeBytes) || runeBytes[r] < 0 {
			return dst, false
		}
		dst = append(dst, byte(runeBytes[r]))
	}
	return dst, true
}

// byteToken returns the byte that <0xNN> stands for.
func byteToken(text string) (byte, bool) {
	if len(text) != 6 || text[:3] != "<0x" || text[5] != '>' {
		return 0, false
	}
	b, err := hex.DecodeString(text[3:5])
	if err != nil {
		return 0, false
	}
	return b[0], true
}

package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MetadataWriter takes the keys of a GGUF file: strings, []string, []float32,
// []int32, uint32 and bool.
type MetadataWriter interface {
	Set(key string, value any) error
}

// ToGGUF writes the tokenizer of a folder, or of a tokenizer.json on its own,
// as the metadata of a GGUF file of this architecture whose embedding table has vocab
// rows: what FromGGUF reads. Rows without a token get unused ones, added tokens without a
// row are left out. What the format cannot say is an error; of Unicode
// normalization (NFC) its readers know nothing.
func ToGGUF(w MetadataWriter, path, architecture string, vocab int) error {
	f, err := readFiles(path)
	if err != nil {
		return err
	}
	f.Rows = vocab
	s, err := f.source()
	if err != nil {
		return err
	}
	e := exporter{w: w, source: s, name: f.name(), architecture: architecture}
	for _, n := range s.normalizers {
		if n.name != "NFC" {
			e.fail("the normalizer %s", n.name)
		}
	}
	if s.joiner != nil || s.ctc != nil || s.suffix != "" || s.affixes != (affixes{}) || s.charLevel && s.unspells {
		e.fail("this way of decoding")
	}
	if s.charLevel {
		e.sentencePiece(vocab)
	} else {
		e.bytePairs(vocab)
	}
	e.special()
	e.templateKeys()
	return e.err
}

// exporter writes keys until the first error.
type exporter struct {
	*source
	w    MetadataWriter
	name string // of the file that the source was read from
	err  error

	architecture string
}

func (e *exporter) set(key string, value any) {
	if e.err == nil {
		e.err = e.w.Set("tokenizer."+key, value)
	}
}

func (e *exporter) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %s: GGUF cannot say that", e.name, fmt.Sprintf(format, args...))
	}
}

// bytePairs writes a byte-level vocabulary.
func (e *exporter) bytePairs(vocab int) {
	e.set("ggml.model", "gpt2")
	name, ok := e.preTokenizerName()
	if !ok {
		e.fail("this splitting into words with ignore_merges %t", e.ignoreMerges)
	}
	if e.unknown >= 0 && e.lacksBytes() {
		e.fail("an unknown token for bytes without one")
	}
	e.set("ggml.pre", name)
	e.tokenKeys(vocab)
	lines := e.merges.lines.list()
	for i, line := range lines {
		if left, right, _ := e.merges.at(i); strings.Count(line, " ") != 1 {
			e.fail("the merge of %.40q and %.40q", left, right)
		}
	}
	e.set("ggml.merges", lines)
}

// lacksBytes reports whether a byte-level vocabulary has no token for some byte.
func (s *source) lacksBytes() bool {
	var known [256]bool
	for _, t := range s.tokens {
		if b, ok := appendBytes(nil, t.text); ok && len(b) == 1 {
			known[b[0]] = true
		}
	}
	return slices.Contains(known[:], false)
}

// preTokenizerName is the opposite of preTokenizerOf.
func (e *exporter) preTokenizerName() (string, bool) {
	for _, known := range preTokenizers {
		name := known.names[0]
		if p, err := preTokenizerOf(name); err == nil && p.splitter.same(e.splitter) && p.ignoreMerges == e.ignoreMerges {
			return name, true
		}
	}
	return "", false
}

// sentencePiece writes a vocabulary of characters, whose merges become scores.
func (e *exporter) sentencePiece(vocab int) {
	switch {
	case e.unigram:
		e.fail("a Unigram model")
	case e.words != nil:
		e.fail("tokens that are words")
	case e.unknown < 0 && !e.hasBytes():
		e.fail("characters that are left out")
	case e.splitter.general != nil:
		e.fail("this splitting into words")
	case e.prefix != prefixAlways && e.prefix != prefixNever:
		e.fail("a space before the text that depends on the text")
	case e.splitMarks || e.ignoreMerges || !e.markSpaces || (e.dropPrefix != dropNothing) != (e.prefix == prefixAlways):
		e.fail("this splitting into words")
	case !e.fuseUnknown && !e.hasBytes():
		e.fail("an unknown token for each unknown character")
	}
	e.set("ggml.model", "llama")
	e.set("ggml.pre", "default")
	e.tokenKeys(vocab)
	scores, err := e.mergeScores()
	if err != nil {
		e.fail("%v", err)
	}
	e.set("ggml.scores", append(scores, make([]float32, max(0, vocab-len(scores)))...))
	e.set("ggml.add_space_prefix", e.prefix == prefixAlways)
}

// hasBytes reports whether every byte has a token, so that nothing is unknown.
func (s *source) hasBytes() bool {
	n := 0
	for _, t := range s.tokens {
		if t.kind == byteValue {
			n++
		}
	}
	return n == 256
}

// mergeScores returns scores that order merges as the list does: of SentencePiece,
// which merges the pair whose result scores highest. It fails for lists that
// do not come from scores: those that lack a pair of tokens which make a third,
// or have the pairs of one result in different places. Where there is no list there
// are scores.
func (s *source) mergeScores() ([]float32, error) {
	if s.scores != nil {
		scores := make([]float32, len(s.tokens))
		for id, v := range s.scores {
			scores[id] = float32(v)
		}
		return scores, nil
	}
	ids := map[string]int{}
	for id, t := range s.tokens {
		if t.kind == normal || t.kind == userDefined {
			ids[t.text] = id
		}
	}
	scores := make([]float32, len(s.tokens))
	listed := make(map[[2]string]bool, s.merges.lines.len())
	last, rank := "", 0
	for i := range s.merges.lines.len() {
		left, right, _ := s.merges.at(i)
		id, ok := ids[left+right]
		if !ok {
			return nil, fmt.Errorf("the merge of %.40q and %.40q, which make no token", left, right)
		}
		listed[[2]string{left, right}] = true
		if left+right == last {
			continue
		}
		last = left + right
		if scores[id] != 0 {
			return nil, fmt.Errorf("merges into %.40q in different places", last)
		}
		rank++
		scores[id] = -float32(rank)
	}
	if rank > 1<<24 {
		return nil, errors.New("more than 2^24 merges")
	}
	symbol := func(text string) bool { // what merges: a token, or any character of one
		_, known := ids[text]
		return known || utf8.RuneCountInString(text) == 1
	}
	for text := range ids {
		for i := range text {
			if i > 0 && symbol(text[:i]) && symbol(text[i:]) && !listed[[2]string{text[:i], text[i:]}] {
				return nil, fmt.Errorf("%.40q and %.40q, which make a token and have no merge", text[:i], text[i:])
			}
		}
	}
	return scores, nil
}

// tokenKeys writes the texts of the tokens and their kinds.
func (e *exporter) tokenKeys(vocab int) {
	if len(e.tokens) > vocab {
		e.fail("%d tokens for an embedding table of %d rows", len(e.tokens), vocab)
		return
	}
	texts, kinds := make([]string, vocab), make([]int32, vocab)
	for id := range texts {
		t := token{}
		if id < len(e.tokens) {
			t = e.tokens[id]
		}
		if t.kind == absent {
			t = token{text: fmt.Sprintf("[PAD%d]", id), kind: unused}
		}
		if !utf8.ValidString(t.text) {
			e.fail("token %d, %.40q, which is not text", id, t.text)
		}
		texts[id], kinds[id] = t.text, int32(t.kind)
	}
	for _, t := range slices.Concat(e.added, e.normalized) {
		switch {
		case t.lstrip || t.rstrip != (e.charLevel && takesSpaces(e.architecture, t.text)):
			e.fail("which white space token %.40q takes along", t.text)
		case t.singleWord:
			e.fail("token %.40q is a word of its own", t.text)
		}
	}
	e.set("ggml.tokens", texts)
	e.set("ggml.token_type", kinds)
}

// special writes the ids of special tokens and what goes around a text.
func (e *exporter) special() {
	if _, ok := e.named["unk_token"]; !ok && e.unknown >= 0 {
		e.named["unk_token"] = e.tokens[e.unknown].text
	}
	for _, special := range specialKeys {
		text, ok := e.named[special.name]
		if !ok {
			continue
		}
		for id, t := range e.tokens {
			if t.kind != absent && t.text == text {
				e.set(strings.TrimPrefix(special.key, "tokenizer."), uint32(id))
				break
			}
		}
	}
	e.set("ggml.add_bos_token", e.addBOS && len(e.begin) <= 1) // of two tokens GGUF says nothing: chat templates write them
	e.set("ggml.add_eos_token", e.addEOS)
}

// templateKeys writes the chat templates.
func (e *exporter) templateKeys() {
	var names []string
	for _, t := range e.templates {
		if t.Name == "default" {
			e.set("chat_template", t.Text)
			continue
		}
		names = append(names, t.Name)
		e.set("chat_template."+t.Name, t.Text)
	}
	if names != nil {
		e.set("chat_templates", names)
	}
}

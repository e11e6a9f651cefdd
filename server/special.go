package server

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer"
)

// specialTokens are the tokens that must not come from what a client wrote.
type specialTokens struct {
	byFirst map[rune][]specialToken // longest first
}

type specialToken struct {
	text string
	id   int32
}

func newSpecialTokens(t *tokenizer.Tokenizer) *specialTokens {
	s := &specialTokens{byFirst: map[rune][]specialToken{}}
	for id := range int32(t.VocabSize()) {
		if !t.IsSpecial(id) {
			continue
		}
		if text := string(t.TokenBytes(id)); text != "" {
			first, _ := utf8.DecodeRuneInString(text)
			s.byFirst[first] = append(s.byFirst[first], specialToken{text, id})
		}
	}
	for _, tokens := range s.byFirst {
		slices.SortFunc(tokens, func(a, b specialToken) int { return cmp.Compare(len(b.text), len(a.text)) })
	}
	return s
}

// at returns the longest special token that text begins with.
func (s *specialTokens) at(text string) (specialToken, bool) {
	first, _ := utf8.DecodeRuneInString(text)
	for _, token := range s.byFirst[first] {
		if strings.HasPrefix(text, token.text) {
			return token, true
		}
	}
	return specialToken{}, false
}

// marker puts a mark after the first character of what could be taken for a
// special token.
type marker struct {
	special *specialTokens
	wholly  bool   // only where the whole text of a token stands, not at each beginning
	text    string // the mark: it occurs nowhere else
	count   int    // marks put so far
}

// freeMark returns a character that the conversation does not hold: one of the
// noncharacters U+FDD0 to U+FDEF (Unicode 16.0, section 23.7), which no text
// meant for people has; "" where it holds them all.
func (in *renderInput) freeMark() string {
	for r := '\uFDD0'; r <= '\uFDEF'; r++ {
		plain, escaped := []byte(string(r)), fmt.Appendf(nil, `\u%04x`, r)
		if !slices.ContainsFunc(in.parts(), func(raw jsontext.Value) bool {
			return bytes.Contains(raw, plain) || bytes.Contains(bytes.ToLower(raw), escaped)
		}) {
			return string(r)
		}
	}
	return ""
}

// parts returns all that the client sent.
func (in *renderInput) parts() []jsontext.Value {
	all := slices.Concat(in.tools, in.documents)
	for _, v := range in.variables {
		all = append(all, v.Value)
	}
	for _, m := range in.messages {
		all = append(all, m.raw)
	}
	return all
}

// marked returns the conversation with marks in it.
func (in *renderInput) marked(k *marker) *renderInput {
	out := *in
	list := func(values []jsontext.Value) []jsontext.Value {
		marked := slices.Clone(values) // nil stays nil: no list is not an empty one
		for i, raw := range values {
			marked[i] = k.json(raw, false)
		}
		return marked
	}
	out.tools, out.documents = list(in.tools), list(in.documents)
	out.variables = slices.Clone(in.variables)
	for i := range out.variables {
		out.variables[i].Value = k.json(out.variables[i].Value, false)
	}
	out.messages = slices.Clone(in.messages)
	for i := range out.messages {
		m := &out.messages[i]
		m.raw = k.json(m.raw, m.role == "assistant")
	}
	return &out
}

// mark returns text with marks. Tags of reasoning stay as they are where the
// model itself wrote them.
func (k *marker) mark(text string, keepTags bool) string {
	var out strings.Builder
	done := 0
	for i, r := range text {
		if _, ok := k.special.byFirst[r]; !ok {
			continue
		}
		rest := text[i:]
		if keepTags && (strings.HasPrefix(rest, thinkOpen) || strings.HasPrefix(rest, thinkClose)) {
			continue
		}
		if k.wholly {
			if _, ok := k.special.at(rest); !ok {
				continue
			}
		}
		end := i + utf8.RuneLen(r)
		out.WriteString(text[done:end])
		out.WriteString(k.text)
		done = end
		k.count++
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// json returns a JSON value with marks in all its strings and names.
func (k *marker) json(raw jsontext.Value, keepTags bool) jsontext.Value {
	var out bytes.Buffer
	dec := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	enc := jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true))
	before := k.count
	for {
		token, err := dec.ReadToken()
		if err != nil { // the end: the value was found valid before
			break
		}
		if token.Kind() == '"' {
			token = jsontext.String(k.mark(token.String(), keepTags))
		}
		if enc.WriteToken(token) != nil {
			return raw
		}
	}
	if k.count == before {
		return raw
	}
	return jsontext.Value(bytes.TrimRight(out.Bytes(), "\n"))
}

// encodeMarked returns the tokens of a marked text without its marks. What is
// spelled without a mark is a special token.
func (m *Model) encodeMarked(text, mark string) []int32 {
	var spelled strings.Builder
	plain := []int{}
	for {
		before, after, found := strings.Cut(text, mark)
		spelled.WriteString(before)
		if !found {
			return m.Tokenizer.Encode(spelled.String(), tokenizer.EncodeOptions{ParseSpecial: true, Plain: plain})
		}
		plain = append(plain, spelled.Len())
		text = after
	}
}

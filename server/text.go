package server

import (
	"unicode/utf8"

	"trona/tokenizer"
)

// textStream turns the tokens of one answer into text: decoder, then stop
// strings, then the parting of reasoning and answer.
type textStream struct {
	decoder     *tokenizer.Decoder
	stop        stopMatcher
	split       reasoningSplitter
	merge       bool // reasoning stays in the answer
	includeStop bool
	tags        [2]int32 // special tokens that the decoder would drop; -1: ordinary text
	minTokens   int      // no stop string counts before

	tokens    int
	reasoning int // tokens up to the end of the reasoning
	runes     int // decoded so far, held back or not
	stopped   string
}

// newTextStream begins an answer of the model after a prompt.
func newTextStream(m *Model, p *params, from *prompt) *textStream {
	t := &textStream{
		decoder:     m.Tokenizer.NewDecoder(tokenizer.DecodeOptions{Continue: from.continued}),
		stop:        stopMatcher{table: p.stops},
		split:       reasoningSplitter{state: from.begin},
		merge:       p.mergeReasoning,
		includeStop: p.includeStop,
		minTokens:   p.minTokens,
	}
	for i, tag := range []string{thinkOpen, thinkClose} {
		t.tags[i] = -1
		if id, ok := m.Tokenizer.ID(tag); ok && m.Tokenizer.IsSpecial(id) {
			t.tags[i] = id
		}
	}
	return t
}

// token takes a token and returns what text is certain by now. A silent token
// counts but has no text.
func (t *textStream) token(id int32, silent bool) (reasoning, answer string) {
	t.tokens++
	piece := ""
	if !silent {
		piece = t.decode(id)
	}
	return t.write(piece)
}

func (t *textStream) decode(id int32) string {
	switch id {
	case t.tags[0]:
		return t.decoder.Flush() + thinkOpen
	case t.tags[1]:
		return t.decoder.Flush() + thinkClose
	}
	return t.decoder.Append(id)
}

func (t *textStream) write(piece string) (reasoning, answer string) {
	t.runes += utf8.RuneCountInString(piece)
	text := piece
	if t.tokens > t.minTokens {
		text, t.stopped = t.stop.write(piece)
		if t.includeStop {
			text += t.stopped
		}
	}
	before := t.split.thinking()
	reasoning, answer = t.split.write(text)
	if before || t.split.thinking() || reasoning != "" {
		t.reasoning = t.tokens
	}
	return t.merged(text, reasoning, answer)
}

// merged puts reasoning back where it was, if it is to stay there.
func (t *textStream) merged(text, reasoning, answer string) (string, string) {
	if t.merge {
		return "", text
	}
	return reasoning, answer
}

// end returns what was held back; nothing follows.
func (t *textStream) end() (reasoning, answer string) {
	text := ""
	if t.stopped == "" {
		reasoning, answer = t.write(t.decoder.Flush())
		if t.stopped == "" {
			text = t.stop.end()
		}
	}
	moreReasoning, moreAnswer := t.split.write(text)
	lastReasoning, lastAnswer := t.split.end()
	moreReasoning, moreAnswer = t.merged(text, moreReasoning+lastReasoning, moreAnswer+lastAnswer)
	return reasoning + moreReasoning, answer + moreAnswer
}

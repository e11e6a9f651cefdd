package server

import (
	"unicode/utf8"

	"trona/tokenizer"
)

// textStream turns the tokens of one answer into text: decoder, then stop
// strings, then reasoning is split from the answer, then calls from the text.
type textStream struct {
	decoder     *tokenizer.Decoder
	stop        stopMatcher
	split       reasoningSplitter
	calls       *toolParser // nil: no tools
	merge       bool        // reasoning stays in the answer
	reasons     bool        // the answer may begin with reasoning
	raw         string      // what is held of a merged answer
	includeStop bool
	tags        map[int32]string // special tokens that the decoder would drop
	minTokens   int              // no stop string counts before

	tokens    int
	reasoning int // tokens up to the end of the reasoning
	led       int // tokens before the answer proper: the white space after it too
	runes     int // decoded so far, held back or not
	stopped   string
}

// fragment is what some tokens add to an answer.
type fragment struct {
	reasoning, text string
	calls           []callDelta
}

func (f *fragment) add(g fragment) {
	for _, c := range g.calls {
		c.at += len(f.text)
		f.calls = append(f.calls, c)
	}
	f.reasoning += g.reasoning
	f.text += g.text
}

// answer returns what comes behind the reasoning, in order. Text is the arguments of no call: -1.
func (f *fragment) answer() (list []callDelta) {
	said := 0
	say := func(end int) {
		if end > said {
			list = append(list, callDelta{index: -1, arguments: f.text[said:end]})
			said = end
		}
	}
	for _, c := range f.calls {
		say(c.at)
		list = append(list, c)
	}
	say(len(f.text))
	return list
}

func (f *fragment) empty() bool { return f.reasoning == "" && f.text == "" && len(f.calls) == 0 }

// newTextStream begins an answer of the model after a prompt; close must follow.
func newTextStream(m *Model, p *params, from *prompt) *textStream {
	t := &textStream{
		decoder:     m.Tokenizer.NewDecoder(tokenizer.DecodeOptions{Continue: from.continued, ShowSpecial: p.showSpecial}),
		stop:        stopMatcher{table: p.stops},
		split:       reasoningSplitter{state: from.begin},
		calls:       p.tools.parser(m.tools.form),
		merge:       p.mergeReasoning,
		reasons:     from.reasons,
		includeStop: p.includeStop,
		minTokens:   p.minTokens,
		tags:        map[int32]string{},
	}
	m.thinkTags(t.tags)
	if t.calls != nil {
		m.specialTags(t.tags, m.tools.form.written()...)
	}
	return t
}

// specialTags adds the special tokens that stand in texts.
func (m *Model) specialTags(to map[int32]string, texts ...string) {
	for _, text := range texts {
		for i := range text {
			if token, ok := m.special.at(text[i:]); ok {
				to[token.id] = token.text
			}
		}
	}
}

// thinkTags adds the tokens that stand for tags of reasoning.
func (m *Model) thinkTags(to map[int32]string) {
	for token, tag := range thinkTokens() {
		if id, ok := m.Tokenizer.ID(token); ok && m.Tokenizer.IsSpecial(id) {
			to[id] = tag
		}
	}
}

// close lets go of an answer that may not have come to its end.
func (t *textStream) close() {
	if t.calls != nil {
		t.calls.close()
	}
}

// token takes a token and returns what is certain by now. A silent token
// counts but has no text.
func (t *textStream) token(id int32, silent bool) fragment {
	t.tokens++
	piece := ""
	if !silent {
		piece = t.decode(id)
	}
	return t.write(piece)
}

func (t *textStream) decode(id int32) string {
	if tag, ok := t.tags[id]; ok {
		return t.decoder.Insert(tag)
	}
	return t.decoder.Append(id)
}

func (t *textStream) write(piece string) fragment {
	t.runes += utf8.RuneCountInString(piece)
	text := piece
	if t.tokens > t.minTokens {
		text, t.stopped = t.stop.write(piece)
		if t.includeStop {
			text += t.stopped
		}
	}
	before := t.split.thinking()
	reasoning, answer := t.split.write(text)
	if before || t.split.thinking() || reasoning != "" {
		t.reasoning = t.tokens
	}
	switch {
	case t.merge:
	case t.split.state == reasonClosed && text != "":
		t.led = t.tokens
	case before && t.split.state == reasonAnswer:
		t.led = t.tokens - 1 // the last token has something of both
	}
	return t.splitCalls(text, reasoning, answer)
}

// splitCalls splits calls from the text of the answer, and puts reasoning back where it
// was if it is to stay there.
func (t *textStream) splitCalls(text, reasoning, answer string) fragment {
	before := ""
	if t.merge { // what the splitter dropped or held stands before the answer
		t.raw += text
		known := len(t.raw) - len(t.split.held)
		before = t.raw[:known-len(answer)]
		t.raw, reasoning = t.raw[known:], ""
	}
	f := fragment{reasoning: reasoning, text: before}
	var calls []callDelta
	if t.calls != nil {
		answer, calls = t.calls.write(answer)
	}
	f.add(fragment{text: answer, calls: calls})
	return f
}

// called reports whether the answer calls tools: a call that broke off calls nothing.
func (t *textStream) called() bool {
	return t.calls != nil && t.calls.count > 0 && t.calls.whole == t.calls.count
}

// complete reports whether the only call that is wanted is there.
func (t *textStream) complete() bool { return t.calls != nil && t.calls.done }

// end returns what was held back; nothing follows. An answer that is cut off
// may end within a tag of the reasoning, which is dropped.
func (t *textStream) end(cut bool) fragment {
	var f fragment
	text := ""
	if t.stopped == "" {
		f = t.write(t.decoder.Flush())
		if t.stopped == "" {
			text = t.stop.end()
		}
	}
	reasoning, answer := t.split.write(text)
	moreReasoning, moreAnswer := t.split.end(cut && (t.reasons || t.split.thinking()))
	f.add(t.splitCalls(text, reasoning+moreReasoning, answer+moreAnswer))
	if t.calls != nil {
		rest, calls := t.calls.end()
		f.add(fragment{text: rest, calls: calls})
	}
	return f
}

package server

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer"
)

// renderInput is what makes the prompt of a chat.
type renderInput struct {
	messages            []message
	tools, documents    []jsontext.Value
	variables           []tokenizer.Variable // further ones for the template
	addGenerationPrompt bool
	continueFinal       bool // the answer goes on within the last message
	addSpecial          bool // the begin token, which templates write themselves
	textBytes           int  // in the messages
	now                 time.Time
}

// maxBytesPerToken bounds how much text one token stands for on average; what
// is longer than the context times this is refused before it is tokenized.
const maxBytesPerToken = 16

// tooLong refuses text that cannot fit, whatever its tokens are.
func tooLong(m *Model, param string, bytes int) *apiError {
	if bytes <= maxBytesPerToken*m.ContextLength {
		return nil
	}
	e := invalid(param, "this model's maximum context length is %d tokens, but the text has %d bytes", m.ContextLength, bytes)
	e.code = codeContext
	return e
}

// encodeText returns the tokens of a plain prompt, in which the text of a
// special token is that token. So many begin tokens come first if wanted, where the
// vocabulary asks for them and the text has none.
func (m *Model) encodeText(text string, addBOS bool) (ids []int32, added int) {
	ids = m.Tokenizer.Encode(text, tokenizer.EncodeOptions{ParseSpecial: true})
	if !addBOS || !m.Tokenizer.AddBOS() {
		return ids, 0
	}
	return withBegin(m.Tokenizer.Begin(), ids)
}

// withBegin puts the tokens that begin a text first, unless they are there, and
// returns how many it put there.
func withBegin(begin, ids []int32) (all []int32, added int) {
	if hasPrefix(ids, begin) {
		return ids, 0
	}
	return append(begin, ids...), len(begin)
}

func hasPrefix(ids, begin []int32) bool {
	return len(ids) >= len(begin) && slices.Equal(ids[:len(begin)], begin)
}

// prompt renders the conversation and returns its text and tokens. The text of
// special tokens in what the client sent stays text: only those that the
// template writes are tokens.
func (in *renderInput) prompt(m *Model) (*prompt, error) {
	if m.template(len(in.tools) > 0) == nil {
		e := invalid("messages", "this model has no chat template; use /v1/completions")
		e.code = codeTemplate
		return nil, e
	}
	if err := tooLong(m, "messages", in.textBytes); err != nil {
		return nil, err
	}
	in.now = time.Now() // one for all renderings
	text, err := in.render(m)
	if err != nil {
		return nil, err
	}
	how := in.switches(m)
	p := &prompt{text: text, begin: promptReasoning(text), told: in.reasons(how), continued: in.continueFinal}
	p.reasons = how != (thinking{}) && p.told != reasonOff
	if in.continueFinal {
		last := in.messages[len(in.messages)-1].text
		if p.begin = continuedReasoning(last); p.begin == reasonAnswer {
			_, after, found := strings.Cut(last, thinkClose)
			if p.written = last; found {
				p.written = strings.TrimLeft(after, blank)
			}
		}
	}
	if p.ids, err = in.encode(m, text); err != nil {
		return nil, err
	}
	if in.addSpecial {
		p.ids, _ = withBegin(m.Tokenizer.Begin(), p.ids)
	}
	return p, nil
}

// encode returns the tokens of a rendered text. To tell what the template wrote
// from what it was given, the conversation is rendered once more with marks
// inside what could be taken for a special token; the marks must come out where
// the text is otherwise the same.
func (in *renderInput) encode(m *Model, text string) ([]int32, error) {
	mark := in.freeMark()
	for _, wholly := range []bool{false, true} {
		k := &marker{special: m.special, wholly: wholly, text: mark}
		marked := in.marked(k)
		if k.count == 0 {
			return m.Tokenizer.Encode(text, tokenizer.EncodeOptions{ParseSpecial: true, Plain: []int{}}), nil
		}
		if mark == "" {
			return nil, invalid("messages", "the conversation holds all of U+FDD0 to U+FDEF, which are not characters")
		}
		// A template may fail, or act differently, on a marked text.
		once, err := marked.render(m)
		if err == nil && strings.ReplaceAll(once, mark, "") == text {
			return m.encodeMarked(once, mark), nil
		}
	}
	return nil, invalid("messages", "a message holds the text of a special token in a place where the chat template acts on it")
}

// render returns the text of the conversation.
func (in *renderInput) render(m *Model) (string, error) {
	in = in.placed(m.tools.place)
	input := tokenizer.RenderInput{
		Tools:                in.tools,
		Documents:            in.documents,
		Variables:            in.variables,
		Special:              map[string]string{},
		AddGenerationPrompt:  in.addGenerationPrompt,
		ContinueFinalMessage: in.continueFinal,
		NullContent:          true, // where a message has it
		Now:                  in.now,
	}
	for _, m := range in.messages {
		input.Messages = append(input.Messages, m.raw)
	}
	for _, name := range []string{"bos_token", "eos_token", "unk_token", "pad_token"} {
		if text, ok := m.Tokenizer.NamedToken(name); ok {
			input.Special[name] = text
		}
	}
	text, err := m.template(len(in.tools) > 0).Render(input)
	if err == nil {
		return text, nil
	}
	// The words are those of the template, or name what it was given.
	e := invalid("messages", "the chat template refuses the conversation: %v", err)
	e.code = codeTemplate
	var budget interface{ Limit() bool }
	if errors.As(err, &budget) && budget.Limit() {
		e.code = codeTemplateLimit
	}
	return "", e
}

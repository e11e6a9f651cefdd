package server

import (
	"context"
	"strings"
	"time"

	"trona/engine"
	"trona/tokenizer"
	"trona/tokenizer/grammar"
)

// Engine is what the server needs of an engine, in this process or in another.
type Engine interface {
	// Submit starts a request. The context's end cancels it and frees what it holds.
	Submit(ctx context.Context, r engine.Request) (Stream, error)
	// Stats returns what the engine holds and has done since it started.
	Stats() engine.Stats
	// Healthy returns why no forward pass works, nil while one does.
	Healthy() error
}

// Stream is the tokens of one request.
type Stream interface {
	// Next waits for an event; the one whose Finish is set is the last.
	Next(ctx context.Context) (engine.Event, error)
	// Timings are complete after the last event.
	Timings() engine.Timings
	// PromptLogprobs are complete after the first event.
	PromptLogprobs() []engine.PromptLogprob
}

// InProcess lets the server use an engine of this process.
func InProcess(e *engine.Engine) Engine { return inProcess{e} }

type inProcess struct{ *engine.Engine }

func (e inProcess) Submit(ctx context.Context, r engine.Request) (Stream, error) {
	s, err := e.Engine.Submit(ctx, r)
	if err != nil {
		return nil, err // not a typed nil
	}
	return s, nil
}

// SamplingDefaults are used where a request says nothing; nil where the
// checkpoint recommends nothing either.
type SamplingDefaults struct {
	Temperature, TopP, MinP, RepetitionPenalty *float64
	TopK                                       *int
}

// Model is a loaded model as the server sees it.
type Model struct {
	Names         []string // under which requests may ask for it; responses carry the first
	Engine        Engine
	Tokenizer     *tokenizer.Tokenizer
	Template      *tokenizer.Template // nil: the model does not chat
	ToolTemplate  *tokenizer.Template // of conversations with tools; nil: the same
	VocabSize     int                 // of the model's output
	Parameters    int64               // for "auto": which model is the larger
	ContextLength int                 // tokens of a prompt and its answer
	EOS           []int32             // tokens that end an answer
	Defaults      SamplingDefaults
	Fingerprint   string // digest of weights, configuration, engine and what computes
	Created       time.Time

	special      *specialTokens
	infill       *infill // nil: it cannot fill in a middle
	tools        toolUse
	compiler     func() (*grammar.Compiler, error)
	thinking     thinking
	toolThinking thinking // in conversations with tools
}

// template returns what writes a conversation, with tools or without; nil where
// the model does not chat.
func (m *Model) template(tools bool) *tokenizer.Template {
	if tools && m.ToolTemplate != nil {
		return m.ToolTemplate
	}
	return m.Template
}

// reads reports whether a template may read what has this name.
func (m *Model) reads(name string) bool {
	mentions := func(t *tokenizer.Template) bool { return t != nil && strings.Contains(t.Source(), name) }
	return mentions(m.Template) || mentions(m.ToolTemplate)
}

// spelling returns a name with points in its version numbers. NVIDIA writes
// llama-3.3-nemotron-super-49b-v1.5 and llama-3_3-nemotron-super-49b-v1_5.
func spelling(name string) string {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	text := []byte(name)
	for i := 1; i < len(text)-1; i++ {
		if text[i] == '_' && digit(text[i-1]) && digit(text[i+1]) {
			text[i] = '.'
		}
	}
	return string(text)
}

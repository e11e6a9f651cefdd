package engine

import (
	"errors"
	"fmt"
	"time"

	"trona/kernels"
)

// Request asks for the continuation of a prompt. All text work is done before
// and after: the engine sees token ids only. It keeps StopIDs and Bias, which
// must not change.
type Request struct {
	ID       string  // for logs; need not be unique
	Prompt   []int32 // at least one token, each in [0, vocabulary)
	Sampling Sampling

	MaxTokens int     // most tokens to generate; 0: as many as the context holds
	MinTokens int     // StopIDs are not drawn before that many tokens
	StopIDs   []int32 // a token that ends generation; it is emitted as the last event

	// PromptLogprobs asks for the log probabilities of the prompt's tokens with
	// that many alternatives; -1: none.
	PromptLogprobs int

	// Salt separates the prefix caches of tenants: blocks are shared only among
	// requests of equal salt.
	Salt string
	// Priority: a lower number is served first. Within a priority, first come,
	// first served.
	Priority int

	// Constraint limits what may be drawn, token by token; nil: nothing does. It
	// serves this request alone, and is the engine's until the stream has ended.
	Constraint Constraint
	// SpeculateTokens is the most tokens to guess ahead in a step, at most
	// Options.SpeculateTokens; 0: that many, -1: none. It changes how fast
	// tokens come and never which.
	SpeculateTokens int
}

// Sampling is one request's way of drawing tokens. The zero value is greedy.
type Sampling struct {
	Temperature       float32 // 0: greedy
	TopK              int     // 0: off
	TopP              float32 // 0 or 1: off
	MinP              float32 // 0: off
	PresencePenalty   float32
	FrequencyPenalty  float32
	RepetitionPenalty float32 // 0 or 1: off
	Bias              []kernels.TokenBias
	Seed              uint64 // the same seed, prompt and parameters give the same tokens
	Logprob           bool   // report each drawn token's log probability
	TopLogprobs       int    // and that many alternatives, 0 to 20
}

// FinishReason says why a stream ended.
type FinishReason uint8

// The reasons. None means: not yet.
const (
	FinishNone      FinishReason = iota
	FinishStop                   // a stop id was drawn
	FinishLength                 // MaxTokens or the context is full
	FinishCancelled              // the request's context ended
	FinishError                  // Stream.Next says why
)

// String returns the name used in metrics.
func (r FinishReason) String() string {
	switch r {
	case FinishStop:
		return "stop"
	case FinishLength:
		return "length"
	case FinishCancelled:
		return "abort"
	case FinishError:
		return "error"
	}
	return "none"
}

// Event is one generated token, or the end of a stream.
type Event struct {
	Token   int32 // -1 where the event only ends the stream
	Logprob float32
	Top     []kernels.TokenLogprob
	Finish  FinishReason // of the last event; else FinishNone
}

// PromptLogprob is the log probability of one prompt token given those before it.
type PromptLogprob struct {
	Token   int32
	Logprob float32
	Rank    int // 1: the most likely
	Top     []kernels.TokenLogprob
}

// Timings tells how a request fared. Durations are complete once the stream ended.
type Timings struct {
	Queue     time.Duration // from Submit to the first step that held it
	Prefill   time.Duration // from there to the first token
	Decode    time.Duration // from the first token to the last
	Prompt    int           // prompt tokens
	Cached    int           // prompt tokens whose KV came from the prefix cache
	Generated int
	Drafted   int // tokens guessed ahead and computed
	Accepted  int // of those, tokens that were generated
}

// Errors of Submit and of streams. ErrOverloaded and ErrClosed are worth a retry.
var (
	ErrClosed     = errors.New("the engine is shutting down")
	ErrOverloaded = errors.New("the queue is full")
	ErrNumeric    = errors.New("the model's output is not a number")
	ErrConstraint = errors.New("the request's constraint cannot be kept") // a stream's error says how
	ErrFailed     = errors.New("the device failed")
)

// LimitError says which part of a request can never be served here.
type LimitError struct {
	Field   string // "prompt", "max_tokens", ...
	Message string
	// ContextExceeded: prompt and answer are longer than the context.
	ContextExceeded   bool
	Prompt, Want, Max int // tokens: of the prompt, asked for, and possible
}

func (e *LimitError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Message) }

package engine

import (
	"fmt"
	"math"

	"trona/kernels"
)

// maxAlternatives is the most alternatives to a token that may be asked for.
const maxAlternatives = 20

// check returns a *LimitError where a request makes no sense for a vocabulary
// of that many tokens, or its tokens do not fit a context of that length.
// Otherwise it replaces a MaxTokens of 0 by what the context holds.
func (r *Request) check(vocab, context int) error {
	if err := r.checkPrompt(vocab, context); err != nil {
		return err
	}
	if err := r.checkStops(vocab); err != nil {
		return err
	}
	return r.Sampling.check(vocab)
}

func (r *Request) checkPrompt(vocab, context int) error {
	n := len(r.Prompt)
	if n == 0 {
		return refuse("prompt", "must have at least one token")
	}
	if i := outside(r.Prompt, vocab); i >= 0 {
		return refuse("prompt", "token %d at index %d is not in the vocabulary of %d", r.Prompt[i], i, vocab)
	}
	if r.MaxTokens < 0 {
		return refuse("max_tokens", "must not be negative, and is %d", r.MaxTokens)
	}
	if n >= context || r.MaxTokens > context-n {
		e := refuse("max_tokens", "%d tokens of the prompt and %d of the answer are more than %d", n, max(r.MaxTokens, 1), context)
		if n >= context {
			e.Field = "prompt"
		}
		e.ContextExceeded, e.Prompt, e.Want, e.Max = true, n, r.MaxTokens, context
		return e
	}
	if r.MaxTokens == 0 {
		r.MaxTokens = context - n
	}
	return nil
}

func (r *Request) checkStops(vocab int) error {
	if r.MinTokens < 0 || r.MinTokens > r.MaxTokens {
		return refuse("min_tokens", "must be 0 to %d, and is %d", r.MaxTokens, r.MinTokens)
	}
	if i := outside(r.StopIDs, vocab); i >= 0 {
		return refuse("stop_token_ids", "token %d is not in the vocabulary of %d", r.StopIDs[i], vocab)
	}
	if r.SpeculateTokens < -1 {
		return refuse("speculate_tokens", "must not be below -1, and is %d", r.SpeculateTokens)
	}
	if r.PromptLogprobs < -1 || r.PromptLogprobs > maxAlternatives {
		return refuse("prompt_logprobs", "must be -1 to %d, and is %d", maxAlternatives, r.PromptLogprobs)
	}
	return nil
}

// check holds the fields against what they may be. NaN fails every comparison.
func (s *Sampling) check(vocab int) error {
	const most = math.MaxFloat32
	for _, f := range [...]struct {
		name             string
		value, low, high float32
	}{
		{"temperature", s.Temperature, 0, most},
		{"top_p", s.TopP, 0, 1},
		{"min_p", s.MinP, 0, 1},
		{"presence_penalty", s.PresencePenalty, -most, most},
		{"frequency_penalty", s.FrequencyPenalty, -most, most},
		{"repetition_penalty", s.RepetitionPenalty, 0, most},
	} {
		if !(f.value >= f.low && f.value <= f.high) {
			return refuse(f.name, "must be %g to %g, and is %g", f.low, f.high, f.value)
		}
	}
	if s.TopK < 0 {
		return refuse("top_k", "must not be negative, and is %d", s.TopK)
	}
	if s.TopLogprobs < 0 || s.TopLogprobs > maxAlternatives {
		return refuse("top_logprobs", "must be 0 to %d, and is %d", maxAlternatives, s.TopLogprobs)
	}
	for _, b := range s.Bias {
		if b.Token < 0 || int(b.Token) >= vocab {
			return refuse("logit_bias", "token %d is not in the vocabulary of %d", b.Token, vocab)
		}
		if !(b.Bias >= -most && b.Bias <= most) {
			return refuse("logit_bias", "the bias of token %d must be finite, and is %g", b.Token, b.Bias)
		}
	}
	return nil
}

func refuse(field, format string, args ...any) *LimitError {
	return &LimitError{Field: field, Message: fmt.Sprintf(format, args...)}
}

// outside returns the index of the first token that is not in the vocabulary,
// or -1.
func outside(tokens []int32, vocab int) int {
	for i, t := range tokens {
		if t < 0 || int(t) >= vocab {
			return i
		}
	}
	return -1
}

// row returns how to draw any token of the request; what depends on the tokens
// before it is still missing.
func (s *Sampling) row() kernels.SampleRow {
	return kernels.SampleRow{
		Temperature: s.Temperature,
		TopK:        int32(min(s.TopK, math.MaxInt32)),
		TopP:        s.TopP,
		MinP:        s.MinP,
		Presence:    s.PresencePenalty,
		Frequency:   s.FrequencyPenalty,
		Repetition:  s.RepetitionPenalty,
		Bias:        s.Bias,
		Seed:        s.Seed,
		Logprobs:    s.TopLogprobs,
		Logprob:     s.Logprob,
	}
}

// sequence returns the sequence of a checked request, with its stream.
func (r *Request) sequence(block int, stream *Stream) *Sequence {
	q := newSequence(r.Prompt, r.MaxTokens, block, r.Salt)
	q.priority, q.minTokens, q.stops = r.Priority, r.MinTokens, r.StopIDs
	if r.PromptLogprobs >= 0 {
		q.score, q.alternatives = len(r.Prompt)-1, r.PromptLogprobs
	}
	q.sample, q.stream, q.constraint = r.Sampling.row(), stream, r.Constraint
	return q
}

// row returns how to draw the token behind n drafts of q.
func (q *Sequence) row(n int) kernels.SampleRow {
	r := q.sample
	tokens := q.ahead(n)
	r.Position = int64(len(tokens))
	r.Prompt, r.Generated = tokens[:q.prompt], tokens[q.prompt:]
	if q.early(n) {
		r.Banned = q.stops
	}
	return r
}

// early reports whether the token behind n drafts of q must not end it.
func (q *Sequence) early(n int) bool { return q.drawn()+n < q.minTokens }

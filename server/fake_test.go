package server

import (
	"context"

	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/engine"
	"trona/kernels"
	"trona/tokenizer"
)

// fakeEngine answers as answer says, without any model.
type fakeEngine struct {
	// answer returns the tokens that would be drawn; at their end the context is full.
	answer  func(engine.Request) []int32
	gate    chan struct{} // not nil: a token comes for each element
	fail    error         // after failAt tokens of each answer
	failAt  int
	refuse  error        // of Submit
	stats   engine.Stats // but for Running
	started func()       // called before the first token of each answer

	mu        sync.Mutex
	requests  []engine.Request
	running   int
	unhealthy error
}

func (e *fakeEngine) Submit(ctx context.Context, r engine.Request) (Stream, error) {
	if e.refuse != nil {
		return nil, e.refuse
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &fakeStream{engine: e, request: r, ctx: ctx, tokens: e.answer(r)}
	e.requests = append(e.requests, r)
	e.running++
	context.AfterFunc(ctx, s.end)
	return s, nil
}

func (e *fakeEngine) Stats() engine.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	stats := e.stats
	stats.Running = e.running
	return stats
}

func (e *fakeEngine) Healthy() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unhealthy
}

type fakeStream struct {
	engine  *fakeEngine
	request engine.Request
	ctx     context.Context
	tokens  []int32
	n       int
	ended   bool
}

// end lets go of the request.
func (s *fakeStream) end() {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if !s.ended {
		s.ended = true
		s.engine.running--
	}
}

func (s *fakeStream) Next(ctx context.Context) (engine.Event, error) {
	if s.ctx.Err() != nil {
		s.end()
		return engine.Event{Token: -1, Finish: engine.FinishCancelled}, s.ctx.Err()
	}
	if s.engine.gate != nil {
		select {
		case <-s.engine.gate:
		case <-ctx.Done():
			s.end()
			return engine.Event{}, ctx.Err()
		}
	}
	if s.n == 0 && s.engine.started != nil {
		s.engine.started()
	}
	if s.engine.fail != nil && s.n == s.engine.failAt {
		s.end()
		return engine.Event{}, s.engine.fail
	}
	id, err := s.draw(s.tokens[s.n])
	if err != nil {
		s.end()
		return engine.Event{}, err
	}
	s.n++
	e := engine.Event{Token: id}
	if s.request.Sampling.Logprob {
		e.Logprob = -float32(id%7)/3 - .1
		for k := range s.request.Sampling.TopLogprobs {
			e.Top = append(e.Top, kernels.TokenLogprob{Token: (id + int32(k)) % 256, Logprob: e.Logprob - float32(k)})
		}
	}
	switch {
	case slices.Contains(s.request.StopIDs, id) && s.n > s.request.MinTokens:
		e.Finish = engine.FinishStop
	case s.n == s.request.MaxTokens, s.n == len(s.tokens):
		e.Finish = engine.FinishLength
	}
	if e.Finish != engine.FinishNone {
		s.end()
	}
	return e, nil
}

// draw returns the token, or another one that the constraint allows: one that
// ends the answer if it may.
func (s *fakeStream) draw(id int32) (int32, error) {
	c := s.request.Constraint
	if c == nil {
		return id, nil
	}
	before := c.Save()
	mask := make([]uint32, 16)
	allowed := func(id int32) bool { return mask[id>>5]>>(id&31)&1 != 0 }
	c.Mask(mask)
	for _, end := range s.request.StopIDs {
		if !allowed(id) && allowed(end) {
			id = end
		}
	}
	for tried := 0; !allowed(id); tried++ {
		if tried == 32*len(mask) {
			return 0, engine.ErrConstraint
		}
		id = (id + 1) % int32(32*len(mask))
	}
	if s.n%3 == 0 { // as where tokens are guessed ahead
		c.Accept(id)
		c.Restore(before)
	}
	if !c.Accept(id) {
		return 0, engine.ErrConstraint
	}
	return id, nil
}

func (s *fakeStream) Timings() engine.Timings {
	return engine.Timings{Queue: time.Millisecond, Prefill: 2 * time.Millisecond, Decode: 3 * time.Millisecond, Prompt: len(s.request.Prompt), Cached: 1, Generated: s.n}
}

func (s *fakeStream) PromptLogprobs() []engine.PromptLogprob {
	if s.request.PromptLogprobs < 0 {
		return nil
	}
	var list []engine.PromptLogprob
	for i, id := range s.request.Prompt[1:] {
		p := engine.PromptLogprob{Token: id, Logprob: -float32(i) / 3, Rank: 1 + s.request.PromptLogprobs}
		for k := range s.request.PromptLogprobs {
			p.Top = append(p.Top, kernels.TokenLogprob{Token: (id + int32(k) + 1) % 256, Logprob: -.5 * float32(k)})
		}
		list = append(list, p)
	}
	return list
}

// says makes an engine that answers with this text and the end of the turn.
func says(t testing.TB, text string) *fakeEngine {
	tok := testTokenizer(t)
	ids := tok.Encode(text, tokenizer.EncodeOptions{})
	eot, ok := tok.ID("<|eot_id|>")
	require.True(t, ok)
	return &fakeEngine{answer: func(engine.Request) []int32 { return append(slices.Clip(ids), eot) }}
}

// speaks makes an engine that answers with these tokens.
func speaks(ids []int32) *fakeEngine {
	return &fakeEngine{answer: func(engine.Request) []int32 { return ids }}
}

// babbles makes an engine that answers with random tokens, a function of prompt
// and seed; about one in thirty ends the turn.
func babbles(t testing.TB) *fakeEngine {
	tok := testTokenizer(t)
	eot, _ := tok.ID("<|eot_id|>")
	return &fakeEngine{answer: func(r engine.Request) []int32 {
		rng := rand.New(rand.NewPCG(r.Sampling.Seed, uint64(len(r.Prompt))))
		ids := make([]int32, max(testContext-len(r.Prompt), 128)) // some tests have a longer context
		for i := range ids {
			ids[i] = int32(rng.IntN(tok.VocabSize() - 4))
			if rng.IntN(30) == 0 {
				ids[i] = eot
			}
		}
		if rng.IntN(2) == 0 { // begin with a thought
			thought := tok.Encode(" <think>\nhm", tokenizer.EncodeOptions{})
			copy(ids, thought)
			copy(ids[min(len(ids), len(thought)+rng.IntN(20)):], tok.Encode("\n\n</think>\n\nso", tokenizer.EncodeOptions{}))
		}
		if rng.IntN(2) == 0 { // end with calls
			calls := tok.Encode("\n"+toolAnswers[rng.IntN(len(toolAnswers))].answer, tokenizer.EncodeOptions{})
			copy(ids[rng.IntN(60):], append(calls, eot))
		}
		return ids
	}}
}

const testContext = 256

// testTokenizer has a token for each byte, some longer ones that cut tags and
// runes in odd places, and the special tokens of Llama 3 and further ones.
func testTokenizer(t testing.TB, special ...string) *tokenizer.Tokenizer {
	t.Helper()
	return openTokenizer(t, tokenizerFile(special...))
}

// tokenizerFile is the tokenizer.json of testTokenizer.
func tokenizerFile(special ...string) map[string]any {
	vocab := map[string]int{}
	var spelled [256]string
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b != 0xad) {
			r, next = next, next+1
		}
		spelled[b] = string(r)
		vocab[spelled[b]] = b
	}
	var merges []string
	merge := func(left, right string) {
		spell := func(s string) (out string) {
			for i := range len(s) {
				out += spelled[s[i]]
			}
			return out
		}
		merges = append(merges, spell(left)+" "+spell(right))
		vocab[spell(left)+spell(right)] = len(vocab)
	}
	merge("t", "h")
	merge("<", "/")
	merge("i", "n")
	merge("k", ">")
	merge(" ", "a")
	merge("e", "n")
	merge("en", "d")
	merge("\xe4", "\xbd")
	merge("\xa0", "\xe5")
	var added []map[string]any
	for i, text := range append([]string{"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}, special...) {
		added = append(added, map[string]any{"id": len(vocab) + i, "content": text, "special": true,
			"single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
	}
	return map[string]any{
		"version": "1.0", "added_tokens": added,
		"pre_tokenizer": map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
		"decoder":       map[string]any{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
		"model":         map[string]any{"type": "BPE", "vocab": vocab, "merges": merges},
	}
}

func openTokenizer(t testing.TB, content map[string]any) *tokenizer.Tokenizer {
	t.Helper()
	file, err := json.Marshal(content)
	require.NoError(t, err)
	tok, err := tokenizer.FromFiles(tokenizer.Files{Tokenizer: file,
		Config: []byte(`{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "add_bos_token": true}`)})
	require.NoError(t, err)
	return tok
}

// testTemplate is the format of Llama 3.
var testTemplate = strings.Join([]string{
	`{{- bos_token }}`,
	`{%- if tools %}{{- '<|start_header_id|>tools<|end_header_id|>\n\n' + tools|tojson + '<|eot_id|>' }}{% endif %}`,
	`{%- if documents %}{{- documents|tojson }}{% endif %}`,
	`{%- for m in messages %}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}`,
	`{%- if m.role == 'assistant' and '</think>' in m.content %}{{- m.content.split('</think>')[-1]|trim }}`,
	`{%- else %}{{- m.content }}{% endif %}{{- '<|eot_id|>' }}{% endfor %}`,
	`{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}`,
	`{%- if thinking is defined and not thinking %}{{- '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}`,
}, "")

// testModel serves an engine under two names.
func testModel(t testing.TB, e Engine) *Model {
	tok := testTokenizer(t)
	template, err := tokenizer.NewTemplate(testTemplate)
	require.NoError(t, err)
	return &Model{
		Names: []string{"test", "org/test"}, Engine: e, Tokenizer: tok, Template: template,
		VocabSize: tok.VocabSize(), ContextLength: testContext, EOS: tok.EOS(),
		Fingerprint: "fp_test", Created: time.Unix(1_700_000_000, 0),
	}
}

// newServer returns a server that is ready.
func newServer(t testing.TB, e Engine, change ...func(*Options)) *Server {
	o := Options{Version: "test"}
	for _, f := range change {
		f(&o)
	}
	s := New(o)
	s.SetModels(testModel(t, e))
	return s
}

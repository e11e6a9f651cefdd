package server

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"trona/engine"
)

// job is a request ready for the engine: prompts times choices.
type job struct {
	ctx      context.Context // of the request
	server   *Server
	models   modelSet
	model    *Model // the one that answers
	auto     bool   // the request leaves the choice of the model to the server
	think    bool   // what the server chose for it
	head     http.Header
	params   *params
	id       string
	strict   bool // a field without effect is an error
	prompts  []prompt
	began    time.Time
	held     *share
	outcomes []outcome // one for each choice of each prompt
}

// prompt is one prompt as text, where it came as text, and as tokens.
type prompt struct {
	text      string
	ids       []int32
	truncated int            // tokens that were dropped before them
	added     int            // tokens at the beginning that text does not have
	begin     reasoningState // of the answer
	told      reasoning      // what it says to the model about reasoning
	reasons   bool           // the answer may begin with reasoning
	continued bool           // the answer goes on where the prompt's text ends
	written   string         // what the last message has of the answer already, without reasoning
}

// outcome is how one choice ended.
type outcome struct {
	tokens    int
	reasoning int
	timings   engine.Timings
}

// piece is what one choice adds to its answer. Each choice begins with a piece
// whose first is set and ends with one whose finish is not empty.
type piece struct {
	fragment
	choice     int // over all prompts
	first      bool
	prompt     []engine.PromptLogprob // of the first piece, if asked for
	tokens     []drawn                // since the last piece
	lead       int                    // of them before the answer proper
	finish     string
	stopReason any  // the stop string, or the id of a stop token of the request
	last       bool // all other choices have ended
	outcome    outcome
}

// said returns the tokens of the answer proper. That which ends it has no text.
func (p *piece) said() []drawn {
	tokens := p.tokens[p.lead:]
	if last := len(tokens) - 1; last >= 0 && tokens[last].Finish == engine.FinishStop {
		tokens = tokens[:last]
	}
	return tokens
}

// drawn is a token of an answer.
type drawn struct {
	engine.Event
	offset int // characters of the answer decoded before it
}

// newJob begins a request; the handler has noted its id in the header.
func (s *Server) newJob(w http.ResponseWriter, r *http.Request, models modelSet) *job {
	return &job{
		ctx: r.Context(), server: s, models: models, model: models[0], head: w.Header(),
		id: w.Header().Get(headerRequestID), strict: s.strict(r), began: time.Now(), held: shareOf(r.Context()),
	}
}

// withBody has the body read, and notes the fields without effect.
func (j *job) withBody(w http.ResponseWriter, r *http.Request, read func(body []byte) (ignored []string, err error)) error {
	return j.server.withBody(w, r, func(body []byte) error {
		ignored, err := read(body)
		if err != nil {
			return err
		}
		return j.noteIgnored(w, ignored)
	})
}

// run submits the job and passes on its pieces, one at a time. Nothing was
// passed on where it fails before the first token.
func (j *job) run(ctx context.Context, emit func(piece) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j.outcomes = make([]outcome, len(j.prompts)*j.params.choices)
	if err := j.held.take(j.begun(), 0); err != nil {
		return err
	}
	choices := make([]*choice, len(j.outcomes))
	for i := range choices {
		var err error
		if choices[i], err = j.submit(ctx, i); err != nil {
			return cause(ctx, err)
		}
	}
	j.together(ctx, cancel, choices, emit)
	return context.Cause(ctx)
}

// begun is what the answers hold before they have tokens.
func (j *job) begun() (n int64) {
	for _, p := range j.prompts {
		n += int64(j.params.choices) * (answerBytes + heldPerPrompt*int64(len(p.ids)))
	}
	return n
}

// together runs the choices side by side until all end or one fails.
func (j *job) together(ctx context.Context, cancel context.CancelCauseFunc, choices []*choice, emit func(piece) error) {
	var mu sync.Mutex
	open := len(choices)
	ordered := func(p piece) error {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if p.finish != "" {
			open--
			p.last = open == 0
		}
		j.outcomes[p.choice] = p.outcome
		return emit(p)
	}
	run := func(c *choice) {
		defer func() {
			if p := recover(); p != nil {
				cancel(panicError(p))
			}
		}()
		if err := c.run(ordered); err != nil {
			cancel(cause(ctx, err))
		}
	}
	var wait sync.WaitGroup
	for _, c := range choices[1:] {
		wait.Go(func() { run(c) })
	}
	run(choices[0]) // a single choice needs no other goroutine
	wait.Wait()
}

// keep holds the memory of a piece that stays until the answer is whole.
func (j *job) keep(p piece) error {
	n := (len(p.text) + len(p.reasoning)) * heldPerLetter
	for _, call := range p.calls {
		n += len(call.arguments) * heldPerLetter
	}
	if j.params.detailed() {
		n += len(p.tokens) * heldPerToken
	}
	if j.params.sampling.Logprob {
		n += len(p.tokens) * (1 + j.params.sampling.TopLogprobs) * heldPerLogprob
	}
	return j.held.take(int64(n), 0)
}

// collect returns each choice as one piece.
func (j *job) collect(ctx context.Context) ([]piece, error) {
	type parts struct {
		text, reasoning strings.Builder
		calls           callList
	}
	wholes := make([]piece, len(j.prompts)*j.params.choices)
	texts := make([]parts, len(wholes))
	err := j.run(ctx, func(p piece) error {
		if err := j.keep(p); err != nil {
			return err
		}
		whole := &wholes[p.choice]
		if p.first {
			whole.choice, whole.first, whole.prompt = p.choice, true, p.prompt
		}
		texts[p.choice].text.WriteString(p.text)
		texts[p.choice].reasoning.WriteString(p.reasoning)
		texts[p.choice].calls.add(p.calls)
		if j.params.detailed() {
			whole.tokens = append(whole.tokens, p.tokens...)
		}
		whole.finish, whole.stopReason, whole.last = p.finish, p.stopReason, p.last
		return nil
	})
	for i := range wholes {
		wholes[i].prompt = wholes[i-i%j.params.choices].prompt // computed for the first choice
		wholes[i].text, wholes[i].reasoning, wholes[i].calls = texts[i].text.String(), texts[i].reasoning.String(), texts[i].calls.whole()
	}
	return wholes, err
}

// cause returns why the context ended, if that is the reason of err.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// header returns what every chunk of the job begins with.
func (j *job) header(id, object string) header {
	return header{ID: id, Object: object, Created: j.began.Unix(), Model: j.model.Names[0], SystemFingerprint: j.model.Fingerprint}
}

// ids returns the ids of tokens where the request asks for them.
func (j *job) ids(tokens []drawn) []int32 {
	if !j.params.returnTokenIDs {
		return nil
	}
	ids := make([]int32, len(tokens))
	for i, token := range tokens {
		ids[i] = token.Token
	}
	return ids
}

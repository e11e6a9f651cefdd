package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer"
)

// completion is a request to go on after plain prompts.
type completion struct {
	*job
	echo   bool
	keep   int     // n: answers to each prompt, out of those that are drawn
	suffix []int32 // what follows the answer; nil: anything
}

// completions serves POST /v1/completions.
func (s *Server) completions(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, err := s.readCompletion(w, r, models)
	if err != nil {
		return err
	}
	if err := c.held.take(int64(c.repeated())*heldPerLogprob, 0); err != nil {
		return err
	}
	id := c.params.newID("cmpl-")
	if c.params.stream {
		return c.stream(r.Context(), w, id)
	}
	wholes, err := c.collect(r.Context())
	if err != nil {
		return err
	}
	response := completionResponse{header: c.header(id, objectCompletion)}
	for i, whole := range c.best(wholes) {
		choice := c.choice(whole)
		choice.Index = i
		response.Choices = append(response.Choices, choice)
	}
	u, t := c.totals()
	response.Usage, response.Timings = &u, &t
	writeJSON(w, http.StatusOK, response)
	return nil
}

// renderCompletion serves POST /v1/completions/render: the prompts and nothing else.
func (s *Server) renderCompletion(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, err := s.readCompletion(w, r, models)
	if err != nil {
		return err
	}
	var list []renderedPrompt
	for _, p := range c.prompts {
		if err := c.held.take(int64(len(p.ids))*heldPerToken, 0); err != nil { // text, and JSON
			return err
		}
		list = append(list, renderedPrompt{c.model.Tokenizer.Decode(p.ids, tokenizer.DecodeOptions{ShowSpecial: true}), p.ids})
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// readCompletion reads a request up to the tokens of its prompts.
func (s *Server) readCompletion(w http.ResponseWriter, r *http.Request, models modelSet) (*completion, error) {
	c := &completion{job: s.newJob(w, r, models)}
	return c, c.withBody(w, r, c.read)
}

// stream answers with events.
func (c *completion) stream(ctx context.Context, w http.ResponseWriter, id string) error {
	events := newEventStream(w, c.server.options.Heartbeat)
	defer events.quiet()
	head := c.header(id, objectCompletion)
	err := c.run(ctx, func(p piece) error {
		chunk := completionResponse{header: head, Choices: []completionChoice{c.choice(p)}}
		chunk.Usage, chunk.Timings = c.tail(p.last)
		return events.send(chunk)
	})
	if err == nil && c.params.includeUsage {
		u, t := c.totals()
		err = events.send(completionResponse{header: head, Choices: []completionChoice{}, Usage: &u, Timings: &t})
	}
	if err == nil {
		err = events.end()
	}
	return events.close(err)
}

// choice returns a piece of an answer, or a whole one.
func (c *completion) choice(p piece) completionChoice {
	from := &c.prompts[p.choice/c.params.choices]
	out := completionChoice{Index: p.choice, Text: p.text, FinishReason: orNull(p.finish), StopReason: p.stopReason, TokenIDs: c.ids(p.tokens)}
	offset := 0
	if c.echo {
		offset = utf8.RuneCountInString(from.text)
	}
	out.Logprobs = c.completionLogprobs(p.tokens, offset)
	if !p.first {
		return out
	}
	if c.echo {
		out.Text = from.text + p.text
		out.Logprobs = c.echoLogprobs(from, p.prompt).join(out.Logprobs)
	}
	if c.params.returnTokenIDs {
		out.PromptTokenIDs = from.ids
	}
	out.PromptLogprobs = c.promptLogprobs(from, p.prompt)
	return out
}

// read takes a body apart. It returns the fields without effect.
func (c *completion) read(body []byte) (ignored []string, err error) {
	o, d := decodeObject(body)
	c.readModel(o)
	c.choose(o)
	c.echo = o.flag("echo", false)
	addBOS := o.flag("add_special_tokens", true)
	c.params = c.server.readParams(o, c.model, 0)
	if c.params.budget >= 0 && d.err == nil {
		d.err = invalid(c.params.budgetField, "is for chats only")
	}
	c.params.mergeReasoning = true // there are no messages to part
	if v := o.take("logprobs"); v != nil {
		c.params.sampling.Logprob = true
		c.params.sampling.TopLogprobs = int(v.integer(0, maxTopLogprobs))
		if c.echo {
			c.params.echoLogprobs = c.params.sampling.TopLogprobs
		}
	}
	c.params.promptEach = c.params.stream
	c.readBestOf(o.take("best_of"))
	c.readSuffix(o)
	c.readPrompts(o.need("prompt"), addBOS)
	o.rest()
	if d.err != nil {
		return nil, d.err
	}
	if err := c.params.constrain(c.ctx, c.model, &c.prompts[0], c.held); err != nil {
		return nil, err
	}
	return append(d.ignored, c.params.unread...), nil
}

// readBestOf takes how many answers are drawn for each prompt.
func (c *completion) readBestOf(v *value) {
	c.keep = c.params.choices
	if v == nil {
		return
	}
	c.params.choices = int(v.integer(1, maxChoices))
	c.params.ranked = c.params.choices > c.keep
	switch {
	case c.params.choices < c.keep:
		v.fail("must not be below n")
	case c.params.ranked && c.params.stream:
		v.fail("must equal n where stream is true")
	}
}

// best returns the n answers to each prompt whose tokens have the highest log
// probability on average, the best first.
func (c *completion) best(wholes []piece) (kept []piece) {
	if !c.params.ranked {
		return wholes
	}
	mean := func(p piece) float64 {
		sum := 0.0
		for _, token := range p.tokens {
			sum += float64(token.Logprob)
		}
		return sum / float64(max(len(p.tokens), 1))
	}
	for drawn := range slices.Chunk(wholes, c.params.choices) {
		slices.SortStableFunc(drawn, func(a, b piece) int { return cmp.Compare(mean(b), mean(a)) })
		kept = append(kept, drawn[:c.keep]...)
	}
	return kept
}

// readPrompts reads a string, strings, ids or lists of ids.
func (c *completion) readPrompts(v *value, addBOS bool) {
	switch first := v.first(); {
	case v.raw.Kind() == '"':
		c.addText(v, addBOS)
	case v.raw.Kind() != '[':
		v.must("a string, a list of strings, a list of token ids or a list of such lists")
	case first == '0':
		c.addIDs(v)
	case first == '"':
		for _, text := range v.list(1, maxPrompts) {
			c.addText(text, addBOS)
		}
	default:
		for _, ids := range v.list(1, maxPrompts) {
			c.addIDs(ids)
		}
	}
	if n := len(c.prompts); n*c.params.choices > maxAnswers {
		v.fail("%d prompts with %d answers each are more than %d answers in one request", n, c.params.choices, maxAnswers)
	}
	if n := c.repeated(); n > maxRepeated {
		v.fail("answers would repeat %d tokens and log probabilities of prompts, which is more than %d", n, maxRepeated)
	}
}

// repeated counts the tokens of prompts in all answers, and their log probabilities.
func (c *completion) repeated() int {
	tokens, each := 0, 0
	for _, p := range c.prompts {
		tokens += len(p.ids)
	}
	if c.echo || c.params.returnTokenIDs {
		each = 1
	}
	if alternatives := max(c.params.promptLogprobs, c.params.echoLogprobs); alternatives >= 0 {
		each += 1 + alternatives
	}
	return tokens * c.keep * each
}

// first returns the kind of the first element of a list; 0 where there is none.
func (v *value) first() jsontext.Kind {
	if v.raw.Kind() == '[' {
		for element := range v.parts() {
			return element.Kind()
		}
	}
	return 0
}

// addText adds a prompt that came as text. It is the client's own template, so
// the text of a special token is that token.
func (c *completion) addText(v *value, addBOS bool) {
	text := v.text(0, c.server.options.maxText())
	if v.d.err != nil {
		return
	}
	if err := tooLong(c.model, v.path(), len(text)); err != nil {
		v.d.err = err
		return
	}
	ids, added := c.model.encodeText(text, addBOS)
	c.add(v, prompt{text: text, ids: ids, added: added, continued: true})
}

// addIDs adds a prompt that came as tokens.
func (c *completion) addIDs(v *value) {
	var ids []int32
	for _, id := range v.list(1, len(v.raw)) {
		ids = append(ids, id.tokenID(c.model.VocabSize))
	}
	text := ""
	if c.echo {
		text = c.model.Tokenizer.Decode(ids, tokenizer.DecodeOptions{ShowSpecial: true})
	}
	c.add(v, prompt{text: text, ids: ids, continued: true})
}

func (c *completion) add(v *value, p prompt) {
	if v.d.err != nil {
		return
	}
	if c.suffix != nil {
		p.ids = c.model.infill.around(c.model.Tokenizer.Begin(), p.ids, c.suffix)
	}
	if c.params.truncate(c.model, &p); len(p.ids) == 0 {
		v.fail("must have at least one token")
	} else if err := c.params.checkContext(c.model, v.path(), len(p.ids)); err != nil {
		v.d.err = err
	}
	c.prompts = append(c.prompts, p)
}

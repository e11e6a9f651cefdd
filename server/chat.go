package server

import (
	"context"
	"net/http"
	"slices"

	"trona/tokenizer"
)

// chat is a request to answer a conversation.
type chat struct {
	*job
	input renderInput
	echo  bool // an answer begins with what it goes on from
}

// chatCompletions serves POST /v1/chat/completions.
func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, err := s.readChat(w, r, models)
	if err != nil {
		return err
	}
	if err := c.held.take(int64(c.repeated())*heldPerLogprob, 0); err != nil {
		return err
	}
	id := c.params.newID("chatcmpl-")
	if c.params.stream {
		return c.stream(r.Context(), w, id)
	}
	wholes, err := c.collect(r.Context())
	if err != nil {
		return err
	}
	response := chatResponse{header: c.header(id, objectChat)}
	for _, whole := range wholes {
		whole.text = c.echoed() + whole.text
		response.Choices = append(response.Choices, chatChoice{
			Index:        whole.choice,
			Message:      c.params.chatMessage(whole),
			Logprobs:     c.chatLogprobs(whole.tokens),
			FinishReason: whole.finish,
			StopReason:   whole.stopReason,
			TokenIDs:     c.ids(whole.tokens),
		})
	}
	response.PromptLogprobs = c.promptLogprobs(&c.prompts[0], wholes[0].prompt)
	if c.params.returnTokenIDs {
		response.PromptTokenIDs = c.prompts[0].ids
	}
	response.Usage, response.Timings = c.totals()
	writeJSON(w, http.StatusOK, response)
	return nil
}

// render serves POST /v1/chat/completions/render: the prompt and nothing else.
func (s *Server) render(w http.ResponseWriter, r *http.Request, models modelSet) error {
	c, err := s.readChat(w, r, models)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, renderedPrompt{c.prompts[0].text, c.prompts[0].ids})
	return nil
}

// repeated counts the log probabilities of the prompt.
func (c *chat) repeated() int { return len(c.prompts[0].ids) * (1 + c.params.promptLogprobs) }

// echoed returns what an answer begins with that is not new: the text of the
// last message, without reasoning, where the answer goes on within it.
func (c *chat) echoed() string {
	if !c.echo {
		return ""
	}
	return c.prompts[0].written
}

// stream answers with events. Each choice begins with its role and ends with a
// chunk that has no text of its own.
func (c *chat) stream(ctx context.Context, w http.ResponseWriter, id string) error {
	events := newEventStream(w, c.server.options.Heartbeat)
	defer events.quiet()
	chunk := chatChunk{header: c.header(id, objectChatChunk)}
	err := c.run(ctx, func(p piece) error {
		send := func(choice chatChunkChoice, last bool) error {
			chunk.Choices = []chatChunkChoice{choice}
			chunk.Usage, chunk.Timings = c.tail(last)
			return events.send(chunk)
		}
		if p.first {
			if p.choice == 0 {
				chunk.PromptLogprobs = c.promptLogprobs(&c.prompts[0], p.prompt)
			}
			if c.params.returnTokenIDs {
				chunk.PromptTokenIDs = c.prompts[0].ids
			}
			echoed := c.echoed()
			role := chatChunkChoice{Index: p.choice, Delta: chatDelta{Role: "assistant", Content: &echoed}}
			if err := send(role, false); err != nil {
				return err
			}
			chunk.promptParts = promptParts{}
		}
		for _, choice := range c.deltas(p) {
			if err := send(choice, p.last && choice.FinishReason != nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && c.params.includeUsage {
		u, t := c.totals()
		chunk.Choices, chunk.Usage, chunk.Timings = []chatChunkChoice{}, &u, &t
		err = events.send(chunk)
	}
	if err == nil {
		err = events.end()
	}
	return events.close(err)
}

// deltas returns the chunks of a piece: reasoning, text, calls, end. The tokens go
// with the first of them, but for those of a text that follows on reasoning: some
// clients take the tokens of a chunk for its text.
func (c *chat) deltas(p piece) []chatChunkChoice {
	var list []chatChunkChoice
	tokens, rest := p.tokens, []drawn(nil)
	if p.lead > 0 && p.text != "" {
		tokens, rest = p.tokens[:p.lead], p.tokens[p.lead:]
	}
	add := func(choice chatChunkChoice) {
		choice.Index = p.choice
		if len(list) == 0 || len(tokens) > 0 {
			choice.Logprobs, choice.TokenIDs = c.chatLogprobs(tokens), c.ids(tokens)
			tokens, rest = rest, nil
		}
		list = append(list, choice)
	}
	if p.reasoning != "" || c.params.detailed() && len(rest) > 0 {
		add(chatChunkChoice{Delta: chatDelta{thoughts: c.params.thoughts(p.reasoning)}})
	}
	if p.text != "" {
		add(chatChunkChoice{Delta: chatDelta{Content: &p.text}})
	}
	for _, call := range p.calls {
		add(chatChunkChoice{Delta: chatDelta{ToolCalls: []callPart{newCallPart(call)}}})
	}
	if p.finish != "" {
		add(chatChunkChoice{FinishReason: &p.finish, StopReason: p.stopReason})
	}
	if len(list) == 0 && len(p.tokens) > 0 && c.params.detailed() {
		add(chatChunkChoice{}) // tokens of reasoning that is dropped
	}
	return list
}

// readChat reads a request up to the tokens of its prompt.
func (s *Server) readChat(w http.ResponseWriter, r *http.Request, models modelSet) (*chat, error) {
	c := &chat{job: s.newJob(w, r, models)}
	return c, c.withBody(w, r, c.read)
}

// read reads the body of a request. It returns the fields without effect.
func (c *chat) read(body []byte) (ignored []string, err error) {
	o, d := decodeObject(body)
	c.readModel(o)
	c.choose(o)
	m := c.model
	c.params = c.server.readParams(o, m, 1)
	c.readLogprobs(o)
	c.readOpenAI(o)
	c.echo = o.flag("echo", false)
	c.params.tools = c.input.read(o, m)
	if c.echo && !c.input.continueFinal {
		d.ignored = append(d.ignored, "echo")
	}
	o.rest()
	if d.err != nil {
		return nil, d.err
	}
	if c.auto {
		c.decide(&c.input, c.params.budget)
	}
	p, err := c.input.prompt(m)
	if err != nil {
		return nil, err
	}
	c.params.recommend(p.told)
	c.params.truncate(m, p)
	if err := c.params.checkContext(m, "messages", len(p.ids)); err != nil {
		return nil, err
	}
	if err := c.params.constrain(c.ctx, m, p, c.held); err != nil {
		return nil, err
	}
	c.prompts = []prompt{*p}
	return append(d.ignored, c.params.unread...), nil
}

func (c *chat) readLogprobs(o *object) {
	s := &c.params.sampling
	s.Logprob = o.flag("logprobs", false)
	if v := o.take("top_logprobs"); v != nil {
		s.TopLogprobs = int(v.integer(0, maxTopLogprobs))
		if !s.Logprob && s.TopLogprobs > 0 {
			v.fail("is only allowed where logprobs is true")
		}
	}
}

// readOpenAI takes OpenAI's fields for what is not built, and those that have
// no consequence here.
func (c *chat) readOpenAI(o *object) {
	o.unsupported("audio", "web_search_options", "functions", "function_call", "chat_template")
	if v := o.take("modalities"); v != nil {
		for _, modality := range v.list(0, 2) {
			if modality.oneOf("text", "audio") == "audio" {
				modality.fail("is not supported by this server")
			}
		}
	}
	for _, name := range []string{"prompt_cache_key", "safety_identifier", "service_tier", "prompt_cache_retention", "verbosity"} {
		o.text(name, maxMetadataText)
	}
	if v := o.take("prediction"); v != nil { // a hint for speed
		v.object()
	}
	if v := o.take("prompt_cache_options"); v != nil {
		v.object()
	}
	o.flag("store", false)
}

// read takes the fields that make the prompt, and says which tools may be called.
func (in *renderInput) read(o *object, m *Model) toolChoice {
	in.readMessages(o.need("messages"), m)
	choice := in.readTools(o)
	if len(in.tools) > 0 && m.tools.ignored {
		o.d.ignored = append(o.d.ignored, "tools")
	}
	if v := o.take("documents"); v != nil {
		for _, document := range v.list(0, maxMessages) {
			in.documents = append(in.documents, document.object().raw)
		}
		if len(in.documents) > 0 && !m.reads(v.name) {
			o.d.ignored = append(o.d.ignored, v.name)
		}
	}
	if v := o.take("chat_template_kwargs"); v != nil {
		in.readVariables(v.object(), m)
	}
	in.readThinking(o, m)
	in.addGenerationPrompt = o.flag("add_generation_prompt", true)
	in.addSpecial = o.flag("add_special_tokens", false)
	if v := o.take("continue_final_message"); v != nil && v.boolean() {
		in.continueFinal = true
		if g := o.take("add_generation_prompt"); g != nil && g.boolean() {
			v.fail("needs add_generation_prompt to be false")
		}
		in.addGenerationPrompt = false
	}
	return choice
}

// ownFields are variables of templates that are fields of a request.
var ownFields = []string{"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"}

// readVariables takes variables for the template.
func (in *renderInput) readVariables(o *object, m *Model) {
	for i := range o.members {
		v := &o.members[i]
		if slices.Contains(ownFields, v.name) {
			v.fail("is a field of the request and no variable")
		}
		if v.name == "enable_thinking" && v.raw.Kind() != 'n' {
			v.boolean()
		}
		// Whether switches of reasoning have an effect, readThinking knows.
		if !m.reads(v.name) && !slices.Contains(switchNames, v.name) {
			o.d.ignored = append(o.d.ignored, v.path())
		}
		in.variables = append(in.variables, tokenizer.Variable{Name: v.name, Value: v.raw})
	}
}

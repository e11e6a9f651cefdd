package server

import (
	"math"
	"slices"

	"trona/engine"
	"trona/tokenizer"
	"trona/tokenizer/grammar"
)

// Bounds of request fields. Where OpenAI states a limit it is that one, but for tools:
// agents with a few MCP servers have more than its 128.
const (
	maxTopLogprobs   = 20
	maxBiasEntries   = 300
	maxStops         = 16
	maxStopBytes     = 1024
	maxStopIDs       = 256
	maxChoices       = 128
	maxPrompts       = 1024
	maxAnswers       = 1024    // prompts times choices
	maxRepeated      = 1 << 22 // of prompts in answers, of which each may take 200 bytes
	maxMessages      = 4096
	maxTools         = 1024
	maxToolName      = 64
	maxMetadata      = 16
	maxMetadataName  = 64
	maxMetadataText  = 512
	maxUserBytes     = 256
	maxNameBytes     = 256
	maxSaltBytes     = 256
	maxPenalty       = 2
	maxTemperature   = 2
	maxRepetition    = 10
	maxPriority      = 1 << 20
	maxTokensAllowed = math.MaxInt32 // beyond any context; the context decides
)

// params are the fields that chats and completions share.
type params struct {
	sampling        engine.Sampling
	drawn           bool // the request or the checkpoint says how tokens are drawn
	maxTokens       int  // -1: as many as the context holds
	minTokens       int
	stops           *stopTable
	stopIDs         []int32 // of the request; the model's own are added
	ignoreEOS       bool
	includeStop     bool
	choices         int  // answers drawn for each prompt
	ranked          bool // only the likeliest of them count
	truncateTo      int  // tokens of a prompt; -1: what the answer leaves, 0: all
	showSpecial     bool // special tokens have text
	responseID      string
	tools           toolChoice
	structure       structure
	grammar         *grammar.Grammar // nil: any answer
	unread          []string         // parts of its schemas that say nothing
	openEnd         bool             // the answer may end before any tool call
	budget          int              // tokens of reasoning; -1: any number
	budgetField     string           // the one that says so
	allowed         []int32          // the only tokens that may come; nil: all
	forbidden       [][]int32        // sequences that must not
	promptLogprobs  int              // -1: none
	promptEach      bool             // each choice has them, not the first one only
	echoLogprobs    int              // the same, for the prompt as part of the answer
	priority        int
	salt            string
	maxTokensField  string
	returnTokenIDs  bool
	tokensAsIDs     bool
	mergeReasoning  bool // reasoning stays in the answer's text
	bothReasoning   bool // it has both of its names
	dropReasoning   bool
	stream          bool
	includeUsage    bool
	continuousUsage bool
}

// unbuilt are fields of vLLM, NIM and OpenAI that ask for what this server
// cannot do, in chats and completions alike.
var unbuilt = []string{
	"prompt_embeds", "logits_processors", "kv_transfer_params",
}

// readParams takes the shared fields. Least is the smallest max_tokens.
func (s *Server) readParams(o *object, m *Model, least int64) *params {
	p := &params{maxTokens: -1, budget: -1, echoLogprobs: -1, maxTokensField: "max_tokens"}
	p.readSampling(o, m)
	p.choices = int(o.integer("n", 1, maxChoices, 1))
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		if v := o.take(name); v != nil {
			p.maxTokens, p.maxTokensField = int(v.integer(least, maxTokensAllowed)), name
		}
	}
	if v := o.take("min_tokens"); v != nil {
		p.minTokens = int(v.integer(0, maxTokensAllowed))
		if limit := min(uint(p.maxTokens), uint(m.ContextLength)); uint(p.minTokens) > limit {
			v.fail("must not be above the most tokens that may come, %d", limit)
		}
	}
	readStops(o, m, p)
	p.promptLogprobs = int(o.integer("prompt_logprobs", 0, maxTopLogprobs, -1))
	p.priority = int(o.integer("priority", -maxPriority, maxPriority, 0))
	p.salt = o.text("cache_salt", maxSaltBytes)
	p.ignoreEOS = o.flag("ignore_eos", false)
	p.returnTokenIDs = o.flag("return_token_ids", false)
	p.tokensAsIDs = o.flag("return_tokens_as_token_ids", false)
	readReasoning(o, p)
	readStreaming(o, p)
	p.structure.read(o)
	p.readBudget(o.take("thinking_token_budget"))
	p.readTokens(o, m)
	p.readPrompt(o, m)
	readFixed(o)
	p.readNIM(o, m)
	return p
}

// readStops takes what ends an answer.
func readStops(o *object, m *Model, p *params) {
	if v := o.take("stop"); v != nil {
		var stops []string
		if v.raw.Kind() == '"' {
			stops = append(stops, v.text(1, maxStopBytes))
		} else if v.raw.Kind() != '[' {
			v.must("a string or a list of strings")
		} else {
			for _, stop := range v.list(0, maxStops) {
				stops = append(stops, stop.text(1, maxStopBytes))
			}
		}
		if o.d.err == nil {
			p.stops = newStopTable(stops)
		}
	}
	if v := o.take("stop_token_ids"); v != nil {
		for _, id := range v.list(0, maxStopIDs) {
			p.stopIDs = append(p.stopIDs, id.tokenID(m.VocabSize))
		}
	}
	p.includeStop = o.flag("include_stop_str_in_output", false)
}

// readTokens takes allowed_token_ids and bad_words. A word counts also with a
// space before it.
func (p *params) readTokens(o *object, m *Model) {
	if v := o.take("allowed_token_ids"); v != nil {
		for _, id := range v.list(1, m.VocabSize) {
			p.allowed = append(p.allowed, id.tokenID(m.VocabSize))
		}
	}
	if v := o.take("bad_words"); v != nil {
		for _, word := range v.list(0, maxBiasEntries) {
			text := word.text(1, maxStopBytes)
			for _, spelled := range []string{text, " " + text} {
				p.forbidden = append(p.forbidden, m.Tokenizer.Encode(spelled, tokenizer.EncodeOptions{}))
			}
		}
	}
}

// readPrompt takes what bears on the tokens of the prompt, and on the text of
// special tokens in the answer.
func (p *params) readPrompt(o *object, m *Model) {
	if v := o.take("truncate_prompt_tokens"); v != nil {
		if p.truncateTo = int(v.integer(-1, int64(m.ContextLength))); p.truncateTo == 0 {
			v.fail("must be -1 or at least 1")
		}
	}
	p.showSpecial = !o.flag("skip_special_tokens", true)
	if v := o.take("request_id"); v != nil {
		if p.responseID = v.text(1, maxRequestIDBytes); !saneID(p.responseID) {
			v.fail("must hold letters, digits, points, lines and dashes only")
		}
	}
}

// truncate drops the beginning of a prompt that has more tokens than the
// request wants.
func (p *params) truncate(m *Model, from *prompt) {
	limit := p.truncateTo
	if limit < 0 {
		limit = m.ContextLength - max(p.maxTokens, 1)
	}
	if limit <= 0 || len(from.ids) <= limit {
		return
	}
	from.truncated = len(from.ids) - limit
	from.ids, from.added = from.ids[from.truncated:], 0
	from.text = m.Tokenizer.Decode(from.ids, tokenizer.DecodeOptions{ShowSpecial: true})
}

// newID returns the id of a response.
func (p *params) newID(kind string) string {
	if p.responseID != "" {
		return kind + p.responseID
	}
	return kind + randomHex()
}

// readReasoning takes the fields that say where reasoning goes.
func readReasoning(o *object, p *params) {
	if v := o.take("reasoning_format"); v != nil {
		format := v.oneOf("auto", "deepseek", "both", "none")
		p.mergeReasoning, p.bothReasoning = format == "none", format == "both"
	}
	p.dropReasoning = !o.flag("include_reasoning", true)
}

// readStreaming takes stream and stream_options.
func readStreaming(o *object, p *params) {
	p.stream = o.flag("stream", false)
	v := o.take("stream_options")
	if v == nil {
		return
	}
	if !p.stream {
		v.fail("is only allowed where stream is true")
		return
	}
	options := v.object()
	p.includeUsage = options.flag("include_usage", false)
	p.continuousUsage = options.flag("continuous_usage_stats", false)
	options.flag("include_obfuscation", false)
	options.rest()
}

// readFixed takes fields of which one value only is supported.
func readFixed(o *object) {
	o.unsupported(unbuilt...)
	o.refuseTrue("use_beam_search")
	o.flag("spaces_between_special_tokens", true)
	if v := o.take("length_penalty"); v != nil {
		v.number(1, 1)
	}
	if v := o.take("user"); v != nil {
		v.text(0, maxUserBytes)
	}
	readMetadata(o.take("metadata"))
}

// readNIM takes NIM's extensions.
func (p *params) readNIM(o *object, m *Model) {
	v := o.take("nvext")
	if v == nil {
		return
	}
	extension := v.object()
	if v := extension.take("top_k"); v != nil {
		p.sampling.TopK, p.drawn = v.topK(m), true
		v.once(o)
	}
	if v := extension.take("repetition_penalty"); v != nil {
		p.sampling.RepetitionPenalty = v.repetition()
		v.once(o)
	}
	p.structure.readGuided(extension)
	p.ignoreEOS = extension.flag("ignore_eos", p.ignoreEOS)
	p.readBudget(extension.take("max_thinking_tokens"))
	extension.rest()
}

// once refuses a field that stands in another object too.
func (v *value) once(other *object) {
	if other.take(v.name) != nil {
		v.fail("is given twice")
	}
}

// readMetadata checks what is accepted and has no consequence here.
func readMetadata(v *value) {
	if v == nil {
		return
	}
	members := v.object().members
	if len(members) > maxMetadata {
		v.fail("must not have more than %d entries", maxMetadata)
	}
	for i := range members {
		if len(members[i].name) > maxMetadataName {
			v.fail("its names must not have more than %d bytes", maxMetadataName)
		}
		members[i].text(0, maxMetadataText)
	}
}

// detailed reports whether an answer is more than its text: its tokens count.
func (p *params) detailed() bool { return p.sampling.Logprob || p.returnTokenIDs || p.ranked }

// request returns what the engine is asked for choice i of a prompt.
func (p *params) request(id string, m *Model, from *prompt, i int) engine.Request {
	r := engine.Request{
		ID:             id,
		Prompt:         from.ids,
		Constraint:     p.constraint(m, from),
		Sampling:       p.sampling,
		MaxTokens:      max(p.maxTokens, 0),
		MinTokens:      p.minTokens,
		StopIDs:        p.stopIDs,
		PromptLogprobs: -1,
		Priority:       p.priority,
		Salt:           p.salt,
	}
	if p.maxTokens == 0 {
		r.MaxTokens = 1 // the engine takes 0 for no limit; the token is dropped
	}
	r.Sampling.Seed = choiceSeed(p.sampling.Seed, i)
	r.Sampling.Logprob = p.sampling.Logprob || p.ranked
	if !p.ignoreEOS {
		r.StopIDs = slices.Concat(m.EOS, p.stopIDs)
	}
	if i == 0 || p.echoLogprobs >= 0 || p.promptEach {
		r.PromptLogprobs = max(p.promptLogprobs, p.echoLogprobs)
	}
	return r
}

// checkContext wants room for the prompt and the answer.
func (p *params) checkContext(m *Model, param string, prompt int) *apiError {
	if prompt+max(p.maxTokens, 1) <= m.ContextLength {
		return nil
	}
	if prompt < m.ContextLength {
		param = p.maxTokensField
	}
	return contextError(param, prompt, max(p.maxTokens, 0), m.ContextLength)
}

package server

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"trona/engine"
	"trona/tokenizer"
	"trona/tokenizer/grammar"
)

// Bounds of request fields. Where OpenAI states a limit it is that one.
const (
	maxTopLogprobs   = 20
	maxBiasEntries   = 300
	maxStops         = 16
	maxStopBytes     = 1024
	maxStopIDs       = 256
	maxPrompts       = 64
	maxMessages      = 4096
	maxTools         = 128
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
	maxTokens       int // -1: as many as the context holds
	minTokens       int
	stops           *stopTable
	stopIDs         []int32 // of the request; the model's own are added
	ignoreEOS       bool
	includeStop     bool
	choices         int // n
	tools           toolChoice
	structure       structure
	grammar         *grammar.Grammar // nil: any answer
	openEnd         bool             // the answer may end before any tool call
	budget          int              // tokens of reasoning; -1: any number
	allowed         []int32          // the only tokens that may come; nil: all
	forbidden       [][]int32        // sequences that must not
	promptLogprobs  int              // -1: none
	echoLogprobs    int              // the same, for the prompt as part of the answer
	priority        int
	salt            string
	maxTokensField  string
	returnTokenIDs  bool
	tokensAsIDs     bool
	mergeReasoning  bool // reasoning stays in the answer's text
	dropReasoning   bool
	stream          bool
	includeUsage    bool
	continuousUsage bool
}

// unbuilt are fields of vLLM, NIM and OpenAI that ask for what this server
// cannot do, in chats and completions alike.
var unbuilt = []string{
	"truncate_prompt_tokens", "prompt_embeds", "logits_processors", "kv_transfer_params",
}

// readParams takes the shared fields. Least is the smallest max_tokens.
func (s *Server) readParams(o *object, m *Model, least int64) *params {
	p := &params{maxTokens: -1, budget: -1, echoLogprobs: -1, maxTokensField: "max_tokens"}
	readSampling(o, m, &p.sampling)
	p.choices = int(o.integer("n", 1, int64(s.options.MaxChoices), 1))
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
	readFixed(o)
	p.readNIM(o.take("nvext"))
	return p
}

// readSampling takes the fields that say how tokens are drawn.
func readSampling(o *object, m *Model, s *engine.Sampling) {
	real := func(name string, least, most float64, absent *float64, otherwise float64) float32 {
		if given := o.number(name, least, most); given != nil {
			return float32(*given)
		}
		if absent != nil {
			return float32(*absent)
		}
		return float32(otherwise)
	}
	s.Temperature = real("temperature", 0, maxTemperature, m.Defaults.Temperature, 1)
	if v := o.take("top_p"); v != nil {
		v.above(0, 1)
	}
	s.TopP = real("top_p", 0, 1, m.Defaults.TopP, 1)
	s.MinP = real("min_p", 0, 1, m.Defaults.MinP, 0)
	s.PresencePenalty = real("presence_penalty", -maxPenalty, maxPenalty, nil, 0)
	s.FrequencyPenalty = real("frequency_penalty", -maxPenalty, maxPenalty, nil, 0)
	if v := o.take("repetition_penalty"); v != nil {
		v.above(0, maxRepetition)
	}
	s.RepetitionPenalty = real("repetition_penalty", 0, maxRepetition, m.Defaults.RepetitionPenalty, 1)
	topK := int64(0)
	if m.Defaults.TopK != nil {
		topK = int64(*m.Defaults.TopK)
	}
	// vLLM writes -1 for off.
	s.TopK = int(min(max(o.integer("top_k", -1, math.MaxInt32, topK), 0), int64(m.VocabSize)))
	if v := o.take("seed"); v != nil {
		s.Seed = uint64(v.integer(math.MinInt64, math.MaxInt64))
	} else {
		s.Seed = rand.Uint64()
	}
	readBias(o.take("logit_bias"), m, s)
}

// readBias reads an object from ids, as strings, to numbers.
func readBias(v *value, m *Model, s *engine.Sampling) {
	if v == nil {
		return
	}
	members := v.object().members
	if len(members) > maxBiasEntries {
		v.fail("must not have more than %d entries", maxBiasEntries)
		return
	}
	s.Bias = slices.Grow(s.Bias, len(members))[:len(members)]
	for i := range members {
		entry := &members[i]
		id, err := strconv.ParseUint(entry.name, 10, 31)
		if err != nil || id >= uint64(m.VocabSize) {
			v.fail("its names must be token ids from 0 to %d, not %.32q", m.VocabSize-1, entry.name)
			return
		}
		s.Bias[i].Token = int32(id)
		s.Bias[i].Bias = float32(entry.number(-100, 100))
		for j := range i { // "7" and "07"
			if s.Bias[j].Token == s.Bias[i].Token {
				v.fail("names token %d twice", id)
				return
			}
		}
	}
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

// readReasoning takes the fields that say where reasoning goes.
func readReasoning(o *object, p *params) {
	if v := o.take("reasoning_format"); v != nil {
		p.mergeReasoning = v.oneOf("auto", "deepseek", "none") == "none"
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
	if v := o.take("skip_special_tokens"); v != nil && !v.boolean() {
		v.fail("is not supported by this server: special tokens have no text")
	}
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
func (p *params) readNIM(v *value) {
	if v == nil {
		return
	}
	extension := v.object()
	p.structure.readGuided(extension)
	p.ignoreEOS = extension.flag("ignore_eos", p.ignoreEOS)
	p.readBudget(extension.take("max_thinking_tokens"))
	extension.unsupported("repetition_penalty", "top_k")
	extension.rest()
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

// choiceSeed returns the seed of choice i: the request's own for the first, then
// the values of SplitMix64 (Steele et al., OOPSLA 2014) that starts there.
func choiceSeed(seed uint64, i int) uint64 {
	if i == 0 {
		return seed
	}
	z := seed + uint64(i)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

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
	if !p.ignoreEOS {
		r.StopIDs = slices.Concat(m.EOS, p.stopIDs)
	}
	if i == 0 || p.echoLogprobs >= 0 {
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

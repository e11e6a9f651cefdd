package server

import "github.com/go-json-experiment/json/jsontext"

// responseEcho is what an answer repeats of its request.
type responseEcho struct {
	instructions, maxTokens, effort, toolChoice jsontext.Value
	metadata, user                              jsontext.Value
	text                                        responseText
	tools                                       []any
	previous, summary                           *string
	truncation                                  string
	topLogprobs                                 int64
	store, parallel                             bool
}

// readResponsesAPI reads a request in the shape of OpenAI's Responses API.
// Earlier turns may come from what was kept.
func (t *translation) readResponsesAPI(o *object, kept keeper) (echo responseEcho) {
	echo = responseEcho{
		instructions: null(), maxTokens: null(), effort: null(), text: responseText{Format: responseFormat{Type: "text"}},
		tools: []any{}, toolChoice: jsontext.Value(`"auto"`), metadata: jsontext.Value("{}"), truncation: "disabled",
	}
	if v := o.take("instructions"); v != nil {
		t.say("system", v.text(0, len(v.raw)))
		echo.instructions = v.raw
	}
	t.own = len(t.messages)
	if v := o.take("previous_response_id"); v != nil {
		id := v.label(maxNameBytes)
		echo.previous = &id
		if before := kept.response(id); before != nil {
			t.goOn(before)
		} else {
			v.failAs(codePrevious, "there is no stored response with this id")
		}
	}
	t.names["messages"] = "input"
	t.readInput(o.need("input"), kept)
	if v := o.take("max_output_tokens"); v != nil {
		t.pass(v, "max_tokens")
		echo.maxTokens = v.raw
	}
	for _, name := range append([]string{"temperature", "top_p"}, drawing...) {
		t.pass(o.take(name), name)
	}
	t.readResponsesReasoning(o.take("reasoning"), &echo)
	t.readResponsesText(o.take("text"), &echo)
	t.readResponsesTools(o, &echo)
	t.readResponsesRest(o, &echo)
	return echo
}

// readResponsesReasoning takes how much to reason, and whether as a summary; nil says neither.
func (t *translation) readResponsesReasoning(v *value, echo *responseEcho) {
	if v == nil {
		return
	}
	reasoning := v.object()
	if effort := reasoning.take("effort"); effort != nil {
		t.pass(effort, "reasoning_effort")
		echo.effort = effort.raw
	}
	for _, name := range []string{"generate_summary", "summary"} { // the earlier name first
		if v := reasoning.take(name); v != nil {
			kind := v.oneOf("auto", "concise", "detailed")
			echo.summary = &kind
		}
	}
	reasoning.rest()
}

// readResponsesText takes the form of the answer; nil is any text.
func (t *translation) readResponsesText(v *value, echo *responseEcho) {
	if v == nil {
		return
	}
	text := v.object()
	if format := text.take("format"); format != nil {
		echo.text.Format = t.readTextFormat(format)
	}
	if verbosity := text.take("verbosity"); verbosity != nil { // a hint
		echo.text.Verbosity = verbosity.oneOf("low", "medium", "high")
	}
	text.rest()
}

// drawing are vLLM's fields for Responses: how tokens are drawn, and what ends them.
var drawing = []string{
	"top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "seed", "stop", "stop_token_ids", "ignore_eos", "min_tokens",
}

// includable are what an answer may be asked to include. All but the first are without
// effect: reasoning comes in the clear, and what else there is comes from tools of others.
var includable = []string{
	"message.output_text.logprobs", "reasoning.encrypted_content", "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
	"message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
}

func null() jsontext.Value { return jsontext.Value("null") }

// readResponsesRest takes fields that change nothing, and refuses what is not built.
func (t *translation) readResponsesRest(o *object, echo *responseEcho) {
	t.stream = o.flag("stream", false)
	if v := o.take("stream_options"); v != nil {
		options := v.object()
		options.flag("include_usage", true) // it is always there
		options.flag("include_obfuscation", false)
		options.rest()
	}
	echo.store = o.flag("store", true)
	if v := o.take("metadata"); v != nil {
		readMetadata(v)
		echo.metadata = v.raw
	}
	if v := o.take("user"); v != nil {
		v.text(0, maxUserBytes)
		echo.user = v.raw
	}
	for _, name := range []string{"safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"} {
		o.text(name, maxMetadataText)
	}
	if v := o.take("prompt_cache_options"); v != nil {
		v.object()
	}
	if v := o.take("truncation"); v != nil {
		if echo.truncation = v.oneOf("auto", "disabled"); echo.truncation == "auto" {
			t.put("truncate_prompt_tokens", -1, v.path())
		}
	}
	logprobs := false
	if v := o.take("include"); v != nil {
		for _, what := range v.list(0, maxTools) {
			if what.oneOf(includable...) == includable[0] {
				logprobs = true
				t.put("logprobs", true, what.path())
			}
		}
	}
	if v := o.take("top_logprobs"); v != nil {
		if echo.topLogprobs = v.integer(0, maxTopLogprobs); logprobs {
			t.pass(v, "top_logprobs")
		} else if echo.topLogprobs > 0 {
			v.fail("is only allowed where include has %s", includable[0])
		}
	}
	o.refuseTrue("background")
	o.unsupported("conversation", "prompt", "max_tool_calls", "context_management")
	o.rest()
}

// readTextFormat passes on what form the answer must have.
func (t *translation) readTextFormat(v *value) (echo responseFormat) {
	format := v.object()
	echo.Type = format.need("type").oneOf("text", "json_object", "json_schema")
	as := map[string]any{"type": echo.Type}
	if echo.Type == "json_schema" {
		name, schema := format.need("name"), format.need("schema")
		echo.Name, echo.Schema = name.label(maxToolName), schema.object().raw
		named := map[string]any{"name": echo.Name, "schema": echo.Schema}
		if description := format.take("description"); description != nil {
			echo.Description = description.raw
			named["description"] = echo.Description
		}
		if strict := format.take("strict"); strict != nil {
			echo.Strict = strict.raw
			named["strict"] = echo.Strict
		}
		as["json_schema"] = named
	}
	t.put("response_format", as, v.path())
	format.rest()
	return echo
}

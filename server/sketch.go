package server

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// sketch is what the choice of a model depends on: a request, as far as it shows.
type sketch struct {
	question string // the last message of the user, or the prompts
	code     bool   // the conversation shows code
	bytes    int    // of all text
	tokens   int    // that the answer may have
	tools    bool   // that may be called
	effort   string // reasoning_effort
	ids      bool   // it comes as tokens of one vocabulary
}

// newSketch looks at a request without taking anything from it. What is not as
// it should be counts as absent: it is refused later.
func newSketch(o *object) sketch {
	k := sketch{effort: o.peekText("reasoning_effort")}
	var tools []jsontext.Value
	_ = json.Unmarshal(o.peek("tools"), &tools)
	k.tools = len(tools) > 0 && o.peekText("tool_choice") != "none"
	for _, name := range []string{"max_tokens", "max_completion_tokens"} {
		var n int
		if json.Unmarshal(o.peek(name), &n) == nil {
			k.tokens = n
		}
	}
	var messages []struct {
		Role    jsontext.Value `json:"role"`
		Content jsontext.Value `json:"content"`
	}
	_ = json.Unmarshal(o.peek("messages"), &messages)
	for _, m := range messages {
		text, role := partsText(m.Content), unquote(m.Role)
		k.bytes += len(text)
		if role == "user" {
			k.question = text
		}
		k.code = k.code || role != "system" && role != "developer" && strings.Contains(text, "```")
	}
	if len(messages) == 0 {
		k.readPrompt(o.peek("prompt"))
		k.ids = k.ids || o.peek("tokens") != nil
	}
	return k
}

// readPrompt looks at the prompts of a completion.
func (k *sketch) readPrompt(raw jsontext.Value) {
	var texts []string
	if raw.Kind() == '"' {
		texts = []string{unquote(raw)}
	} else if raw != nil && json.Unmarshal(raw, &texts) != nil {
		k.ids = true
	}
	k.question = strings.Join(texts, "\n")
	k.bytes = len(k.question)
	k.code = strings.Contains(k.question, "```")
}

// partsText returns the text of a content that may come in parts.
func partsText(raw jsontext.Value) string {
	if raw.Kind() == '"' {
		return unquote(raw)
	}
	var parts []struct {
		Text string `json:"text"`
	}
	_ = json.Unmarshal(raw, &parts)
	var texts []string
	for _, p := range parts {
		texts = append(texts, p.Text)
	}
	return joinTexts(texts)
}

// longText is how many bytes of text make a request hard: about 1000 tokens in
// most languages.
const longText = 4000

// signal is something that makes a request hard, or worth some thought.
type signal string

// Signals, in the order in which they are reported.
const (
	signalTools   signal = "tools"   // it may call tools
	signalLong    signal = "long"    // it has more than longText bytes
	signalHigh    signal = "effort"  // it asks for much
	signalLow     signal = "brief"   // it asks for little
	signalCode    signal = "code"    // it is about a program
	signalMaths   signal = "maths"   // it is about mathematics
	signalSum     signal = "sum"     // it has one calculation
	signalReason  signal = "reason"  // it wants something thought through
	signalContext signal = "context" // the model that fits its kind has too short a context
)

// verdict is how a request is to be answered.
type verdict struct {
	large, think bool
	signals      []signal
}

// judge decides. What may call tools, is long, or asks for much effort is hard;
// so are code and mathematics, unless little effort is asked for. Code,
// mathematics and what wants thinking through get thought.
func (k *sketch) judge() verdict {
	var v verdict
	note := func(s signal, holds bool) bool {
		if holds {
			v.signals = append(v.signals, s)
		}
		return holds
	}
	tools, long := note(signalTools, k.tools), note(signalLong, k.bytes > longText)
	high := note(signalHigh, slices.Contains([]string{"high", "xhigh", "max"}, k.effort))
	low := note(signalLow, k.effort == "minimal" || k.effort == "low")
	code := note(signalCode, k.code || aboutCode(k.question))
	calculations := calculations(k.question)
	maths := note(signalMaths, calculations > 1 || aboutMaths(k.question))
	sum := note(signalSum, !maths && calculations == 1)
	reason := note(signalReason, wantsReason(k.question))
	v.large = tools || long || high || !low && (code || maths)
	v.think = code || maths || sum || reason
	return v
}

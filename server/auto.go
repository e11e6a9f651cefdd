package server

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A request for the model "auto" leaves the choice to the server: easy ones go
// to the smallest model, hard ones to the largest, and whether to reason is
// decided with it where the request does not say. The choice follows from the
// request alone (sketch.judge), so the same request gets the same model.

const autoName = "auto"

// headers that report a choice.
const (
	headerModel    = "X-Trona-Model"
	headerThinking = "X-Trona-Thinking"
	headerSignals  = "X-Trona-Signals"
)

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

// sketch is what a choice depends on.
type sketch struct {
	question string // the last message of the user, or the prompts
	code     bool   // the conversation shows code
	bytes    int    // of all text
	tokens   int    // that the answer may have
	tools    bool   // that may be called
	effort   string // reasoning_effort
	ids      bool   // it comes as tokens of one vocabulary
}

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

// choose picks the model of a request for "auto", before anything is read that
// depends on the model.
func (j *job) choose(o *object) {
	if !j.auto || o.d.err != nil {
		return
	}
	k := newSketch(o)
	if k.ids && len(j.models) > 1 {
		o.d.err = invalid("model", "token ids belong to one vocabulary: name the model, not %q", autoName)
		return
	}
	v := k.judge()
	pick, other := j.models.ends()
	if v.large {
		pick, other = other, pick
	}
	if need := k.bytes/4 + k.tokens; need > pick.ContextLength && other.ContextLength > pick.ContextLength {
		pick, v.signals = other, append(v.signals, signalContext)
	}
	j.model, j.think = pick, v.think
	j.head.Set(headerModel, pick.Names[0])
	var names []string
	for _, s := range v.signals {
		names = append(names, string(s))
	}
	j.head.Set(headerSignals, strings.Join(names, ", "))
}

// ends returns the smallest and the largest model: of those that chat, if any do.
func (l modelSet) ends() (small, large *Model) {
	mute := func(m *Model) bool { return m.Template == nil }
	if !slices.ContainsFunc(l, func(m *Model) bool { return !mute(m) }) {
		mute = func(*Model) bool { return false }
	}
	list := slices.DeleteFunc(slices.Clone(l), mute)
	size := func(a, b *Model) int { return cmp.Compare(a.Parameters, b.Parameters) }
	return slices.MinFunc(list, size), slices.MaxFunc(list, size)
}

// autoCard lists "auto" where there is something to choose.
func (l modelSet) autoCard() (card modelCard, ok bool) {
	if len(l) < 2 || slices.ContainsFunc(l, func(m *Model) bool { return m.has(autoName) }) {
		return card, false
	}
	_, large := l.ends()
	card = large.card(autoName)
	card.Root = autoName
	return card, true
}

// decide switches reasoning for a chat with "auto" that does not say itself (a
// budget says so too; -1 is none), and reports what holds.
func (j *job) decide(in *renderInput, budget int) {
	how := in.switches(j.model)
	switch {
	case in.saysReasoning(how):
	case budget >= 0:
		in.think(how, budget > 0)
	default:
		in.think(how, j.think)
	}
	state := in.reasons(how)
	if how.variable != "" {
		state = map[string]reasoning{how.on: reasonOn, how.off: reasonOff}[string(in.variable(how.variable))]
	}
	if name := map[reasoning]string{reasonOn: "on", reasonOff: "off"}[state]; name != "" {
		j.head.Set(headerThinking, name)
	}
}

// saysReasoning reports whether the request itself switches reasoning: by a
// variable (which reasoning_effort has become) or in its system message.
func (in *renderInput) saysReasoning(how thinking) bool {
	for _, name := range []string{"reasoning_effort", "thinking", "enable_thinking", budgetName} {
		if raw := in.variable(name); raw != nil && raw.Kind() != 'n' {
			return true
		}
	}
	system := in.messages[0]
	if system.role != "system" {
		return false
	}
	words := map[bool][]string{how.slash: {slashOn, slashOff}, how.detailed: {detailedOn, detailedOff}}[true]
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(system.text, w) })
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

func unquote(raw jsontext.Value) string {
	if raw.Kind() != '"' {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, raw)
	return string(text)
}

// peek returns a member as it came, nil where there is none.
func (o *object) peek(name string) jsontext.Value {
	for i := range o.members {
		if o.members[i].name == name && o.members[i].raw.Kind() != 'n' {
			return o.members[i].raw
		}
	}
	return nil
}

func (o *object) peekText(name string) string { return unquote(o.peek(name)) }

package server

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer"
)

// thinking is how a chat template is told whether the model reasons before it
// answers. A template has at most one of these ways.
type thinking struct {
	variable string    // it has this variable
	on, off  string    // its values
	slash    bool      // it takes /think and /no_think out of the system message (Super v1.5)
	detailed bool      // the model knows "detailed thinking on" and "off" (Nano, Super v1, Ultra)
	effort   bool      // besides, it reads the variable reasoning_effort
	unsaid   reasoning // what it says itself to a model that is told in detail
}

// switchNames are variables of templates that switch reasoning; the first counts
// more.
var switchNames = []string{"enable_thinking", "thinking"}

// budgetName is Seed-OSS's: tokens of reasoning, or -1.
const budgetName = "thinking_budget"

// reasoning is what a conversation says about it in the way of Nemotron models.
type reasoning uint8

const (
	reasonUnsaid reasoning = iota
	reasonOn
	reasonOff
)

const (
	slashOn, slashOff       = "/think", "/no_think"
	detailedOn, detailedOff = "detailed thinking on", "detailed thinking off"
)

// findThinking asks the template itself: it renders small conversations and
// looks at what makes a difference. With tools it is the template for those.
func findThinking(m *Model, tools bool) (how thinking) {
	if m.template(tools) == nil {
		return thinking{}
	}
	render := func(variables []tokenizer.Variable, messages ...message) string {
		in := renderInput{messages: messages, variables: variables, addGenerationPrompt: true, now: time.Now()}
		if tools {
			in.tools = append(in.tools, exampleTool())
		}
		text, err := in.render(m)
		if err != nil {
			return "" // a template that refuses has no such way
		}
		return text
	}
	question := newMessage("user", "x")
	with := func(name, raw string) string {
		return render([]tokenizer.Variable{{Name: name, Value: jsontext.Value(raw)}}, question)
	}
	how.effort = with("reasoning_effort", `"low"`) != with("reasoning_effort", `"high"`)
	for _, name := range switchNames {
		if with(name, "true") != with(name, "false") {
			how.variable, how.on, how.off = name, "true", "false"
			return how
		}
	}
	if with(budgetName, "-1") != with(budgetName, "0") {
		how.variable, how.on, how.off = budgetName, "-1", "0"
		return how
	}
	// The rest of the message must stay: some templates drop all of it.
	const rest = "Be brief."
	if text := render(nil, newMessage("system", rest+" "+slashOff), question); strings.Contains(text, rest) && !strings.Contains(text, slashOff) {
		how.slash = true
		return how
	}
	// Super v1 does not name its switch: it is a Llama 3 that drops old reasoning.
	past := render(nil, question, newMessage("assistant", thinkOpen+"y"+thinkClose+"z"), question)
	how.unsaid = detailedReasoning(render(nil, question))
	how.detailed = how.unsaid != reasonUnsaid ||
		strings.Contains(past, "<|start_header_id|>assistant") && !strings.Contains(past, thinkOpen)
	return how
}

// switches returns how the template of the conversation is told.
func (in *renderInput) switches(m *Model) thinking {
	if len(in.tools) > 0 {
		return m.toolThinking
	}
	return m.thinking
}

// newMessage returns a message of this program.
func newMessage(role, text string) message {
	m := message{role: role, raw: jsontext.Value(`{}`), text: text}
	m.set("role", role)
	m.set("content", text)
	return m
}

// think asks for reasoning, or for none, in the template's way. What the
// client itself says in its system message counts more. It returns false where
// the template has no way.
func (in *renderInput) think(how thinking, on bool) bool {
	value, words := how.on, detailedOn
	if !on {
		value, words = how.off, detailedOff
	}
	switch {
	case how.variable != "":
		if in.variable(how.variable) == nil {
			in.variables = append(in.variables, tokenizer.Variable{Name: how.variable, Value: jsontext.Value(value)})
		}
	case how.slash:
		if !on { // on is what it does by itself
			in.say(slashOff, slashOn, slashOff)
		}
	case how.detailed:
		in.say(words, detailedOn, detailedOff)
	default:
		return false
	}
	return true
}

// detailedReasoning returns what a text says to models that know these words.
func detailedReasoning(text string) reasoning {
	switch {
	case strings.Contains(text, detailedOn):
		return reasonOn
	case strings.Contains(text, detailedOff):
		return reasonOff
	}
	return reasonUnsaid
}

// reasons returns whether a Nemotron model is told to reason.
func (in *renderInput) reasons(how thinking) reasoning {
	system := in.messages[0].role == "system"
	switch {
	case how.slash && system && strings.Contains(in.messages[0].text, slashOff):
		return reasonOff
	case how.slash:
		return reasonOn
	case how.detailed && system:
		return detailedReasoning(in.messages[0].text)
	}
	return how.unsaid
}

// say puts words at the beginning of the system message, unless it has one of
// these phrases already.
func (in *renderInput) say(words string, phrases ...string) {
	if in.messages[0].role != "system" {
		in.messages = append([]message{newMessage("system", words)}, in.messages...)
		return
	}
	system := &in.messages[0]
	for _, phrase := range phrases {
		if strings.Contains(system.text, phrase) {
			return
		}
	}
	if system.text != "" {
		words += "\n\n" + system.text
	}
	system.text = words
	system.set("content", words)
}

// variable returns the value that the client gives a variable of the template,
// nil for none.
func (in *renderInput) variable(name string) jsontext.Value {
	for _, v := range in.variables {
		if v.Name == name {
			return v.Value
		}
	}
	return nil
}

// readThinking takes what says whether the model should reason: a variable of
// the template, which counts more, or reasoning_effort. It comes after the
// messages and the variables.
func (in *renderInput) readThinking(o *object, m *Model) {
	effort := ""
	if v := o.take("reasoning_effort"); v != nil {
		effort = v.oneOf("none", "minimal", "low", "medium", "high", "xhigh", "max")
	}
	if o.d.err != nil {
		return
	}
	if effort != "" && in.variable("reasoning_effort") == nil {
		in.variables = append(in.variables, tokenizer.StringVariable("reasoning_effort", effort))
	}
	on, asked, effect := effort != "none", "reasoning_effort", effort == "" || in.switches(m).effort
	for _, name := range slices.Backward(switchNames) {
		switch kind := in.variable(name).Kind(); kind {
		case 't', 'f':
			on, asked, effect = kind == 't', "chat_template_kwargs."+name, false
		}
	}
	if asked == "reasoning_effort" && effort == "" {
		return
	}
	if !in.think(in.switches(m), on) && !effect {
		o.d.ignored = append(o.d.ignored, asked)
	}
}

package server

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// toolUse is what a model's chat template shows about tools.
type toolUse struct {
	form    toolForm
	place   toolPlace
	ignored bool // the template does not describe tools
	objects bool // it wants the arguments of earlier calls as objects, not as text
	text    bool // it wants them as text
	apart   bool // it shows calls only as messages of their own
	null    bool // it shows calls only of messages whose content is null
	nine    bool // it wants ids of nine characters, or its model has learnt those
}

// findTools looks for the form in the text of the template, and renders a
// small conversation to see what becomes of tools.
func findTools(m *Model) (use toolUse) {
	source := ""
	if t := m.template(true); t != nil {
		source = t.Source()
	}
	use.form = findForm(source)
	render := func(tools []jsontext.Value, messages ...message) string {
		in := renderInput{messages: messages, tools: tools, addGenerationPrompt: true, now: time.Now()}
		if source == "" {
			return ""
		}
		text, _ := in.placed(use.place).render(m) // a template that refuses shows nothing
		return text
	}
	question := newMessage("user", "x")
	tool := exampleTool()
	shows := func() bool { return strings.Contains(render([]jsontext.Value{tool}, question), exampleName) }
	for use.place < toolPlaces && !shows() {
		use.place++
	}
	if use.place == toolPlaces {
		use.place, use.ignored = placeVariable, true
	}
	const arguments = `{"a": 1}`
	called := func(content, raw, id string) bool {
		answer := newMessage("assistant", "")
		answer.setRaw("content", jsontext.Value(content))
		answer.setRaw("tool_calls", jsontext.Value(`[{"id":"`+id+`","type":"function","function":{"name":"f","arguments":`+raw+`}}]`))
		text := render([]jsontext.Value{tool}, question, answer)
		return slices.ContainsFunc([]string{arguments, `{"a":1}`, parameterTag + "a>"}, func(shown string) bool { return strings.Contains(text, shown) })
	}
	const id = "call00001" // which all take
	text := string(quote(nil, arguments))
	for _, content := range []string{`""`, "null"} {
		asText, asObject := called(content, text, id), called(content, arguments, id)
		use.objects, use.text = asObject && !asText, asText && !asObject
		if use.null = content == "null" && (asText || asObject); asText || asObject {
			use.nine = use.form.id != "" || !called(content, text, id+"0") && !called(content, arguments, id+"0")
			break
		}
	}
	use.apart = use.form.plain && !use.objects && !use.text && !use.null
	return use
}

// exampleName is a name that no template has.
const exampleName = "example_of_a_tool"

// exampleTool is a tool to try templates with.
func exampleTool() jsontext.Value {
	return jsontext.Value(`{"type":"function","function":{"name":"` + exampleName + `","description":"y","parameters":{"type":"object","properties":{}}}}`)
}

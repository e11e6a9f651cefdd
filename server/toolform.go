package server

import (
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// toolForm is how a model writes tool calls: after a tag, JSON, Python or XML, or a
// name and JSON.
type toolForm struct {
	name        string
	shown       []string // one of these is in the templates of its models
	hidden      []string // and none of these
	open, close string   // the tags; "": none
	also        string   // what some models write in place of open
	each        bool     // each call has tags of its own: an object, no list
	next        string   // a tag between calls
	middle      string   // what comes between that name and the arguments; "": the name is among them
	id          string   // the tag of an id, which may stand before the middle
	finish      string   // what comes behind those arguments
	bare        string   // with what calls may begin at the beginning of an answer, without a tag
	xml         bool     // a call is XML, and so are its arguments
	plain       bool     // a call is all of an answer, and no tag stands before its name
	strict      bool     // only what has the name of a tool is a call
	method      bool     // name.call(...) is a call of name
	arguments   string   // what JSON calls the arguments
}

// toolForms are the forms of released models. Where a template shows several it
// is the first of them, where it shows none the first of all.
func toolForms() []toolForm {
	const deepseekCall = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>"
	return []toolForm{
		{name: "nemotron", shown: []string{"<TOOLCALL>"}, open: "<TOOLCALL>", close: "</TOOLCALL>", arguments: "arguments"},
		{name: "apriel", shown: []string{"<tool_calls>["}, open: "<tool_calls>", close: "</tool_calls>", arguments: "arguments"},
		{name: "phi", shown: []string{"<|/tool_call|>"}, open: "<|tool_call|>", close: "<|/tool_call|>", each: true, arguments: "arguments"},
		{name: "phi list", shown: []string{"<|/tool|>"}, open: "<|tool_call|>", close: "<|/tool_call|>", arguments: "arguments"},
		{name: "functools", shown: []string{"functools["}, open: "functools", arguments: "arguments"},
		{name: "granite", shown: []string{"<|tool_call|>"}, open: "<|tool_call|>", also: "<tool_call>", arguments: "arguments"},
		{name: "hermes", shown: []string{"<tool_call>"}, hidden: []string{"<function=", "<arg_key>"}, // those are no JSON
			open: "<tool_call>", close: "</tool_call>", each: true, arguments: "arguments"},
		{name: "seed", shown: []string{"<seed:tool_call>"}, open: "<seed:tool_call>", close: "</seed:tool_call>", also: functionTag, next: functionTag, each: true, xml: true},
		{name: "qwen", shown: []string{parameterTag}, open: "<tool_call>", close: "</tool_call>", also: functionTag, next: functionTag, each: true, xml: true},
		{name: "mistral", shown: []string{"[ARGS]"}, open: "[TOOL_CALLS]", each: true, id: "[CALL_ID]", middle: "[ARGS]"},
		{name: "mistral list", shown: []string{"[TOOL_CALLS]"}, open: "[TOOL_CALLS]", arguments: "arguments"},
		{name: "functionary", shown: []string{"<function="}, hidden: []string{"<tool_call>", "<parameter="},
			open: "<function=", close: "</function>", each: true, middle: ">"},
		{name: "deepseek", shown: []string{"<｜tool▁calls▁begin｜>"}, open: "<｜tool▁calls▁begin｜>" + deepseekCall, close: "<｜tool▁calls▁end｜>",
			next: deepseekCall, middle: "\n```json\n", finish: "```<｜tool▁call▁end｜>"},
		{name: "glm", shown: []string{"[gMASK]<sop>"}, hidden: []string{"<tool_call>"}, middle: "\n", plain: true, strict: true}, // later ones write XML
		{name: "xlam", shown: []string{`name": "tool_call_name"`, `name\": \"tool_call_name\"`}, bare: "[", strict: true, arguments: "arguments"},
		{name: "llama", shown: []string{"<|python_tag|>", `"parameters": `}, open: "<|python_tag|>", bare: "{[", strict: true, method: true, arguments: "parameters"},
		{name: "python", shown: []string{"[func_name1("}, bare: "[", strict: true, arguments: "arguments"},
	}
}

// findForm returns the form that the text of a template shows.
func findForm(template string) toolForm {
	has := func(text string) bool { return strings.Contains(template, text) }
	forms := toolForms()
	for _, form := range forms {
		if slices.ContainsFunc(form.shown, has) && !slices.ContainsFunc(form.hidden, has) {
			return form
		}
	}
	return forms[0]
}

// written returns all that the form puts around names and arguments.
func (f *toolForm) written() []string {
	return []string{f.open, f.also, f.next, f.id, f.middle, f.finish, f.close}
}

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

// toolChoice is what a request wants called.
type toolChoice struct {
	tools    []tool
	required bool   // at least one call must come
	name     string // of the one tool to call; "": any
	single   bool   // at most one call
}

// tool is a function that the model may call.
type tool struct {
	name       string
	parameters jsontext.Value // a schema; nil: any object
	strict     bool
	at         string // where the schema stands in the request
}

// parser returns what reads the calls of an answer; nil where there can be none.
func (c *toolChoice) parser(form toolForm) *toolParser {
	if len(c.tools) == 0 {
		return nil
	}
	known := map[string]tool{}
	for _, t := range c.tools {
		known[t.name] = t
	}
	if c.strict() {
		form.also = "" // the grammar knows open alone
	}
	return newToolParser(form, known, c.single)
}

// same reports whether tools have one name.
func (t tool) same(other tool) bool { return t.name == other.name }

// readTools takes tools, tool_choice and parallel_tool_calls.
func (in *renderInput) readTools(o *object) (choice toolChoice) {
	if v := o.take("tools"); v != nil {
		for _, element := range v.list(0, maxTools) {
			choice.tools = append(choice.tools, readTool(element.object()))
			in.tools = append(in.tools, element.raw)
		}
		for i, t := range choice.tools {
			if slices.ContainsFunc(choice.tools[:i], t.same) {
				v.fail("two of them have the name %q", t.name)
			}
		}
	}
	choice.single = !o.flag("parallel_tool_calls", true)
	v := o.take("tool_choice")
	switch {
	case v == nil:
	case v.raw.Kind() == '{':
		named := v.object()
		if named.need("type").oneOf("function", "allowed_tools") == "allowed_tools" {
			in.allow(named.need("allowed_tools").object(), &choice)
			break
		}
		name := named.need("function").object().need("name")
		choice.name, choice.required, choice.single = name.label(maxToolName), true, true
		if !slices.ContainsFunc(choice.tools, tool{name: choice.name}.same) {
			name.fail("is not the name of a tool")
		}
	default:
		switch v.oneOf("none", "auto", "required") {
		case "none":
			in.tools, choice = nil, toolChoice{} // what the model does not see it cannot call
		case "required":
			choice.required = true
			if len(choice.tools) == 0 {
				v.fail("needs tools")
			}
		}
	}
	return choice
}

// allow leaves some of the tools. The model does not see the others.
func (in *renderInput) allow(o *object, choice *toolChoice) {
	choice.required = o.need("mode").oneOf("auto", "required") == "required"
	all, seen := choice.tools, in.tools
	choice.tools, in.tools = nil, nil
	allowed := map[string]bool{}
	for _, element := range o.need("tools").list(1, maxTools) {
		t := element.object()
		t.need("type").oneOf("function")
		name := t.need("function").object().need("name")
		text := name.label(maxToolName)
		if !slices.ContainsFunc(all, tool{name: text}.same) {
			name.fail("is not the name of a tool")
		}
		allowed[text] = true
	}
	for i, t := range all {
		if allowed[t.name] {
			choice.tools, in.tools = append(choice.tools, t), append(in.tools, seen[i])
		}
	}
}

// readTool checks a tool that the template will describe.
func readTool(o *object) (t tool) {
	o.need("type").oneOf("function")
	function := o.need("function").object()
	t.name = function.need("name").label(maxToolName)
	function.text("description", len(function.raw))
	t.strict = function.flag("strict", false)
	if parameters := function.take("parameters"); parameters != nil {
		if parameters.raw.Kind() != '{' {
			parameters.must("an object")
		}
		t.parameters, t.at = parameters.raw, parameters.path()
	}
	return t
}

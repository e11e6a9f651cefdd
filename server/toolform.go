package server

import (
	"slices"
	"strings"
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

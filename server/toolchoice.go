package server

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

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

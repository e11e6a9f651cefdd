package server

import "strings"

// readResponsesTools reads functions, which are flat here, and which of them
// may be called.
func (t *translation) readResponsesTools(o *object, echo *responseEcho) {
	if v := o.take("tools"); v != nil {
		t.put("tools", t.tools, v.path())
		echo.tools = t.readTools(v, 0, "")
	}
	if v := o.take("tool_choice"); v != nil {
		echo.toolChoice = v.raw
		if v.raw.Kind() != '{' {
			t.pass(v, "tool_choice")
		} else {
			t.put("tool_choice", chatToolChoice(v.object()), v.path())
		}
	}
	echo.parallel = true
	if v := o.take("parallel_tool_calls"); v != nil {
		echo.parallel = v.boolean()
		t.pass(v, "parallel_tool_calls")
	}
}

// readTools reads a list of tools, in a namespace or in none ("").
func (t *translation) readTools(v *value, least int, namespace string) (echo []any) {
	echo = []any{}
	var others []*value
	for _, element := range v.list(least, maxTools) {
		tool := element.object()
		kind := tool.need("type")
		switch kind.text(1, maxNameBytes) {
		case "function":
			echo = append(echo, t.readFunction(tool, namespace))
			tool.rest()
		case "namespace":
			if namespace != "" {
				kind.fail("a namespace holds functions only")
			}
			echo = append(echo, t.readNamespace(tool))
			tool.rest()
		default:
			others = append(others, kind)
		}
	}
	leaveOut(others, len(echo), "only function and namespace are supported: this server runs no tools")
	return echo
}

// readFunction offers the model a function under the name that it sees.
func (t *translation) readFunction(o *object, namespace string) responseTool {
	given := o.need("name")
	name := given.label(maxToolName)
	if namespace != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		given.fail("must be of A-Z a-z 0-9 _ and - in a namespace")
	}
	as := chatTool(fullName(namespace, name), o.take("description"), o.take("parameters"), o.take("strict"))
	t.offer(as, o.path())
	if namespace != "" {
		t.members[as.Function.Name] = member{namespace, name}
	}
	as.Function.Name = name
	return newResponseTool(as)
}

// readNamespace reads functions that belong together, such as those of one MCP
// server.
func (t *translation) readNamespace(o *object) responseNamespace {
	echo := responseNamespace{Type: "namespace", Name: o.need("name").label(maxToolName), Description: o.text("description", len(o.raw))}
	echo.Tools = t.readTools(o.need("tools"), 1, echo.Name)
	return echo
}

// member is a function in a namespace.
type member struct{ namespace, name string }

// fullName is what the model calls a function: templates know no namespaces, so
// that of a function stands before its name, where both fit.
func fullName(namespace, name string) string {
	if full := namespace + "__" + name; namespace != "" && len(full) <= maxToolName {
		return full
	}
	return name
}

// chatToolChoice returns the chat's form of a choice of one function, or of some.
func chatToolChoice(o *object) map[string]any {
	function := func(o *object) map[string]any {
		defer o.rest()
		o.need("type").oneOf("function")
		return map[string]any{"type": "function", "function": map[string]any{"name": o.need("name").label(maxToolName)}}
	}
	if o.need("type").oneOf("function", "allowed_tools") == "function" {
		return function(o)
	}
	tools := []any{}
	for _, element := range o.need("tools").list(1, maxTools) {
		tools = append(tools, function(element.object()))
	}
	allowed := map[string]any{"mode": o.need("mode").oneOf("auto", "required"), "tools": tools}
	o.rest()
	return map[string]any{"type": "allowed_tools", "allowed_tools": allowed}
}

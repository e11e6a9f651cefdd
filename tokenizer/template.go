package tokenizer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer/jinja"
)

// Template is a compiled chat template. It never changes once made, and any
// number of goroutines may use it.
type Template struct {
	source   string
	template *jinja.Template
}

// NewTemplate compiles a chat template; an error is a *jinja.Error.
func NewTemplate(text string) (*Template, error) {
	t, err := jinja.New(text)
	if err != nil {
		return nil, err
	}
	return &Template{source: text, template: t}, nil
}

// Source returns the text that the template was compiled from.
func (t *Template) Source() string { return t.source }

// Variable is a variable of the template with its value in JSON, in which 1 is
// an int and 1.0 a float.
type Variable struct {
	Name  string
	Value jsontext.Value
}

// StringVariable returns a variable that holds a string.
func StringVariable(name, text string) Variable {
	value, _ := jsontext.AppendQuote(nil, strings.ToValidUTF8(text, "\uFFFD")) // valid UTF-8 cannot fail
	return Variable{Name: name, Value: value}
}

// RenderInput is a conversation and what its template may ask for.
type RenderInput struct {
	Messages             []jsontext.Value  // objects
	Tools, Documents     []jsontext.Value  // objects; nil: none, which is not the same as an empty list
	Variables            []Variable        // chat_template_kwargs; the last one of a name wins
	Special              map[string]string // bos_token, eos_token, ...; a variable of that name wins
	AddGenerationPrompt  bool
	ContinueFinalMessage bool      // the answer goes on within the last message
	NullContent          bool      // content that is null is none, as in transformers 4; otherwise it is dropped
	Now                  time.Time // for strftime_now
}

// continueMark is put behind the message that is to be continued, to find where
// the prompt has to end. Its trailing space tells whether the template trims.
const continueMark = "CONTINUE_FINAL_MESSAGE_TAG "

// reasoningKeys are the names under which messages hold reasoning, the usual
// one first.
var reasoningKeys = [...]string{"reasoning_content", "thinking", "reasoning"}

// Render returns the prompt of a conversation as apply_chat_template of Hugging
// Face's transformers 5 does, with what that does around the template: null
// keys are dropped, reasoning is copied to its other names, and a message to be
// continued is cut after its content. An error that the template or
// transformers would raise is a *jinja.Error of the same kind and words.
func (t *Template) Render(in RenderInput) (string, error) {
	if len(in.Messages) == 0 {
		return "", renderError("ValueError", "Cannot apply chat template to an empty conversation. Provide at least one message.")
	}
	messages, err := in.readMessages()
	if err != nil {
		return "", err
	}
	if in.ContinueFinalMessage && in.AddGenerationPrompt {
		return "", renderError("ValueError", "continue_final_message and add_generation_prompt are not compatible. Use continue_final_message when you want the model to continue the final message, and add_generation_prompt when you want to add a header that will prompt it to start a new assistant message instead.")
	}
	variables, err := in.variables()
	if err != nil {
		return "", err
	}
	var final string
	if in.ContinueFinalMessage {
		if final, err = t.markFinal(messages); err != nil {
			return "", err
		}
	}
	list := make([]jinja.Value, len(messages))
	for i, m := range messages {
		list[i] = m
	}
	variables.Set("messages", jinja.NewList(list))
	text, err := t.template.Render(variables, jinja.Options{Now: in.Now})
	if err != nil || !in.ContinueFinalMessage {
		return text, err
	}
	return cutFinal(text, final)
}

func renderError(kind, format string, args ...any) error {
	return &jinja.Error{Kind: kind, Phase: jinja.PhaseRender, Message: fmt.Sprintf(format, args...)}
}

// readMessages reads the messages without keys that are null, and gives their
// reasoning its other names.
func (in *RenderInput) readMessages() ([]*jinja.Dict, error) {
	messages := make([]*jinja.Dict, len(in.Messages))
	for i, r := range in.Messages {
		value, err := readValue(r, "messages[%d]", i)
		if err != nil {
			return nil, err
		}
		all, ok := value.(*jinja.Dict)
		if !ok {
			return nil, renderError("TypeError", "Chat messages should be dicts, dataclasses or pydantic models, but got %s.", jinja.Repr(value))
		}
		m := jinja.NewDict()
		for key, v := range all.All {
			if v != jinja.None || in.NullContent && key == "content" {
				m.Set(key, v)
			}
		}
		messages[i] = nameReasoning(m)
	}
	return messages, nil
}

// nameReasoning gives a message's reasoning the names thinking, which comes
// first, and reasoning_content.
func nameReasoning(m *jinja.Dict) *jinja.Dict {
	for _, key := range reasoningKeys {
		reasoning := m.Get(key)
		if reasoning == nil {
			continue
		}
		named := jinja.NewDict()
		named.Set("thinking", reasoning)
		for key, v := range m.All {
			named.Set(key, v)
		}
		named.Set("reasoning_content", reasoning)
		return named
	}
	return m
}

// variables returns everything that the template sees but the messages.
func (in *RenderInput) variables() (*jinja.Dict, error) {
	vars := jinja.NewDict()
	for _, name := range slices.Sorted(maps.Keys(in.Special)) {
		vars.Set(name, jinja.NewString(in.Special[name]))
	}
	for _, v := range in.Variables {
		if slices.Contains([]string{"messages", "tools", "documents", "add_generation_prompt"}, v.Name) {
			return nil, renderError("TypeError", "render() got multiple values for keyword argument '%s'", v.Name)
		}
		value, err := readValue(v.Value, "chat_template_kwargs.%s", v.Name)
		if err != nil {
			return nil, err
		}
		vars.Set(v.Name, value)
	}
	tools, err := readObjects("tools", in.Tools, renderError("ValueError", "Tools should either be a JSON schema, or a callable function with type hints and a docstring suitable for auto-conversion to a schema."))
	if err != nil {
		return nil, err
	}
	vars.Set("tools", tools)
	documents, err := readObjects("documents", in.Documents, renderError("TypeError", "Documents should be a list of dicts with 'title' and 'text' keys!"))
	if err != nil {
		return nil, err
	}
	vars.Set("documents", documents)
	vars.Set("add_generation_prompt", jinja.Bool(in.AddGenerationPrompt))
	return vars, nil
}

// readObjects reads a list of objects; one that is something else is wrong.
func readObjects(name string, raw []jsontext.Value, wrong error) (jinja.Value, error) {
	if raw == nil {
		return jinja.None, nil
	}
	items := make([]jinja.Value, len(raw))
	for i, r := range raw {
		value, err := readValue(r, name+"[%d]", i)
		if err != nil {
			return nil, err
		}
		if _, ok := value.(*jinja.Dict); !ok {
			return nil, wrong
		}
		items[i] = value
	}
	return jinja.NewList(items), nil
}

// readValue reads JSON; an error names the place.
func readValue(raw jsontext.Value, place string, args ...any) (jinja.Value, error) {
	value, err := jinja.FromJSON(raw)
	if err != nil {
		return nil, fmt.Errorf(place+": %w", append(args, err)...)
	}
	return value, nil
}

// markFinal puts the mark behind the content of the last message, and returns
// that content without it. The content is a string, or a list of parts of which
// the last text is marked.
func (t *Template) markFinal(messages []*jinja.Dict) (string, error) {
	last := messages[len(messages)-1]
	content := last.Get("content")
	if content == nil {
		return "", renderError("ValueError", `continue_final_message is set but the final message has no "content" to continue!`)
	}
	if !strings.Contains(t.source, "content") {
		return "", renderError("ValueError", `continue_final_message is set to "content" but this is not an accepted field in the chat_template`)
	}
	parts, ok := content.(*jinja.List)
	if !ok {
		return markText(last, "content")
	}
	for i, item := range slices.Backward(parts.Items()) {
		part, ok := item.(*jinja.Dict)
		if !ok || part.Get("text") == nil {
			continue
		}
		marked := part.Clone()
		text, err := markText(marked, "text")
		if err != nil {
			return "", err
		}
		items := slices.Clone(parts.Items())
		items[i] = marked
		last.Set("content", jinja.NewList(items))
		return text, nil
	}
	return "", renderError("ValueError", "continue_final_message is set but we could not find any text to continue in the final message!")
}

// markText puts the mark behind a value that must be a string, which it returns.
func markText(d *jinja.Dict, key string) (string, error) {
	text, ok := d.Get(key).(jinja.String)
	if !ok {
		return "", renderError("TypeError", "unsupported operand type(s) for +: '%s' and 'str'", jinja.TypeName(d.Get(key)))
	}
	d.Set(key, text+continueMark)
	return string(text), nil
}

// cutFinal ends the prompt where the last message's content ends.
func cutFinal(text, final string) (string, error) {
	mark := strings.TrimSuffix(continueMark, " ")
	at := strings.LastIndex(text, mark)
	final = strings.TrimFunc(final, jinja.IsSpace)
	if at < 0 || !strings.Contains(text, final) {
		return "", renderError("ValueError", "continue_final_message is set but the final message does not appear in the chat after applying the chat template! This can happen if the chat template deletes portions of the final message. Please verify the chat template and final message in your chat to ensure they are compatible.Final message to continue: %s\nRendered chat:\n%s", final, text)
	}
	if strings.HasPrefix(text[at:], continueMark) {
		return text[:at], nil
	}
	return strings.TrimRightFunc(text[:at], jinja.IsSpace), nil // the template trims what follows the content
}

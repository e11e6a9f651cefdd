package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"trona/model/demo"
	"trona/tokenizer"
	"trona/tokenizer/jinja"
)

// renderCommand turns conversations into the text of prompts.
type renderCommand struct {
	Model    *string `arg:"" help:"Model whose chat template and special tokens are used; demo where --template is absent too." optional:""`
	Template string  `aliases:"chat-template" help:"Use the template of this file (also --chat-template); special tokens come from MODEL or from the conversation." placeholder:"FILE"`
	JSONL    bool    `name:"jsonl" help:"Read a conversation from each line and write a JSON string, or {\"error\": ..., \"line\": of the template}, for it."`
}

// conversation is what the command reads. Every other member becomes a
// variable of the template.
type conversation struct {
	Messages             []jsontext.Value          `json:"messages"`
	Tools                []jsontext.Value          `json:"tools"`
	Documents            []jsontext.Value          `json:"documents"`
	Kwargs               map[string]jsontext.Value `json:"chat_template_kwargs"`
	AddGenerationPrompt  *bool                     `json:"add_generation_prompt"` // nil: unless the last message goes on
	ContinueFinalMessage bool                      `json:"continue_final_message"`
	Variables            map[string]jsontext.Value `json:",embed"`
}

// renderer is a template with the special tokens that it may write.
type renderer struct {
	template *tokenizer.Template
	tools    *tokenizer.Template // of conversations with tools
	special  map[string]string
}

// renderFailure is what --jsonl writes for a conversation that fails.
type renderFailure struct {
	Error string `json:"error"`
	Line  int    `json:"line,omitempty"`
}

// Run reads stdin and writes stdout.
func (c *renderCommand) Run(std stdio) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	if c.JSONL {
		return eachLine(std, func(line []byte) (any, error) {
			text, err := r.render(line)
			if failed := (*jinja.Error)(nil); errors.As(err, &failed) {
				return renderFailure{failed.Kind + ": " + failed.Message, failed.Line}, nil
			}
			if err != nil {
				return renderFailure{Error: err.Error()}, nil
			}
			return text, nil
		})
	}
	input, err := io.ReadAll(std.in)
	if err != nil {
		return err
	}
	text, err := r.render(input)
	if err != nil {
		return err
	}
	_, err = io.WriteString(std.out, text)
	return err
}

// open reads the template, and the special tokens of the model.
func (c *renderCommand) open() (*renderer, error) {
	r := &renderer{special: map[string]string{}}
	if c.Model != nil || c.Template == "" {
		name := demo.Name
		if c.Model != nil {
			name = *c.Model
		}
		t, err := openTokenizer(name)
		if err != nil {
			return nil, err
		}
		for _, token := range []string{"bos_token", "eos_token", "unk_token", "pad_token"} {
			if spelled, ok := t.NamedToken(token); ok {
				r.special[token] = spelled
			}
		}
		if c.Template == "" {
			return r, r.own(name, t)
		}
	}
	var err error
	if r.template, err = readTemplate(c.Template); err != nil {
		return nil, fmt.Errorf("--template: %w", err)
	}
	r.tools = r.template
	return r, nil
}

// own takes the templates of a model.
func (r *renderer) own(name string, t *tokenizer.Tokenizer) (err error) {
	if r.template, r.tools, err = templatesOf(t); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if r.template == nil {
		return fmt.Errorf("%s has no chat template", name)
	}
	return nil
}

// render returns the prompt of a conversation in JSON.
func (r *renderer) render(input []byte) (string, error) {
	var c conversation
	err := json.Unmarshal(input, &c)
	if wrong := (*json.SemanticError)(nil); errors.As(err, &wrong) {
		at := cmp.Or(string(wrong.JSONPointer), "the beginning")
		return "", fmt.Errorf(`the conversation: want {"messages": [{"role": "user", "content": "Hi"}]}, not what stands at %s`, at)
	}
	if err != nil {
		return "", fmt.Errorf("the conversation: %w", notJSON(err))
	}
	in := tokenizer.RenderInput{
		Messages: c.Messages, Tools: c.Tools, Documents: c.Documents, Special: r.special,
		AddGenerationPrompt: !c.ContinueFinalMessage, ContinueFinalMessage: c.ContinueFinalMessage, Now: time.Now(),
	}
	if c.AddGenerationPrompt != nil {
		in.AddGenerationPrompt = *c.AddGenerationPrompt
	}
	for _, variables := range []map[string]jsontext.Value{c.Variables, c.Kwargs} {
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			in.Variables = append(in.Variables, tokenizer.Variable{Name: name, Value: variables[name]})
		}
	}
	if len(c.Tools) > 0 {
		return r.tools.Render(in)
	}
	return r.template.Render(in)
}

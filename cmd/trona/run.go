package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"trona/model/demo"
	"trona/server"
	"trona/tokenizer"
)

// maxPromptBytes is what the body of a request may have, too.
const maxPromptBytes = 8 << 20

// runCommand answers one prompt, or chats.
type runCommand struct {
	Model        string   `arg:"" help:"Model to run." default:"demo" optional:""`
	Prompt       string   `arg:"" help:"Prompt to answer; without it a chat begins, or the prompt is read from a pipe, as with - always." optional:""`
	Think        string   `help:"Reasoning: on or off; absent: what the model does by itself." enum:",on,off" default:"" placeholder:"on|off"`
	System       string   `help:"System message." placeholder:"TEXT"`
	ChatTemplate string   `help:"File with a chat template to use in place of the model's own." placeholder:"FILE"`
	MaxTokens    int      `help:"Most tokens of an answer; 0: as many as the context holds." placeholder:"N"`
	Temperature  *float64 `help:"Temperature of sampling, 0 to 2; 0 is greedy." placeholder:"X"`
	Seed         *int64   `help:"Seed of sampling; the same gives the same answer." placeholder:"N"`

	MaxModelLen int `help:"Most tokens of the whole chat; 0: as many as the model declares and memory holds." placeholder:"N"`
	kvFlags
	deviceFlags
}

// Run answers.
func (c *runCommand) Run(std stdio) error {
	if c.MaxTokens < 0 {
		return usagef("--max-tokens %d: must not be negative", c.MaxTokens)
	}
	if c.Temperature != nil && !(*c.Temperature >= 0 && *c.Temperature <= 2) {
		return usagef("--temperature %v: must be 0 to 2", *c.Temperature)
	}
	if err := exists(c.Model); err != nil {
		if c.Prompt == "" && strings.ContainsRune(c.Model, ' ') {
			return usagef("there is no model %q; for a prompt name the model first: trona run %s %[1]q", c.Model, demo.Name)
		}
		return err
	}
	interactive := c.Prompt == "" && isTerminal(std.in)
	if c.Prompt == "-" || c.Prompt == "" && !interactive {
		text, err := io.ReadAll(io.LimitReader(std.in, maxPromptBytes+1))
		if err != nil {
			return err
		}
		if len(text) > maxPromptBytes {
			return fmt.Errorf("the prompt on stdin has more than %s", human(maxPromptBytes))
		}
		if c.Prompt = strings.TrimSpace(string(text)); c.Prompt == "" {
			return usagef("there is no prompt: give one as PROMPT or on stdin")
		}
	}
	s, err := c.start(std)
	if err != nil {
		return err
	}
	defer s.close()
	if interactive {
		return s.chat(std.in.(*os.File))
	}
	return s.answer(c.Prompt)
}

// start loads the model and serves it to this process alone.
func (c *runCommand) start(std stdio) (*session, error) {
	flags := cacheFlags{MaxModelLen: c.MaxModelLen, MaxNumSeqs: 1, kvFlags: c.kvFlags}
	if err := flags.check(); err != nil {
		return nil, err
	}
	var template *tokenizer.Template
	if c.ChatTemplate != "" {
		var err error
		if template, err = readTemplate(c.ChatTemplate); err != nil {
			return nil, fmt.Errorf("--chat-template: %w", err)
		}
	}
	wait := startSpinner(std.err, "loading "+c.Model)
	defer wait.stop()
	bar := newProgress(std.err, "loading "+c.Model)
	bar.before = wait.stop
	from := loader{sources: []source{{path: c.Model, template: template}}, cache: flags, device: c.deviceFlags, opened: c.fits}
	models, err := from.load(bar)
	if err != nil {
		return nil, err
	}
	api := server.New(server.Options{Version: version})
	api.SetModels(models.models()...)
	pipe := newPipeListener()
	failed := make(chan error, 1)
	go func() { failed <- api.Serve(pipe) }()
	return &session{
		flags: c, std: std, client: &chatClient{pipe.client()}, engine: models[0].engine, think: c.Think,
		plainOut: !isTerminal(std.out), dim: styles(std.err),
		close: func() {
			now, cancel := context.WithCancel(context.Background())
			cancel() // an answer that was stopped may still run
			_ = api.Shutdown(now)
			<-failed
			models.close()
		},
	}, nil
}

// fits says before a model is loaded, which can take minutes, what would be refused after.
func (c *runCommand) fits(m *server.Model) error {
	if m.Template == nil {
		return fmt.Errorf("%s has no chat template, so it cannot chat: give one with --chat-template; trona serve answers completions", c.Model)
	}
	// Templates trim messages and add to them.
	if n := len(m.Tokenizer.Encode(strings.TrimSpace(c.Prompt), tokenizer.EncodeOptions{})); n > m.ContextLength {
		return fmt.Errorf("the prompt has %s tokens, the context of %s %s", count(int64(n)), c.Model, count(int64(m.ContextLength)))
	}
	return nil
}

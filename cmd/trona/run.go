package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"unicode"

	"trona/engine"
	"trona/model/demo"
	"trona/server"
	"trona/tokenizer"
)

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

	MaxModelLen  int    `help:"Most tokens of the whole chat; 0: as many as the model declares and memory holds." placeholder:"N"`
	KVCacheDtype string `name:"kv-cache-dtype" help:"Type of the KV cache: auto, f16, bf16, fp8, int16 or int8." enum:"auto,f16,bf16,fp8,int16,int8" default:"auto" placeholder:"auto"`
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
		text, err := io.ReadAll(std.in)
		if err != nil {
			return err
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

// session is a conversation with a model.
type session struct {
	flags  *runCommand
	std    stdio
	client *chatClient
	engine *engine.Engine
	close  func()

	think    string // "on", "off" or "": as the model does
	messages []chatMessage
	plainOut bool // stdout is no terminal
	dim      bool // stderr is one that can show reasoning dimmed
}

// start loads the model and serves it to this process alone.
func (c *runCommand) start(std stdio) (*session, error) {
	flags := cacheFlags{MaxModelLen: c.MaxModelLen, MaxNumSeqs: 1, KVCacheDtype: c.KVCacheDtype}
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

const help = `/think on   answer with reasoning    /think off  answer at once
/clear      forget the conversation  /bye        leave (Ctrl-D too)
Ctrl-C stops an answer.
`

// chat answers until the person leaves.
func (s *session) chat(in *os.File) error {
	fmt.Fprintf(s.std.err, "%s. /help lists the commands.\n", s.flags.Model)
	// Between an answer and the prompt Ctrl-C has no meaning, least of all to
	// end the program.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	lines := newPrompt(in, s.std.err)
	for interrupted := false; ; {
		text, err := lines.read()
		switch {
		case errors.Is(err, errInterrupted):
			if interrupted {
				return nil
			}
			interrupted = true
			fmt.Fprintln(s.std.err, "Ctrl-C again, Ctrl-D or /bye leaves.")
			continue
		case err == io.EOF:
			fmt.Fprintln(s.std.err)
			return nil
		case err != nil:
			return err
		}
		interrupted = false
		text = strings.TrimSpace(text)
		if text == "/bye" {
			return nil
		}
		if strings.HasPrefix(text, "/") {
			s.command(text)
			continue
		}
		if text == "" {
			continue
		}
		switch err := s.answer(text); {
		case errors.Is(err, errStopped):
			fmt.Fprintln(s.std.err, "[stopped]")
		case errors.Is(err, engine.ErrFailed):
			return err // no answer comes any more
		case err != nil:
			fmt.Fprintf(s.std.err, "trona: %s\n", oneLine(err))
		}
	}
}

// command does what a line that begins with a slash says.
func (s *session) command(text string) {
	switch strings.Join(strings.Fields(text), " ") {
	case "/think on":
		s.think = "on"
	case "/think off":
		s.think = "off"
	case "/clear":
		s.messages = nil
	case "/help":
		fmt.Fprint(s.std.err, help)
	default:
		fmt.Fprintf(s.std.err, "%s is no command; /help lists them.\n", strings.Fields(text)[0])
	}
}

// errStopped says that the person stopped the answer.
var errStopped = errors.New("stopped")

// answer answers one message and keeps both. Ctrl-C ends it.
func (s *session) answer(text string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	request := chatRequest{Temperature: s.flags.Temperature, Seed: s.flags.Seed, MaxTokens: s.flags.MaxTokens}
	if s.think != "" {
		request.Template = map[string]any{"enable_thinking": s.think == "on"}
	}
	if s.flags.System != "" {
		request.Messages = append(request.Messages, chatMessage{"system", s.flags.System})
	}
	messages := append(s.messages, chatMessage{"user", text})
	request.Messages = append(request.Messages, messages...)
	show := &display{session: s}
	wait := startSpinner(s.std.err, "")
	end, err := s.client.ask(ctx, request, func(reasoning, answer string) error {
		if reasoning != "" || answer != "" {
			wait.stop()
		}
		return show.write(reasoning, answer)
	})
	wait.stop()
	show.end()
	stopped := ctx.Err() != nil
	if err != nil && !stopped {
		if why := s.engine.Healthy(); errors.Is(why, engine.ErrFailed) {
			return why // who runs the model sees what clients do not
		}
		return err
	}
	if show.answer.Len() > 0 {
		s.messages = append(messages, chatMessage{"assistant", show.answer.String()})
	}
	if stopped {
		return errStopped
	}
	t := end.Timings
	if strings.Contains(end.Ignored, "enable_thinking") {
		fmt.Fprintln(s.std.err, "[the model's template has no switch for reasoning]")
	}
	if end.Finish == "length" {
		fmt.Fprintln(s.std.err, "[cut off: the limit of tokens is reached]")
	}
	_, err = fmt.Fprintf(s.std.err, "[%d tokens, %.1f tokens/s; prompt: %d tokens, %.1f tokens/s, %d from the cache]\n",
		t.PredictedN, t.PredictedPerSecond, t.PromptN, t.PromptPerSecond, t.CacheN)
	return err
}

// display shows an answer as it comes: reasoning on stderr, dimmed where that
// is a terminal, and the answer on stdout.
type display struct {
	*session
	answer    strings.Builder
	reasoning bool // reasoning is open on the screen
	last      byte // of stdout
}

func (d *display) write(reasoning, answer string) error {
	if reasoning != "" {
		if !d.reasoning && d.dim {
			fmt.Fprint(d.std.err, "\x1b[2m")
		}
		d.reasoning = true
		fmt.Fprint(d.std.err, printable(reasoning))
	}
	if answer == "" {
		return nil
	}
	d.closeReasoning()
	d.answer.WriteString(answer)
	d.last = answer[len(answer)-1]
	if !d.plainOut {
		answer = printable(answer)
	}
	_, err := io.WriteString(d.std.out, answer)
	return err
}

func (d *display) closeReasoning() {
	if d.reasoning {
		d.reasoning = false
		if d.dim {
			fmt.Fprint(d.std.err, "\x1b[0m")
		}
		fmt.Fprint(d.std.err, "\n\n")
	}
}

// end ends the line.
func (d *display) end() {
	d.closeReasoning()
	if d.answer.Len() > 0 && d.last != '\n' {
		fmt.Fprintln(d.std.out)
	}
}

// printable drops what could steer a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"trona/engine"
)

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

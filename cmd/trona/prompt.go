package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// errInterrupted says that Ctrl-C was pressed at the prompt.
var errInterrupted = errors.New("interrupted")

// prompt reads lines from a person, with editing and history. The terminal is
// raw only while a line is read.
type prompt struct {
	in    *os.File
	keys  *keyReader
	line  *term.Terminal
	plain *bufio.Reader // not nil: of a terminal without editing
	out   io.Writer
}

const (
	promptText   = ">>> "
	continueText = "... "
)

// newPrompt reads from in, which is a terminal, and echoes on out.
func newPrompt(in *os.File, out io.Writer) *prompt {
	p := &prompt{in: in, keys: &keyReader{from: in}, out: out}
	if dumb() {
		p.plain = bufio.NewReader(in)
		return p
	}
	p.line = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{p.keys, out}, promptText)
	return p
}

// read returns what the person typed or pasted, up to Enter; io.EOF at Ctrl-D.
func (p *prompt) read() (string, error) {
	if p.plain != nil {
		fmt.Fprint(p.out, promptText)
		text, err := p.plain.ReadString('\n')
		if text == "" && err != nil {
			return "", err
		}
		return strings.TrimRight(text, "\r\n"), nil
	}
	state, err := term.MakeRaw(int(p.in.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(p.in.Fd()), state)
	p.line.SetBracketedPasteMode(true)
	defer p.line.SetBracketedPasteMode(false)
	// Where the size is unknown the terminal keeps its default of 80 columns.
	if width, height, err := term.GetSize(int(p.in.Fd())); err == nil && width > 0 {
		_ = p.line.SetSize(width, height)
	}
	defer p.line.SetPrompt(promptText)
	var lines []string
	for {
		p.keys.interrupted = false
		line, err := p.line.ReadLine()
		switch {
		case p.keys.interrupted:
			return "", errInterrupted
		case errors.Is(err, term.ErrPasteIndicator): // the rest of what was pasted follows
			lines = append(lines, line)
			p.line.SetPrompt(continueText)
		case err != nil:
			return "", err
		default:
			return strings.Join(append(lines, line), "\n"), nil
		}
	}
}

// keyReader turns Ctrl-C, which the line editor takes for the end of the
// input, into keys that empty the line and end it, and remembers it.
type keyReader struct {
	from        io.Reader
	pending     []byte
	interrupted bool
}

const (
	ctrlC = 3
	// Ctrl-E: to the end of the line; Ctrl-U: delete to its beginning.
	endAndClear = "\x05\x15\r"
)

// Read returns keys. What was typed before a Ctrl-C is returned without it, so
// that a line which was complete stays one.
func (k *keyReader) Read(p []byte) (int, error) {
	if len(k.pending) == 0 {
		buffer := make([]byte, 256)
		n, err := k.from.Read(buffer)
		if n == 0 {
			return 0, err
		}
		k.pending = buffer[:n]
	}
	if k.pending[0] == ctrlC {
		k.interrupted = true
		k.pending = append([]byte(endAndClear), k.pending[1:]...)
	}
	end := len(k.pending)
	if i := bytes.IndexByte(k.pending, ctrlC); i > 0 {
		end = i
	}
	n := copy(p, k.pending[:end])
	k.pending = k.pending[n:]
	return n, nil
}

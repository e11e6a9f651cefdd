package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

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

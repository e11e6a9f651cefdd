package main

import (
	"os"

	"golang.org/x/term"
)

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// dumb reports whether the terminal only shows what is written to it line after
// line, as that of Emacs' shell: it knows no escape sequences.
func dumb() bool { return os.Getenv("TERM") == "dumb" }

// moves reports whether a stream is a terminal on which a cursor can move.
func moves(stream any) bool { return isTerminal(stream) && !dumb() }

// styles reports whether a stream is a terminal on which text may look unlike
// other text (https://no-color.org).
func styles(stream any) bool { return moves(stream) && os.Getenv("NO_COLOR") == "" }

// fit returns text cut to so many columns less than a terminal has. Where
// its width is not known, that is 80.
func fit(text string, stream any, less int) string {
	width := 80
	if f, ok := stream.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	runes := []rune(text)
	switch most := max(0, width-less); {
	case len(runes) <= most:
		return text
	case most == 0:
		return ""
	default:
		return string(runes[:most-1]) + "…"
	}
}

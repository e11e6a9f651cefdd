package jinja

import "fmt"

// Phases of an Error.
const (
	PhaseCompile = "compile"
	PhaseRender  = "render"
)

// KindLimit is the Kind of an Error for a spent budget.
const KindLimit = "LimitError"

// Error is what went wrong, in the words of Python and Jinja2.
type Error struct {
	Kind    string // the exception's class: "TemplateSyntaxError", "TypeError", ...
	Phase   string // PhaseCompile or PhaseRender
	Message string
	Line    int // in the template, from 1; 0 where unknown
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Kind + ": " + e.Message
	}
	return fmt.Sprintf("%s: %s (line %d)", e.Kind, e.Message, e.Line)
}

// Limit reports whether the template was stopped for using too much rather
// than for being wrong.
func (e *Error) Limit() bool {
	return e.Kind == KindLimit || e.Kind == "RecursionError"
}

func raise(kind, format string, args ...any) error {
	return &Error{Kind: kind, Phase: PhaseRender, Message: fmt.Sprintf(format, args...)}
}

func typeError(format string, args ...any) error  { return raise("TypeError", format, args...) }
func valueError(format string, args ...any) error { return raise("ValueError", format, args...) }

func limitError(what string) error {
	return raise(KindLimit, "the template exceeds its limit of %s", what)
}

func recursionError() error {
	return raise("RecursionError", "maximum recursion depth exceeded")
}

// assertionError is for a template that Jinja parses but does not compile.
func assertionError(line int, format string, args ...any) error {
	return &Error{Kind: "TemplateAssertionError", Phase: PhaseCompile, Message: fmt.Sprintf(format, args...), Line: line}
}

// at notes where a rendering failed, unless an inner node already did.
func at(err error, line int) error {
	if e, ok := err.(*Error); ok && e.Line == 0 {
		e.Line = line
	}
	return err
}

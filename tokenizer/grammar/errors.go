package grammar

import (
	"fmt"
	"slices"
)

// Error says why a constraint cannot be compiled.
type Error struct {
	// Where is the place: a JSON pointer ("#/properties/a/pattern"), or
	// "line 3" of a grammar; empty: the constraint as a whole.
	Where   string
	Message string
	// Limit: the constraint is too large or too complex, not wrong.
	Limit bool
}

func (e *Error) Error() string {
	if e.Where == "" {
		return e.Message
	}
	return e.Where + ": " + e.Message
}

func failf(where, format string, args ...any) *Error {
	return &Error{Where: where, Message: fmt.Sprintf(format, args...)}
}

// Limits bound what compiling one constraint may take.
type Limits struct {
	Bytes  int // of the constraint's text
	States int // of all its automata
	Steps  int // of work: about 10 ns each
	Depth  int // nesting of the constraint, and of the text that it allows
}

// DefaultLimits suit a server that compiles what its users send: at most about
// a second and 64 MiB.
func DefaultLimits() Limits {
	return Limits{Bytes: 256 << 10, States: 50_000, Steps: 20_000_000, Depth: 256}
}

// budget is what is left of the limits while a constraint compiles.
type budget struct {
	states, steps, depth int
	unread               []string // see Grammar.Unread
}

// maxUnread is how many places a grammar names that say nothing.
const maxUnread = 32

// skip notes a place of a schema that says nothing.
func (b *budget) skip(where string) {
	if len(b.unread) < maxUnread && !slices.Contains(b.unread, where) {
		b.unread = append(b.unread, where)
	}
}

func newBudget(l Limits) *budget { return &budget{states: l.States, steps: l.Steps, depth: l.Depth} }

func (b *budget) step(n int) error {
	if b.steps -= n; b.steps < 0 {
		return &Error{Message: "the constraint takes too long to compile", Limit: true}
	}
	return nil
}

func (b *budget) state() error {
	if b.states--; b.states < 0 {
		return &Error{Message: "the constraint needs too many states", Limit: true}
	}
	return nil
}

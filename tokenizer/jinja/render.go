package jinja

import (
	"strings"
	"time"
)

// Template is a compiled template. It never changes once made, and any number
// of goroutines may render it.
type Template struct {
	body   []stmt
	fn     *function
	scope  *frameScope
	self   *varRef // the slot of self, where the body uses it
	blocks map[string]*blockStmt
}

// New compiles a template; an error is an *Error.
func New(source string) (*Template, error) {
	if len(source) > maxSource {
		return nil, &Error{Kind: KindLimit, Phase: PhaseCompile, Message: "the template exceeds its limit of source text"}
	}
	body, err := parse(lex(string(NewString(source))))
	if err != nil {
		return nil, err
	}
	t := &Template{body: body}
	if err := t.resolve(); err != nil {
		return nil, err
	}
	return t, nil
}

// Limits bound what a rendering may use; zero stands for the default. What
// exceeds one ends in an Error of KindLimit or, for Depth, RecursionError.
type Limits struct {
	Steps  int // nodes evaluated, elements copied, 64 bytes read or written
	Memory int // bytes of all strings and lists made on the way, also of those that are garbage soon
	Output int // bytes
	Depth  int // expressions, statements and calls inside each other
}

// Defaults of Limits. With the templates of Llama Nemotron a conversation of
// 2 MiB takes a hundredth of the steps and a tenth of the memory.
const (
	DefaultSteps  = 20_000_000
	DefaultMemory = 256 << 20
	DefaultOutput = 32 << 20
	DefaultDepth  = 5000
)

// Options of a rendering.
type Options struct {
	Now    time.Time // what strftime_now tells
	Limits Limits
}

// render is one rendering of a template.
type render struct {
	template *Template
	now      time.Time
	context  *context
	frame    *frame
	out      *strings.Builder // of the innermost part that is captured
	random   uint64           // the state of the random filter

	steps, memory, depth int // what is left
	output               int // most bytes that any part may write
	autoescape           bool
}

// frame holds the variables of a function that is being run; a slot that is nil
// has no value.
type frame struct {
	slots []Value
	outer *frame
}

// context is what is not a variable of a function: the caller's values, and
// those of the template that its blocks see.
type context struct {
	values   func(name string) Value
	exported map[string]Value
}

func (c *context) resolve(name string) Value {
	if v, ok := c.exported[name]; ok {
		return v
	}
	return c.values(name)
}

// Render returns the text of the template with these variables. It does not
// change them; an error is an *Error.
func (t *Template) Render(vars *Dict, o Options) (string, error) {
	or := func(limit, otherwise int) int {
		if limit > 0 {
			return limit
		}
		return otherwise
	}
	r := &render{
		template: t,
		now:      o.Now,
		out:      &strings.Builder{},
		steps:    or(o.Limits.Steps, DefaultSteps),
		memory:   or(o.Limits.Memory, DefaultMemory),
		output:   or(o.Limits.Output, DefaultOutput),
		depth:    or(o.Limits.Depth, DefaultDepth),
	}
	r.context = &context{exported: map[string]Value{}, values: func(name string) Value {
		if v := vars.Get(name); v != nil {
			return v
		}
		return global(name)
	}}
	r.frame = newFrame(t.fn, nil)
	if t.self != nil {
		r.store(*t.self, &templateRef{})
	}
	r.enter(t.scope)
	if _, err := r.run(t.body); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

func newFrame(fn *function, outer *frame) *frame {
	return &frame{slots: make([]Value, len(fn.slots)), outer: outer}
}

func (r *render) slot(ref varRef) *Value {
	f := r.frame
	for range ref.up {
		f = f.outer
	}
	return &f.slots[ref.slot]
}

func (r *render) store(ref varRef, v Value) { *r.slot(ref) = v }

// enter gives the variables of a scope their first values.
func (r *render) enter(s *frameScope) {
	for i := range s.loads {
		l := &s.loads[i]
		switch l.kind {
		case loadResolve:
			r.frame.slots[l.slot] = r.context.resolve(l.name)
		case loadAlias:
			r.frame.slots[l.slot] = *r.slot(l.from)
		case loadUndefined:
			r.frame.slots[l.slot] = nil
		}
	}
}

// leave takes the variables of a scope away.
func (r *render) leave(s *frameScope) {
	for i := range s.loads {
		r.frame.slots[s.loads[i].slot] = nil
	}
}

// spend takes n steps.
func (r *render) spend(n int) error {
	if r.steps -= n; r.steps < 0 {
		r.steps = -1
		return limitError("steps")
	}
	return nil
}

// scan takes the steps for reading a string.
func (r *render) scan(s string) error { return r.spend(len(s) / 64) }

// grow takes what making n bytes costs; it is called before they are made.
func (r *render) grow(n int) error {
	if r.memory -= n; r.memory < 0 {
		r.memory = -1
		return limitError("memory")
	}
	return r.spend(n / 64)
}

// bytesPerItem is what an element of a list takes at least.
const bytesPerItem = 32

// growItems takes what making a list of n elements costs.
func (r *render) growItems(n int) error {
	if n > r.steps {
		return limitError("steps")
	}
	if err := r.spend(n); err != nil {
		return err
	}
	return r.grow(n * bytesPerItem)
}

// descend goes one level deeper in what calls itself; ascend comes back.
func (r *render) descend() error {
	if r.depth <= 0 {
		return recursionError()
	}
	r.depth--
	return nil
}

func (r *render) ascend() { r.depth++ }

// write appends to the output.
func (r *render) write(s string) error {
	if r.out.Len()+len(s) > r.output {
		return limitError("output")
	}
	if err := r.grow(len(s)); err != nil {
		return err
	}
	r.out.WriteString(s)
	return nil
}

// capture runs f and returns what it writes.
func (r *render) capture(f func() error) (string, error) {
	out := r.out
	r.out = &strings.Builder{}
	err := f()
	text := r.out.String()
	r.out = out
	return text, err
}

// markupIf returns text as a Markup where everything is escaped.
func (r *render) markupIf(text string) Value {
	if r.autoescape {
		return markup(text)
	}
	return String(text)
}

package server

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"

	"trona/tokenizer/grammar"
)

// maxGrammars bounds the bytes of compiled grammars that a model keeps; less where memory is short.
const maxGrammars = 64 << 20

// schemaOptions say how schemas of requests are read. Answers are for programs,
// of which many read no 1.0 into an integer, and expect the members that they
// named: what makes schemas of types (Pydantic) says nothing of others. The order of
// members is the schema's, as in OpenAI's answers.
var schemaOptions = grammar.SchemaOptions{DigitsOnly: true, NamedOnly: true, InOrder: true}

// newCompiler returns what makes the compiler of a model when it is first
// needed: a large vocabulary takes a moment.
func newCompiler(m *Model, memory *memory) func() (*grammar.Compiler, error) {
	return sync.OnceValues(func() (*grammar.Compiler, error) {
		text := m.tokenText()
		v := grammar.NewVocabulary(m.VocabSize, func(id int32) []byte { return []byte(text(id)) }, m.EOS)
		return grammar.NewCompiler(v, memory.limits(), memory.kept(maxGrammars))
	})
}

// tokenText returns what tells the text of a token as it stands in an answer:
// none for special tokens but tags.
func (m *Model) tokenText() func(int32) string {
	tags := map[int32]string{}
	m.specialTags(tags, m.tools.form.written()...)
	m.thinkTags(tags)
	return func(id int32) string {
		switch tag, ok := tags[id]; {
		case ok:
			return tag
		case int(id) >= m.Tokenizer.VocabSize() || m.Tokenizer.IsSpecial(id):
			return ""
		}
		return string(m.Tokenizer.TokenBytes(id))
	}
}

// builder makes the grammar of an answer; the first error stays.
type builder struct {
	*grammar.Compiler
	model  *Model
	held   *share
	err    error
	unread []string // parts of schemas that say nothing
}

// note keeps what a schema says in vain.
func (b *builder) note(at string, g *grammar.Grammar) {
	if g == nil {
		return
	}
	for _, where := range g.Unread() {
		b.unread = append(b.unread, schemaPath(at, where))
	}
}

func (b *builder) must(at string, g *grammar.Grammar, err error) *grammar.Grammar {
	switch {
	case b.err != nil:
	case err != nil:
		b.err = constraintError(at, err)
	default:
		b.err = b.held.grammar(g)
	}
	return g
}

// formedBy returns the field that gives an answer its form; "": none does.
func (p *params) formedBy() string {
	switch {
	case p.structure.at != "":
		return p.structure.at
	case p.tools.required:
		return "tool_choice"
	case p.tools.strict():
		return "tools"
	}
	return ""
}

// constrain compiles what an answer after the prompt must be.
func (p *params) constrain(ctx context.Context, m *Model, from *prompt, held *share) error {
	at := p.formedBy()
	if at == "" {
		return nil
	}
	if p.ignoreEOS {
		return invalid("ignore_eos", "is not possible where the answer has a form")
	}
	if m.Tokenizer.Contextual() {
		return invalid(at, "is not possible with this model: what its tokens say depends on those before them, as where a space comes between tokens")
	}
	if held.of.compiles.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	defer held.of.compiles.Release(1)
	c, err := m.compiler()
	if err != nil {
		return err
	}
	b := &builder{Compiler: c, model: m, held: held}
	var inner *grammar.Grammar
	if p.structure.at != "" {
		g, err := p.structure.compile(c)
		inner = b.must(p.structure.at, g, err)
		b.note(p.structure.at, inner)
	}
	if len(p.tools.tools) > 0 {
		calls := b.calls(&p.tools, inner == nil && !p.tools.required)
		switch {
		case inner == nil || p.tools.required:
			inner = calls
		default:
			inner = b.either(inner, calls)
		}
		p.openEnd = !p.tools.required && p.structure.at == "" && m.tools.form.open != "" && m.tools.form.bare == ""
	}
	p.unread = b.unread
	if p.grammar = b.thinking(inner, from); b.err == nil && !p.grammar.NewMatcher().AcceptBytes([]byte(from.written)) {
		return invalid("continue_final_message", "the last message does not begin an answer of the form that is asked for")
	}
	return b.err
}

// either allows one of two; nil where something went wrong before.
func (b *builder) either(x, y *grammar.Grammar) *grammar.Grammar {
	if b.err != nil {
		return nil
	}
	return grammar.OneOf(x, y)
}

// sequence allows parts one after the other.
func (b *builder) sequence(parts ...*grammar.Grammar) *grammar.Grammar {
	parts = slices.DeleteFunc(parts, func(g *grammar.Grammar) bool { return g == nil })
	if b.err != nil || len(parts) == 0 {
		return nil
	}
	return grammar.Sequence(parts...)
}

// literal allows one text; nil for none.
func (b *builder) literal(text string) *grammar.Grammar {
	if text == "" {
		return nil
	}
	g, err := b.Choice([]string{text})
	return b.must("", g, err)
}

func (b *builder) until(tag string) *grammar.Grammar {
	g, err := b.Until(tag)
	return b.must("", g, err)
}

func (b *builder) regex(pattern string) *grammar.Grammar {
	g, err := b.Regex(pattern)
	return b.must("", g, err)
}

func (b *builder) space() *grammar.Grammar { return b.regex(`[ \t\r\n]{0,8}`) }

// thinking lets the answer reason before the constraint begins, if the model
// does so.
func (b *builder) thinking(inner *grammar.Grammar, from *prompt) *grammar.Grammar {
	if b.err != nil {
		return nil
	}
	switch from.begin {
	case reasonOpened, reasonInside:
		return b.sequence(b.until(thinkClose), b.space(), inner)
	case reasonClosed:
		return b.sequence(b.space(), inner)
	case reasonStart:
		if from.reasons && !from.continued {
			thought := b.sequence(b.space(), b.literal(thinkOpen), b.until(thinkClose), b.space(), inner)
			return b.either(inner, thought)
		}
	}
	return inner
}

// strict reports whether a tool wants its schema kept.
func (c *toolChoice) strict() bool {
	return slices.ContainsFunc(c.tools, func(t tool) bool { return t.strict })
}

// calls allows tool calls in the model's form, with JSON, whose arguments satisfy
// the schemas of the tools. Text may come before them where free is set.
func (b *builder) calls(c *toolChoice, free bool) *grammar.Grammar {
	form := b.model.tools.form
	var one []*grammar.Grammar
	for _, t := range c.tools {
		if c.name == "" || c.name == t.name {
			one = append(one, b.call(t, t.strict || c.required))
		}
	}
	if b.err != nil {
		return nil
	}
	body := grammar.OneOf(one...)
	switch {
	case form.middle != "":
		next := regexp.QuoteMeta(form.next)
		if form.each {
			next = regexp.QuoteMeta(form.close) + `\n?` + regexp.QuoteMeta(form.open)
		}
		if !c.single && next != "" {
			body = grammar.List(body, b.regex(`\n?`+next))
		}
	case form.each:
		if !c.single {
			body = grammar.List(body, b.regex(`\n?`+regexp.QuoteMeta(form.close)+`\n?`+regexp.QuoteMeta(form.open)+`\n?`))
		}
		body = b.sequence(b.regex(`\n?`), body, b.regex(`\n?`))
	case !strings.Contains(form.bare, "{"):
		if !c.single {
			body = grammar.List(body, b.regex(`, ?`))
		}
		body = b.sequence(b.regex(` ?\[`), body, b.literal("]"))
	}
	if form.plain {
		body = b.sequence(b.space(), body)
		if free {
			return b.either(body, b.noCall(c, form))
		}
		return body
	}
	if form.bare != "" && free {
		return b.either(body, b.regex(`([^`+regexp.QuoteMeta(form.bare)+` \t\r\n](.|\n)*)?`))
	} else if form.bare != "" {
		return body
	}
	opening := b.literal(form.open)
	if free {
		opening = b.until(form.open)
	}
	return b.sequence(opening, body, b.literal(form.close), b.space())
}

// noCall allows text that does not begin as a call does, with a name.
func (b *builder) noCall(c *toolChoice, form toolForm) *grammar.Grammar {
	var words []string
	for _, t := range c.tools {
		words = append(words, t.name+form.middle)
	}
	g, err := b.Unlike(words)
	return b.must("", g, err)
}

// call allows one call. Its arguments satisfy the schema of the tool where they
// are to keep it: the one of a strict tool must be supported.
func (b *builder) call(t tool, keep bool) *grammar.Grammar {
	if b.model.tools.form.xml {
		return b.xmlCall(t, keep)
	}
	g, err := b.JSONObject()
	if t.parameters != nil && keep {
		kept, wrong := b.JSONSchema(t.parameters, schemaOptions)
		if wrong == nil || t.strict {
			g, err = kept, wrong
			b.note(t.at, g)
		}
	}
	values := b.must(t.at, g, err)
	form := b.model.tools.form
	if form.middle == "" {
		name := regexp.QuoteMeta(string(quote(nil, t.name)))
		return b.sequence(b.regex(`\{ ?"name": ?`+name+`, ?"`+form.arguments+`": ?`), values, b.regex(` ?\}`))
	}
	name := regexp.QuoteMeta(t.name)
	if form.id != "" {
		name += `(` + regexp.QuoteMeta(form.id) + `[0-9A-Za-z]{9})?`
	}
	head := b.regex(name + regexp.QuoteMeta(form.middle))
	if form.finish == "" {
		return b.sequence(head, values)
	}
	return b.sequence(head, values, b.regex(`\n?`+regexp.QuoteMeta(form.finish)))
}

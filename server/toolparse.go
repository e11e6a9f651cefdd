package server

import (
	"iter"
	"slices"
	"strings"
)

// callDelta is what a text adds to one tool call. The first of a call has its
// id and its name, those after it pieces of its arguments.
type callDelta struct {
	index     int
	at        int // bytes of the text beside it that come before it
	id        string
	name      string
	arguments string // JSON
}

// callList makes whole calls of pieces.
type callList struct {
	calls     []callDelta
	arguments strings.Builder // of the last one
}

func (l *callList) add(pieces []callDelta) {
	for _, p := range pieces {
		if p.index == len(l.calls) {
			l.calls = append(l.whole(), p)
			l.arguments.Reset()
		}
		l.arguments.WriteString(p.arguments)
	}
}

// whole returns the calls so far.
func (l *callList) whole() []callDelta {
	if n := len(l.calls); n > 0 {
		l.calls[n-1].arguments = l.arguments.String()
	}
	return l.calls
}

// toolParser splits an answer, piece by piece, into text and tool calls. How the
// answer is cut into pieces makes no difference. What turns out not to be a
// call is text, and so is what follows the point where a call that was passed
// on breaks off. White space around calls is dropped.
//
// The parser is one plain descent over the bytes; where they run out it waits
// for the next piece. close must be called where end is not.
type toolParser struct {
	form   toolForm
	known  map[string]tool // by name
	single bool            // the first call ends the answer

	more  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	in    string
	at    int
	ended bool
	done  bool // a single call is complete

	held    []byte // read and not yet understood
	open    bool   // bytes are arguments of the present call
	count   int    // calls
	whole   int    // of them, those whose arguments are complete
	text    []byte // to pass on
	pending []callDelta
}

func newToolParser(form toolForm, known map[string]tool, single bool) *toolParser {
	return &toolParser{form: form, known: known, single: single}
}

// advance goes on with what came.
func (p *toolParser) advance() {
	if p.more == nil {
		p.more, p.stop = iter.Pull(func(yield func(struct{}) bool) {
			p.yield = yield
			p.answer()
		})
	}
	p.more()
}

// write takes a piece and returns what is certain by now.
func (p *toolParser) write(piece string) (text string, calls []callDelta) {
	p.in, p.at = piece, 0
	if piece != "" {
		p.advance()
	}
	return p.pass()
}

// end returns what was held back, where the answer ends.
func (p *toolParser) end() (text string, calls []callDelta) {
	p.in, p.at, p.ended = "", 0, true
	p.advance()
	p.close()
	return p.pass()
}

// close lets go of an answer that may not have come to its end.
func (p *toolParser) close() {
	if p.stop != nil {
		p.stop()
	}
}

func (p *toolParser) pass() (string, []callDelta) {
	text, calls := string(p.text), p.pending
	p.text, p.pending = p.text[:0], nil
	return text, calls
}

// peek returns the next byte; -1 where the answer ends.
func (p *toolParser) peek() int {
	for p.at == len(p.in) {
		if p.ended || !p.yield(struct{}{}) {
			p.ended = true
			return -1
		}
	}
	return int(p.in[p.at])
}

// take reads the byte that was seen.
func (p *toolParser) take() {
	if p.open {
		p.put(p.in[p.at : p.at+1])
	} else {
		p.held = append(p.held, p.in[p.at])
	}
	p.at++
}

// put adds to the arguments of the present call.
func (p *toolParser) put(text string) {
	last := len(p.pending) - 1
	if last < 0 || p.pending[last].name != "" {
		p.pending = append(p.pending, callDelta{index: p.count - 1, at: len(p.text)})
		last++
	}
	p.pending[last].arguments += text
}

// putKey puts the name of an argument, which n others precede.
func (p *toolParser) putKey(name string, n int) {
	if n == 0 {
		p.put("{")
	} else {
		p.put(", ")
	}
	p.put(string(quote(nil, name)) + ": ")
}

// putEnd ends the arguments, of which there are n.
func (p *toolParser) putEnd(n int) {
	if n == 0 {
		p.put("{")
	}
	p.put("}")
	p.whole++
}

// give makes what is held text.
func (p *toolParser) give() {
	p.text = append(p.text, p.held...)
	p.held = p.held[:0]
}

// answer reads all of an answer.
func (p *toolParser) answer() {
	p.space()
	if p.form.plain && !p.call() || among(p.peek(), p.form.bare) && !p.calls() {
		p.give()
	}
	for b := p.peek(); b >= 0 && !p.done; b = p.peek() {
		switch {
		case among(b, blank):
			p.take()
		case p.form.open != "" && b == int(p.form.open[0]):
			if p.oneOf(p.form.open, p.form.also) == "" || !p.block() {
				p.give()
			}
		default:
			p.take()
			p.give()
		}
	}
	if p.count == 0 || strings.Trim(string(p.held), blank) != "" {
		p.give()
	}
	for !p.ended { // a single call was all
		p.at = len(p.in)
		p.peek()
	}
}

// block reads calls and the tag behind them, which may be missing.
func (p *toolParser) block() bool {
	for p.calls() {
		p.space()
		if p.done || p.form.close == "" {
			return true
		}
		switch p.oneOf(p.form.close, p.form.next) {
		case "":
			if p.ended {
				p.drop() // the beginning of the tag
			}
			return true
		case p.form.close:
			return p.drop()
		} // else the next call follows
	}
	return false
}

// calls reads a list of calls, or calls one after the other. It returns false
// where something else comes first.
func (p *toolParser) calls() bool {
	p.space()
	list := p.peek() == '['
	if list {
		p.take()
		p.space()
	}
	for {
		if !p.call() {
			return p.ended && p.count > 0 && p.drop()
		}
		if p.done {
			return true
		}
		p.space()
		switch b := p.peek(); {
		case list && b == ']':
			p.take()
			return p.drop()
		case list && b < 0:
			return p.drop()
		case b == ',' && list, b == ';' && !list:
			p.take()
			p.space()
		case list:
			return false
		default:
			return true
		}
	}
}

// drop forgets what is held.
func (p *toolParser) drop() bool {
	p.held = p.held[:0]
	return true
}

// call reads one call.
func (p *toolParser) call() bool {
	ok := false
	switch b := p.peek(); {
	case b == '{' && !p.form.plain:
		ok = p.jsonCall()
	case p.form.xml:
		ok = p.xmlCall()
	case p.form.middle != "":
		ok = p.namedCall()
	case letter(b):
		ok = p.pythonCall()
	}
	p.open = false
	if ok {
		p.done = p.single
		p.drop()
	}
	return ok
}

// maxToolDepth bounds the nesting of arguments.
const maxToolDepth = 64

// begin passes on the name of a call, if it can be one.
func (p *toolParser) begin(name string) bool {
	if name == "" || len(name) > maxNameBytes || p.form.strict && p.known[name].name == "" {
		return false
	}
	p.pending = append(p.pending, callDelta{index: p.count, at: len(p.text), id: "chatcmpl-tool-" + randomHex(), name: name})
	p.count++
	p.drop()
	return true
}

// space reads white space.
func (p *toolParser) space() {
	for among(p.peek(), blank) {
		p.take()
	}
}

// word reads a word, or as much of it as is there.
func (p *toolParser) word(word string) bool {
	for i := range len(word) {
		if p.peek() != int(word[i]) {
			return false
		}
		p.take()
	}
	return true
}

// oneOf reads one of some words, of which none begins another, or as much as is
// there. It returns the word; "" is no word.
func (p *toolParser) oneOf(words ...string) string {
	for from := len(p.held); ; p.take() {
		read := string(p.held[from:])
		if read != "" && slices.Contains(words, read) {
			return read
		}
		b := p.peek()
		goesOn := func(word string) bool { return strings.HasPrefix(word, read+string([]byte{byte(b)})) }
		if b < 0 || !slices.ContainsFunc(words, goesOn) {
			return ""
		}
	}
}

func among(b int, set string) bool { return b >= 0 && strings.IndexByte(set, byte(b)) >= 0 }
func letter(b int) bool            { return b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_' }
func digit(b int) bool             { return b >= '0' && b <= '9' }

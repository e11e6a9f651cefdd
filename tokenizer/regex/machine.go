package regex

import (
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// op is what an instruction does.
type op uint8

const (
	opMatch  op = iota
	opSet       // goes on behind a rune of the set
	opSplit     // tries x, then y
	opJump      // goes on at x
	opLook      // goes on where body matches from here, or where negated does not
	opBehind    // the same of what ends here: a rune of the set, or what body matches of at most x runes
	opHere      // the end of such a body
	opAtomic    // goes on behind the one match of body that it finds first
	opLineBegin
	opLineEnd
	opTextBegin
	opTextEnd
	opLastEnd // the end of the text, or a line end there
	opSeen    // goes on behind what people see as one character
	opWord    // at the begin or end of a word, whose runes are the set
)

type instruction struct {
	op     op
	negate bool
	set    *set
	x, y   int // targets; of opSplit the split's number is in split
	split  int
	body   *program
}

// program is compiled code.
type program struct {
	code   []instruction
	splits int
}

// machine runs a program over a text. It notes at which splits it was at which
// position: none of them led to a match, wherever the search began, so none is
// tried twice. That bounds the time, as the backtracker of Go's regexp does.
type machine struct {
	*program
	text   string
	base   int      // position of the first bits
	seen   []uint64 // a bit for each position from base on and split
	used   int      // words of seen that may have bits
	stack  []state
	here   int              // where a body of opBehind has to end
	bodies map[int]*machine // of opLook, opBehind and opAtomic, by the instruction
	inner  bool             // the program is such a body
	known  map[state]int    // in one: where its own bodies match to, or noMatch
}

// Bodies within bodies are asked for the same position again and again, which would multiply
// from each depth to the next: what they found is kept, of so many positions.
const (
	maxKnown = 1 << 16
	noMatch  = -1
)

type state struct{ pc, at int }

func newMachine(p *program, text string) *machine { return &machine{program: p, text: text} }

// find returns the first match that begins at from or later.
func (m *machine) find(from int) (start, end int, ok bool) {
	m.reset(from)
	for start = from; start <= len(m.text); {
		if end, ok = m.run(start); ok {
			return start, end, true
		}
		if start == len(m.text) {
			break
		}
		_, n := m.rune(start)
		start += n
	}
	return 0, 0, false
}

// reset forgets what was seen; what follows is at base or later.
func (m *machine) reset(base int) {
	clear(m.seen[:m.used])
	m.base, m.used = base, 0
}

// visit reports whether a split was not seen before at a position.
func (m *machine) visit(split, at int) bool {
	bit := (at-m.base)*m.splits + split
	word := bit / 64
	for word >= len(m.seen) {
		m.seen = append(m.seen, make([]uint64, len(m.seen)+16)...)
	}
	m.used = max(m.used, word+1)
	if m.seen[word]>>(bit%64)&1 != 0 {
		return false
	}
	m.seen[word] |= 1 << (bit % 64)
	return true
}

// rune returns the rune at a position and its bytes; -1 at the end.
func (m *machine) rune(at int) (rune, int) {
	if at >= len(m.text) {
		return -1, 0
	}
	if c := m.text[at]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(m.text[at:])
}

// before returns the rune that ends at a position; -1 at the beginning.
func (m *machine) before(at int) rune {
	if at == 0 {
		return -1
	}
	r, _ := utf8.DecodeLastRuneInString(m.text[:at])
	return r
}

// run returns the end of the match that begins at a position.
func (m *machine) run(at int) (end int, ok bool) {
	m.stack = append(m.stack[:0], state{0, at})
	for len(m.stack) > 0 {
		s := m.stack[len(m.stack)-1]
		m.stack = m.stack[:len(m.stack)-1]
		if end, ok = m.follow(s.pc, s.at); ok {
			return end, true
		}
	}
	return 0, false
}

// follow runs until the program matches or fails; other ways stay on the stack.
func (m *machine) follow(pc, at int) (end int, ok bool) {
	for {
		i := &m.code[pc]
		pc++
		switch i.op {
		case opMatch:
			return at, true
		case opSet:
			r, n := m.rune(at)
			if r < 0 || !i.set.has(r) {
				return 0, false
			}
			at += n
		case opSplit:
			if !m.visit(i.split, at) {
				return 0, false
			}
			m.stack = append(m.stack, state{i.y, at})
			pc = i.x
		case opJump:
			pc = i.x
		case opSeen:
			seen := graphemes.FromString(m.text[at:])
			if !seen.Next() {
				return 0, false
			}
			at += seen.End()
		case opAtomic:
			if at, ok = m.body(pc-1, at); !ok {
				return 0, false
			}
		default:
			if m.holds(i, pc-1, at) == i.negate {
				return 0, false
			}
		}
	}
}

// holds reports whether what an instruction looks for is at a position.
func (m *machine) holds(i *instruction, pc, at int) bool {
	switch i.op {
	case opLook:
		_, ok := m.body(pc, at)
		return ok
	case opBehind:
		if i.set != nil {
			r := m.before(at)
			return r >= 0 && i.set.has(r)
		}
		_, ok := m.body(pc, at)
		return ok
	case opHere:
		return at == m.here
	case opLineBegin:
		return at == 0 || at < len(m.text) && m.text[at-1] == '\n' // no line begins at the end
	case opLineEnd:
		return at == len(m.text) || m.text[at] == '\n'
	case opTextBegin:
		return at == 0
	case opTextEnd:
		return at == len(m.text)
	case opLastEnd:
		return at == len(m.text) || m.text[at:] == "\n"
	default: // opWord
		r, _ := m.rune(at)
		last := m.before(at)
		return (r >= 0 && i.set.has(r)) != (last >= 0 && i.set.has(last))
	}
}

// body matches the body of an instruction from a position on, or to it.
func (m *machine) body(pc, at int) (end int, ok bool) {
	p := m.code[pc].body
	if len(p.code) == 2 && p.code[0].op == opSet { // most look at a rune
		r, n := m.rune(at)
		return at + n, r >= 0 && p.code[0].set.has(r)
	}
	if !m.inner {
		end = m.match(pc, at)
		return end, end != noMatch
	}
	key := state{pc, at}
	end, ok = m.known[key]
	if !ok {
		end = m.match(pc, at)
		if m.known == nil {
			m.known = map[state]int{}
		} else if len(m.known) >= maxKnown {
			clear(m.known)
		}
		m.known[key] = end
	}
	return end, end != noMatch
}

// match returns where the match of an instruction's body ends, or noMatch.
func (m *machine) match(pc, at int) int {
	b := m.bodyOf(pc)
	b.here = at
	for from, n := at, 0; ; n++ {
		b.reset(from)
		if end, ok := b.run(from); ok {
			return end
		}
		if m.code[pc].op != opBehind || from == 0 || n == m.code[pc].x {
			return noMatch
		}
		_, size := utf8.DecodeLastRuneInString(m.text[:from])
		from -= size
	}
}

// bodyOf returns the machine of an instruction's body.
func (m *machine) bodyOf(pc int) *machine {
	b := m.bodies[pc]
	if b == nil {
		if m.bodies == nil {
			m.bodies = map[int]*machine{}
		}
		b = newMachine(m.code[pc].body, m.text)
		b.inner = true
		m.bodies[pc] = b
	}
	return b
}

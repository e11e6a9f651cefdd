package grammar

import "slices"

// frame is an entry of the stack: what follows a symbol once it is complete.
// Frames do not change and are shared; equal frames of a machine are one.
type frame struct {
	parent *frame
	alt    []symbol // of a rule: the rest to come
	altID  *symbol  // its address, since slices do not compare
	array  *array
	object *object

	phase phase
	count int32  // complete elements or members
	seen  bitset // members, or elements that come once, by number
	found int32  // elements that contains counts
	past  *past  // elements so far, where they must differ
	value symbol // of the member whose name was read
	depth int
}

// phase is what an array or object just read.
type phase uint8

const (
	phaseOpen phase = iota
	phaseName
	phaseColon
	phaseValue
	phaseComma
	phaseClose
)

// frameKey is a frame without its slice.
type frameKey struct {
	parent *frame
	altID  *symbol
	array  *array
	object *object
	phase  phase
	count  int32
	seen   bitset
	found  int32
	past   *past
	value  symbol
}

// past is a list of elements by their hashes, the last one first.
type past struct {
	hash   uint64
	before *past
}

func (p *past) has(hash uint64) bool {
	for ; p != nil; p = p.before {
		if p.hash == hash {
			return true
		}
	}
	return false
}

// config is one way in which the text so far can be understood: a terminal half
// read, above a stack.
type config struct {
	top    *frame
	term   *terminal
	state  int32
	count  int32  // characters of a counted string; see dfa.weight
	except int32  // state of term.except
	hash   uint64 // of an element that must differ from others; 0 before it begins
	label  string // what was read of an encoded label of a host name
}

// configs is a set of configurations. final: the text may end here.
type configs struct {
	list  []config
	final bool
}

// maxConfigs bounds how many ways a text may be understood at once; further
// ones are dropped, which allows less, never more.
const maxConfigs = 4096

func (s *configs) reset() { s.list, s.final = s.list[:0], false }

func (s *configs) add(c config) {
	if len(s.list) < maxConfigs && !slices.Contains(s.list, c) {
		s.list = append(s.list, c)
	}
}

// machine follows one text. It is used by one goroutine at a time.
type machine struct {
	g      *Grammar
	frames map[frameKey]*frame
	// entered holds the rules that the present closure entered with the stack
	// they were entered on, so that rules of nothing but nothing end.
	entered map[entry]bool
}

type entry struct {
	rule *rule
	top  *frame
}

func newMachine(g *Grammar) *machine {
	return &machine{g: g, frames: map[frameKey]*frame{}, entered: map[entry]bool{}}
}

// push returns the frame, which may exist already; nil where the stack is full.
func (m *machine) push(f frame) *frame {
	key := frameKey{f.parent, f.altID, f.array, f.object, f.phase, f.count, f.seen, f.found, f.past, f.value}
	if old, ok := m.frames[key]; ok {
		return old
	}
	if f.depth = 1; f.parent != nil {
		f.depth += f.parent.depth
	}
	if f.depth > m.g.maxDepth {
		return nil
	}
	if len(m.frames) > maxFrames {
		clear(m.frames) // those in use live on
	}
	m.frames[key] = &f
	return &f
}

// maxFrames bounds the frames that are kept to be found again.
const maxFrames = 1 << 16

// begin adds the configurations before the first byte.
func (m *machine) begin(out *configs) {
	clear(m.entered)
	m.enter(out, m.g.root, nil)
}

// enter adds the configurations in which s is about to be read above top.
func (m *machine) enter(out *configs, s symbol, top *frame) {
	switch s := s.(type) {
	case *terminal:
		c := config{top: top, term: s, state: startState, count: -1, except: startState}
		if m.alive(&c) {
			out.add(c)
		}
		if m.complete(&c) {
			m.leave(out, top, &c)
		}
	case *rule:
		if m.entered[entry{s, top}] {
			return
		}
		m.entered[entry{s, top}] = true
		for _, alt := range s.alts {
			m.sequence(out, alt, top)
		}
	case *array:
		if f := m.push(frame{parent: top, array: s, phase: phaseOpen}); f != nil {
			m.enter(out, m.g.marks.openArray, f)
		}
	case *object:
		if f := m.push(frame{parent: top, object: s, phase: phaseOpen}); f != nil {
			m.enter(out, m.g.marks.openObject, f)
		}
	}
}

// sequence enters the rest of an alternative. Before its last symbol no frame is
// needed, so that a rule that ends in itself does not fill the stack.
func (m *machine) sequence(out *configs, rest []symbol, top *frame) {
	switch len(rest) {
	case 0:
		m.leave(out, top, nil)
	case 1:
		m.enter(out, rest[0], top)
	default:
		if f := m.push(frame{parent: top, alt: rest[1:], altID: &rest[1]}); f != nil {
			m.enter(out, rest[0], f)
		}
	}
}

// leave adds the configurations after the symbol that f waited for. It ended
// with the terminal of c; nil where it was a rule of nothing.
func (m *machine) leave(out *configs, f *frame, c *config) {
	switch {
	case f == nil:
		out.final = true
	case f.array != nil:
		m.leaveArray(out, f, c)
	case f.object != nil:
		m.leaveObject(out, f, c)
	default:
		m.sequence(out, f.alt, f.parent)
	}
}

func (m *machine) leaveArray(out *configs, f *frame, c *config) {
	a := f.array
	next := *f
	switch f.phase {
	case phaseClose:
		m.leave(out, f.parent, nil)
		return
	case phaseComma:
		m.element(out, f)
		return
	case phaseOpen:
		if a.room(f) {
			m.element(out, f)
		}
	case phaseValue:
		if next.count = a.cap(f.count + 1); a.once != nil {
			next.seen = f.seen.with(int(c.tag()) - 1)
		}
		if a.distinct {
			next.past = &past{c.hash, f.past}
		}
		if a.room(&next) {
			next.phase = phaseComma
			m.mark(out, &next, m.g.marks.comma)
		}
	}
	if next.count >= a.low && (a.contain == nil || next.found >= a.contain.low) {
		m.mark(out, &frame{parent: f.parent, array: a, phase: phaseClose}, m.g.marks.closeArray)
	}
}

// room reports whether one more element can come.
func (a *array) room(f *frame) bool {
	if a.high >= 0 && f.count >= a.high {
		return false
	}
	if k := a.contain; k != nil {
		return a.admits(k.no, f.count, f.found) || a.admits(k.yes, f.count, f.found+1)
	}
	return a.once != nil || a.item(f.count) != nil
}

// item returns what element i must be; nil where there is none.
func (a *array) item(i int32) symbol {
	switch {
	case a.high >= 0 && i >= a.high:
		return nil
	case int(i) < len(a.prefix):
		return a.prefix[i]
	}
	return a.items
}

// counts beyond all bounds are alike, so that a long array repeats its states.
func (a *array) cap(count int32) int32 {
	return min(count, max(a.low, a.high, int32(len(a.prefix))))
}

// element enters an element after an opening bracket or a comma.
func (m *machine) element(out *configs, f *frame) {
	a := f.array
	enter := func(s symbol, found int32) {
		g := m.push(frame{parent: f.parent, array: a, phase: phaseValue, count: f.count, seen: f.seen, found: found, past: f.past})
		if g != nil && s != nil {
			m.enter(out, s, g)
		}
	}
	switch {
	case a.once != nil:
		enter(a.once, 0)
	case a.contain != nil:
		k := a.contain
		at := min(int(f.count), len(k.yes)-1)
		if a.admits(k.no, f.count, f.found) {
			enter(k.no[at], f.found)
		}
		if a.admits(k.yes, f.count, f.found+1) {
			enter(k.yes[at], min(f.found+1, max(k.low, k.high)))
		}
	default:
		enter(a.item(f.count), 0)
	}
}

// mark enters a punctuation mark, which brings the array or object to next.
func (m *machine) mark(out *configs, next *frame, mark *terminal) {
	if g := m.push(*next); g != nil {
		m.enter(out, mark, g)
	}
}

func (m *machine) leaveObject(out *configs, f *frame, c *config) {
	o := f.object
	switch f.phase {
	case phaseOpen:
		m.nextName(out, f)
		m.closeObject(out, f)
	case phaseName:
		m.named(out, f, c)
	case phaseColon:
		if g := m.push(frame{parent: f.parent, object: o, phase: phaseValue, count: f.count, seen: f.seen}); g != nil {
			m.enter(out, f.value, g)
		}
	case phaseValue:
		if o.room(f) {
			m.mark(out, &frame{parent: f.parent, object: o, phase: phaseComma, count: f.count, seen: f.seen}, m.g.marks.comma)
		}
		m.closeObject(out, f)
	case phaseComma:
		m.nextName(out, f)
	case phaseClose:
		m.leave(out, f.parent, nil)
	}
}

// nextName enters the names that may come next.
func (m *machine) nextName(out *configs, f *frame) {
	o := f.object
	g := m.push(frame{parent: f.parent, object: o, phase: phaseName, count: f.count, seen: f.seen})
	if g == nil {
		return
	}
	if o.names != nil {
		m.enter(out, o.names, g)
	}
	if o.others != nil && o.fits(f, -1) {
		m.enter(out, o.others, g)
	}
}

// named goes on after the name of a member.
func (m *machine) named(out *configs, f *frame, c *config) {
	o := f.object
	next := frame{parent: f.parent, object: o, phase: phaseColon, count: o.cap(f.count + 1), seen: f.seen}
	if tag := c.tag(); c.term == o.names {
		next.seen, next.value = f.seen.with(int(tag)-1), o.members[tag-1].value
	} else {
		next.value = o.values[tag]
	}
	m.mark(out, &next, m.g.marks.colon)
}

func (o *object) cap(count int32) int32 {
	return min(count, max(o.low, o.high))
}

// wanted is what must be there before the object may end.
func (o *object) wanted(seen bitset) bitset {
	want := o.required
	for i, needs := range o.needs {
		if seen.has(i) {
			want = want.union(needs)
		}
	}
	return want
}

// fits reports whether member i, or another if i is -1, can still come.
func (o *object) fits(f *frame, i int) bool {
	seen := f.seen
	if i >= 0 {
		if seen.has(i) || o.ordered && !o.follows(seen, i) {
			return false
		}
		seen = seen.with(i)
	}
	return o.high < 0 || f.count+1+int32(o.wanted(seen).missing(seen)) <= o.high
}

// follows reports whether member i can come next in the order of the members:
// none is there that comes later, and all that must come earlier are.
func (o *object) follows(seen bitset, i int) bool {
	for b := range max(len(seen), len(o.required)) {
		before := seen.below(b, i)
		if b < len(seen) && seen[b] != before || o.required.below(b, i)&^before != 0 {
			return false
		}
	}
	return true
}

// fits reports whether member i of an object, or value i of an array, can still come.
func (f *frame) fits(i int) bool {
	if f.array != nil {
		return !f.seen.has(i)
	}
	return f.object.fits(f, i)
}

// room reports whether any further member can come.
func (o *object) room(f *frame) bool {
	if o.others != nil && o.fits(f, -1) {
		return true
	}
	for i, m := range o.members {
		if m.value != nil && o.fits(f, i) {
			return true
		}
	}
	return false
}

func (m *machine) closeObject(out *configs, f *frame) {
	o := f.object
	if f.count >= o.low && o.wanted(f.seen).missing(f.seen) == 0 {
		m.mark(out, &frame{parent: f.parent, object: o, phase: phaseClose}, m.g.marks.closeObject)
	}
}

// alive reports whether a configuration can still be completed.
func (m *machine) alive(c *config) bool {
	t := c.term
	if t.counted() && !t.possible(c.state, c.count) {
		return false
	}
	if t.names == nil {
		return true
	}
	reach := t.names.reach[c.state]
	for i := range 8 * len(reach) {
		if reach.has(i) && c.top.fits(i) {
			return true
		}
	}
	return false
}

// tag is what the terminal was recognised as.
func (c *config) tag() int32 { return c.term.dfa.accept[c.state] }

// differs reports whether a configuration reads an element that must differ
// from others.
func (c *config) differs() bool {
	return c.top != nil && c.top.array != nil && c.top.array.distinct && c.top.phase == phaseValue
}

// hashByte continues the hash of an element (FNV-1a). White space before it
// does not count.
func hashByte(hash uint64, b byte) uint64 {
	if hash == 0 {
		if b == ' ' || b == '\t' || b == '\n' || b == '\r' {
			return 0
		}
		hash = 14695981039346656037
	}
	return (hash ^ uint64(b)) * 1099511628211
}

// complete reports whether the terminal may end here.
func (m *machine) complete(c *config) bool {
	t := c.term
	tag := t.dfa.accept[c.state]
	switch {
	case tag == 0, t.counted() && c.count < t.low:
		return false
	case t.names != nil:
		return c.top.fits(int(tag) - 1)
	case c.differs() && c.top.past.has(c.hash):
		return false
	}
	return t.except == nil || t.except.accept[c.except] == 0
}

// advance moves a configuration over one byte; false: it does not survive.
func (m *machine) advance(c *config, b byte) bool {
	t := c.term
	to, right := t.dfa.step(c.state, b), true
	if to == deadState {
		return false
	}
	if t.dfa.labels != nil {
		if c.label, right = t.dfa.label(c.label, c.state, to, b); !right {
			return false
		}
	}
	c.state = to
	if t.counted() {
		c.count += t.dfa.weight(c.state)
		if t.high < 0 {
			c.count = min(c.count, t.low)
		}
	}
	if t.except != nil {
		c.except = t.except.step(c.except, b)
	}
	if c.differs() {
		c.hash = hashByte(c.hash, b)
	}
	return m.alive(c)
}

// step reads one byte: out becomes what is left of in.
func (m *machine) step(in *configs, b byte, out *configs) {
	out.reset()
	clear(m.entered)
	for _, c := range in.list {
		if !m.advance(&c, b) {
			continue
		}
		if !c.term.dfa.final(c.state) {
			out.add(c)
		}
		if m.complete(&c) {
			m.leave(out, c.top, &c)
		}
	}
}

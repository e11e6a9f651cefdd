package grammar

import (
	"math/bits"
	"sync"
)

// Compiler compiles constraints for one vocabulary and keeps those that were
// asked for last. It may be used from several goroutines at once.
type Compiler struct {
	vocabulary *Vocabulary
	limits     Limits
	base       *base
	cache      *cache
}

// base is what all JSON grammars share.
type base struct {
	marks   *marks
	text    *terminal // any string
	number  *terminal
	integer *terminal
	digits  *terminal // an integer without point and exponent
	formats formatSet
}

// space is how many white space characters may stand together in JSON: enough
// for a line break and a deep indentation, too few for a model to get lost in.
const space = 40

// NewCompiler returns a compiler that keeps up to cacheBytes of grammars.
func NewCompiler(v *Vocabulary, limits Limits, cacheBytes int) (*Compiler, error) {
	c := &Compiler{vocabulary: v, limits: limits, cache: newCache(cacheBytes), base: &base{formats: formatSet{known: map[string]*dfa{}}}}
	budget := newBudget(DefaultLimits())
	var err error
	if c.base.marks, err = newMarks(space, budget); err != nil {
		return nil, err
	}
	text, err := stringDFA(nil, false, space, budget)
	if err != nil {
		return nil, err
	}
	c.base.text = newTerminal(text)
	for _, n := range []struct {
		set numbers
		to  **terminal
	}{
		{numbers{}, &c.base.number}, {numbers{integer: true}, &c.base.integer}, {numbers{integer: true, digitsOnly: true}, &c.base.digits},
	} {
		d, err := n.set.dfa(space, budget)
		if err != nil {
			return nil, err
		}
		*n.to = newTerminal(d)
	}
	for state := range text.states() {
		c.vocabulary.stateMask(text, int32(state), partInside|partExits)
	}
	return c, nil
}

// Vocabulary returns the vocabulary of the masks.
func (c *Compiler) Vocabulary() *Vocabulary { return c.vocabulary }

// Regex compiles a regular expression, in the dialect of parseRegex, that the
// whole text must match.
func (c *Compiler) Regex(pattern string) (*Grammar, error) {
	return c.compile("regex", pattern, func(b *budget) (symbol, error) {
		d, err := regexDFA(pattern, b)
		if err != nil {
			return nil, err
		}
		return c.whole(d, "the expression")
	})
}

// Choice compiles a list of texts, one of which must come.
func (c *Compiler) Choice(texts []string) (*Grammar, error) {
	key := ""
	for _, text := range texts {
		key += quote(text)
	}
	return c.compile("choice", key, func(b *budget) (symbol, error) {
		d, err := literals(texts, b)
		if err != nil {
			return nil, err
		}
		return c.whole(d, "the choice")
	})
}

func (c *Compiler) whole(d *dfa, what string) (symbol, error) {
	if d.empty() {
		return nil, failf("", "%s allows no text", what)
	}
	return newTerminal(d), nil
}

// compile returns the grammar of a constraint from the cache, or makes it.
func (c *Compiler) compile(kind, text string, make func(*budget) (symbol, error)) (*Grammar, error) {
	if len(text) > c.limits.Bytes {
		return nil, &Error{Message: "the constraint is too long", Limit: true}
	}
	return c.cache.get(kind+"\x00"+text, func() (*Grammar, error) {
		b := newBudget(c.limits)
		root, err := make(b)
		if err != nil {
			return nil, err
		}
		states := c.limits.States - b.states
		g := &Grammar{
			vocabulary: c.vocabulary, marks: c.base.marks, root: root, maxDepth: 4 * c.limits.Depth,
			bytes: 2*len(text) + 4096 + states*1024, unread: b.unread,
		}
		w := &warmer{v: c.vocabulary, left: warmStates, seen: map[symbol]bool{}}
		w.warm(root)
		return g, nil
	})
}

// warmStates is how many states get their masks when a grammar is compiled,
// rather than while it is used. They are those in which much of the vocabulary
// may come: the masks of others take little time.
const warmStates = 64

// wideBytes is how many bytes a state must read as itself to count as wide.
const wideBytes = 32

// wide reports whether the mask of a state takes long to make.
func (d *dfa) wide(state int32) bool {
	loops := d.loops(state)
	n := 0
	for _, w := range loops {
		n += bits.OnesCount64(w)
	}
	return n >= wideBytes
}

// warmer makes masks ahead of their use.
type warmer struct {
	v    *Vocabulary
	left int
	seen map[symbol]bool
}

func (w *warmer) warm(s symbol) {
	if s == nil || w.left <= 0 || w.seen[s] {
		return
	}
	w.seen[s] = true
	switch s := s.(type) {
	case *terminal:
		want := partInside | partExits
		if s.high >= 0 {
			want |= partCosts
		}
		for state := startState; state < s.dfa.states() && s.names == nil && w.left > 0; state++ {
			if m := s.dfa.masks[state].Load(); (m == nil || m.parts&want != want) && s.dfa.wide(int32(state)) {
				w.v.stateMask(s.dfa, int32(state), want)
				w.left--
			}
		}
	case *rule:
		for _, alt := range s.alts {
			for _, sub := range alt {
				w.warm(sub)
			}
		}
	case *array:
		for _, sub := range s.prefix {
			w.warm(sub)
		}
		w.warm(s.items)
	case *object:
		for i := range s.members {
			w.warm(s.members[i].value)
		}
		if s.others != nil {
			w.warm(s.others)
		}
		for _, tag := range sortedKeys(s.values) {
			w.warm(s.values[tag])
		}
	}
}

// cache keeps grammars up to a number of bytes; what was not asked for longest
// goes first. A grammar that several ask for at once is made once.
type cache struct {
	mu      sync.Mutex
	limit   int
	bytes   int
	entries map[string]*cacheEntry
	clock   int64
}

type cacheEntry struct {
	once    sync.Once
	grammar *Grammar
	err     error
	used    int64
}

func newCache(limit int) *cache { return &cache{limit: limit, entries: map[string]*cacheEntry{}} }

func (c *cache) get(key string, make func() (*Grammar, error)) (*Grammar, error) {
	c.mu.Lock()
	c.clock++
	e := c.entries[key]
	if e == nil {
		e = new(cacheEntry)
		c.entries[key] = e
	}
	e.used = c.clock
	c.mu.Unlock()
	e.once.Do(func() {
		g, err := make()
		c.keep(key, e, g, err)
	})
	return e.grammar, e.err
}

// keep fills in and counts a new entry, and drops old ones. What failed is not kept.
func (c *cache) keep(key string, e *cacheEntry, g *Grammar, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.grammar, e.err = g, err; err != nil {
		delete(c.entries, key)
		return
	}
	c.bytes += e.grammar.bytes + len(key)
	for c.bytes > c.limit {
		oldest := ""
		for k, other := range c.entries {
			if other.grammar != nil && k != key && (oldest == "" || other.used < c.entries[oldest].used) {
				oldest = k
			}
		}
		if oldest == "" {
			return
		}
		c.bytes -= c.entries[oldest].grammar.bytes + len(oldest)
		delete(c.entries, oldest)
	}
}

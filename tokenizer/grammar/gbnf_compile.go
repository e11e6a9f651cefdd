package grammar

import (
	"strconv"
)

// gbnfCompiler makes symbols of a grammar. What does not nest becomes one
// terminal, as large as possible; the rest becomes rules.
type gbnfCompiler struct {
	rules     map[string]*gbnf
	budget    *budget
	made      map[string]*rule
	order     []string
	nests     map[string]bool // rules that can contain themselves
	terminals map[*gbnf]*terminal
	helpers   int
}

func (g *gbnfCompiler) compile() (symbol, error) {
	if err := g.findNesting(); err != nil {
		return nil, err
	}
	root, err := g.symbol(&gbnf{kind: gbnfName, text: "root"})
	if err != nil {
		return nil, err
	}
	// Rules are filled in as they are met.
	for i := 0; i < len(g.order); i++ {
		name := g.order[i]
		if err := g.fill(g.made[name], g.rules[name]); err != nil {
			return nil, err
		}
	}
	if err := g.checkLeft(); err != nil {
		return nil, err
	}
	prune(g.made, nil)
	if p := (&pruner{good: map[symbol]bool{}}); root == nil || !p.possible(root) {
		return nil, failf("", "the grammar allows no text")
	}
	return root, nil
}

// possible reports whether a pruned symbol stands for some text.
func (p *pruner) possible(s symbol) bool {
	if r, ok := s.(*rule); ok {
		return len(r.alts) > 0
	}
	return p.symbol(s)
}

// findNesting finds the rules that can contain themselves, and names without a rule.
func (g *gbnfCompiler) findNesting() error {
	uses := map[string]map[string]bool{}
	var walk func(n *gbnf, into map[string]bool) error
	walk = func(n *gbnf, into map[string]bool) error {
		if n.kind == gbnfName {
			if g.rules[n.text] == nil {
				return failf("line "+strconv.Itoa(n.line), "there is no rule %q", n.text)
			}
			into[n.text] = true
		}
		for _, sub := range n.list {
			if err := walk(sub, into); err != nil {
				return err
			}
		}
		return nil
	}
	for _, name := range sortedKeys(g.rules) {
		uses[name] = map[string]bool{}
		if err := walk(g.rules[name], uses[name]); err != nil {
			return err
		}
	}
	g.nests = map[string]bool{}
	for name := range uses {
		seen := map[string]bool{}
		todo := sortedKeys(uses[name])
		for len(todo) > 0 {
			next := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[next] {
				continue
			}
			seen[next] = true
			todo = append(todo, sortedKeys(uses[next])...)
			if err := g.budget.step(10 * len(todo)); err != nil {
				return err
			}
		}
		g.nests[name] = seen[name]
	}
	return nil
}

// regular reports whether a node contains no rule that nests.
func (g *gbnfCompiler) regular(n *gbnf) bool {
	if n.kind == gbnfName {
		return !g.nests[n.text] && g.regular(g.rules[n.text])
	}
	for _, sub := range n.list {
		if !g.regular(sub) {
			return false
		}
	}
	return true
}

// symbol returns the symbol of a node.
func (g *gbnfCompiler) symbol(n *gbnf) (symbol, error) {
	if g.regular(n) {
		return g.terminal(n)
	}
	if n.kind == gbnfName {
		return g.named(n.text), nil
	}
	g.helpers++
	name := " " + strconv.Itoa(g.helpers) // no rule's own name has a space
	g.rules[name] = n
	return g.named(name), nil
}

func (g *gbnfCompiler) named(name string) *rule {
	r := g.made[name]
	if r == nil {
		r = &rule{name: name}
		g.made[name] = r
		g.order = append(g.order, name)
	}
	return r
}

func (g *gbnfCompiler) terminal(n *gbnf) (symbol, error) {
	if t := g.terminals[n]; t != nil {
		return t, nil
	}
	a := newNFA(g.budget)
	start, end := a.state(), a.state()
	if err := g.add(a, n, start, end); err != nil {
		return nil, err
	}
	d, err := a.determinize(start, end, false)
	if err != nil {
		return nil, err
	}
	t := newTerminal(d)
	g.terminals[n] = t
	return t, nil
}

// add adds a node that does not nest between two states.
func (g *gbnfCompiler) add(a *nfa, n *gbnf, from, to int32) error {
	if a.err != nil {
		return a.err
	}
	switch n.kind {
	case gbnfText:
		a.literal(from, n.text, to)
	case gbnfClass:
		for _, r := range n.ranges {
			a.runes(from, r[0], r[1], to)
		}
	case gbnfName:
		return g.add(a, g.rules[n.text], from, to)
	case gbnfChoice:
		for _, sub := range n.list {
			if err := g.add(a, sub, from, to); err != nil {
				return err
			}
		}
	case gbnfSequence:
		for i, sub := range n.list {
			next := to
			if i < len(n.list)-1 {
				next = a.state()
			}
			if err := g.add(a, sub, from, next); err != nil {
				return err
			}
			from = next
		}
		if len(n.list) == 0 {
			a.move(from, to)
		}
	case gbnfRepeat:
		return g.addRepeat(a, n, from, to)
	}
	return a.err
}

func (g *gbnfCompiler) addRepeat(a *nfa, n *gbnf, from, to int32) error {
	copies := n.high
	if n.high < 0 {
		copies = n.low
	}
	for i := range copies {
		if i >= n.low {
			a.move(from, to)
		}
		next := a.state()
		if err := g.add(a, n.list[0], from, next); err != nil {
			return err
		}
		from = next
	}
	if n.high >= 0 {
		a.move(from, to)
		return a.err
	}
	loop := a.state()
	a.move(from, loop)
	a.move(loop, to)
	return g.add(a, n.list[0], loop, loop)
}

// fill makes the alternatives of a rule from its node.
func (g *gbnfCompiler) fill(r *rule, n *gbnf) error {
	if err := g.budget.state(); err != nil {
		return err
	}
	list := []*gbnf{n}
	if n.kind == gbnfChoice {
		list = n.list
	}
	for _, alt := range list {
		var symbols []symbol
		items := []*gbnf{alt}
		switch {
		case alt.kind == gbnfSequence:
			items = alt.list
		case alt.kind == gbnfRepeat && alt == n:
			if err := g.fillRepeat(r, n); err != nil {
				return err
			}
			continue
		}
		for _, item := range g.join(items) {
			s, err := g.symbol(item)
			if err != nil {
				return err
			}
			symbols = append(symbols, s)
		}
		r.alts = append(r.alts, symbols)
	}
	return nil
}

// join makes one item of neighbours that do not nest: the larger a terminal is,
// the fewer its borders, which cost time at each token.
func (g *gbnfCompiler) join(items []*gbnf) []*gbnf {
	var joined []*gbnf
	for i := 0; i < len(items); {
		from := i
		for i < len(items) && g.regular(items[i]) {
			i++
		}
		switch {
		case i == from:
			joined = append(joined, items[i])
			i++
		case i == from+1:
			joined = append(joined, items[from])
		default:
			joined = append(joined, &gbnf{kind: gbnfSequence, list: items[from:i], line: items[from].line})
		}
	}
	return joined
}

// fillRepeat makes a rule of a repetition: low times the item, then as many
// more as may be, one inside the other.
func (g *gbnfCompiler) fillRepeat(r *rule, n *gbnf) error {
	item, err := g.symbol(n.list[0])
	if err != nil {
		return err
	}
	var fixed []symbol
	for range n.low {
		fixed = append(fixed, item)
	}
	switch {
	case n.high < 0:
		more := &rule{name: r.name + " more"}
		more.alts = [][]symbol{{}, {item, more}}
		g.made[more.name] = more
		r.alts = [][]symbol{append(fixed, more)}
	case n.high == n.low:
		r.alts = [][]symbol{fixed}
	default:
		var rest symbol
		for i := range n.high - n.low {
			if err := g.budget.state(); err != nil {
				return err
			}
			more := &rule{name: r.name + " " + strconv.Itoa(i), alts: [][]symbol{{}, {item}}}
			if rest != nil {
				more.alts[1] = append(more.alts[1], rest)
			}
			g.made[more.name] = more
			rest = more
		}
		r.alts = [][]symbol{append(fixed, rest)}
	}
	return nil
}

// checkLeft refuses rules that begin with themselves: reading one would never
// come to its first character.
func (g *gbnfCompiler) checkLeft() error {
	nullable := map[*rule]bool{}
	empty := func(s symbol) bool {
		switch s := s.(type) {
		case *terminal:
			return s.dfa.accept[startState] != 0
		case *rule:
			return nullable[s]
		}
		return false
	}
	for changed := true; changed; {
		changed = false
		for _, r := range g.made {
			for _, alt := range r.alts {
				all := !nullable[r]
				for _, s := range alt {
					all = all && empty(s)
				}
				if all {
					nullable[r], changed = true, true
				}
			}
		}
	}
	state := map[*rule]int{} // 1: being looked at, 2: done
	var visit func(r *rule) error
	visit = func(r *rule) error {
		if state[r] == 1 {
			return failf("", "the rule %q begins with itself", r.name)
		}
		if state[r] == 2 {
			return nil
		}
		state[r] = 1
		for _, alt := range r.alts {
			for _, s := range alt {
				if sub, ok := s.(*rule); ok {
					if err := visit(sub); err != nil {
						return err
					}
				}
				if !empty(s) {
					break
				}
			}
		}
		state[r] = 2
		return nil
	}
	for _, name := range sortedKeys(g.made) {
		if err := visit(g.made[name]); err != nil {
			return err
		}
	}
	return nil
}

package regex

// maxInstructions bounds a program: repetition multiplies.
const maxInstructions = 1 << 14

// node is a part of an expression.
type node struct {
	op    op
	subs  []*node // of an alternation, a sequence, or the one part that is repeated
	kind  kind
	set   *set
	least int
	most  int // -1: without end
	mode  mode
	not   bool
}

// kind is what a node's subs are.
type kind uint8

const (
	single      kind = iota // an instruction, with a body for opLook and opAtomic
	sequence                // one after the other
	alternation             // one of them
	repetition              // from least to most times
)

// mode is how a repetition chooses.
type mode uint8

const (
	greedy mode = iota
	lazy
	possessive
)

// compile makes the program of a node.
func (p *program) compile(n *node) {
	p.emit(n)
	p.add(instruction{op: opMatch})
}

// size returns about how many instructions a node becomes, those of bodies
// included; of too many just that they are.
func (n *node) size() int {
	sum := 2
	for _, s := range n.subs {
		sum += s.size() + 2
	}
	if n.kind == repetition {
		sum *= max(n.least, n.most) + 1
	}
	return min(sum, maxInstructions+1)
}

// width returns the most runes that a node matches; -1: there is no most.
func (n *node) width() int {
	switch {
	case n.kind == single && (n.op == opSet):
		return 1
	case n.kind == single && n.op == opAtomic:
		return n.subs[0].width()
	case n.kind == single && n.op == opSeen:
		return -1
	}
	sum := 0
	for _, s := range n.subs {
		w := s.width()
		switch {
		case n.kind == single:
		case w < 0:
			return -1
		case n.kind == alternation:
			sum = max(sum, w)
		case n.kind == sequence:
			sum += w
		case w > 0 && n.most < 0:
			return -1
		default:
			sum = w * n.most
		}
	}
	return sum
}

func (p *program) add(i instruction) int {
	if i.op == opSplit {
		i.split = p.splits
		p.splits++
	}
	p.code = append(p.code, i)
	return len(p.code) - 1
}

// split adds a choice between what follows and a place that is set later.
func (p *program) split() int {
	at := p.add(instruction{op: opSplit})
	p.code[at].x = at + 1
	return at
}

func (p *program) emit(n *node) {
	switch n.kind {
	case sequence:
		for _, s := range n.subs {
			p.emit(s)
		}
	case alternation:
		p.alternatives(n.subs)
	case repetition:
		if n.mode == possessive {
			once := *n
			once.mode = greedy
			p.add(instruction{op: opAtomic, body: bodyOf(&once)})
			return
		}
		p.repeat(n)
	default:
		i := instruction{op: n.op, negate: n.not, set: n.set, x: n.most}
		if len(n.subs) > 0 {
			body := n.subs[0]
			if n.op == opBehind {
				body = &node{kind: sequence, subs: []*node{body, {op: opHere}}}
			}
			i.body = bodyOf(body)
		}
		p.add(i)
	}
}

func bodyOf(n *node) *program {
	p := &program{}
	p.compile(n)
	return p
}

func (p *program) alternatives(list []*node) {
	var ends []int
	for i, n := range list {
		if i == len(list)-1 {
			p.emit(n)
			break
		}
		at := p.split()
		p.emit(n)
		ends = append(ends, p.add(instruction{op: opJump}))
		p.code[at].y = len(p.code)
	}
	for _, at := range ends {
		p.code[at].x = len(p.code)
	}
}

// repeat writes the part as often as it must come, then the choices.
func (p *program) repeat(n *node) {
	sub := n.subs[0]
	for range n.least {
		p.emit(sub)
	}
	if n.most < 0 {
		at := p.split()
		p.emit(sub)
		p.add(instruction{op: opJump, x: at})
		p.leave(at, n.mode)
		return
	}
	var all []int
	for range n.most - n.least {
		all = append(all, p.split())
		p.emit(sub)
	}
	for _, at := range all {
		p.leave(at, n.mode)
	}
}

// leave makes a split go to what follows as its second choice, or its first.
func (p *program) leave(at int, how mode) {
	i := &p.code[at]
	i.y = len(p.code)
	if how == lazy {
		i.x, i.y = i.y, i.x
	}
}

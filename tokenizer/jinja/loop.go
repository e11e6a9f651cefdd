package jinja

// loop is what the body of a for loop sees as loop.
type loop struct {
	render   *render
	iterable Value // nil: it has no length
	next     iterator
	index0   int
	length   int // -1: not known yet
	depth0   int

	before, current, after Value
	changed                *tuple // what loop.changed was called with last
	recurse                func(iterable Value, depth0 int) (Value, error)
}

func (*loop) typeName() string { return "LoopContext" }

// advance goes to the next element and returns it.
func (l *loop) advance() (Value, error) {
	v, err := l.peek()
	if v == nil || err != nil {
		return nil, err
	}
	l.after = nil
	l.index0++
	l.before, l.current = l.current, v
	return v, nil
}

func (l *loop) peek() (v Value, err error) {
	if l.after == nil {
		l.after, err = l.next()
	}
	return l.after, err
}

// count returns the number of elements. What has no length is read to its end.
func (l *loop) count() (int, error) {
	if l.length >= 0 {
		return l.length, nil
	}
	if l.iterable != nil {
		if n, ok := length(l.iterable); ok {
			l.length = n
			return n, nil
		}
	}
	items, err := l.render.drain(l.next)
	if err != nil {
		return 0, err
	}
	l.next = l.render.each(items)
	l.length = len(items) + l.index0 + 1
	if l.after != nil {
		l.length++
	}
	return l.length, nil
}

// attr returns an attribute of loop, nil for none.
func (l *loop) attr(name string) (Value, error) {
	switch name {
	case "index":
		return Int(l.index0 + 1), nil
	case "index0":
		return Int(l.index0), nil
	case "first":
		return Bool(l.index0 == 0), nil
	case "depth":
		return Int(l.depth0 + 1), nil
	case "depth0":
		return Int(l.depth0), nil
	case "length", "revindex", "revindex0":
		n, err := l.count()
		switch name {
		case "revindex":
			n -= l.index0
		case "revindex0":
			n -= l.index0 + 1
		}
		return Int(n), err
	case "last":
		v, err := l.peek()
		return Bool(v == nil), err
	case "previtem":
		if l.index0 == 0 {
			return &undefined{hint: "there is no previous item"}, nil
		}
		return l.before, nil
	case "nextitem":
		v, err := l.peek()
		if v == nil && err == nil {
			v = &undefined{hint: "there is no next item"}
		}
		return v, err
	case "cycle":
		return &boundMethod{l, pythonFunc("LoopContext.cycle", loopCycle, "*")}, nil
	case "changed":
		return &boundMethod{l, pythonFunc("LoopContext.changed", loopChanged, "*")}, nil
	}
	return nil, nil
}

func loopCycle(_ *render, a *args) (Value, error) {
	if len(a.rest) == 0 {
		return nil, typeError("no items for cycling given")
	}
	return a.rest[a.recv.(*loop).index0%len(a.rest)], nil
}

func loopChanged(r *render, a *args) (Value, error) {
	l, now := a.recv.(*loop), newTuple(a.rest...)
	if l.changed != nil {
		same, err := r.equal(l.changed, now)
		if same || err != nil {
			return Bool(false), err
		}
	}
	l.changed = now
	return Bool(true), nil
}

func (n *forStmt) exec(r *render) (signal, error) {
	iterable, err := r.eval(n.iter)
	if err != nil {
		return signalNone, err
	}
	if !n.recursive {
		return r.loop(n, iterable, nil, 0)
	}
	outer := r.frame
	var recurse func(Value, int) (Value, error)
	recurse = func(iterable Value, depth0 int) (Value, error) {
		if err := r.descend(); err != nil {
			return nil, err
		}
		defer r.ascend()
		before := r.frame
		r.frame = newFrame(n.fn, outer)
		text, err := r.capture(func() error {
			_, err := r.loop(n, iterable, recurse, depth0)
			return err
		})
		r.frame = before
		return r.markupIf(text), err
	}
	v, err := recurse(iterable, 0)
	if err != nil {
		return signalNone, err
	}
	return signalNone, r.writeText(v)
}

// loop runs the body for each element. As in Jinja the else part runs unless
// the body came to its end at least once.
func (r *render) loop(n *forStmt, iterable Value, recurse func(Value, int) (Value, error), depth0 int) (signal, error) {
	next, err := r.iterate(iterable)
	if err != nil {
		return signalNone, err
	}
	if n.test != nil {
		next, iterable = r.filtered(n, next), nil
	}
	if n.extended {
		l := &loop{render: r, iterable: iterable, next: next, index0: -1, length: -1, depth0: depth0, recurse: recurse}
		next = l.advance
		r.store(n.loopVar, l)
	}
	if err := r.descend(); err != nil {
		return signalNone, err
	}
	defer r.ascend()
	ended := false
	for {
		item, err := next()
		if err != nil {
			return signalNone, err
		}
		if item == nil {
			break
		}
		if err := r.assign(n.target, item); err != nil {
			return signalNone, err
		}
		r.enter(n.scope)
		sig, err := r.run(n.body)
		if err != nil {
			return signalNone, err
		}
		if sig == signalBreak {
			break
		}
		ended = ended || sig == signalNone
	}
	r.leave(n.scope)
	if ended {
		return signalNone, nil
	}
	r.enter(n.elseScope)
	sig, err := r.run(n.orElse)
	r.leave(n.elseScope)
	return sig, err
}

// filtered returns the elements for which the loop's condition holds. It works
// in variables of its own, since the body may look ahead.
func (r *render) filtered(n *forStmt, next iterator) iterator {
	r.enter(n.testScope)
	frame := r.frame
	return func() (Value, error) {
		before := r.frame
		r.frame = frame
		defer func() { r.frame = before }()
		for {
			item, err := next()
			if item == nil || err != nil {
				return nil, err
			}
			if item, err = r.assignFiltered(n.target, item); err != nil {
				return nil, err
			}
			keep, err := r.eval(n.test)
			if err != nil {
				return nil, err
			}
			if truth(keep) {
				return item, nil
			}
		}
	}
}

// assignFiltered assigns the variables of the condition, and returns the element
// put together from them again.
func (r *render) assignFiltered(target expr, v Value) (Value, error) {
	list, ok := target.(*tupleExpr)
	if !ok {
		r.store(target.(*nameExpr).filter, v)
		return v, nil
	}
	items, err := r.unpack(v, len(list.items))
	if err != nil {
		return nil, err
	}
	for i, item := range list.items {
		if items[i], err = r.assignFiltered(item, items[i]); err != nil {
			return nil, err
		}
	}
	return newTuple(items...), nil
}

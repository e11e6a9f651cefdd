package jinja

// global returns what a name stands for in every template, or nil.
func global(name string) Value {
	switch name {
	case "range":
		return pythonFunc("safe_range", makeRange, "*")
	case "dict":
		return &dictType{}
	case "namespace":
		return pythonFunc("TemplateNamespace", makeNamespace, "*", "**")
	case "cycler":
		return pythonFunc("Cycler.__init__", makeCycler, "*")
	case "joiner":
		return pythonFunc("Joiner.__init__", makeJoiner, "@", "sep?")
	case "lipsum":
		return pythonFunc("generate_lorem_ipsum", func(*render, *args) (Value, error) {
			return nil, raise("NotImplementedError", "there is no filler text")
		}, "n?", "html?", "min?", "max?")
	case "raise_exception":
		return pythonFunc("_cached_compile_jinja_template.<locals>.raise_exception", raiseException, "message")
	case "strftime_now":
		return pythonFunc("_cached_compile_jinja_template.<locals>.strftime_now", strftimeNow, "format")
	}
	return nil
}

func raiseException(r *render, a *args) (Value, error) {
	s, err := r.str(a.v[0])
	if err != nil {
		return nil, err
	}
	return nil, raise("TemplateError", "%s", s)
}

// maxRange is the longest range that the sandbox allows.
const maxRange = 100_000

func makeRange(_ *render, a *args) (Value, error) {
	n := len(a.rest)
	switch {
	case n == 0:
		return nil, typeError("range expected at least 1 argument, got 0")
	case n > 3:
		return nil, typeError("range expected at most 3 arguments, got %d", n)
	}
	bounds := [3]int{0, 0, 1}
	at := 0
	if n == 1 {
		at = 1
	}
	for _, v := range a.rest {
		if _, ok := integer(v); !ok {
			return nil, typeError("'%s' object cannot be interpreted as an integer", v.typeName())
		}
	}
	for i, v := range a.rest {
		b, ok := smallInt(v)
		if !ok || b > 1<<62 || b < -1<<62 {
			return nil, raise("OverflowError", "Python int too large to convert to C ssize_t")
		}
		bounds[at+i] = b
	}
	start, stop, step := bounds[0], bounds[1], bounds[2]
	if step == 0 {
		return nil, valueError("range() arg 3 must not be zero")
	}
	count := 0
	switch {
	case step > 0 && stop > start:
		count = int((uint64(stop-start)-1)/uint64(step)) + 1
	case step < 0 && stop < start:
		count = int((uint64(start-stop)-1)/uint64(-step)) + 1
	}
	if count > maxRange {
		return nil, rangeTooBig()
	}
	return &rangeValue{start, stop, step, count}, nil
}

func rangeTooBig() error {
	return raise("OverflowError", "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
}

// dictType is the function dict, which has a method of its own.
type dictType struct{}

func (*dictType) typeName() string { return "TemplateDict" }

// makeDict is Python's dict(iterable, **named).
func makeDict(r *render, a *args) (Value, error) {
	if len(a.rest) > 1 {
		return nil, typeError("dict expected at most 1 argument, got %d", len(a.rest))
	}
	d := NewDict()
	for _, src := range a.rest {
		if err := r.updateDict(d, src); err != nil {
			return nil, err
		}
	}
	for i, name := range a.names {
		if err := r.dictSet(d, String(name), a.named[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// updateDict adds what a dict or a sequence of pairs holds.
func (r *render) updateDict(d *Dict, src Value) error {
	if from, ok := src.(*Dict); ok {
		for i, key := range from.keys {
			if err := r.dictSet(d, key, from.values[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if u, ok := src.(*undefined); ok { // it is asked for its keys
		return u.fail()
	}
	next, err := r.iterate(src)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		item, err := next()
		if item == nil || err != nil {
			return err
		}
		if !isIterable(item) {
			return typeError("cannot convert dictionary update sequence element #%d to a sequence", i)
		}
		pair, err := r.items(item)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return valueError("dictionary update sequence element #%d has length %d; 2 is required", i, len(pair))
		}
		if err := r.dictSet(d, pair[0], pair[1]); err != nil {
			return err
		}
	}
}

func makeNamespace(r *render, a *args) (Value, error) {
	v, err := makeDict(r, a)
	if err != nil {
		return nil, err
	}
	ns, all := &namespace{NewDict()}, v.(*Dict)
	for i, key := range all.keys {
		if err := r.setAttr(ns, key, all.values[i]); err != nil {
			return nil, err
		}
	}
	return ns, nil
}

// cycler gives its items in turns.
type cycler struct {
	items []Value
	pos   int
}

func (*cycler) typeName() string { return "Cycler" }

func makeCycler(_ *render, a *args) (Value, error) {
	if len(a.rest) == 0 {
		return nil, raise("RuntimeError", "at least one item has to be provided")
	}
	return &cycler{items: a.rest}, nil
}

func (c *cycler) attr(name string) Value {
	switch name {
	case "items":
		return newTuple(c.items...)
	case "pos":
		return Int(c.pos)
	case "current":
		return c.items[c.pos]
	case "next":
		return &boundMethod{c, pythonFunc("Cycler.next", func(_ *render, a *args) (Value, error) {
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v, nil
		})}
	case "reset":
		return &boundMethod{c, pythonFunc("Cycler.reset", func(*render, *args) (Value, error) {
			c.pos = 0
			return None, nil
		})}
	}
	return nil
}

// joiner gives nothing the first time and a separator afterwards.
type joiner struct {
	sep  Value
	used bool
}

func (*joiner) typeName() string { return "Joiner" }

func makeJoiner(_ *render, a *args) (Value, error) {
	return &joiner{sep: a.or(0, String(", "))}, nil
}

func joinerCall(_ *render, a *args) (Value, error) {
	j := a.recv.(*joiner)
	if !j.used {
		j.used = true
		return String(""), nil
	}
	return j.sep, nil
}

// templateRef is self, whose attributes are the blocks.
type templateRef struct{}

func (*templateRef) typeName() string { return "TemplateReference" }

// blockRef is a block of self; a call renders it.
type blockRef struct {
	block   *blockStmt
	context *context
}

func (*blockRef) typeName() string { return "BlockReference" }

func blockRefCall(r *render, a *args) (Value, error) {
	b := a.recv.(*blockRef)
	text, err := r.capture(func() error { return r.runBlock(b.block, b.context) })
	return r.markupIf(text), err
}

// loopCall renders the body of a recursive loop once more.
func loopCall(_ *render, a *args) (Value, error) {
	l := a.recv.(*loop)
	if l.recurse == nil {
		return nil, typeError("The loop must have the 'recursive' marker to be called recursively.")
	}
	return l.recurse(a.v[0], l.depth0+1)
}

package model

// # Sliding windows
//
// In layers with a window a position sees itself and those just before it, so many all together
// (Mistral, arXiv 2310.06825). Files say how many, and some which layers have it.

// hfWindow reads the window of a config.json as its class in transformers does, which may have
// one in some layers, in all or in none. What says otherwise in words is refused.
func (o *object) hfWindow(c *Config, a *architecture) {
	size, has := o.windowSize(a, c.ContextLength), make([]bool, len(c.Layers))
	if size > 0 {
		has = a.windowed(o, c.Layers)
	}
	kinds := o.texts("layer_types")
	if kinds != nil && size > 0 && len(kinds) != len(has) {
		o.fail("layer_types", "has %d entries for %d layers", len(kinds), len(has))
		return
	}
	for i, kind := range kinds[:min(len(kinds), len(has))] {
		within := kind == "sliding_attention"
		switch {
		case !within && kind != "full_attention":
			o.fail("layer_types", "%q is not supported", kind)
		case size > 0 && a.windowTyped:
			has[i] = within
		case within != has[i] && (within || size < c.ContextLength):
			o.fail("layer_types", "%q of layer %d is not what %s does", kind, i, a.hf)
		}
	}
	if size > 0 {
		c.setWindow(a, size, has)
	}
}

// windowSize reads how many positions a window has; 0: there is none.
func (o *object) windowSize(a *architecture, context int) int {
	const flag = "use_sliding_window"
	said := o.members[flag]
	on := o.flag(flag)
	if a.windowed == nil {
		o.take("sliding_window")
		if on {
			o.fail(flag, "true is not what %s does", a.hf)
		}
		return 0
	}
	_, given := o.members["sliding_window"]
	size, ok := o.integer("sliding_window")
	switch {
	case a.windowFlag && !on || given && !ok:
		return 0
	case given:
		size = int64(o.between("sliding_window", size, 1, 1<<48))
	default:
		size = int64(a.window)
	}
	if said.Kind() == 'f' && 0 < size && size < int64(context) {
		o.fail(flag, "false is not what %s does", a.hf)
	}
	return int(size)
}

// allWindows: all layers have the window.
func allWindows(_ *object, layers []Layer) []bool { return withoutEach(0, len(layers)) }

// setWindow gives the layers that have it a window, unless it is no shorter than the context.
func (c *Config) setWindow(a *architecture, size int, has []bool) {
	for i, l := range c.Layers {
		if l.Attention == nil || l.Attention.Linear {
			continue
		}
		if has[i] && size < c.ContextLength {
			l.Attention.Window = size
		}
		if a.windowRotation != nil {
			a.windowRotation(l.Attention, has[i])
		}
	}
}

// window reads the window of a GGUF file, and which layers have it: a list says so, or at which
// interval one has none (0: all have).
func (k *ggufKeys) window(c *Config, a *architecture) {
	const name, pattern = "attention.sliding_window", "attention.sliding_window_pattern"
	size, _ := k.integer(name)
	has, listed := k.flags(pattern)
	if size == 0 {
		return
	}
	if !listed {
		every := int64(a.windowInterval)
		if v, ok := k.integer(pattern); ok {
			every = int64(k.between(k.key(pattern), v, 0, maxLayers))
		}
		has = withoutEach(int(every), len(c.Layers))
	}
	if len(has) != len(c.Layers) {
		k.add(k.key(pattern), "has %d entries for %d layers", len(has), len(c.Layers))
		return
	}
	c.setWindow(a, k.between(k.key(name), size, 1, 1<<48), has)
}

// flags takes a list of truth values, which may be written as numbers.
func (k *ggufKeys) flags(name string) (flags []bool, ok bool) {
	full := k.key(name)
	list, _ := k.file.Value(full)
	if flags, ok = list.([]bool); ok {
		return flags, true
	}
	numbers, ok := k.file.Ints(full)
	for _, n := range numbers {
		flags = append(flags, n != 0)
	}
	return flags, ok
}

// withoutEach returns that all of n layers have a window but each so many-th; 0: all have.
func withoutEach(every, n int) []bool {
	has := make([]bool, n)
	for i := range has {
		has[i] = every == 0 || (i+1)%every != 0
	}
	return has
}

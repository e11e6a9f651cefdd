package model

// # Sliding windows
//
// In layers with a window a position sees itself and those just before it, so many all together
// (Mistral, arXiv 2310.06825). Files say how many, and some which layers have it.

// hfWindow reads the window of a config.json: which layers have it say layer_types or, where they
// do not, the architecture.
func (o *object) hfWindow(c *Config, a *architecture) {
	size, kinds := o.windowSize(a), o.texts("layer_types")
	has := withoutEach(0, len(c.Layers))
	for i, kind := range kinds {
		if kind != "full_attention" && (kind != "sliding_attention" || size == 0) {
			o.fail("layer_types", "%q is not supported", kind)
		}
		if i < len(has) {
			has[i] = kind == "sliding_attention"
		}
	}
	switch {
	case size == 0:
		return
	case a.windowless:
		o.fail("sliding_window", "%d is not supported", size)
	case kinds == nil && a.windowed != nil:
		has = a.windowed(o, c.Layers)
	case kinds != nil && len(kinds) != len(has):
		o.fail("layer_types", "has %d entries for %d layers", len(kinds), len(has))
	}
	c.setWindow(a, size, has)
}

// windowSize reads how many positions a window has; 0: there is none.
func (o *object) windowSize(a *architecture) int {
	flag, given := o.members["use_sliding_window"]
	off := given && flag.Kind() == 'f' || a.windowFlag && (!given || flag.Kind() == 'n')
	o.flag("use_sliding_window")
	_, given = o.members["sliding_window"]
	size, ok := o.integer("sliding_window")
	switch {
	case off || given && !ok:
		return 0
	case !given:
		return a.window
	}
	return o.between("sliding_window", size, 1, 1<<48)
}

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
	list, _ := k.file.Value(k.key(pattern))
	if size == 0 {
		return
	}
	has, listed := list.([]bool)
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

// withoutEach returns that all of n layers have a window but each so many-th; 0: all have.
func withoutEach(every, n int) []bool {
	has := make([]bool, n)
	for i := range has {
		has[i] = every == 0 || (i+1)%every != 0
	}
	return has
}

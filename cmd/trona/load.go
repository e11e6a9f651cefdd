package main

import (
	"errors"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"trona/model"
	"trona/server"
)

// loader says how serve and run load models.
type loader struct {
	sources []source
	cache   cacheFlags
	memory  size // of all KV caches; 0: what the requests can use, within what is free
	device  deviceFlags
	opened  func(*server.Model) error // looks at each before its weights are loaded; nil: nothing to see
}

// String lists what is loaded.
func (l *loader) String() string {
	var paths []string
	for _, s := range l.sources {
		paths = append(paths, s.path)
	}
	return strings.Join(paths, ", ")
}

// load opens checkpoints, makes sure that they fit together, and loads them.
// Each has a device of its own, so a failure costs one model. On a CPU all have
// all of its threads, and the engines take turns.
func (l *loader) load(bar *progress) (_ fleet, err error) {
	list, err := l.candidates()
	var f fleet
	defer func() {
		for _, c := range list {
			err = errors.Join(err, c.close())
		}
		if err != nil {
			f.close()
		}
	}()
	if err != nil {
		return nil, err
	}
	if l.cache.SpeculativeModel != "" && !slices.ContainsFunc(list, func(c *candidate) bool { return c.draft != nil }) {
		return nil, l.cache.unused()
	}
	debug.FreeOSMemory() // reading tokenizers leaves much behind
	b := l.budget(list)
	grants, err := l.share(b, list)
	if err != nil {
		return nil, err
	}
	host := b.host(list[0].dev.Info())
	turn, scratch := new(sync.Mutex), int64(0)
	for i, c := range list {
		scratch += c.plans.both.Scratch
		started, err := c.start(grants[i], turn, bar)
		if err != nil {
			return nil, err
		}
		f = append(f, started)
	}
	host.restrain(scratch)
	return f, nil
}

// candidates opens all checkpoints, up to one that fails. Most of what is read stays, so
// that collections would find little, while they take a fifth of the time: they come later.
// One that the user chose (GOGC) stays.
func (l *loader) candidates() (list []*candidate, err error) {
	const rare = 800
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(rare))
	}
	for _, s := range l.sources {
		c, err := l.candidate(s)
		if err != nil {
			return list, err
		}
		list = append(list, c)
		if l.opened == nil {
			continue
		}
		if err := l.opened(c.model); err != nil {
			return list, err
		}
	}
	return list, nil
}

// budget is the memory that the models may take.
func (l *loader) budget(list []*candidate) budget {
	b := budget{free: math.MaxInt64, cache: int64(l.memory)}
	for _, c := range list {
		b.free = min(b.free, freeMemory(c.dev.Info())) // devices that were opened take some themselves
	}
	return b
}

// share gives each model its part of the memory.
func (l *loader) share(b budget, list []*candidate) ([]grant, error) {
	var plans []*model.Plan
	for _, c := range list {
		plans = append(plans, c.plans.both)
	}
	return b.share(plans, l.cache.MaxModelLen)
}

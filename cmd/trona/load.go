package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"trona/engine"
	"trona/kernels"
	"trona/kernels/cpu"
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

// loaded is a model that answers.
type loaded struct {
	model   *server.Model
	engine  *engine.Engine
	summary string // for a person: what it takes
}

// fleet are the models that answer in one process.
type fleet []*loaded

// close ends the engines and frees the models.
func (f fleet) close() {
	for _, l := range f {
		// Nobody is left whom an error of freeing memory could help.
		_ = l.engine.Close()
	}
}

// failing says on log which engines fail for good, and returns a channel that gets why the last
// of them did.
func (f fleet) failing(log io.Writer) <-chan error {
	var left atomic.Int64
	left.Store(int64(len(f)))
	last := make(chan error, 1)
	for _, l := range f {
		go func() {
			err := l.engine.Wait()
			if err == nil {
				return
			}
			err = fmt.Errorf("%s: %w", l.model.Names[0], err)
			if left.Add(-1) == 0 {
				last <- err
				return
			}
			fmt.Fprintf(log, "trona: %s\n", oneLine(err))
		}()
	}
	return last
}

// models returns the models as the server sees them.
func (f fleet) models() []*server.Model {
	var list []*server.Model
	for _, l := range f {
		list = append(list, l.model)
	}
	return list
}

// load opens checkpoints, makes sure that they fit together, and loads them.
// Each has a device of its own, so a failure costs one model. On a CPU all have
// all of its threads, and the engines take turns.
func (l *loader) load(bar *progress) (_ fleet, err error) {
	var list []*candidate
	var f fleet
	defer func() {
		for _, c := range list {
			err = errors.Join(err, c.close())
		}
		if err != nil {
			f.close()
		}
	}()
	for _, s := range l.sources {
		c, err := l.candidate(s)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
		if l.opened == nil {
			continue
		}
		if err := l.opened(c.model); err != nil {
			return nil, err
		}
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
	turn := new(sync.Mutex)
	for i, c := range list {
		started, err := c.start(grants[i], turn, bar)
		if err != nil {
			return nil, err
		}
		f = append(f, started)
	}
	host.restrain()
	return f, nil
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

// start loads the weights, allocates the cache and starts the engine, which then
// has the device.
func (c *candidate) start(g grant, turn sync.Locker, bar *progress) (*loaded, error) {
	options, m := c.plans.own.Options, c.model
	m.Fingerprint = c.fingerprint(g)
	how := engine.Options{MaxModelLen: g.tokens, MaxNumSeqs: options.MaxNumSeqs, SpeculateTokens: options.Drafts}
	if c.dev.Info().Name == "cpu" {
		how.Turn = turn
	}
	weights, cache, err := loadWeights(c.ckpt, c.dev, c.plans.own, g, bar)
	if err != nil {
		return nil, err
	}
	bytes := [2]int64{weights.Bytes(), cache.Bytes()}
	if c.draft != nil {
		if how.Draft.Model, how.Draft.Cache, err = loadWeights(c.draft, c.dev, c.plans.draft, g, bar); err != nil {
			return nil, err
		}
		bytes[0] += how.Draft.Model.Bytes()
		bytes[1] += how.Draft.Cache.Bytes()
	}
	e, err := engine.New(weights, cache, c.dev, how)
	if err != nil {
		return nil, err
	}
	m.Engine, m.ContextLength = server.InProcess(e), e.ContextLength()
	summary := fmt.Sprintf("%s: %s bytes of weights and workspace, %s bytes of KV cache (%s); %s tokens of context%s, %d requests at once; %s",
		m.Names[0], count(bytes[0]), count(bytes[1]), c.kv, count(int64(m.ContextLength)), rotaryNote(c.ckpt.Config.Rotary.Factors(g.tokens)), options.MaxNumSeqs, c.dev.Info().Detail)
	c.dev = nil
	return &loaded{model: m, engine: e, summary: summary}, nil
}

// loadWeights loads a model as planned, with a cache as granted.
func loadWeights(ckpt *model.Checkpoint, dev kernels.Device, p *model.Plan, g grant, bar *progress) (*model.Model, *model.KVCache, error) {
	o := p.Options
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: o.MaxRows, MaxLogits: o.MaxLogits, Context: g.tokens, Progress: bar.set})
	bar.stop()
	if err != nil {
		return nil, nil, err
	}
	cache, err := model.NewKVCache(dev, &ckpt.Config, o.KVType, g.blocks)
	if err != nil {
		return nil, nil, err
	}
	return m, cache, m.Record(cache)
}

// freeMemory returns the bytes of a device that this process may take; 0 if unknown.
func freeMemory(info kernels.Info) int64 {
	if info.Name != "cpu" {
		return info.Memory
	}
	if free := cpu.AvailableMemory(); free > 0 {
		return free
	}
	return info.Memory
}

// splitNumber is what the name of a split file has before ".gguf".
var splitNumber = regexp.MustCompile(`-\d{5}-of-\d{5}$`)

// modelName returns the name of a model after its path. A folder in a cache of
// Hugging Face is called after a commit; there it is the name on the hub, of
// models--ORG--NAME/snapshots/COMMIT.
func modelName(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full // "." has no name
	}
	if snapshots := filepath.Dir(path); filepath.Base(snapshots) == "snapshots" {
		if name, ok := strings.CutPrefix(filepath.Base(filepath.Dir(snapshots)), "models--"); ok {
			return strings.ReplaceAll(name, "--", "/")
		}
	}
	return splitNumber.ReplaceAllString(strings.TrimSuffix(filepath.Base(path), ".gguf"), "")
}

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"trona/engine"
	"trona/kernels"
	"trona/model"
	"trona/server"
	"trona/tokenizer"
)

// candidate is a model of which all but the weights is known.
type candidate struct {
	ckpt, draft *model.Checkpoint // draft: nil where no model guesses
	model       *server.Model
	dev         kernels.Device // nil: it belongs to an engine
	kv          kernels.DType
	plans       *plans
	cache       cacheFlags
}

// candidate opens one of so many models and a device for it.
func (l *loader) candidate(s source) (_ *candidate, err error) {
	c := new(candidate)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.ckpt, err = openCheckpoint(s.path); err != nil {
		return nil, err
	}
	if c.model, err = describe(c.ckpt, s); err != nil {
		return nil, err
	}
	if c.draft, err = l.cache.openDraft(c.ckpt, len(l.sources)); err != nil {
		return nil, err
	}
	c.cache = l.cache.fit(c.ckpt.Config.ContextLength, len(l.sources), c.draft != nil)
	if most := c.cache.MaxModelLen; most > 0 {
		c.model.ContextLength = min(c.model.ContextLength, most)
	}
	if c.dev, err = l.device.open(); err != nil {
		return nil, err
	}
	if c.kv, err = l.cache.kvType(c.dev.Info(), c.ckpt, c.draft); err != nil {
		return nil, err
	}
	c.plans, err = c.cache.plans(c.ckpt, c.draft, c.dev, c.kv, 0)
	return c, err
}

// close closes what no engine has taken over.
func (c *candidate) close() error {
	var errs []error
	for _, ckpt := range []*model.Checkpoint{c.ckpt, c.draft} {
		if ckpt != nil {
			errs = append(errs, ckpt.Close())
		}
	}
	if c.dev != nil {
		errs = append(errs, c.dev.Close())
	}
	return errors.Join(errs...)
}

// describe reads all of a checkpoint but its weights. Without names it gets one
// that follows from its path.
func describe(ckpt *model.Checkpoint, from source) (*server.Model, error) {
	tok, err := tokenizerOf(ckpt)
	if err != nil {
		return nil, err
	}
	c := &ckpt.Config
	if tok.VocabSize() > c.VocabSize {
		return nil, fmt.Errorf("%s: its tokenizer has %d tokens, its output %d", ckpt.Path, tok.VocabSize(), c.VocabSize)
	}
	m := &server.Model{
		Names: from.names, Tokenizer: tok, VocabSize: c.VocabSize, ContextLength: c.ContextLength, Parameters: ckpt.Parameters(), EOS: slices.Clone(c.EOS),
		Defaults: server.SamplingDefaults(c.Sampling), Created: time.Now(),
	}
	if len(m.Names) == 0 {
		m.Names = []string{modelName(ckpt.Path)}
	}
	for _, id := range tok.EOS() {
		if !slices.Contains(m.EOS, id) {
			m.EOS = append(m.EOS, id)
		}
	}
	if from.template != nil {
		m.Template, m.ToolTemplate = from.template, from.template
	} else if m.Template, m.ToolTemplate, err = templatesOf(tok); err != nil {
		return nil, fmt.Errorf("%s: its chat template (--chat-template takes another): %w", ckpt.Path, err)
	}
	return m, nil
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

// fingerprint tells apart what may answer differently: the model, what computes it, and with what
// precision. How much at once, and on how many threads, makes no difference.
func (c *candidate) fingerprint(g grant) string {
	parts := []string{version, c.ckpt.Digest(), c.model.Tokenizer.Digest(), c.kv.String(), c.ckpt.Config.Rotary.Factors(g.tokens)}
	parts = append(parts, c.dev.Info().Features...)
	for _, t := range []*tokenizer.Template{c.model.Template, c.model.ToolTemplate} {
		if t != nil {
			parts = append(parts, t.Source())
		}
	}
	digest := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return fmt.Sprintf("fp_%x", digest[:8])
}

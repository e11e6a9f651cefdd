package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"trona/engine"
	"trona/kernels"
	"trona/model"
	"trona/server"
	"trona/tokenizer"
)

// loader says how serve and run load a model.
type loader struct {
	path   string
	names  []string // in the API; none: one that follows from path
	cache  cacheFlags
	memory size // of the KV cache; 0: what the requests can use, within what is free
	device deviceFlags
}

// loaded is a model that answers.
type loaded struct {
	model   *server.Model
	engine  *engine.Engine
	summary string // for a person: what it takes
}

// close ends the engine and frees the model.
func (l *loaded) close() {
	// Nobody is left whom an error of freeing memory could help.
	_ = l.engine.Close()
}

// load opens a checkpoint, makes sure that it fits, and loads it.
func (l *loader) load(bar *progress) (*loaded, error) {
	ckpt, err := openCheckpoint(l.path)
	if err != nil {
		return nil, err
	}
	defer ckpt.Close()
	m, err := l.describe(ckpt)
	if err != nil {
		return nil, err
	}
	draft, err := l.cache.openDraft(ckpt)
	if err != nil {
		return nil, err
	}
	if draft != nil {
		defer draft.Close()
	}
	dev, err := l.device.open()
	if err != nil {
		return nil, err
	}
	loaded, err := l.start(ckpt, draft, dev, m, bar)
	if err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return loaded, nil
}

// describe reads all of a checkpoint but its weights.
func (l *loader) describe(ckpt *model.Checkpoint) (*server.Model, error) {
	tok, err := tokenizerOf(ckpt)
	if err != nil {
		return nil, err
	}
	c := &ckpt.Config
	if tok.VocabSize() > c.VocabSize {
		return nil, fmt.Errorf("%s: its tokenizer has %d tokens, its output %d", ckpt.Path, tok.VocabSize(), c.VocabSize)
	}
	m := &server.Model{
		Names: l.names, Tokenizer: tok, VocabSize: c.VocabSize, EOS: slices.Clone(c.EOS),
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
	if m.Template, m.ToolTemplate, err = templatesOf(tok); err != nil {
		return nil, fmt.Errorf("%s: its chat template: %w", ckpt.Path, err)
	}
	parts := []string{version, ckpt.Digest(), tok.Digest(), tok.ChatTemplate(false), tok.ChatTemplate(true)}
	digest := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	m.Fingerprint = fmt.Sprintf("fp_%x", digest[:8])
	return m, nil
}

// templatesOf returns the chat template, and the one of conversations with
// tools: nil where there is none.
func templatesOf(tok *tokenizer.Tokenizer) (plain, tools *tokenizer.Template, err error) {
	parse := func(text string) *tokenizer.Template {
		if text == "" || err != nil {
			return nil
		}
		var t *tokenizer.Template
		t, err = tokenizer.NewTemplate(text)
		return t
	}
	plain = parse(tok.ChatTemplate(false))
	if tools = plain; tok.ChatTemplate(true) != tok.ChatTemplate(false) {
		tools = parse(tok.ChatTemplate(true))
	}
	return plain, tools, err
}

// start loads the weights, allocates the cache and starts the engine. The
// device stays the caller's where it fails.
func (l *loader) start(ckpt, draft *model.Checkpoint, dev kernels.Device, m *server.Model, bar *progress) (*loaded, error) {
	kv, err := l.cache.kvType(dev.Info())
	if err != nil {
		return nil, err
	}
	plans, err := l.cache.plans(ckpt, draft, dev, kv, 0)
	if err != nil {
		return nil, err
	}
	blocks, context, err := budget{free: freeMemory(dev.Info()), cache: int64(l.memory)}.blocks(plans.both, l.cache.MaxModelLen)
	if err != nil {
		return nil, err
	}
	options := plans.own.Options
	how := engine.Options{MaxModelLen: context, MaxNumSeqs: options.MaxNumSeqs, SpeculateTokens: options.Drafts}
	weights, cache, err := loadWeights(ckpt, dev, plans.own, blocks, bar)
	if err != nil {
		return nil, err
	}
	bytes := [2]int64{weights.Bytes(), cache.Bytes()}
	if draft != nil {
		if how.Draft.Model, how.Draft.Cache, err = loadWeights(draft, dev, plans.draft, blocks, bar); err != nil {
			return nil, err
		}
		bytes[0] += how.Draft.Model.Bytes()
		bytes[1] += how.Draft.Cache.Bytes()
	}
	e, err := engine.New(weights, cache, dev, how)
	if err != nil {
		return nil, err
	}
	m.Engine, m.ContextLength = server.InProcess(e), e.ContextLength()
	summary := fmt.Sprintf("%s: %s bytes of weights and workspace, %s bytes of KV cache (%s); %s tokens of context, %d requests at once; %s",
		m.Names[0], count(bytes[0]), count(bytes[1]), kv, count(int64(m.ContextLength)), options.MaxNumSeqs, dev.Info().Detail)
	return &loaded{model: m, engine: e, summary: summary}, nil
}

// loadWeights loads a model as planned, with a cache of so many blocks.
func loadWeights(ckpt *model.Checkpoint, dev kernels.Device, p *model.Plan, blocks int, bar *progress) (*model.Model, *model.KVCache, error) {
	o := p.Options
	m, err := model.Load(ckpt, dev, model.LoadOptions{MaxRows: o.MaxRows, MaxLogits: o.MaxLogits, Progress: bar.set})
	bar.stop()
	if err != nil {
		return nil, nil, err
	}
	cache, err := model.NewKVCache(dev, &ckpt.Config, o.KVType, blocks)
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
	if free := availableMemory(); free > 0 {
		return free
	}
	return info.Memory
}

// splitNumber is what the name of a split file has before ".gguf".
var splitNumber = regexp.MustCompile(`-\d{5}-of-\d{5}$`)

// modelName returns the name of a model after its path.
func modelName(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full // "." has no name
	}
	return splitNumber.ReplaceAllString(strings.TrimSuffix(filepath.Base(path), ".gguf"), "")
}

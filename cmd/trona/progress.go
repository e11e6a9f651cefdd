package main

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progressDelay is how long something takes before it shows a bar.
const progressDelay = time.Second

// progress is a bar on a terminal; nothing on anything else, nor where it ends
// within a second.
type progress struct {
	mu     sync.Mutex
	out    io.Writer
	label  string
	plain  bool   // numbers count things, not bytes
	before func() // not nil: called before the bar appears
	start  time.Time
	bars   *mpb.Progress
	bar    *mpb.Bar
}

func newProgress(out io.Writer, label string) *progress {
	return &progress{out: out, label: label, start: time.Now()}
}

// set says how much of how much is done.
func (p *progress) set(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !moves(p.out) || time.Since(p.start) < progressDelay {
		return
	}
	if p.bar == nil {
		if p.before != nil {
			p.before()
		}
		counters := decor.CountersKibiByte("% .1f / % .1f")
		if p.plain {
			counters = decor.CountersNoUnit("%d / %d")
		}
		p.bars = mpb.New(mpb.WithOutput(p.out), mpb.WithWidth(40))
		p.bar = p.bars.New(total, mpb.BarStyle(), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(p.label+" ")),
			mpb.AppendDecorators(counters))
	}
	p.bar.SetCurrent(done)
}

// stop removes the bar.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
		p.bar = nil
	}
}

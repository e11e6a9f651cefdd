package engine

import (
	"slices"
	"sync/atomic"
	"unsafe"

	"trona/kernels"
)

// late is a device that does ops after they were queued: those of others on the
// CPU, for the host to be ahead of. It copies what the host may change meanwhile.
type late struct {
	kernels.Device
	queue  []func()     // not done; a lazy device does them when it has to
	stream chan func()  // of a busy one: it does them on a goroutine
	marked int          // entries of queue
	steps  atomic.Int64 // that were queued
	done   chan struct{}
	err    error   // of the last step
	drawn  []int32 // by the last Sample that was done
}

// lateness is how a test's device is late.
type lateness int

const (
	inTime lateness = iota
	lazy
	busy
)

func newLate(dev kernels.Device, l lateness) *late {
	d := &late{Device: dev}
	if l == busy {
		d.stream = make(chan func(), 4096)
		go func() {
			for f := range d.stream {
				f()
			}
		}()
	}
	return d
}

func (d *late) do(f func()) {
	if d.stream != nil {
		d.stream <- f
	} else {
		d.queue = append(d.queue, f)
	}
}

// run does the first n ops of the queue, or waits until f is done.
func (d *late) run(n int) {
	for _, f := range d.queue[:n] {
		f()
	}
	d.queue = slices.Delete(d.queue, 0, n)
}

// all does everything.
func (d *late) all() {
	done := make(chan struct{})
	d.do(func() { close(done) })
	d.run(len(d.queue))
	<-done
}

func (d *late) Mark() {
	d.steps.Add(1)
	done := make(chan struct{})
	d.do(func() {
		d.err = d.Device.Sync()
		close(done)
	})
	d.done, d.marked = done, len(d.queue)
}

func (d *late) Await() error {
	d.run(d.marked)
	<-d.done
	return d.err
}

func (d *late) Sync() error {
	var err error
	d.do(func() { err = d.Device.Sync() })
	d.all()
	return err
}

func (d *late) Close() error {
	d.all()
	if d.stream != nil {
		close(d.stream)
	}
	return d.Device.Close()
}

func (d *late) Free(addr uintptr) {
	d.all()
	d.Device.Free(addr)
}

func (d *late) Upload(dst kernels.Tensor, src []byte) {
	src = slices.Clone(src)
	d.do(func() { d.Device.Upload(dst, src) })
}

func (d *late) Download(dst []byte, src kernels.Tensor) {
	d.do(func() { d.Device.Download(dst, src) })
	d.all()
}

func (d *late) Embed(out kernels.Tensor, table kernels.Weight, ids kernels.Tensor) {
	d.do(func() { d.Device.Embed(out, table, ids) })
}

func (d *late) RMSNorm(out, x, weight kernels.Tensor, eps float32) {
	d.do(func() { d.Device.RMSNorm(out, x, weight, eps) })
}

func (d *late) AddRMSNorm(out, x, delta, weight kernels.Tensor, eps float32) {
	d.do(func() { d.Device.AddRMSNorm(out, x, delta, weight, eps) })
}

func (d *late) Add(x, delta kernels.Tensor) { d.do(func() { d.Device.Add(x, delta) }) }

func (d *late) MatMul(x kernels.Tensor, decode int64, products []kernels.Product) {
	products = slices.Clone(products)
	d.do(func() { d.Device.MatMul(x, decode, products) })
}

func (d *late) GatedMatMul(out, x kernels.Tensor, gate, up kernels.Weight, decode int64) {
	d.do(func() { d.Device.GatedMatMul(out, x, gate, up, decode) })
}

func (d *late) AddBias(sums []kernels.Biased) {
	sums = slices.Clone(sums)
	d.do(func() { d.Device.AddBias(sums) })
}

func (d *late) SwiGLU(gate, up kernels.Biased) { d.do(func() { d.Device.SwiGLU(gate, up) }) }

func (d *late) RoPEAppendKV(cache kernels.KV, q, k, v, positions, slots kernels.Tensor, r kernels.Rotary) {
	d.do(func() { d.Device.RoPEAppendKV(cache, q, k, v, positions, slots, r) })
}

func (d *late) Attention(out, q kernels.Tensor, cache kernels.KV, window int64, plan *kernels.AttentionPlan) {
	own := kernels.AttentionPlan{Decode: plan.Decode, Seqs: slices.Clone(plan.Seqs)}
	for i := range own.Seqs {
		own.Seqs[i].Blocks = slices.Clone(own.Seqs[i].Blocks)
	}
	d.do(func() { d.Device.Attention(out, q, cache, window, &own) })
}

func (d *late) Gather(out, x, rows kernels.Tensor) { d.do(func() { d.Device.Gather(out, x, rows) }) }

func (d *late) Sample(dst []kernels.Sampled, logits kernels.Tensor, rows []kernels.SampleRow) {
	rows = slices.Clone(rows)
	for i := range rows {
		r := &rows[i]
		r.Prompt, r.Generated = slices.Clone(r.Prompt), slices.Clone(r.Generated)
		r.Bias, r.Banned, r.Mask = slices.Clone(r.Bias), slices.Clone(r.Banned), slices.Clone(r.Mask)
	}
	d.do(func() {
		d.Device.Sample(dst, logits, rows)
		d.drawn = d.drawn[:0]
		for i := range dst {
			d.drawn = append(d.drawn, max(dst[i].Token, 0))
		}
	})
}

func (d *late) Feed(ids, rows kernels.Tensor) {
	kernels.CheckFeed(ids, rows)
	d.do(func() {
		to, from := integers(ids), integers(rows)
		for i, row := range from {
			if row >= 0 {
				to[i] = d.drawn[row]
			}
		}
	})
}

// integers views a tensor of the CPU device.
func integers(t kernels.Tensor) []int32 {
	return unsafe.Slice(*(**int32)(unsafe.Pointer(&t.Addr)), t.Len())
}

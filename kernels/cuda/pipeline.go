package cuda

import "trona/kernels"

// Feed passes tokens from one step to the next.
func (d *Device) Feed(ids, rows kernels.Tensor) {
	kernels.CheckFeed(ids, rows)
	n := ids.Shape[0]
	d.launch(&d.kernels.feed, pieces(n, rowThreads), 1, rowThreads, 0, words(gatherArgs{
		out: addr(ids.Addr), x: addr(d.results.device) + addr(d.sampling.tokens), rows: addr(rows.Addr), fault: d.results.fault(),
		n: int32(d.sampling.n), d: int32(n),
	}))
}

// Mark queues the copy that brings a step's results.
func (d *Device) Mark() {
	r := &d.results
	if r.marked {
		panic("cuda: Mark without Await of the one before")
	}
	r.marked = true
	d.thread.commands <- command{kind: copyOut, memory: r.device, host: r.host, bytes: r.used}
	d.thread.commands <- command{kind: markEvent, event: r.copied}
}

// Await waits for the results of the step that Mark ended.
func (d *Device) Await() error {
	if !d.results.marked {
		panic("cuda: Await without Mark")
	}
	return d.finish(d.results.await)
}

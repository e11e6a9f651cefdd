package cuda

import (
	"fmt"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// recorded says what a recording is of.
type recorded struct {
	shape planShape // of Attention; zero: it has none
}

// Record keeps the ops that f queues as a graph of the driver.
func (d *Device) Record(f func()) (kernels.Recording, error) {
	if err := d.Sync(); err != nil {
		return 0, err
	}
	if err := d.thread.call(func(t *thread) error { return t.BeginCapture(t.main) }); err != nil {
		return 0, fmt.Errorf("cuda: record: %w", err)
	}
	d.recording, d.recorded, d.converted = true, recorded{}, converted{}
	f()
	d.recording, d.converted = false, converted{}
	var graph driver.Graph
	err := d.thread.call(func(t *thread) (err error) {
		if graph, err = t.EndCapture(t.main); t.failed != nil {
			err = t.failed
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cuda: record: %w", err)
	}
	r := kernels.Recording(graph)
	d.recordings[r] = d.recorded
	return r, nil
}

// Replay queues a recording: one launch.
func (d *Device) Replay(r kernels.Recording, plan *kernels.AttentionPlan) {
	what, ok := d.recordings[r]
	if !ok {
		panic(fmt.Sprintf("cuda: replay of %#x, which is no recording", r))
	}
	if what.shape != (planShape{}) {
		rows := int64(0)
		for i := range plan.Seqs {
			rows += plan.Seqs[i].Rows
		}
		if now := shapeOf(plan, rows); now.decode > what.shape.decode || now.prefill > what.shape.prefill {
			panic(fmt.Sprintf("cuda: replay with a plan of %d and %d rows; %d and %d were recorded", now.decode, now.prefill, what.shape.decode, what.shape.prefill))
		}
		d.sendPlan(plan, what.shape)
	}
	d.converted = converted{}
	d.thread.commands <- command{kind: launchGraph, graph: driver.Graph(r)}
}

// Forget frees a recording, once all that was queued is done.
func (d *Device) Forget(r kernels.Recording) {
	if _, ok := d.recordings[r]; !ok {
		panic(fmt.Sprintf("cuda: forget of %#x, which is no recording", r))
	}
	delete(d.recordings, r)
	d.thread.call(func(t *thread) error {
		t.fail(t.Wait(t.main))
		t.fail(t.DestroyGraph(driver.Graph(r)))
		return nil
	})
}

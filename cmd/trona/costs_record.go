package main

import "trona/kernels"

// costRecorder is a costDevice of a device that records: a replay costs what its
// ops do, those of rows that are not in use too.
type costRecorder struct {
	*costDevice
	recorder kernels.Recorder
	kept     map[kernels.Recording]*recordedCost
}

// recordedCost is the cost of a recording. That of attention depends on the plan
// of its replay.
type recordedCost struct {
	tally
	attention []recordedAttention
}

type recordedAttention struct {
	q      kernels.Tensor
	cache  kernels.KV
	window int64
}

// counted returns a device that adds up what a device has to do, and records
// where that does.
func counted(dev kernels.Device) (*costDevice, kernels.Device) {
	costs := &costDevice{Device: dev, info: dev.Info()}
	if r, ok := dev.(kernels.Recorder); ok {
		return costs, &costRecorder{costs, r, map[kernels.Recording]*recordedCost{}}
	}
	return costs, costs
}

func (d *costRecorder) Record(f func()) (kernels.Recording, error) {
	before, cost := d.tally, &recordedCost{}
	d.tally, d.recording = tally{}, cost
	r, err := d.recorder.Record(f)
	cost.tally = d.tally
	d.tally, d.recording = before, nil
	d.kept[r] = cost
	return r, err
}

func (d *costRecorder) Replay(r kernels.Recording, plan *kernels.AttentionPlan) {
	cost := d.kept[r]
	d.add(cost.total)
	d.int8 += cost.int8
	d.bf16 += cost.bf16
	for _, a := range cost.attention {
		d.attention(a.q, a.cache, a.window, plan)
	}
	d.recorder.Replay(r, plan)
}

func (d *costRecorder) Forget(r kernels.Recording) {
	delete(d.kept, r)
	d.recorder.Forget(r)
}

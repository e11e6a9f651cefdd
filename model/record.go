package model

import (
	"fmt"

	"trona/kernels"
)

// recorded are decode steps that the device keeps: each for a number of rows
// of which some may not be in use.
type recorded struct {
	cache *KVCache // that they use
	steps []recordedStep
}

type recordedStep struct {
	rows int64
	keep kernels.Recording
}

// Record prepares steps that only decode, with the logits of all rows, for one
// cache: the device then gets each as a whole instead of op by op. It is called
// once, before the first step; where the device cannot do it nothing happens.
func (m *Model) Record(c *KVCache) error {
	dev, ok := m.dev.(kernels.Recorder)
	if !ok {
		return nil
	}
	m.recorded.cache = c
	most := min(m.ws.rows, m.ws.logitRows)
	for rows := int64(1); ; rows = nextRows(rows) {
		rows = min(rows, most)
		s := m.unused(rows)
		keep, err := dev.Record(func() { m.compute(s, c) })
		if err != nil {
			return fmt.Errorf("record a step of %d rows: %w", rows, err)
		}
		m.recorded.steps = append(m.recorded.steps, recordedStep{rows, keep})
		if rows == most {
			return nil
		}
	}
}

// nextRows returns how many rows the next larger recorded step has: a third or
// a half more, so that few rows are wasted and few steps recorded.
func nextRows(rows int64) int64 {
	if rows&(rows-1) == 0 && rows >= 4 {
		return rows * 3 / 2
	}
	if rows < 4 {
		return rows * 2
	}
	return rows * 4 / 3
}

// unused returns a step whose rows are not in use.
func (m *Model) unused(rows int64) *step {
	s := &m.step
	*s = step{n: rows, logits: rows, decode: rows, plan: kernels.AttentionPlan{Seqs: s.plan.Seqs[:0], Decode: rows}}
	for i := range rows {
		m.setHost(wantedArray, i, int32(i))
		s.plan.Seqs = append(s.plan.Seqs, kernels.AttentionSeq{Row: i, Rows: 1, Blocks: []int32{0}})
	}
	m.view(s)
	return s
}

// recording returns the recorded step that does s, nil if none does.
func (m *Model) recording(s *step, c *KVCache) *recordedStep {
	if c != m.recorded.cache || s.decode != s.n || s.logits != s.n {
		return nil
	}
	for i := range m.recorded.steps {
		if r := &m.recorded.steps[i]; r.rows >= s.n {
			return r
		}
	}
	return nil
}

// pad fills the arrays of a recorded step behind the rows that are in use.
func (m *Model) pad(s *step, rows int64) {
	for i := s.n; i < rows; i++ {
		m.setHost(idsArray, i, 0)
		m.setHost(posArray, i, 0)
		m.setHost(slotArray, i, -1) // stores nothing
	}
}

// replay computes s by a recorded step.
func (m *Model) replay(s *step, r *recordedStep) kernels.Tensor {
	m.dev.(kernels.Recorder).Replay(r.keep, &s.plan)
	return m.ws.logits.Slice(0, s.n)
}

// forget frees the recorded steps.
func (m *Model) forget() {
	for _, r := range m.recorded.steps {
		m.dev.(kernels.Recorder).Forget(r.keep)
	}
	m.recorded = recorded{}
}

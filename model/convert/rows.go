package convert

import (
	"fmt"
	"slices"
	"sync"

	"trona/kernels"
	"trona/model"
	"trona/model/mmap"
	"trona/model/quant"
)

const (
	chunkBytes = 1 << 20 // about what one thread writes at a time
	aheadRows  = 64      // made at once where the source does not store them as such
)

// part writes the data of one tensor.
func (c *converter) part(p *model.Part, typ kernels.DType) error {
	m, err := c.src.ReadPart(p)
	if err != nil {
		return err
	}
	same := m.Type == typ && m.Scale == nil && m.Table == nil && (p.Heads == 0 || !p.Vector)
	if p.Quantised() && !same {
		c.result.Requantised++
	}
	rows, ahead := max(1, chunkBytes/typ.RowBytes(p.Cols)), int64(aheadRows)
	if p.Heads != 0 {
		ahead = 1 // the next row is none that comes next
	}
	workers := make([]*worker, c.o.Threads)
	for i := range workers {
		workers[i] = &worker{part: p, matrix: m, rows: m.Reader(ahead), same: same, typ: typ, row: make([]float32, p.Cols)}
	}
	for first := int64(0); first < p.Rows; {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		var running sync.WaitGroup
		n := 0
		for ; n < len(workers) && first < p.Rows; n++ {
			w, from, to := workers[n], first, min(p.Rows, first+rows)
			running.Go(func() { w.err = mmap.Guard(func() error { return w.encode(from, to) }) })
			first = to
		}
		running.Wait()
		for _, w := range workers[:n] {
			if w.err != nil {
				return w.err
			}
			if err := c.write(w.out); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *converter) write(p []byte) error {
	n, err := c.w.Write(p)
	c.done += int64(n)
	if c.o.Progress != nil {
		c.o.Progress(c.done, c.total)
	}
	return err
}

// worker encodes rows of one tensor.
type worker struct {
	part   *model.Part
	matrix *kernels.Matrix
	rows   *kernels.Reader
	same   bool // rows have the bytes of the source's
	typ    kernels.DType
	row    []float32
	out    []byte
	err    error
}

// encode makes rows [from, to) of the file.
func (w *worker) encode(from, to int64) error {
	size := w.typ.RowBytes(w.part.Cols)
	w.out = slices.Grow(w.out[:0], int((to-from)*size))[:(to-from)*size]
	for r := from; r < to; r++ {
		if w.same {
			copy(w.out[(r-from)*size:][:size], w.rows.Rows(w.source(r, w.part.Rows), 1))
			continue
		}
		if w.part.Vector {
			w.vector()
		} else {
			at := w.source(r, w.part.Rows)
			quant.RowOf(w.row, w.matrix, at, w.rows.Rows(at, 1))
		}
		if err := quant.Encode(w.out[(r-from)*size:][:size], w.typ, w.row); err != nil {
			return fmt.Errorf("row %d: %w", r, err)
		}
	}
	return nil
}

// vector makes the numbers of a vector.
func (w *worker) vector() {
	values := make([]float32, len(w.row))
	quant.Row(values, w.matrix, 0)
	for i := range w.row {
		w.row[i] = values[w.source(int64(i), w.part.Cols)]
	}
}

// source returns which of n rows of the checkpoint, or numbers of a bias, is number r of
// the file: of each head in turn one of its first half and one of its second, where GGUF
// wants the pairs of the rotation together.
func (w *worker) source(r, n int64) int64 {
	if w.part.Heads == 0 {
		return r
	}
	dim := n / int64(w.part.Heads)
	head, i := r/dim, r%dim
	return head*dim + i%2*(dim/2) + i/2
}

package engine

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"trona/kernels"
)

// masks asks the constraints of a step what they allow, on goroutines of its
// own while the device computes. It keeps the memory of the masks.
type masks struct {
	vocab int
	free  [][]uint32
	jobs  []maskJob
	next  atomic.Int64 // job that nobody has begun
	work  sync.WaitGroup
}

// maskJob is the rows of logits that draw for one sequence.
type maskJob struct {
	q       *Sequence
	targets []target
	rows    []kernels.SampleRow
	masks   [][]uint32 // one for each row
}

// start begins to give rows the masks that their sequences want, or the errors
// that keep them from drawing. Until wait nobody else touches them.
func (m *masks) start(targets []target, rows []kernels.SampleRow) {
	m.jobs = m.jobs[:0]
	m.next.Store(0)
	used := 0
	for i := 0; i < len(targets); {
		q, n := targets[i].q, 1
		if !targets[i].draw || q.constraint == nil {
			i++
			continue
		}
		for i+n < len(targets) && targets[i+n].q == q {
			n++
		}
		for len(m.free) < used+n {
			m.free = append(m.free, make([]uint32, (m.vocab+31)/32))
		}
		m.jobs = append(m.jobs, maskJob{q, targets[i : i+n], rows[i : i+n], m.free[used : used+n]})
		i, used = i+n, used+n
	}
	for range min(len(m.jobs), runtime.GOMAXPROCS(0)) {
		m.work.Go(m.run)
	}
}

// wait returns when all masks are there.
func (m *masks) wait() { m.work.Wait() }

// run does jobs until none is left.
func (m *masks) run() {
	for {
		i := int(m.next.Add(1)) - 1
		if i >= len(m.jobs) {
			return
		}
		m.jobs[i].run(m.vocab)
	}
}

// run fills the masks of a job. A mistake of the constraint's is an error of
// the row that it concerns.
func (j *maskJob) run(vocab int) {
	q, at := j.q, 0
	defer func() {
		if p := recover(); p != nil {
			j.fail(at, "panic: %v", p)
		}
	}()
	for ; q.constrained < q.drawn(); q.constrained++ {
		if id := q.tokens[q.prompt+q.constrained]; !q.constraint.Accept(id) {
			j.fail(0, "it refuses token %d, which it has allowed", id)
			return
		}
	}
	if len(j.rows) > 1 {
		place := q.constraint.Save()
		defer q.constraint.Restore(place)
	}
	for {
		mask := j.masks[at]
		clear(mask)
		q.constraint.Mask(mask)
		if !trim(mask, vocab, j.rows[at].Banned) {
			j.fail(at, "no token may follow the %d drawn", q.drawn()+at)
			return
		}
		j.rows[at].Mask = mask
		if at == len(j.rows)-1 {
			return
		}
		draft := q.ahead(at + 1)[len(q.tokens)+at]
		if !hasBit(mask, draft) {
			return // this row draws something else; the others count for nothing
		}
		at++
		if !q.constraint.Accept(draft) {
			j.fail(at, "it refuses token %d, which it has allowed", draft)
			return
		}
	}
}

func (j *maskJob) fail(row int, format string, args ...any) {
	j.targets[row].err = fmt.Errorf("%w: "+format, append([]any{ErrConstraint}, args...)...)
}

// trim clears the bits of tokens that must not be drawn, and those beyond the
// vocabulary, and reports whether any is left.
func trim(mask []uint32, vocab int, banned []int32) bool {
	if over := vocab % 32; over > 0 {
		mask[len(mask)-1] &= 1<<over - 1
	}
	for _, id := range banned {
		mask[id>>5] &^= 1 << (id & 31)
	}
	for _, w := range mask {
		if w != 0 {
			return true
		}
	}
	return false
}

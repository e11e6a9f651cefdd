package cpu

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// job is the parallel part of an op, cut into pieces that may run in any order; pieces does
// some that follow each other.
type job interface {
	pieces(w *worker, from, to int64)
}

// worker is one thread's own scratch memory. Worker 0 is the caller of the op, whose thread
// is not ours to bind: it finds the processor that the others leave.
type worker struct {
	panel   []float32  // a tile of weights, [256, 16]
	panels8 *[2]panel8 // the same of two groups in 8 bits
	sums    []float32  // of products with them: [groups, tokens, 16]
	row     []float32  // of one token the products of some groups: [groups, 16]
	tiles   tilesScratch
	factors [lanes]float32
	tile    []float32 // a tile of results
	attn    attentionScratch
	codes   []int16 // of a row that is stored
	sample  sampleScratch
	parked  atomic.Bool
	wake    chan struct{}
	jobSeen uint64
	// taken is the number of a job in the high 32 bits, then how many pieces of this
	// thread's own range were taken, by whom ever.
	taken atomic.Uint64
}

// pool runs jobs on persistent goroutines. Each has a range of a job's pieces of its own, and
// takes from others when that is done. A job is open from run until its
// pieces are handed out; a worker that comes too late simply misses it.
type pool struct {
	workers []*worker
	homes   []*node // of the workers; nil: there is one node
	stopped sync.WaitGroup

	job job
	n   int64
	// state is the job's number in the high 32 bits, then jobClosed, then the
	// number of workers inside it.
	state atomic.Uint64
	err   atomic.Pointer[error]
}

const (
	jobNumber = 1 << 32
	jobClosed = 1 << 31
	// spinTime is how long a thread looks for the next job before it parks:
	// longer than the gaps between the ops of a step.
	spinTime = 50 * time.Microsecond
)

func newPool(threads int, nodes []node) *pool {
	p := &pool{homes: homesOf(nodes, threads)}
	p.state.Store(jobClosed)
	for range threads {
		w := &worker{wake: make(chan struct{}, 1), panel: alignedFloats(chunk * lanes), tile: alignedFloats(fewTokens * lanes)}
		grow(&w.row, tileGroups*lanes)
		w.panels8 = (*[2]panel8)(unsafe.Pointer(&alignedFloats(int(unsafe.Sizeof(*w.panels8)) / 4)[0]))
		p.workers = append(p.workers, w)
	}
	for i := range threads - 1 { // once all are there, for they take from one another
		p.stopped.Add(1)
		go p.serve(i + 1)
	}
	return p
}

// run does pieces 0 to n-1 and returns the first panic as an error.
func (p *pool) run(j job, n int64, few bool) error {
	p.job, p.n = j, n
	if few || n == 1 || len(p.workers) == 1 {
		p.alone()
	} else {
		p.open()
		p.work(0)
		p.closeJob()
	}
	p.job = nil
	if err := p.err.Load(); err != nil {
		return *err
	}
	return nil
}

// open starts a new job and wakes who sleeps.
func (p *pool) open() {
	p.state.Store((p.state.Load()/jobNumber + 1) * jobNumber)
	for _, w := range p.workers[1:] {
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// closeJob lets no more workers in and waits for those inside.
func (p *pool) closeJob() {
	p.state.Or(jobClosed)
	for i := 0; p.state.Load()&(jobClosed-1) != 0; i++ {
		spin(i)
	}
}

// spin passes a moment of busy waiting; now and then it lets other goroutines run.
func spin(i int) {
	if i%64 == 63 {
		runtime.Gosched()
	} else {
		pause()
	}
}

// alone does all pieces in order.
func (p *pool) alone() {
	defer p.rescue()
	p.job.pieces(p.workers[0], 0, p.n)
}

// work does the pieces of a thread's own range, in order, so that it reads memory from
// end to end and the same in every step; then those that are left of others'.
func (p *pool) work(self int) {
	defer p.rescue()
	w, threads, number := p.workers[self], len(p.workers), p.state.Load()/jobNumber
	for k := range threads {
		other := (self + k) % threads
		from, to := p.share(p.n, other)
		for {
			i, n := p.workers[other].take(number, to-from)
			if n == 0 {
				break
			}
			p.job.pieces(w, from+i, from+i+n)
		}
	}
}

// share returns the range of n pieces that is a thread's own.
func (p *pool) share(n int64, self int) (from, to int64) {
	threads := int64(len(p.workers))
	return n * int64(self) / threads, n * int64(self+1) / threads
}

// take returns the next pieces of w's range of a job, which has n, and how many they are: half
// of what is left, as in guided self-scheduling (Polychronopoulos and Kuck, 1987). Memory waits
// for each exchange, so there are few; the last ones are of single pieces, so that all threads
// end together.
func (w *worker) take(job uint64, n int64) (first, some int64) {
	for {
		taken := w.taken.Load()
		next := int64(taken % jobNumber)
		if taken/jobNumber != job {
			next = 0
		}
		some = (n - next + 1) / 2
		if some == 0 || w.taken.CompareAndSwap(taken, job*jobNumber+uint64(next+some)) {
			return next, some
		}
	}
}

// rescue keeps the first panic.
func (p *pool) rescue() {
	if r := recover(); r != nil {
		err := fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		p.err.CompareAndSwap(nil, &err)
	}
}

// serve is the life of a worker.
func (p *pool) serve(self int) {
	defer p.stopped.Done()
	// Only on a machine of several nodes: to park and to be interrupted switch threads twice
	// when locked, which costs a busy server a tenth of its speed.
	if p.homes != nil {
		runtime.LockOSThread() // for good: the thread, bound now, ends with the worker
		p.homes[self].bind()
	}
	for w := p.workers[self]; ; {
		p.await(w)
		if !p.enter(w) {
			continue
		}
		quit := p.job == nil
		if !quit {
			p.work(self)
		}
		p.state.Add(^uint64(0))
		if quit {
			return
		}
	}
}

// ready reports whether a job that w has not seen is open.
func (p *pool) ready(w *worker) bool {
	s := p.state.Load()
	return s&jobClosed == 0 && s/jobNumber != w.jobSeen
}

// await returns when a new job may be open.
func (p *pool) await(w *worker) {
	start := time.Now()
	for i := 0; ; i++ {
		if p.ready(w) {
			return
		}
		if p.homes == nil {
			spin(i)
		} else {
			pause() // locked: it lets others run when it parks
		}
		if i%64 == 0 && time.Since(start) > spinTime {
			break
		}
	}
	w.parked.Store(true)
	if p.ready(w) && w.parked.CompareAndSwap(true, false) {
		return
	}
	<-w.wake
}

// enter joins the open job, if there still is one.
func (p *pool) enter(w *worker) bool {
	for {
		s := p.state.Load()
		if s&jobClosed != 0 {
			return false
		}
		if p.state.CompareAndSwap(s, s+1) {
			w.jobSeen = s / jobNumber
			return true
		}
	}
}

// stop ends the workers.
func (p *pool) stop() {
	p.job = nil
	if len(p.workers) > 1 {
		p.open()
		p.stopped.Wait()
	}
}

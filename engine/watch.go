package engine

import (
	"fmt"
	"time"
)

// lossFactor is how many stall timeouts a device has, at the least, once it seems to stand still.
const lossFactor = 6

// watchTicks is how often in a stall timeout the watch looks.
const watchTicks = 10

// loss tells of a device that no longer ends its steps: the engine's goroutine waits for it and
// can tell nobody.
type loss struct {
	known chan struct{} // closed: it is lost
	why   error         // written before
}

func newLoss() *loss { return &loss{known: make(chan struct{})} }

// watch gives up a device that does not end a step. Time counts only while the watch itself runs:
// a process that was stopped for an hour has not waited for an hour.
func (e *Engine) watch() {
	pause := max(e.stall/watchTicks, 1)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	overdue, lost := time.Duration(0), false
	for !lost {
		select {
		case <-e.done:
			return
		case <-tick.C:
			overdue, lost = e.look(overdue, pause)
		}
	}
}

// look returns how long a step has been overdue, pause longer than before, or 0. Once that is too
// long it fails everything, without the engine's goroutine, and reports that.
func (e *Engine) look(overdue, pause time.Duration) (time.Duration, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	still, stuck := e.pulse.stuck(time.Now(), e.stall)
	if !stuck || e.open == 0 || e.failed != nil {
		return 0, false
	}
	if overdue += pause; overdue < max(e.pulse.limit(e.stall), lossFactor*e.stall) {
		return overdue, false
	}
	e.failed = fmt.Errorf("%w: no step has ended for %v", ErrFailed, still.Round(time.Second))
	e.lost.why = e.failed
	close(e.lost.known)
	return overdue, true
}

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
	pause := e.stall / watchTicks
	tick := time.NewTicker(pause)
	defer tick.Stop()
	still := time.Duration(0)
	for {
		select {
		case <-e.done:
			return
		case <-tick.C:
		}
		if grace := e.overdue(); grace == 0 {
			still = 0
		} else if still += pause; still >= grace {
			e.lose()
			return
		}
	}
}

// overdue returns how much longer a step may take that took too long already; 0: none did.
func (e *Engine) overdue() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, stuck := e.pulse.stuck(time.Now(), e.stall); !stuck || e.open == 0 || e.failed != nil {
		return 0
	}
	return max(e.pulse.limit(e.stall), lossFactor*e.stall)
}

// lose fails everything, without the engine's goroutine.
func (e *Engine) lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	still, _ := e.pulse.stuck(time.Now(), e.stall)
	e.failed = fmt.Errorf("%w: no step has ended for %v", ErrFailed, still.Round(time.Second))
	e.lost.why = e.failed
	close(e.lost.known)
}

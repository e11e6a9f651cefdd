package server

import "sync"

// inFlight counts requests, until a shutdown lets no more in.
type inFlight struct {
	mu       sync.Mutex
	n        int
	draining chan struct{} // not nil: draining; closed: nothing in flight
}

// enter counts a request; false where none is let in.
func (f *inFlight) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining != nil {
		return false
	}
	f.n++
	return true
}

func (f *inFlight) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.draining != nil {
		close(f.draining)
	}
}

// drain lets nobody in any more and returns a channel that is closed once all left.
func (f *inFlight) drain() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.draining == nil {
		f.draining = make(chan struct{})
		if f.n == 0 {
			close(f.draining)
		}
	}
	return f.draining
}

// isDraining reports whether a shutdown began.
func (f *inFlight) isDraining() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.draining != nil
}

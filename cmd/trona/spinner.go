package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// spinner turns on a terminal while something takes its time; elsewhere it
// does nothing.
type spinner struct {
	out  io.Writer
	quit chan struct{}
	done sync.WaitGroup
	once sync.Once
}

func startSpinner(out io.Writer, label string) *spinner {
	s := &spinner{out: out, quit: make(chan struct{})}
	if moves(out) {
		s.done.Go(func() { s.turn(label) })
	}
	return s
}

func (s *spinner) turn(label string) {
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	tick := time.NewTicker(80 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		// A line that is longer than the terminal could not be written over.
		fmt.Fprintf(s.out, "\r%c %s\x1b[K", frames[i%len(frames)], fit(label, s.out, 3))
		select {
		case <-tick.C:
		case <-s.quit:
			fmt.Fprint(s.out, "\r\x1b[K")
			return
		}
	}
}

// stop removes the spinner. It may be called more than once.
func (s *spinner) stop() {
	s.once.Do(func() { close(s.quit) })
	s.done.Wait()
}

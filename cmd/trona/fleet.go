package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"trona/engine"
	"trona/server"
)

// loaded is a model that answers.
type loaded struct {
	model   *server.Model
	engine  *engine.Engine
	summary string // for a person: what it takes
}

// fleet are the models that answer in one process.
type fleet []*loaded

// closeGrace is for steps under way: one that hangs ends with the process.
const closeGrace = 2 * time.Second

// close ends the engines and frees the models.
func (f fleet) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for _, l := range f {
			// Nobody is left whom an error of freeing memory could help.
			_ = l.engine.Close()
		}
	}()
	select {
	case <-closed:
	case <-time.After(closeGrace):
	}
}

// failing says on log which engines fail for good, and returns a channel that gets why the last
// of them did.
func (f fleet) failing(log io.Writer) <-chan error {
	var left atomic.Int64
	left.Store(int64(len(f)))
	last := make(chan error, 1)
	for _, l := range f {
		go func() {
			err := l.engine.Wait()
			if err == nil {
				return
			}
			err = fmt.Errorf("%s: %w", l.model.Names[0], err)
			if left.Add(-1) == 0 {
				last <- err
				return
			}
			fmt.Fprintf(log, "trona: %s\n", oneLine(err))
		}()
	}
	return last
}

// models returns the models as the server sees them.
func (f fleet) models() []*server.Model {
	var list []*server.Model
	for _, l := range f {
		list = append(list, l.model)
	}
	return list
}

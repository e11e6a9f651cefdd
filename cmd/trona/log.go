package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Limits of a log that nobody reads.
const (
	logLines = 1024        // wait at most
	logGrace = time.Second // for those that wait at the end
)

// serverLog writes lines from a goroutine of its own: who reads stderr can stall, and must not
// stall requests. Lines for which there is no room are lost.
type serverLog struct {
	lines chan []byte // the nil line is the last
	lost  atomic.Int64
	loses chan struct{} // lost has grown
	ended chan struct{}
}

func newServerLog(out io.Writer) *serverLog {
	l := &serverLog{lines: make(chan []byte, logLines), loses: make(chan struct{}, 1), ended: make(chan struct{})}
	go l.copy(out)
	return l
}

// copy writes what comes. That out takes nothing must stop nobody. Those that wait are older
// than what was lost.
func (l *serverLog) copy(out io.Writer) {
	defer close(l.ended)
	for last := false; !last || len(l.lines) > 0; {
		select {
		case line := <-l.lines:
			if last = last || line == nil; line != nil {
				_, _ = out.Write(line)
			}
		case <-l.loses: // perhaps after the last line was written
		}
		if len(l.lines) > 0 {
			continue
		}
		if n := l.lost.Swap(0); n > 0 {
			fmt.Fprintf(out, "trona: %s lines of the log are lost, for stderr was not read\n", count(n))
		}
	}
}

// Write takes a line.
func (l *serverLog) Write(line []byte) (int, error) {
	select {
	case l.lines <- bytes.Clone(line):
	default:
		l.lost.Add(1)
		select {
		case l.loses <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

// close waits a moment for the lines that are on their way.
func (l *serverLog) close() {
	late := time.After(logGrace)
	select {
	case l.lines <- nil:
	case <-late:
		return
	}
	select {
	case <-l.ended:
	case <-late:
	}
}
